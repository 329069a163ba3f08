# One way to each thing a contributor does. `make` alone prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml README.md LICENSE $(shell find lbctl -name '*.py' -o -name py.typed)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A system package is installed without questions as root on Debian or Ubuntu; elsewhere its line is printed.
define system_package
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null
	else
		echo "missing: install it with: sudo apt-get install $(1)" >&2; exit 1
	fi
endef

$(VENV)/.made:
	@if [ -z "$(PYTHON)" ]; then
		$(call system_package,python3 python3-venv)
	fi
	py="$(PYTHON)"; py="$${py:-python3}"
	"$$py" -c 'import sys; sys.exit("lbctl needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	if ! "$$py" -c 'import ensurepip' 2>/dev/null; then
		$(call system_package,python3-venv)
	fi
	rm -rf $(VENV)
	"$$py" -m venv $(VENV)
	touch $@

$(VENV)/.deps: $(VENV)/.made requirements.lock
	@$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements.lock
	touch $@

# The wheel, not the tree: what users get, with its bytecode compiled, so that start-up figures are true.
$(VENV)/.installed: $(VENV)/.deps $(SOURCES)
	@rm -rf dist
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/pip install --quiet --no-deps --force-reinstall --compile dist/lbctl-*.whl
	touch $@

.PHONY: install dev lock lint docs test test-long demo bench
install: $(VENV)/.installed ## the built wheel into .venv
	@echo "lbctl is at $(BIN)/lbctl"

dev: $(VENV)/.deps ## an editable install into .venv
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.installed

lock: $(VENV)/.made ## write the two lock files anew from pyproject.toml
	@$(BIN)/pip install --quiet "uv>=0.9"
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--group dev --output-file requirements.lock pyproject.toml
	@# What runs, without the tools: for the Containerfile.
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--constraint requirements.lock --output-file requirements.runtime.lock pyproject.toml

lint: $(VENV)/.installed ## ruff, mypy --strict, the import contract
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.installed ## make the pages in docs/ anew from the code
	@$(BIN)/python -m tests.docs

# The control plane, and what the lab's network namespaces need; without root the lab's tests say what is missing.
.PHONY: bed
bed: $(VENV)/.installed
	@$(BIN)/python -m tests.testbed --build
	missing="$$($(BIN)/python -m tests.testbed --packages)"
	if [ -n "$$missing" ]; then
		($(call system_package,$$missing)) || echo "tests that need it are skipped" >&2
	fi

test: bed ## what a change must pass
	@$(BIN)/pytest -m "not long"

test-long: bed ## the minutes-long searches and storms
	@$(BIN)/pytest -m long --timeout=3000

demo: $(VENV)/.installed ## the story from <pending> to an address, in a few seconds, without a cluster
	@$(BIN)/lbctl demo

bench: $(VENV)/.installed ## figures beside their floors
	@$(BIN)/python -m tests.bench startup
	$(BIN)/python -m tests.bench allocator
	$(BIN)/python -m tests.bench assign
	$(BIN)/python -m tests.bench serve
	$(BIN)/python -m tests.bench failover
