"""The files in examples/: each says what it should to the programs it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.stage import stage

SERVICES = "/api/v1/namespaces/default/services"
EXAMPLES = Path(__file__).parents[2] / "examples"
POOLS = sorted((EXAMPLES / "pools").glob("*.yaml"))


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.name)
def test_a_pool_file_is_without_errors(path: Path) -> None:
    """`lbctl pools check` finds nothing but notes, and `pools list` shows each pool."""
    with stage() as here:
        check = here.run("pools", "check", "--pools", str(path), "--strict")
        assert (check.code, check.err) == (0, "")
        assert ", no errors" in check.out.splitlines()[-1]
        listed = here.run("pools", "list", "--pools", str(path))
        assert len(listed.out.splitlines()) == 1 + len(yaml.safe_load(path.read_text())["pools"])


def test_there_are_pool_files() -> None:
    """An empty list of cases would pass in silence."""
    assert {path.name for path in POOLS} >= {"simple.yaml", "dual-stack.yaml", "everything.yaml"}


def test_the_service_of_the_article_gets_an_address() -> None:
    """examples/test-svc-1.yaml and examples/pools/simple.yaml go together."""
    with stage() as here:
        body = yaml.safe_load((EXAMPLES / "test-svc-1.yaml").read_text())
        status, answer = here.api.request("POST", SERVICES, body)
        assert status == 201, answer
        said = here.run("assign", "test-svc-1", "--pools", str(EXAMPLES / "pools" / "simple.yaml"))
        assert str(said) == "default/test-svc-1 192.0.2.200 (Assigned)\n"
