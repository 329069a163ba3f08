"""lbctl pools diff as scripts use it: exit codes as those of `kubectl diff`, stdin, and nothing written anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Desk
from tests.cli.terminal import environment, run
from tests.stage import POOLS, stage
from tests.unit.loopback import kubeconfig

NARROW = "pools:\n- name: lan\n  addresses: [192.0.2.202-192.0.2.220]\n"
ALONE = "only the files are compared: there is no kubeconfig: "


@pytest.fixture
def new(desk: Desk) -> str:
    """A changed pool file."""
    path = desk.pools.with_name("new.yaml")
    path.write_text(NARROW)
    return str(path)


def test_what_it_shows_is_what_the_commands_do(desk: Desk, new: str) -> None:
    """MOVES is what --reassign does, and until then nobody moves (promise 6)."""
    desk.create("web")
    desk.create("asks", ask="192.0.2.201")
    desk.run("assign", "--all")
    out, err, code = desk.run("pools", "diff", new, "-o", "json")
    assert (err, code) == ("", 1)
    fates = {f["name"]: f for f in json.loads(out)["services"]}
    assert {n: (f["effect"], f["then"], f["outside"]) for n, f in fates.items()} == {
        "web": ("moves", ["192.0.2.202"], True),
        "asks": ("stays", ["192.0.2.201"], True),
    }
    desk.run("assign", "--all", "--pools", new)
    assert desk.shown() == {"web": ["192.0.2.200"], "asks": ["192.0.2.201"]}
    desk.run("assign", "--all", "--reassign", "--pools", new)
    assert desk.shown() == {name: fate["then"] for name, fate in fates.items()}


def test_nothing_is_written() -> None:
    """Not even the namespace of the claims."""
    with stage() as here:
        here.service("web")
        here.write("new.yaml", NARROW)
        before = here.api.get("/api/v1/services"), here.api.get("/api/v1/namespaces")
        assert here.run("pools", "diff", "new.yaml").code == 1
        assert (here.api.get("/api/v1/services"), here.api.get("/api/v1/namespaces")) == before


def test_stdin_is_read(desk: Desk) -> None:
    """So that what `pools import` prints can be held against what is used, without a file of its own."""
    env = environment(desk.kubeconfig, desk.pools)
    assert run(env, "pools", "diff", "-", stdin=desk.pools.read_text()) == ("nothing changes\n", "", 0)
    out, err, code = run(env, "pools", "diff", "-", stdin="pools: []\n")
    assert (out, code) == ("", 3)
    assert err.startswith("error: stdin has 1 error\n\nstdin:1:8: pools is an empty list\n")


def test_without_a_cluster_the_files_are_compared(tmp_path: Path, desk: Desk, new: str) -> None:
    """And that is said; but a kubeconfig that is named and is not there is an error."""
    env = environment(tmp_path / "none", desk.pools, HOME=str(tmp_path))
    out, err, code = run(env, "pools", "diff", new)
    assert (err.startswith(ALONE), code) == (True, 1), err
    assert "pool lan is changed" in out
    assert "FREE" not in out
    assert run(env, "pools", "diff", str(desk.pools), "-q") == ("nothing changes\n", "", 0)
    assert run(env, "pools", "diff", new, "--kubeconfig", str(tmp_path / "none"))[2] == 4


def test_a_cluster_out_of_reach_is_an_error(tmp_path: Path, desk: Desk, new: str) -> None:
    """Exit code 4, never the 1 of a difference."""
    config = kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    out, err, code = run(environment(config, desk.pools), "pools", "diff", new)
    assert (out, code) == ("", 4)
    assert err.startswith("error: ")
    assert run(environment(config, desk.pools), "pools", "diff", new, "--offline")[2] == 1


def test_a_broken_file_is_told_before_the_cluster_is_asked(tmp_path: Path, desk: Desk, new: str) -> None:
    """The old one or the new one: exit code 3 with the place."""
    broken = tmp_path / "broken.yaml"
    broken.write_text("pools:\n- name: lan\n  addresses: [192.0.2.0/33]\n")
    for words in ((str(broken),), (new, "--pools", str(broken))):
        out, err, code = run(environment(tmp_path / "none", desk.pools), "pools", "diff", *words)
        assert (out, code) == ("", 3)
        assert f"{broken}:3:15: " in err


def test_labels_of_namespaces_are_asked_for_by_either_file(desk: Desk) -> None:
    """A namespaceSelector that is only in the new file works as it will."""
    desk.create("web")
    only = POOLS.replace("- name: public\n", "- name: public\n  namespaceSelector: {matchLabels: {%s}}\n")
    wide = only.replace("autoAssign: false", "autoAssign: true").replace(
        "- name: lan\n", "- name: lan\n  disabled: true\n"
    )
    for label, effect in (
        ("kubernetes.io/metadata.name: default", "other"),
        ("kubernetes.io/metadata.name: x", "refused"),
    ):
        new = desk.pools.with_name("labels.yaml")
        new.write_text(wide % label)
        out, _, code = desk.run("pools", "diff", str(new), "-o", "json")
        assert code == 1
        assert [f["effect"] for f in json.loads(out)["services"]] == [effect]
