"""What systemd hears of the state of lbctl serve (sd_notify(3)): one datagram a message, to the socket that it names.

The protocol is a dozen lines, so that a library for it would be more to keep than to write. Without NOTIFY_SOCKET
nothing is done, and a message that cannot be sent is lost: to run is more than to say so.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping

SECONDS = 1.0  # a systemd that does not read its socket for so long is not waited for


class Notifier:
    """Tells systemd. The environment is read once; any thread may call anything here, and nothing raises."""

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._watchdog = _seconds(environ)
        self._beaten: float | None = None

    def __bool__(self) -> bool:
        """Whether somebody listens."""
        return self._address[:1] in ("/", "@")

    @property
    def watchdog(self) -> float | None:
        """How often `alive` is to be called, in seconds: half the time after which systemd ends a silent process, as
        sd_watchdog_enabled(3) advises; None when it does not watch."""
        return None if self._watchdog is None else self._watchdog / 2

    def ready(self, status: str = "") -> None:
        """It works; after a reload too."""
        self._send("READY=1", status)

    def reloading(self, status: str = "") -> None:
        """It reads its configuration again; `ready` ends that. The time is CLOCK_MONOTONIC's (Type=notify-reload)."""
        self._send("RELOADING=1", status, f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """It has begun to end."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def alive(self) -> None:
        """It has made progress: to be called only where that is so, as often as one likes.

        What comes sooner than a quarter of the watchdog's time after the last one is not sent.
        """
        if self._watchdog is None:
            return
        now = self._clock()
        if self._beaten is None or now - self._beaten >= self._watchdog / 4:
            self._beaten = now
            self._send("WATCHDOG=1", "")

    def _send(self, state: str, status: str, *more: str) -> None:
        if not self:
            return
        # One line each: a line break in a status would begin an assignment.
        lines = [state, *more, f"STATUS={' '.join(status.split())}" if status else ""]
        # A name in the abstract namespace is written with @ for its first byte, which is zero.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(SECONDS)
            out.sendto("\n".join(filter(None, lines)).encode(errors="replace"), address)


def _seconds(environ: Mapping[str, str]) -> float | None:
    """WATCHDOG_USEC, if it is meant for this process and not for one that started it (WATCHDOG_PID)."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (usec.isascii() and usec.isdigit() and int(usec)) or pid not in ("", str(os.getpid())):
        return None
    return int(usec) / 1e6
