"""lbctl as a process at a terminal, or away from one; against any API server."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

LBCTL = str(Path(sys.executable).parent / "lbctl")


def environment(kubeconfig: Path, pools: Path | None = None, **more: str) -> dict[str, str]:
    """What a user's environment is, but for lbctl's own variables; the LAN of this machine is asked for nothing."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LBCTL_")}
    env |= {"KUBECONFIG": str(kubeconfig), "COLUMNS": "80", "TERM": "xterm", "LBCTL_PROBE": "off"}
    if pools is not None:
        env["LBCTL_POOLS"] = str(pools)
    return env | more


def run(env: Mapping[str, str], *words: str, stdin: str = "") -> tuple[str, str, int]:
    """Run it away from a terminal: stdout, stderr, exit code."""
    done = subprocess.run(
        [LBCTL, *words], env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout, done.stderr, done.returncode


def at_terminal(
    env: Mapping[str, str], *words: str, typed: str = "", seconds: float = 30, enough: str = ""
) -> tuple[str, int]:
    """Run it at a terminal, on which `typed` is typed at once: all that the user sees, and the exit code. It gets
    SIGTERM when these words have been seen: `enough`."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([LBCTL, *words], env=env, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    os.write(ours, typed.encode())
    seen, deadline = b"", time.monotonic() + seconds
    try:
        while piece := _read(ours, deadline, seen):
            seen += piece
            if enough and enough in seen.decode(errors="ignore"):
                child.terminate()
                enough = ""
        return seen.decode().replace("\r\n", "\n"), child.wait(seconds)
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def _read(terminal: int, deadline: float, seen: bytes) -> bytes:
    waited = select.select([terminal], [], [], max(deadline - time.monotonic(), 0))
    assert waited[0], f"it is still running: {seen.decode()}"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""  # because Linux answers so once the other side is closed
