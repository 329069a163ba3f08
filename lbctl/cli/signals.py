"""What a process that runs until it is told to stop is told."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Signals:
    """SIGTERM and Ctrl-C to stop (a second one at once), SIGHUP to read the pool file again."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reload = threading.Event()
        self.interrupted = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: self.reload.set())

    @property
    def code(self) -> int:
        """The exit code after it was told to stop."""
        return 130 if self.interrupted else 0

    def _stop(self, number: int, _: Any) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.interrupted = number == signal.SIGINT
        self.stop.set()
