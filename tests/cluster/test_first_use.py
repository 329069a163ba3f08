"""A cluster that lbctl has never seen: its namespace is made where the user may, and said; else the line is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import at_terminal, environment
from tests.conftest import started
from tests.testbed.driver import SERVICES, Bed, service

pytestmark = pytest.mark.cluster

RULES = "services,services/status,nodes,configmaps"


@pytest.fixture(scope="module")
def fresh() -> Iterator[Bed]:
    """A control plane without lbctl-system, and a pending Service; jane may do all that lbctl does but make it."""
    with started(Bed) as bed:
        bed.controllers.start()
        bed.kubectl("delete", "namespace", "lbctl-system")
        bed.kubectl("create", "clusterrole", "jane", "--verb=get,list,patch,create,update", f"--resource={RULES}")
        bed.kubectl("create", "clusterrolebinding", "jane", "--clusterrole=jane", "--user=jane")
        assert bed.admin.request("POST", SERVICES, service("web"))[0] == 201
        yield bed


def _assign(bed: Bed, folder: Path, *flags: str) -> tuple[str, str, int]:
    """Run `lbctl assign web` as admin, or as whom the flags say."""
    config = folder / "kubeconfig"
    config.write_text(bed.kubeconfig_for(bed.url).replace("token: lbctl", "token: admin"))
    pools = folder / "pools.yaml"
    pools.write_text("pools:\n- {name: lan, addresses: [192.0.2.1]}\n")
    return bed.run("assign", "web", f"--pools={pools}", *flags, kubeconfig=config)


def test_who_may_not_make_the_namespace_is_told_how_then_who_may_makes_it(fresh: Bed, tmp_path: Path) -> None:
    """The refusal leaves nothing behind; the one who makes it is told so on stderr, once."""
    assert _assign(fresh, tmp_path, "--as=jane") == (
        "",
        "error: the namespace lbctl-system, which holds lbctl's claims, does not exist and you may not create it\n"
        "hint: kubectl create namespace lbctl-system\n",
        4,
    )
    assert fresh.shown() == {"web": []}
    said = "made the namespace lbctl-system, which holds lbctl's claims\n"
    assert _assign(fresh, tmp_path) == ("default/web 192.0.2.1 (Assigned)\n", said, 0)
    assert fresh.held() == fresh.shown() == {"web": ["192.0.2.1"]}
    assert _assign(fresh, tmp_path, "--as=jane") == ("default/web 192.0.2.1 (Assigned)\n", "", 0)


def test_serve_makes_it_too(fresh: Bed, tmp_path: Path) -> None:
    """Its Lease is in it; nobody need assign by hand first."""
    fresh.kubectl("delete", "namespace", "lbctl-system", "--ignore-not-found")
    assert fresh.admin.request("POST", SERVICES, service("late"))[0] == 201
    config, pools = tmp_path / "kubeconfig", tmp_path / "pools.yaml"
    config.write_text(fresh.kubeconfig_for(fresh.url).replace("token: lbctl", "token: admin"))
    pools.write_text("pools:\n- {name: lan, addresses: [192.0.2.1, 192.0.2.2]}\n")
    seen, code = at_terminal(environment(config, pools), "serve", "--listen=off", enough="service=default/late")
    assert code == 0, seen
    assert "info: made the namespace lbctl-system, which holds lbctl's claims\n" in seen
    assert fresh.shown()["late"] != []
