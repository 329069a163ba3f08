"""What a process that runs until it is told to stop is told."""

from __future__ import annotations

import contextlib
import queue
import signal
from typing import Any


class Signals:
    """SIGTERM and Ctrl-C to stop (a second one at once), SIGHUP to read the pool file again.

    A handler runs between any two steps of the main thread, so also while that one holds the lock inside the Event
    it waits for: `Event.set` in the handler would then wait for ever. `SimpleQueue.put` may be called there.
    """

    def __init__(self) -> None:
        self.stop = self.reload = self.interrupted = False
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    @property
    def code(self) -> int:
        """The exit code after it was told to stop."""
        return 130 if self.interrupted else 0

    def wait(self, seconds: float) -> bool:
        """Wait until a signal comes, at most so long; whether it was told to stop."""
        with contextlib.suppress(queue.Empty):
            self._woken.get(timeout=seconds)
        return self.stop

    def _stop(self, number: int, _: Any) -> None:
        if self.stop:
            raise KeyboardInterrupt
        self.interrupted = number == signal.SIGINT
        self.stop = True
        self._woken.put(None)

    def _reload(self, *_: Any) -> None:
        self.reload = True
        self._woken.put(None)
