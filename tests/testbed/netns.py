"""A network namespace without a name: it lives as long as this process, or a process in it, and leaves nothing behind.

A thread makes it and stays in it, so sockets are made there by asking that thread; a socket belongs for ever to the
namespace it was made in, whoever uses it. The kernel removes the namespace with the last descriptor of it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000  # unshare(2)


class Namespace:
    """One network namespace, its loopback up. OSError where this user may not make one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._inside = ThreadPoolExecutor(1, thread_name_prefix=f"netns-{name}")
        self._descriptor = self._inside.submit(_unshare).result()
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """A file that stands for it, for `nsenter --net=`, `ip link set ... netns` and other processes of this user."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def call(self, work: Callable[[], T]) -> T:
        """Run a function in it and give back what it gives, such as a socket. Start no process there: the kernel counts
        the thread as its parent."""
        return self._inside.submit(work).result()

    def command(self, *argv: str) -> list[str]:
        """What starts a command in it; the process id is the command's."""
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a command in it to its end: its stdout. AssertionError with what it said when it fails."""
        done = subprocess.run(self.command(*argv), input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.name}: {' '.join(argv)}: {done.stderr}{stdin}"
        return done.stdout

    def close(self) -> None:
        """Let go of it; once no process and no socket is left in it, it is gone with its links."""
        self._inside.shutdown()
        os.close(self._descriptor)


def _unshare() -> int:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"only root, or `unshare -Urnm`, may make network namespaces: {os.strerror(number)}")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
