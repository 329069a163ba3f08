"""One server of the control plane as a process: started, stopped, killed, paused; it never outlives the driver."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1  # prctl(2)


def dies_with_us() -> Callable[[], None]:
    """What a child does before it becomes its program, so that the kernel kills it when we die, however we die."""
    parent = os.getpid()

    def bind() -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # we died before prctl took effect
            os._exit(1)

    return bind


def lives(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """A server with its command; its output goes to NAME.log in `folder`, which is also where it runs.

    Start it from a thread that lives as long as the server should: the kernel counts that thread as the parent.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, *, sockets: Sequence[socket.socket] = ()
    ) -> None:
        self.name = name
        self._command = command
        self._folder = folder
        self._sockets = sockets  # which it inherits under the numbers they have here
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; fails when it was never started."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start it; returns at once."""
        assert self._process is None or self._process.poll() is not None, f"{self.name} runs already"
        with open(self._folder / f"{self.name}.log", "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                pass_fds=[s.fileno() for s in self._sockets],
                preexec_fn=dies_with_us(),
                process_group=0,  # because Ctrl-C in a terminal is meant for the command, not for its control plane
            )

    def stop(self) -> None:
        """SIGTERM, and SIGKILL after 5 s."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: what a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
