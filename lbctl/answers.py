"""Who answered for an address on the LAN, in the words of every place that tells of it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lbctl.allocator import Refusal
from lbctl.l2.ethernet import Mac, mac_text
from lbctl.l2.probe import Found, Use
from lbctl.reasons import Reason


def refusal(found: Found) -> Refusal | None:
    """Why an address is not given anew, by who answered for it; None when it may be."""
    mac = mac_text(found.mac) if found.mac else ""
    if found.use is Use.STRANGER:
        return Refusal(Reason.AddressInUseOnLan, f"{found.address} is in use on the LAN: {mac} answers for it")
    if found.use is Use.PEER:
        return Refusal(Reason.StillAnnounced, f"{found.address} is still announced by node {found.peer} ({mac})")
    return None


def judged(found: Found, routers: Collection[Mac]) -> Found:
    """An answer, where these are known to be routers with proxy ARP: they are also where they answer for few."""
    return replace(found, use=Use.PROXY) if found.use is Use.STRANGER and found.mac in routers else found


def router_words(mac: Mac) -> str:
    """What is said once of a router whose answers do not count."""
    return f"{mac_text(mac)} answers for whatever address it is asked for (proxy ARP), so its answers do not count"
