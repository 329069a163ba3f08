"""Completion as the shells ask for it: commands, flags, Services and pools; silent and quick when there are none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Desk
from tests.cli.terminal import LBCTL, environment, run
from tests.unit.loopback import kubeconfig, loopback, silence

BIN = str(Path(LBCTL).parent)
SHELLS = ("bash", "zsh", "fish")


def asked(env: dict[str, str], line: str, shell: str = "bash") -> list[str]:
    """What the shell's script is told for a line with the cursor at its end, without the help; nothing on stderr."""
    more = {"_LBCTL_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line}
    more |= {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run([LBCTL], env={**env, **more}, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    if shell == "zsh":
        return done.stdout.replace('"', " ").split()
    return [piece.split("\t")[0] for piece in done.stdout.split("\n") if piece]


def by_kubectl(env: dict[str, str], *words: str) -> list[str]:
    """What kubectl is told; the last line is a directive of its own."""
    command = [f"{BIN}/kubectl_complete-lbctl", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    *lines, directive = done.stdout.splitlines()
    assert directive == ":4", "no file names"
    return [line.split("\t")[0] for line in lines]


@pytest.fixture
def env(desk: Desk) -> dict[str, str]:
    """A user's environment, with three Services and two pools about."""
    desk.create("web")
    desk.create("api")
    desk.create("inside", kind="ClusterIP")
    desk.pools.write_text(
        "pools:\n- name: lan\n  addresses: [192.0.2.200/29]\n- name: public\n  addresses: [203.0.113.16/29]\n"
    )
    return environment(desk.kubeconfig, desk.pools)


LINES = {
    "lbctl as": ["assign"],
    "lbctl pools sh": ["show"],
    "lbctl pools d": ["diff"],
    "lbctl assign --po": ["--pool", "--pools"],
    "lbctl list -o ": ["wide", "json", "yaml", "name"],
    "lbctl completion ": ["bash", "zsh", "fish"],
    "lbctl assign ": ["default/api", "default/web"],
    "lbctl assign default/w": ["default/web"],
    "lbctl assign -n default ": ["api", "web"],
    "lbctl assign -n elsewhere ": [],
    "lbctl explain ": ["default/api", "default/web"],
    "lbctl release ": ["default/api", "default/web"],
    "lbctl assign web --pool ": ["lan", "public"],
    "lbctl pools show p": ["public"],
    "lbctl assign --dry-run ": ["default/api", "default/web"],
    "lbctl assign --dry-run default/a": ["default/api"],
    "lbctl assign --dry-run=s": ["server"],
}


@pytest.mark.parametrize("line", LINES)
def test_what_is_offered(env: dict[str, str], line: str) -> None:
    """Commands, flags, values, live Services of type LoadBalancer, and pools."""
    assert asked(env, line) == LINES[line]


@pytest.mark.parametrize("line", ["lbctl assign ", "lbctl pools show p", "lbctl assign --dry-run default/a"])
def test_kubectl_is_told_the_same(env: dict[str, str], line: str) -> None:
    """In a form of its own."""
    assert by_kubectl(env, *line.split(" ")[1:]) == LINES[line]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_told(env: dict[str, str], shell: str) -> None:
    """Each in its own way."""
    told = asked(env, "lbctl assign ", shell)
    assert {"default/api", "default/web"} <= set(told)
    assert "default/inside" not in told


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(env: dict[str, str], shell: str) -> None:
    """It is for that shell, and all it calls is lbctl."""
    out, err, code = run(env, "completion", shell)
    assert (err, code) == ("", 0)
    assert f"_LBCTL_COMPLETE=complete_{shell}" in out
    assert "python" not in out


def test_another_shell(env: dict[str, str]) -> None:
    """There is a sentence that names those there are."""
    said = "error: Invalid value for 'bash|zsh|fish': 'tcsh' is not one of 'bash', 'zsh', 'fish'\n"
    assert run(env, "completion", "tcsh") == ("", f"{said}hint: lbctl completion -h\n", 2)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_reads_the_script(env: dict[str, str], shell: str) -> None:
    """No syntax error in it."""
    if shutil.which(shell) is None:
        pytest.skip(f"NOT RUN: there is no {shell} here")
    script = run(env, "completion", shell)[0]
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_bash_completes(env: dict[str, str]) -> None:
    """The whole way: the script is sourced, and its function called as bash does when Tab is pressed."""
    script = """
        source <(lbctl completion bash)
        complete -p lbctl >&2
        COMP_WORDS=(lbctl assign default/w) COMP_CWORD=2
        _lbctl_completion lbctl
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = {"PATH": f"{BIN}{os.pathsep}{env['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env={**env, **path}, capture_output=True, text=True, check=False)
    assert done.stdout == "default/web\n"
    assert "-F _lbctl_completion lbctl" in done.stderr


def test_kubectl_completes_and_runs_the_plugin(env: dict[str, str]) -> None:
    """`kubectl lbctl` is lbctl, calls itself so, and kubectl's own completion knows it."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("NOT RUN: there is no kubectl here")
    env = {**env, "PATH": f"{BIN}{os.pathsep}{env['PATH']}"}

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([kubectl, *words], env=env, capture_output=True, text=True, timeout=30, check=False)

    assert ask("lbctl", "list", "-o", "name").stdout == "default/api\ndefault/web\n"
    assert ask("__complete", "lbctl", "assign", "default/w").stdout.splitlines()[0] == "default/web"
    assert ask("lbctl", "list", "-h").stdout.startswith("Usage: kubectl lbctl list ")
    assert ask("lbctl", "list", "--nonsense").stderr.endswith("hint: kubectl lbctl list -h\n")


def test_the_plugin_without_kubectl(env: dict[str, str]) -> None:
    """Its usage line says how it was called."""
    done = subprocess.run([f"{BIN}/kubectl-lbctl", "assign", "-h"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: kubectl lbctl assign ")


def _away(env: dict[str, str], config: Path) -> float:
    """How much longer than a completion that asks no cluster it takes to find no Services."""
    env = {**env, "KUBECONFIG": str(config)}
    began = time.monotonic()
    assert asked(env, "lbctl as") == ["assign"]
    usual = time.monotonic() - began
    began = time.monotonic()
    assert asked(env, "lbctl assign ") == []
    took = time.monotonic() - began
    assert by_kubectl(env, "assign", "") == []
    return took - usual


def test_a_cluster_that_is_down(env: dict[str, str], tmp_path: Path) -> None:
    """Nothing is offered, nothing is said, and the prompt comes back."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert _away(env, kubeconfig(tmp_path / "closed", url)) < 1.5


def test_a_cluster_that_hangs(env: dict[str, str], tmp_path: Path) -> None:
    """It gets a second."""
    with loopback(silence) as server:
        assert _away(env, kubeconfig(tmp_path / "hangs", server.url)) < 2


@pytest.mark.parametrize("text", ["", "{", "apiVersion: v1\nkind: Config\n"])
def test_a_kubeconfig_that_is_none(env: dict[str, str], tmp_path: Path, text: str) -> None:
    """Whatever is wrong is said by the command, not between two words of it; pools are offered all the same."""
    (tmp_path / "broken").write_text(text)
    env["KUBECONFIG"] = str(tmp_path / "broken")
    assert asked(env, "lbctl assign ") == []
    assert asked(env, "lbctl assign web --pool ") == ["lan", "public"]


def test_a_pool_file_that_is_none(env: dict[str, str], desk: Desk) -> None:
    """A broken one offers no names."""
    desk.pools.write_text("pools: [")
    assert asked(env, "lbctl pools show ") == []
    assert asked(env, "lbctl assign ") == ["default/api", "default/web"]


def test_fish_completes(env: dict[str, str]) -> None:
    """The whole way, as fish itself tells what it would offer."""
    if shutil.which("fish") is None:
        pytest.skip("NOT RUN: there is no fish here")
    script = "lbctl completion fish | source; complete -C 'lbctl assign default/w'"
    path = {"PATH": f"{BIN}{os.pathsep}{env['PATH']}"}
    done = subprocess.run(
        ["fish", "-N", "-c", script], env={**env, **path}, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split("\t")[0].strip(), done.stderr) == ("default/web", "")


def test_zsh_completes(env: dict[str, str], tmp_path: Path) -> None:
    """The whole way: the script stands in fpath as docs/commands.md says; what it gives _arguments is heard."""
    if shutil.which("zsh") is None:
        pytest.skip("NOT RUN: there is no zsh here")
    (tmp_path / "_lbctl").write_text(run(env, "completion", "zsh")[0])
    script = f"""
        fpath=({tmp_path} $fpath)
        autoload -Uz compinit && compinit -u -d {tmp_path}/dump
        echo "for lbctl: $_comps[lbctl]"
        _arguments() {{ print -r -- "$@" }}
        words=(lbctl assign default/w) CURRENT=3
        autoload +X -Uz _lbctl; _lbctl; _lbctl_completion
    """
    path = {"PATH": f"{BIN}{os.pathsep}{env['PATH']}"}
    done = subprocess.run(["zsh", "-f", "-c", script], env={**env, **path}, capture_output=True, text=True, check=False)
    assert "for lbctl: _lbctl" in done.stdout, done.stderr
    assert "default/web" in done.stdout, done.stderr
