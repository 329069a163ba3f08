"""Everything that lbctl prints, held to files that a person has read: tests/cli/golden.

UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py writes them anew; read the difference before you commit it. The JSON
documents among them are held to docs/documents.schema.json too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lbctl.reasons import Reason
from tests.cli.village import (
    adopted,
    announced,
    assigned,
    changed,
    crowded,
    elsewhere,
    lost,
    nothing,
    pending,
    spent,
    theirs,
)
from tests.stage import Stage, stage

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).with_name("golden")
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "documents.schema.json").read_text())


@dataclass(frozen=True, slots=True)
class Case:
    """A command line, and the cluster that it meets."""

    line: str
    scene: Callable[[Stage], None] = pending

    @property
    def words(self) -> list[str]:
        """The words after `lbctl`."""
        return self.line.split()


CASES = {
    "list": Case("list"),
    "list-namespace": Case("list -n prod"),
    "list-wide": Case("list -o wide"),
    "list-name": Case("list -o name"),
    "list-json": Case("list -o json"),
    "list-yaml": Case("list -o yaml"),
    "list-all": Case("list -a", assigned),
    "list-all-wide": Case("list -a -o wide", assigned),
    "list-all-json": Case("list -a -o json", assigned),
    "list-without-pools": Case("list --pools none.yaml"),
    "list-nothing": Case("list -n default", nothing),
    "assign-all": Case("assign --all"),
    "assign-all-dry-run": Case("assign --all --dry-run"),
    "assign-all-json": Case("assign --all -o json"),
    "assign-all-name": Case("assign --all -o name"),
    "assign-all-again": Case("assign --all", assigned),
    "assign-one": Case("assign dual"),
    "assign-one-again": Case("assign dual", assigned),
    "assign-dry-run-json": Case("assign prod/web --dry-run -o json"),
    "assign-server-dry-run": Case("assign prod/web --dry-run=server"),
    "assign-move": Case("assign late --ip 192.0.2.219", assigned),
    "assign-move-json": Case("assign late --ip 192.0.2.219 -o json", assigned),
    "assign-refused": Case("assign outside misspelt unreadable foreign hosted classy inside nowhere"),
    "assign-refused-json": Case("assign outside misspelt unreadable foreign hosted classy inside nowhere -o json"),
    "release": Case("release dual", assigned),
    "release-json": Case("release dual -o json", assigned),
    "release-dry-run": Case("release dual --dry-run", assigned),
    "release-refused": Case("release foreign hosted parked nowhere", assigned),
    "explain-pending": Case("explain dual"),
    "explain-pending-json": Case("explain dual -o json"),
    "explain-assigned": Case("explain dual", assigned),
    "explain-assigned-json": Case("explain dual -o json", assigned),
    "explain-assigned-yaml": Case("explain dual -o yaml", assigned),
    "explain-refused": Case("explain misspelt"),
    "explain-foreign": Case("explain hosted"),
    "explain-parked": Case("explain parked", assigned),
    "explain-nowhere": Case("explain nowhere"),
    "explain-out-of-scope": Case("explain inside"),
    "explain-class": Case("explain classy"),
    "explain-shared": Case("explain mail", crowded),
    "explain-shared-json": Case("explain mail -o json", crowded),
    "explain-taken": Case("explain taken", crowded),
    "explain-reserved": Case("explain kept", crowded),
    "explain-full": Case("explain full", crowded),
    "explain-announced": Case("explain dual", announced),
    "explain-announced-json": Case("explain dual -o json", announced),
    "status": Case("status", announced),
    "status-namespace": Case("status -n prod", announced),
    "status-nothing": Case("status"),
    "announce-drain": Case("arp-announce --simulate-drain n1", announced),
    "announce-drain-nothing": Case("arp-announce --simulate-drain n3", announced),
    "announce-drain-nowhere": Case("arp-announce --simulate-drain n9", announced),
    "announce-without-pools": Case("arp-announce --pools none.yaml"),
    "announce-nowhere": Case("arp-announce --node-name n9", announced),
    "announce-usage-force": Case("arp-announce --force"),
    "announce-usage-drain": Case("arp-announce 192.0.2.240 --simulate-drain n1"),
    "announce-usage-address": Case("arp-announce 192.0.2.256"),
    "announce-usage-listen": Case("arp-announce --listen here", announced),
    "claims-list": Case("claims list", assigned),
    "claims-list-json": Case("claims list -o json", assigned),
    "claims-list-nothing": Case("claims list"),
    "claims-show": Case("claims show 2001:db8::10", assigned),
    "claims-show-parked": Case("claims show 192.0.2.204", assigned),
    "claims-show-json": Case("claims show 192.0.2.201 -o json", assigned),
    "claims-show-nothing": Case("claims show 192.0.2.220", assigned),
    "claims-show-usage": Case("claims show 192.0.2.256"),
    "claims-repair": Case("claims repair", lost),
    "claims-repair-dry-run": Case("claims repair --dry-run", lost),
    "claims-repair-nothing": Case("claims repair", assigned),
    "claims-prune": Case("claims prune", spent),
    "claims-prune-dry-run": Case("claims prune --dry-run", spent),
    "claims-prune-now": Case("claims prune --now", spent),
    "claims-prune-nothing": Case("claims prune"),
    "adopt-all": Case("adopt --all --from metallb", theirs),
    "adopt-all-json": Case("adopt --all --from metallb -o json", theirs),
    "adopt-all-again": Case("adopt --all --from metallb", adopted),
    "adopt-dry-run": Case("adopt web --from metallb --dry-run", theirs),
    "adopt-server-dry-run": Case("adopt web --from metallb --dry-run=server", theirs),
    "adopt-named": Case("adopt unmarked pending nowhere --from metallb", theirs),
    "adopt-any": Case("adopt unmarked --from any -o name", theirs),
    "adopt-others": Case("adopt --all --from cilium", theirs),
    "adopt-usage": Case("adopt --all"),
    "adopt-usage-nothing": Case("adopt --from any"),
    "assign-all-adopted": Case("assign --all", adopted),
    "pools-list": Case("pools list"),
    "pools-list-json": Case("pools list -o json"),
    "pools-show": Case("pools show lan", assigned),
    "pools-show-json": Case("pools show lan -o json", assigned),
    "pools-show-nothing": Case("pools show lam"),
    "pools-list-wide": Case("pools list -o wide", crowded),
    "pools-list-name": Case("pools list -o name", crowded),
    "pools-list-rules": Case("pools list", crowded),
    "pools-list-rules-json": Case("pools list -o json", crowded),
    "pools-show-rules": Case("pools show lab", crowded),
    "pools-diff": Case("pools diff wider.yaml", changed),
    "pools-diff-json": Case("pools diff wider.yaml -o json", changed),
    "pools-diff-narrow": Case("pools diff narrow.yaml", changed),
    "pools-diff-class": Case("pools diff class.yaml", changed),
    "pools-diff-same": Case("pools diff same.yaml", changed),
    "pools-diff-back": Case("pools diff pools.yaml --pools wider.yaml", changed),
    "pools-diff-offline": Case("pools diff wider.yaml --offline", changed),
    "pools-diff-offline-json": Case("pools diff wider.yaml --offline -q -o json", changed),
    "pools-diff-broken": Case("pools diff broken.yaml", changed),
    "pools-diff-nowhere": Case("pools diff none.yaml"),
    "pools-check": Case("pools check"),
    "pools-check-offline": Case("pools check --offline --strict"),
    "pools-import": Case("pools import others.yaml", elsewhere),
    "pools-import-quiet": Case("pools import others.yaml -q -o new.yaml", elsewhere),
    "pools-import-over": Case("pools import others.yaml -q -o pools.yaml", elsewhere),
    "pools-import-nothing": Case("pools import nothing.yaml", elsewhere),
    "pools-import-broken": Case("pools import broken.yaml", elsewhere),
    "pools-import-nowhere": Case("pools import none.yaml"),
    "pools-import-cluster": Case("pools import --from-cluster"),
    "pools-import-usage": Case("pools import"),
    "usage-flag": Case("list --everything"),
    "usage-command": Case("lsit"),
    "usage-both": Case("assign web --all"),
    "usage-nothing": Case("assign"),
    "usage-ip": Case("assign web --ip 192.0.2.300"),
    "no-pool-file": Case("pools list --pools none.yaml"),
    "no-context": Case("list --context nowhere"),
}


@pytest.fixture(scope="module")
def said() -> dict[str, tuple[str, int]]:
    """What each case printed on stdout, and its exit code, for the tests that look into it."""
    return {}


@pytest.mark.parametrize("name", CASES)
def test_it_prints_what_the_golden_file_has(name: str, said: dict[str, tuple[str, int]]) -> None:
    """stdout, stderr and exit code, to the letter."""
    case, path = CASES[name], GOLDEN / f"{name}.txt"
    with stage() as here:
        case.scene(here)
        got = here.run(*case.words)
    said[name] = (got.out, got.code)
    text = f"$ lbctl {case.line}\n{got}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_golden_file_has_its_case() -> None:
    """None is left over from a case that is gone."""
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


def _document(name: str) -> Any:
    """The document that a golden file shows."""
    out = (GOLDEN / f"{name}.txt").read_text().partition("\n")[2].partition("--- ")[0]
    return yaml.safe_load(out) if CASES[name].line.endswith("yaml") else json.loads(out)


DOCUMENTS = [name for name, case in CASES.items() if case.line.endswith(("-o json", "-o yaml"))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_as_its_schema_says(name: str) -> None:
    """The kind's own definition takes it, and no other kind's does."""
    document = _document(name)
    jsonschema.Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{document['kind']}"}]}).validate(document)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)


def test_the_schema_is_one() -> None:
    """It is valid itself, every kind in it is printed by some case, and it knows the reasons there are."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    kinds = {kind for kind, definition in SCHEMA["$defs"].items() if "kind" in definition.get("properties", ())}
    assert {_document(name)["kind"] for name in DOCUMENTS} == kinds
    assert [ref["$ref"] for ref in SCHEMA["oneOf"]] == [f"#/$defs/{kind}" for kind in SCHEMA["$defs"] if kind in kinds]
    assert SCHEMA["$defs"]["reason"]["enum"] == [reason.name for reason in Reason]


def test_nothing_but_what_the_schema_says() -> None:
    """A field that it does not name, or one that is missing, is an error: that is what holds lbctl to it."""
    document = _document("list-all-json")
    for broken in (
        {**document, "more": 1},
        {**document, "items": [{**document["items"][0], "more": 1}]},
        {**document, "items": [{k: v for k, v in document["items"][0].items() if k != "uid"}]},
        {**document, "items": [{**document["items"][0], "reason": "Because"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(SCHEMA).validate(broken)


@pytest.mark.parametrize(
    ("one", "other"), [("list-json", "list-yaml"), ("explain-assigned-json", "explain-assigned-yaml")]
)
def test_json_and_yaml_are_one_document(one: str, other: str) -> None:
    """Neither says more than the other; times stay text in YAML."""
    assert _document(one) == _document(other)
