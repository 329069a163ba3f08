"""From the command line to the pool file: how it is found, what cannot be read, exit codes, and what is said where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbctl.errors import PoolFileError
from lbctl.pools import PASTE, PoolFileMissing, find_pools, load_pools
from tests.stage import Said, stage

NO_KUBECONFIG = (
    "the cluster is left out: there is no kubeconfig: KUBECONFIG names /nowhere, and this is no pod with a service "
    "account\n"
)
GOOD = """\
pools:
- name: lan
  addresses: [192.0.2.0/28, 2001:db8::100/120]
  avoidBuggyIPs: true
  priority: 10
- {name: spare, addresses: [198.51.100.7], autoAssign: false}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in messages are as given, so each test works in a directory of its own."""
    monkeypatch.chdir(tmp_path)


def lbctl(*words: str) -> tuple[int, str, str]:
    """Run the installed lbctl here: exit code, stdout, stderr."""
    command = [str(Path(sys.executable).parent / "lbctl"), *words]
    env = {name: value for name, value in os.environ.items() if name != "LBCTL_POOLS"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_list_shows_what_each_pool_hands_out() -> None:
    """Counts are of addresses that a Service can get, and a table cuts no address."""
    Path("pools.yaml").write_text(GOOD)
    assert lbctl("pools", "list") == (
        0,
        "NAME    IPV4   IPV6   AUTO-ASSIGN   PRIORITY   FOR             ADDRESSES\n"
        "lan     15     256    true          10         every Service   192.0.2.0-192.0.2.15, "
        "2001:db8::100-2001:db8::1ff\n"
        "spare   1      0      false                    every Service   198.51.100.7\n",
        "",
    )


def test_check_says_that_a_file_is_right() -> None:
    """A script sees exit code 0, and one line on stdout where nothing in it is unwise."""
    with stage("pools:\n- {name: lan, addresses: [192.0.2.64/28, 2001:db8::100/120]}\n") as here:
        said = "./pools.yaml: 1 pool, 16 IPv4 and 256 IPv6 addresses, no errors\n"
        assert here.run("pools", "check") == Said(said, "", 0)


UNWISE = "pools:\n- name: lan\n  addresses: [192.0.2.0/28]\n  exclude: [192.0.2.0/31, 192.0.2.11]\n"


@pytest.mark.parametrize(("strict", "code"), [((), 0), (("--strict",), 1)])
def test_a_warning_is_an_error_only_when_strict(strict: tuple[str, ...], code: int) -> None:
    """The file is valid, so this is no 3."""
    error = "error: ./pools.yaml has 1 warning\nhint: without --strict they are no error\n"
    with stage(UNWISE) as here:
        assert here.run("pools", "check", *strict) == Said(
            "./pools.yaml:3:15: LB201 warning: pool lan: 192.0.2.5 is this machine's own\n"
            "  addresses: [192.0.2.0/28]\n"
            "              ^\n"
            "hint: exclude them, or take them off this machine\n\n"
            "./pools.yaml: 1 pool, 13 IPv4 and 0 IPv6 addresses, no errors, 1 warning\n",
            error if code else "",
            code,
        )


def test_a_note_is_never_an_error() -> None:
    """A router may well route the pool."""
    with stage("pools:\n- {name: far, addresses: [203.0.113.0/28]}\n") as here:
        said = here.run("pools", "check", "--strict")
        assert said.code == 0
        assert said.out.splitlines()[-1] == "./pools.yaml: 1 pool, 16 IPv4 and 0 IPv6 addresses, no errors, 1 note"


def test_without_a_cluster_its_part_is_left_out() -> None:
    """Whether nobody asked for one or there is none; that is said, and the machine is looked at all the same."""
    with stage("pools:\n- {name: lan, addresses: [192.0.2.11, 10.96.0.1]}\n") as here:
        assert "LB101" in here.run("pools", "check").out
        for words, environ, why in (
            (("--offline",), {}, "the cluster is left out (--offline)\n"),
            ((), {"KUBECONFIG": "/nowhere"}, NO_KUBECONFIG),
        ):
            assert here.run("pools", "check", *words, **environ) == Said(
                "./pools.yaml: 1 pool, 2 IPv4 and 0 IPv6 addresses, no errors\n", why, 0
            )


def test_a_cluster_that_is_named_and_out_of_reach_is_an_error() -> None:
    """It is not taken for none."""
    with stage() as here:
        config = (here.folder / "kubeconfig").read_text().replace(here.url, "http://127.0.0.1:1")
        here.write("kubeconfig", config)
        said = here.run("pools", "check")
        assert (said.out, said.code) == ("", 4)


@pytest.mark.parametrize("command", ["check", "list"])
def test_an_invalid_file_exits_3_with_every_error_on_stderr(command: str) -> None:
    """Nothing on stdout, every error on stderr, each line as PATH:LINE:COLUMN with the path as given."""
    Path("lan.yaml").write_text("pools:\n- {name: lan, adresses: [192.0.2.1]}\n")
    assert lbctl("pools", command, "--pools", "./lan.yaml") == (
        3,
        "",
        "error: ./lan.yaml has 2 errors\n\n"
        "./lan.yaml:2:3: the pool has no addresses\n"
        "- {name: lan, adresses: [192.0.2.1]}\n"
        "  ^\n"
        "hint: add addresses: [192.0.2.200-192.0.2.220]\n\n"
        "./lan.yaml:2:15: unknown key 'adresses' in a pool\n"
        "- {name: lan, adresses: [192.0.2.1]}\n"
        "              ^\n"
        "hint: did you mean addresses?\n",
    )


def test_a_missing_file_exits_3() -> None:
    """A file named and not there is an error, even where another could be found."""
    Path("pools.yaml").write_text(GOOD)
    expected = f"error: lan.yaml: there is no such file\nhint: write it; a pool file is at least:\n{PASTE}\n"
    assert lbctl("pools", "check", "--pools", "lan.yaml") == (3, "", expected)


def test_a_directory_exits_3() -> None:
    """A directory is named as one."""
    Path("lan").mkdir()
    expected = "error: lan is a directory\nhint: name the file in it, such as lan/pools.yaml\n"
    assert lbctl("pools", "check", "--pools", "lan") == (3, "", expected)


def test_an_empty_file_exits_3() -> None:
    """An empty file is no pool file without pools: it is told what to write."""
    Path("pools.yaml").touch()
    assert lbctl("pools", "check") == (
        3,
        "",
        "error: ./pools.yaml has 1 error\n\n"
        f"./pools.yaml:1:1: the file is empty\nhint: a pool file is at least:\n{PASTE}\n",
    )


def test_the_first_pool_file_found_is_used() -> None:
    """--pools goes before LBCTL_POOLS, that before the usual places, in their order."""
    home = Path.cwd() / "home"
    places = [Path("pools.yaml"), home / ".config/lbctl/pools.yaml"]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    assert find_pools("flag", {"LBCTL_POOLS": "env"}, home) == "flag"
    assert find_pools(None, {"LBCTL_POOLS": "env"}, home) == "env"
    assert find_pools(None, {}, home) == "./pools.yaml"
    places[0].unlink()
    assert find_pools(None, {}, home) == str(places[1])
    places[1].rename(home / "pools.yaml")
    (home / "lbctl").mkdir()
    (home / "pools.yaml").rename(home / "lbctl/pools.yaml")
    assert find_pools(None, {"XDG_CONFIG_HOME": str(home)}, home) == f"{home}/lbctl/pools.yaml"


def test_a_place_where_this_user_may_not_look_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """And told of."""
    there = Path.is_file

    def is_file(path: Path) -> bool:
        if "closed" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return there(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    with pytest.raises(PoolFileMissing) as caught:
        find_pools(None, {"XDG_CONFIG_HOME": "/closed"}, Path("/nowhere"))
    assert caught.value.message == (
        "no pool file: looked in ./pools.yaml, /closed/lbctl/pools.yaml (this user may not look there), "
        "/etc/lbctl/pools.yaml"
    )


def test_without_a_pool_file_the_places_and_lines_to_paste_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer learns where lbctl looked and what to write."""
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(PoolFileError) as error:
        find_pools(None, {}, Path("/nowhere"))
    assert error.value.message == (
        "no pool file: looked in ./pools.yaml, /nowhere/.config/lbctl/pools.yaml, /etc/lbctl/pools.yaml"
    )
    assert error.value.hint == f"write ./pools.yaml:\n{PASTE}"


@pytest.mark.parametrize(
    ("raised", "message", "hint"),
    [
        (FileNotFoundError(), "lan.yaml: there is no such file", f"write it; a pool file is at least:\n{PASTE}"),
        (IsADirectoryError(), "lan.yaml is a directory", "name the file in it, such as lan.yaml/pools.yaml"),
        (PermissionError(), "lan.yaml may not be read by this user", "ls -l lan.yaml shows who may"),
        (
            OSError(5, "Input/output error"),
            "lan.yaml cannot be read: Input/output error",
            "name another file with --pools",
        ),
    ],
    ids=["missing", "directory", "permission", "other"],
)
def test_a_file_that_cannot_be_read_says_why(
    monkeypatch: pytest.MonkeyPatch, raised: OSError, message: str, hint: str
) -> None:
    """The operating system's refusals are sentences too (raised here, for root may read everything)."""

    def refuse(_: Path) -> bytes:
        raise raised

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PoolFileError) as error:
        load_pools("lan.yaml")
    assert (error.value.message, error.value.hint, error.value.exit_code) == (message, hint, 3)
