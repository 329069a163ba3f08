"""What a process that runs until it is told to stop is told."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from typing import Any


class Signals:
    """SIGTERM and Ctrl-C to stop (a second one at once), SIGHUP to read the pool file again. One a process.

    SIGHUP is also what comes when the terminal it runs at is closed: then it means to stop.

    A handler runs between any two steps of the main thread, so also while that one holds the lock inside an Event it
    waits for: `Event.set` in the handler would then wait for ever. A byte in a pipe needs no lock.
    """

    def __init__(self) -> None:
        self.stop = self.reload = self.interrupted = False
        self._told, self._tell = os.pipe()
        self._at_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()  # no nohup
        self._poll = select.poll()
        self._poll.register(self._told, select.POLLIN)
        for end in (self._told, self._tell):
            os.set_blocking(end, False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    @property
    def code(self) -> int:
        """The exit code after it was told to stop."""
        return 130 if self.interrupted else 0

    def wait(self, seconds: float) -> bool:
        """Wait until a signal comes, at most so long; whether it was told to stop."""
        if self._poll.poll(seconds * 1000):
            os.read(self._told, 4096)
        return self.stop

    def _stop(self, number: int, _: Any) -> None:
        if self.stop:
            raise KeyboardInterrupt
        self.interrupted = number == signal.SIGINT
        self.stop = True
        self._wake()

    def _reload(self, *_: Any) -> None:
        if self._at_terminal and not _has_terminal():
            self.stop = True
        self.reload = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._tell, b".")


def _has_terminal() -> bool:
    """Whether there is a terminal that this process is run at."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
