"""python prober.py ADDRESS PORT: begins a TCP connection every 10 ms until stdin ends, then prints what became of them.

One JSON array a connection: when it was begun and when that ended, in seconds of the monotonic clock, and "" or why it
failed. One that takes longer than a second has failed: its first packet was lost, and the kernel sends it again only
then. A process of its own, so that nobody else's work makes it late.
"""

import contextlib
import errno
import json
import os
import select
import socket
import struct
import sys
import time

PERIOD = 0.01  # seconds
PATIENCE = 0.95  # seconds: Linux sends a SYN again after one
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: gone at once, without TIME_WAIT


class Prober:
    """The connections that are being made, in the order they were begun in, and what became of the others."""

    def __init__(self, address: str, port: int) -> None:
        self._where = address, port
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN | select.POLLHUP)
        self._open: dict[int, tuple[socket.socket, float]] = {}
        self.outcomes: list[tuple[float, float, str]] = []

    def run(self) -> None:
        """Until stdin ends, and all that was begun has ended."""
        due, goes_on = time.monotonic(), True
        while goes_on or self._open:
            now = time.monotonic()
            if goes_on and now >= due:
                due = max(due + PERIOD, now - 5 * PERIOD)
                self._begin(now)
            self._give_up(now)
            goes_on &= self._wait(due if goes_on else now + PERIOD)

    def _begin(self, now: float) -> None:
        sock = socket.socket(self._family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._open[sock.fileno()] = sock, now
        self._poll.register(sock, select.POLLOUT)
        code = sock.connect_ex(self._where)
        if code not in (0, errno.EINPROGRESS):
            self._end(sock.fileno(), os.strerror(code))

    def _give_up(self, now: float) -> None:
        for number, (_, began) in list(self._open.items()):
            if now - began < PATIENCE:
                return
            self._end(number, "timed out")

    def _wait(self, until: float) -> bool:
        """Take what comes until then; False once stdin has ended."""
        goes_on = True
        for number, _ in self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
            if number == 0:
                self._poll.unregister(0)
                goes_on = False
            else:
                code = self._open[number][0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self._end(number, os.strerror(code) if code else "")
        return goes_on

    def _end(self, number: int, why: str) -> None:
        sock, began = self._open.pop(number)
        self._poll.unregister(number)
        self.outcomes.append((began, time.monotonic(), why))
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.close()


def main() -> None:
    """Probe, then print."""
    prober = Prober(sys.argv[1], int(sys.argv[2]))
    prober.run()
    for outcome in sorted(prober.outcomes):
        print(json.dumps(outcome))


if __name__ == "__main__":
    main()
