"""The frames that an announcer sends and hears, whichever family they are of: the one door to the codecs.

Pure: `decode(encode(x)) == x`, and `decode` never raises, whatever the bytes.
"""

from __future__ import annotations

from lbctl.l2 import arp, ndp
from lbctl.l2.arp import Arp, Op
from lbctl.l2.ethernet import BROADCAST, NO_MAC, Mac, mac_text, parse_mac
from lbctl.l2.ndp import Advertisement, Solicitation

__all__ = [
    "BROADCAST",
    "NO_MAC",
    "Advertisement",
    "Arp",
    "Frame",
    "Mac",
    "Op",
    "Solicitation",
    "decode",
    "encode",
    "mac_text",
    "parse_mac",
]

Frame = Arp | Solicitation | Advertisement


def encode(frame: Frame) -> bytes:
    """The bytes of a frame from the Ethernet header on, without padding."""
    return arp.encode(frame) if isinstance(frame, Arp) else ndp.encode(frame)


def decode(frame: bytes) -> Frame | None:
    """What an announcer must know of, or None: anything else, cut short, of a VLAN, or to be discarded."""
    return arp.decode(frame) or ndp.decode(frame)
