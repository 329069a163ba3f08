"""What a process that runs until it is told to stop is told (lbctl/cli/signals.py): real signals to a real process."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# Told to stop and to reload many times, by another process, so that it comes at every point of the wait.
STORM = """
    import os, signal
    from lbctl.cli.signals import Signals

    there, here = os.pipe()
    told = os.getpid()
    signals = Signals()
    if not os.fork():
        os.close(here)
        while later := os.read(there, 1):
            for number in (signal.SIGHUP, signal.SIGTERM):
                for _ in range(10 * later[0]):
                    pass
                os.kill(told, number)
        os._exit(0)
    reloads = 0
    for turn in range(3000):
        signals.stop = False
        os.write(here, bytes([turn % 60]))
        while not signals.wait(0.00001):
            if signals.reload:
                signals.reload = False
                reloads += 1
    os.close(here)
    print("hung up on" if reloads else "heard nothing", signals.code)
"""
WAITING = """
    import sys
    from lbctl.cli.signals import Signals

    signals = Signals()
    print("waiting", flush=True)
    while not signals.wait(60):
        due, signals.reload = signals.reload, False  # before the line, for the next signal comes as soon as it is read
        print("reload" if due else "nothing", flush=True)
    try:
        print("stopping", flush=True)
        while True:
            signals.wait(60)
    except KeyboardInterrupt:
        sys.exit(signals.code or 7)
"""


def test_a_signal_may_come_at_any_moment_of_the_wait() -> None:
    """It neither hangs nor misses that it is to stop or to reload."""
    words = [sys.executable, "-c", textwrap.dedent(STORM)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("hung up on 0\n", "", 0)


@pytest.mark.parametrize(("nohup", "last"), [(False, "stopping"), (True, "reload")])
def test_a_terminal_that_is_closed_ends_it_unless_somebody_said_otherwise(nohup: bool, last: str) -> None:
    """SIGHUP at a terminal is a reload, as long as that is there."""
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" if nohup else ""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", ignored + textwrap.dedent(WAITING)]
    child = subprocess.Popen(["setsid", "--ctty", "--wait", *words], stdin=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waiting\n"
        (inner,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split() or [str(child.pid)]
        os.kill(int(inner), signal.SIGHUP)
        assert child.stdout.readline() == "reload\n"
        os.close(ours)
        os.kill(int(inner), signal.SIGHUP)  # as a shell does to what it has begun; the kernel may have, too
        assert child.stdout.readline() == f"{last}\n"
        os.kill(int(inner), signal.SIGKILL)


@pytest.mark.parametrize(("first", "code"), [(signal.SIGTERM, 7), (signal.SIGINT, 130)])
def test_a_wait_ends_with_the_signal_and_a_second_one_ends_everything(first: int, code: int) -> None:
    """SIGHUP wakes it, the first SIGTERM or Ctrl-C asks it to stop, the second one does not ask."""
    words = [sys.executable, "-c", textwrap.dedent(WAITING)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for told, line in ((None, "waiting"), (signal.SIGHUP, "reload"), (first, "stopping")):
            if told is not None:
                child.send_signal(told)
            assert child.stdout.readline() == f"{line}\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == code
