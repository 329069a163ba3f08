"""A cluster that cannot be asked: every command ends in time, with one sentence, a hint and exit code 4."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.cli.terminal import environment, run
from tests.unit.loopback import Reply, hang_up, http, kubeconfig, loopback, silence

COMMANDS = (
    ("list",),
    ("list", "-o", "json"),
    ("assign", "default/web"),
    ("assign", "--all", "--dry-run"),
    ("release", "default/web"),
    ("explain", "default/web"),
    ("pools", "show", "lan"),
    ("claims", "list"),
    ("claims", "show", "192.0.2.200"),
)


SERVERS: dict[str, tuple[Reply, str]] = {
    "hangs": (silence, "error: the API server at {url} did not answer within 1 s\n"),
    "hangs up": (
        hang_up,
        "error: the connection to the API server at {url} broke off before the answer was whole\n",
    ),
    "answers garbage": (http(200, b"<html>It works!</html>"), "error: "),
    "answers with something else": (http(200, {"kind": "Fish", "apiVersion": "v1"}), "error: "),
    "speaks no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "error: what answers at {url} does not speak HTTP\n"),
}


@pytest.fixture
def pools(tmp_path: Path) -> Path:
    """A pool file."""
    path = tmp_path / "pools.yaml"
    path.write_text("pools:\n- name: lan\n  addresses: [192.0.2.200-192.0.2.220]\n")
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", SERVERS)
def test_every_command_ends_in_time_with_one_sentence(
    tmp_path: Path, pools: Path, words: tuple[str, ...], kind: str
) -> None:
    """Whatever stands where the API server should: exit code 4 within --request-timeout, nothing on stdout."""
    reply, said = SERVERS[kind]
    with loopback(reply) as server:
        env = environment(kubeconfig(tmp_path / "config", server.url), pools)
        began = time.monotonic()
        out, err, code = run(env, *words, "--request-timeout=1s")
        took = time.monotonic() - began
    lines = err.splitlines()
    assert (out, code) == ("", 4), err
    assert err.startswith(said.format(url=server.url)), err
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert took < 1 + 3, "a second for the request, and some for a busy machine to start Python"


def test_refused_connection(tmp_path: Path, pools: Path) -> None:
    """A cluster that is down is named, at once."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    env = environment(kubeconfig(tmp_path / "config", url), pools)
    for words in COMMANDS:
        assert run(env, *words)[1:] == (
            f"error: the API server at {url} refuses connections\n"
            "hint: see whether the cluster is up, and whether this is its address "
            f"(the server in {tmp_path}/config)\n",
            4,
        )


def test_a_broken_pool_file_is_told_before_the_cluster_is_asked(tmp_path: Path) -> None:
    """Exit code 3 where pools are needed, with the place; list, too, does not pass over a file that is wrong."""
    pools = tmp_path / "pools.yaml"
    pools.write_text("pools:\n- name: lan\n  addresses: [192.0.2.0/33]\n")
    env = environment(kubeconfig(tmp_path / "config", "http://127.0.0.1:1"), pools)
    for words in (("list",), ("assign", "--all"), ("explain", "web"), ("pools", "list"), ("pools", "show", "lan")):
        out, err, code = run(env, *words)
        assert (out, code) == ("", 3)
        assert f"{pools}:3:15: " in err
    for words in (("release", "web"), ("claims", "list")):
        assert run(env, *words)[2] == 4
