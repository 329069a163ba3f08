"""Addresses on the command line: announced without any cluster, if nobody else has them."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterable, Sequence

from lbctl.addresses import Address
from lbctl.announcing import Agent
from lbctl.cli.announce_told import log_report
from lbctl.cli.signals import Signals
from lbctl.errors import LbctlError, UsageError
from lbctl.l2.actions import Duty, Kind, Report
from lbctl.l2.announcer import STALL
from lbctl.l2.frames import mac_text
from lbctl.l2.interfaces import EXCLUDED, Interface, why_not
from lbctl.l2.linux import Link
from lbctl.l2.privileges import drop
from lbctl.logs import Log
from lbctl.reasons import Reason

NODE = "here"  # what this one is called where there are no others
LOOKS = 0.1  # seconds between two looks at whether to stop


def announce(addresses: Sequence[Address], only: frozenset[str], log: Log, *, force: bool) -> int:
    """Announce them until told to stop; the exit code. LbctlError when one of them is another's, or has no place."""
    link = Link(lambda *heard: agent.heard(*heard), lambda there: agent.changed(there), STALL)
    agent = Agent(NODE, link, only=only)
    with contextlib.closing(link):
        duties = {a: Duty((NODE,), _places(a, only, link.interfaces().values()), force=force) for a in addresses}
        with contextlib.suppress(OSError):  # where the kernel will not: then it keeps what it has
            drop()
        signals = Signals()
        link.start()
        agent.start()
        agent.duties(duties)
        try:
            _until_told(agent, signals, log)
        finally:
            agent.stop()
    while not agent.reports.empty():
        log_report(log, agent.reports.get())
    return signals.code


def _until_told(agent: Agent, signals: Signals, log: Log) -> None:
    announced: set[Address | None] = set()
    while not signals.stop:
        if agent.failed is not None:
            raise LbctlError(f"the announcer has died of a bug: {agent.failed!r}", hint="report it; start it again")
        with contextlib.suppress(queue.Empty):
            report = agent.reports.get(timeout=LOOKS)
            if report.kind is Kind.REFUSED and report.address not in announced:
                raise _taken(report)
            if report.kind is Kind.ANNOUNCING:
                announced.add(report.address)
            log_report(log, report)
        log.flush()


def _taken(report: Report) -> LbctlError:
    mac = mac_text(report.mac) if report.mac else "somebody"
    return LbctlError(
        f"{report.address} is taken: {mac} answers for it on {report.interface}",
        hint="choose another address, or announce it all the same with --force",
        reason=Reason.AddressInUseOnLan,
    )


def _places(address: Address, only: frozenset[str], there: Iterable[Interface]) -> frozenset[str]:
    """The interfaces for an address: those named, else all on whose subnet it is. Raises UsageError."""
    found = {interface.name: interface for interface in there}
    others = {interface.index: interface for interface in found.values()}
    for name in sorted(only):
        if name not in found:
            raise UsageError(f"there is no interface {name}", hint=f"there are {', '.join(sorted(found))}")
        if why := why_not(found[name], others, named=only):
            raise UsageError(f"nothing can be announced on {name}: {why}", hint="choose another interface with -i")
    if only:
        return only
    good = {i.name for i in found.values() if i.holds(address) and why_not(i, others, EXCLUDED) is None}
    if not good:
        raise UsageError(
            f"{address} is on no subnet of this machine",
            hint=f"name the interface: lbctl arp-announce {address} -i eth0",
        )
    return frozenset(good)
