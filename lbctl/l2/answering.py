"""The announcer's side of the responder: the process, what it was told, and how it is begun anew should it die.

Whatever it was told is kept here too, so that another one can be told the same.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lbctl.addresses import Address
from lbctl.l2.ethernet import Mac
from lbctl.l2.responder import PAGE, Shared, message

_OBEYS = 2.0  # seconds after which a process that does not read what it is told is ended; another takes its place
_BATCH = 1000  # entries a message: 23 bytes each at most, far below responder.DATAGRAM
_BEGIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lbctl.l2.responder import main; main()"
_ROOT = Path(__file__).parents[2]


class Answering:
    """One responder process at a time, which dies with this one. Not for several threads at once."""

    def __init__(self) -> None:
        self._pairs: dict[int, Sequence[socket.socket]] = {}
        self._tables: dict[int, dict[Address, Mac]] = {}
        self._page = os.memfd_create("lbctl-responder")
        os.truncate(self._page, PAGE)
        self.shared = Shared(self._page)
        self._begin()

    def fileno(self) -> int:
        """For a selector: it is readable when the process has died."""
        return self._control.fileno()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def give(self, slot: int, pair: Sequence[socket.socket]) -> None:
        """Answer on these two sockets, once what to answer is put in; the same slot always has the same sockets."""
        if slot not in self._pairs:
            self._pairs[slot], self._tables[slot] = pair, {}
            self._tell(message("P", slot), pair)

    def put(self, slot: int, entries: Mapping[Address, Mac]) -> None:
        """Answer for these addresses with these MACs."""
        self._tables[slot].update(entries)
        each = [mac + bytes((len(a.packed),)) + a.packed for a, mac in entries.items()]
        for at in range(0, len(each), _BATCH):
            self._tell(message("A", slot, b"".join(each[at : at + _BATCH])))

    def drop(self, slot: int, address: Address) -> None:
        """Answer for this address no longer."""
        if self._tables[slot].pop(address, None) is not None:
            self._tell(message("S", slot, bytes((len(address.packed),)) + address.packed))

    def clear(self, slot: int) -> None:
        """Answer for none."""
        self._tables[slot].clear()
        self._tell(message("C", slot))

    def restart(self) -> None:
        """The process has died, or has to: another one answers for the same."""
        self._end()
        self._begin()
        tables, self._tables = self._tables, {}
        pairs, self._pairs = self._pairs, {}
        for slot, pair in pairs.items():
            self.give(slot, pair)
            self.put(slot, tables[slot])

    def close(self) -> None:
        """Answer nothing any more."""
        self._end()
        self.shared.close()
        os.close(self._page)

    def _begin(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_OBEYS)
        descriptors = theirs.fileno(), self._page
        # Of its own standard streams it needs none, and a reader of ours must not wait for it.
        self._process = subprocess.Popen(  # noqa: S603 because it is this interpreter, with this package
            [sys.executable, "-I", "-S", "-c", _BEGIN, str(_ROOT), *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=descriptors,
        )
        theirs.close()

    def _end(self) -> None:
        self._control.close()
        try:
            self._process.wait(_OBEYS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, data: bytes, descriptors: Sequence[socket.socket] = ()) -> None:
        # One that is dead is noticed by whoever waits for `fileno`; one that does not read is made so.
        try:
            socket.send_fds(self._control, [data], [each.fileno() for each in descriptors])
        except TimeoutError:
            self._process.kill()
        except OSError:
            with contextlib.suppress(OSError):
                self._process.kill()
