"""Probes on this machine's LANs: raw sockets for as long as it takes to ask, and nothing left behind.

No Link (`linux`): that begins a process to answer and keeps a stock of sockets, and a probe answers nothing. The groups
of IPv6 addresses are not joined: who has an address says so to all nodes (RFC 4861 7.2.4). Only of another host that
tries the same address out in the same moment nothing is heard where a switch snoops on MLD.
"""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Iterable, Mapping

from lbctl.addresses import AddressSet, Range
from lbctl.l2.frames import Frame, decode, encode
from lbctl.l2.interfaces import Interface
from lbctl.l2.privileges import missing
from lbctl.l2.probe import Probe
from lbctl.l2.slots import Slot


def ask(probes: Mapping[str, Probe], there: Iterable[Interface]) -> None:
    """Carry the probes through, each on the interface of its name, all at once, until they are done.

    What is asked where the interface has gone away meanwhile is not answered. Raises MissingCapability.
    """
    indices = {interface.name: interface.index for interface in there}
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        asked: list[tuple[Slot, Probe]] = []
        for name, probe in probes.items():
            try:
                slot = stack.enter_context(contextlib.closing(Slot(len(asked), answers=False)))
            except PermissionError:
                raise missing() from None
            slot.listen(AddressSet.of(map(Range.one, probe.addresses)))
            with contextlib.suppress(OSError):
                slot.bind(name, indices[name])
                asked.append((slot, probe))
        for slot, probe in asked:
            for wire in slot.hearing:
                selector.register(wire, selectors.EVENT_READ, (slot, probe))
            _send(slot, probe.start(time.monotonic()))
        while due := [at for _, probe in asked if (at := probe.due()) is not None]:
            for key, _ in selector.select(max(0.0, min(due) - time.monotonic())):
                slot, probe = key.data
                for frame in map(decode, slot.receive(key.fileobj)):
                    if frame is not None:
                        probe.heard(frame)
            for slot, probe in asked:
                _send(slot, probe.tick(time.monotonic()))


def _send(slot: Slot, frames: Iterable[Frame]) -> None:
    for frame in frames:
        slot.send(encode(frame))
