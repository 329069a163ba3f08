"""Does anybody on the LAN use these addresses? For many at once, in a third of a second.

After RFC 5227 2.1.1 and RFC 4862 5.4.2, shortened: three probes 100 ms apart, where ARP would take up to nine seconds.
So a host that sleeps, a firewall, another segment and a DHCP lease that is not in use are not seen.

A machine without a socket or clock: `start`, then `heard` and `tick` until `done`; each gives the frames to send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lbctl.addresses import Address
from lbctl.l2.frames import Arp, Frame, Mac, Solicitation
from lbctl.l2.messages import Voice, read

PROBES = 3
BETWEEN = 0.1  # seconds between two probes, and to wait for an answer to the last
PROXY = 4  # free addresses that one MAC answers for, and it is no host but a router with proxy ARP (DESIGN 7)
AT_ONCE = 256  # probes in one go; a sweep of a large pool goes through its addresses in such steps
STEP = 0.02  # seconds between two of them: what a switch's storm control and a slow host's queue stand


class Use(StrEnum):
    """Who answered for an address."""

    FREE = "free"  # nobody
    PEER = "peer"  # an announcer of ours: StillAnnounced
    STRANGER = "stranger"  # anybody else: AddressInUseOnLan
    PROXY = "proxy"  # a router that answers for whatever it is asked; the address counts as free


@dataclass(frozen=True, slots=True)
class Found:
    """What a probe found out of one address; `mac` is who answered, `peer` its node's name."""

    address: Address
    use: Use
    mac: Mac | None = None
    peer: str = ""


class Probe:
    """One probe of a set of addresses on one interface.

    `peers` are the MACs of announcers by their Leases, with the node's name. `free` are addresses that nobody should
    have as far as is known; only answers for these make a MAC a proxy's, for who answers for four addresses in use may
    well be their host. By default all that are probed. `mine` are the MACs of this machine's other interfaces, which
    may be on the same LAN: what it answers itself is no news.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        voice: Voice,
        peers: Mapping[Mac, str] | None = None,
        free: Iterable[Address] | None = None,
        mine: Iterable[Mac] = (),
    ) -> None:
        self._addresses = dict.fromkeys(addresses)
        self._voice = voice
        self._mine = {voice.mac, *mine}
        self._peers = peers or {}
        self._free = set(self._addresses if free is None else free)
        self._answers: dict[Address, dict[Mac, None]] = {}  # in the order in which they came
        self._queue: list[tuple[float, list[Address]]] = []  # when to ask for which; in order
        self._end: float | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What is asked for."""
        return tuple(self._addresses)

    def start(self, now: float) -> list[Frame]:
        """Begin; the first frames."""
        batch = list(self._addresses)
        steps = [batch[i : i + AT_ONCE] for i in range(0, len(batch), AT_ONCE)]
        for number, step in enumerate(steps):
            self._queue += [(now + number * STEP + probe * BETWEEN, step) for probe in range(PROBES)]
        self._queue.sort(key=lambda entry: entry[0])
        self._end = self._queue[-1][0] + BETWEEN if self._queue else now
        return self.tick(now)

    def heard(self, frame: Frame) -> None:
        """A frame that came in. An answer, an announcement, or a packet from the address: somebody has it.

        A probe of another host for the same address counts, too (RFC 5227 2.1.1, RFC 4862 5.4.3): it is about to
        take the address.
        """
        if isinstance(frame, Arp | Solicitation) and frame.is_probe:
            # A peer asks so before it announces, or probes as we do; it takes nothing from us.
            if frame.source not in self._peers:
                self._answered(frame.target_ip, frame.source)
            return
        claim, _ = read(frame)
        if claim is not None:
            self._answered(claim.address, claim.mac)

    def _answered(self, address: Address, mac: Mac) -> None:
        if address in self._addresses and mac not in self._mine:
            self._answers.setdefault(address, {}).setdefault(mac)

    def due(self) -> float | None:
        """When `tick` is wanted next; None before `start` and once it is done."""
        return self._queue[0][0] if self._queue else self._end

    def tick(self, now: float) -> list[Frame]:
        """The frames to send now: for those that nobody answered for yet, at the end for none."""
        frames: list[Frame] = []
        while self._queue and self._queue[0][0] <= now:
            _, step = self._queue.pop(0)
            frames += [self._voice.probe(address) for address in step if address not in self._answers]
        if not self._queue and self._end is not None and now >= self._end:
            self._end = None
        return frames

    @property
    def done(self) -> bool:
        """Whether all was asked since `start`, and the time for answers is over."""
        return self._end is None and not self._queue

    def proxies(self) -> set[Mac]:
        """The MACs that answered for so many free addresses that they are a router's with proxy ARP."""
        count: dict[Mac, int] = {}
        for address, macs in self._answers.items():
            for mac in macs:
                count[mac] = count.get(mac, 0) + (address in self._free and mac not in self._peers)
        return {mac for mac, answered in count.items() if answered >= PROXY}

    def found(self) -> dict[Address, Found]:
        """What is known of each address by now; in the order in which they were given."""
        proxies = self.proxies()
        return {address: self._found(address, proxies) for address in self._addresses}

    def _found(self, address: Address, proxies: set[Mac]) -> Found:
        macs = list(self._answers.get(address, ()))
        hosts = [mac for mac in macs if mac not in proxies]
        # A stranger beside a peer is what must be told.
        for mac in sorted(hosts, key=lambda mac: mac in self._peers):
            return Found(address, Use.PEER if mac in self._peers else Use.STRANGER, mac, self._peers.get(mac, ""))
        return Found(address, Use.PROXY, macs[0]) if macs else Found(address, Use.FREE)
