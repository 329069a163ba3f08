"""The test bed's front door without a control plane behind it: exit statuses, environment, what it says and to whom."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import started
from tests.testbed.__main__ import USAGE, environment, main
from tests.testbed.driver import until
from tests.testbed.servers import Server, lives


@dataclass(frozen=True)
class Pretended:
    """Nothing runs, and one may see whether it was torn down."""

    kubeconfig: Path = Path("/bed/kubeconfig")
    bin: Path = Path("/bed/bin")


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What is written, and the signals as they were afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield capfd
    for number, handler in before.items():
        signal.signal(number, handler)


def _run(*words: str) -> tuple[int, list[str]]:
    """main()'s exit status, and what became of the control plane."""
    history: list[str] = []

    @contextlib.contextmanager
    def pretended() -> Iterator[Pretended]:
        history.append("up")
        try:
            yield Pretended()
        finally:
            history.append("down")

    return main(words, pretended), history


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_the_exit_status_is_that_of_the_command(told: pytest.CaptureFixture[str], script: str, status: int) -> None:
    """As a shell passes it on: 128 and the signal, if one ended it; nothing is said besides."""
    assert _run("--", "sh", "-c", script) == (status, ["up", "down"])
    assert told.readouterr() == ("", "")


def test_only_the_command_writes_to_stdout(told: pytest.CaptureFixture[str]) -> None:
    """Its words arrive untouched, and nobody else's beside them."""
    _run("--", "echo", "-- $HOME")
    assert told.readouterr() == ("-- $HOME\n", "")


def test_a_command_that_does_not_exist_is_127(told: pytest.CaptureFixture[str]) -> None:
    """As in a shell, with a sentence and no traceback."""
    assert _run("--", "no-such-command") == (127, ["up", "down"])
    assert told.readouterr() == ("", "no-such-command: No such file or directory\n")


@pytest.mark.parametrize("words", [(), ("--",), ("true",), ("--lab",), ("--build", "now")])
def test_what_it_does_not_understand_is_a_usage_error(told: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    """Exit 2 with the usage on stderr, before anything is started."""
    assert _run(*words) == (2, [])
    assert told.readouterr() == ("", f"{USAGE}\n")


def test_the_command_finds_its_cluster_and_its_tools() -> None:
    """KUBECONFIG is the control plane's; kubectl and lbctl come before any others on PATH; lbctl asks no LAN by itself;
    the rest stays."""
    env = environment(Pretended(), {"PATH": "/outer", "HOME": "/home/me", "KUBECONFIG": "/outer/config"})
    path = f"/bed/bin:{Path(sys.executable).parent}:/outer"
    assert env == {"PATH": path, "HOME": "/home/me", "KUBECONFIG": "/bed/kubeconfig", "LBCTL_PROBE": "off"}


def test_ctrl_c_is_the_commands_own_business(told: pytest.CaptureFixture[str]) -> None:
    """A command that goes on after it has its control plane still; one that dies of it passes 130 on."""
    assert _run("--", "sh", "-c", "trap : INT; kill -INT $PPID; kill -INT $$; echo goes on") == (0, ["up", "down"])
    assert told.readouterr() == ("goes on\n", "")
    assert _run("--", "sh", "-c", "kill -INT $$") == (130, ["up", "down"])


def test_ctrl_c_before_the_command_runs_ends_all(told: pytest.CaptureFixture[str]) -> None:
    """While the control plane starts there is no command yet whose business it could be."""

    @contextlib.contextmanager
    def interrupted() -> Iterator[Pretended]:
        signal.raise_signal(signal.SIGINT)
        yield Pretended()

    assert main(["--", "true"], interrupted) == 130
    assert told.readouterr() == ("", "")


def _missing() -> contextlib.AbstractContextManager[None]:
    raise OSError("no such file: etcd")


@pytest.mark.parametrize("ci", ["true", "1"])
def test_in_ci_a_test_bed_that_does_not_start_fails_the_run(ci: str) -> None:
    """What is not tested there is not tested anywhere."""
    with pytest.raises(OSError, match="no such file: etcd"), started(_missing, {"CI": ci}):
        pass


@pytest.mark.parametrize("environ", [{}, {"CI": ""}, {"CI": "false"}])
def test_elsewhere_it_is_skipped_and_says_why(environ: dict[str, str]) -> None:
    """Loudly: the summary names it."""
    with pytest.raises(pytest.skip.Exception) as skipped, started(_missing, environ):
        pass
    assert str(skipped.value) == "NOT RUN: the test bed does not start here: no such file: etcd"


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its 5 s (here: at once), so that a teardown never hangs."""
    server = Server("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"], tmp_path)
    server.start()
    process = server._process
    assert process is not None
    until(lambda: "ready" in (tmp_path / "deaf.log").read_text(), "it to be deaf", seconds=5)
    wait = process.wait
    monkeypatch.setattr(process, "wait", lambda timeout=None: wait(timeout and 0.01))
    server.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_server_is_not_started_twice(tmp_path: Path) -> None:
    """The first one would be lost, and live on."""
    server = Server("one", ["sleep", "60"], tmp_path)
    server.start()
    with pytest.raises(AssertionError, match="one runs already"):
        server.start()
    server.kill()


def test_a_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Though that is killed and can clean up nothing (PR_SET_PDEATHSIG)."""
    code = (
        "import pathlib, sys, time\n"
        "from tests.testbed.servers import Server\n"
        f"server = Server('s', ['sleep', '60'], pathlib.Path({str(tmp_path)!r}))\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert driver.stdout is not None
    pid = int(driver.stdout.readline())
    assert lives(pid)
    driver.kill()
    driver.communicate()
    until(lambda: not lives(pid), "the server to die", seconds=5)
