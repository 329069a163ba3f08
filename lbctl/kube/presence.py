"""The two Leases of a node's announcer, written from a thread of its own.

`lbctl-announcer-NODE` is renewed and says with which MACs it answers: the other announcers know a peer by it. What it
answers for stands in `lbctl-announces-NODE`, for people (`lbctl status`); that one is written only when something has
changed, and at most every few seconds, so that neither how many addresses there are nor how often they move makes more
requests. A Lease and no ConfigMap, because a node that may write those could write claims. Both are owned by the Node
object and go with it.

Nothing waits for this: an announcer goes on without the API.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from lbctl.ages import timestamp
from lbctl.claims import NAMESPACE
from lbctl.errors import LbctlError, as_error
from lbctl.kube.elector import Leases
from lbctl.kube.errors import Conflict, NotFound
from lbctl.l2.facts import ANNOUNCES, ANNOUNCES_LABEL, LEASE, LEASE_LABEL, MANAGED, NOTE, Presence

Object = dict[str, Any]

RENEW = (
    10.0  # seconds between two renewals; with more than a hundred nodes more, so that there are ten a second at most
)
NODES_A_SECOND = 10.0
LASTS = 4  # periods that a Lease lasts: as a Node's own, 40 s
RETRY = 2.0  # seconds until a write that failed is tried again
CHANGED = 5.0  # seconds between two writes of what is announced
FIRST = 1.0  # seconds after the start until the first, for most of it is there by then
REQUEST_TIMEOUT = 3.0  # seconds


class Keeper:
    """Keeps both Leases from `start` to `stop`. `owner` gives the Node object's uid, empty while it is not known.

    `told` hears of each renewal that landed, `failed` of the error of each that did not; both from the thread.
    """

    def __init__(
        self,
        kube: Leases,
        node: str,
        identity: str,
        *,
        owner: Callable[[], str],
        renewed: Callable[[], object] = lambda: None,
        failed: Callable[[LbctlError], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.node = node
        self.last: float | None = None  # when a renewal was sent that landed
        self._kube = kube
        self._identity = identity
        self._owner = owner
        self._renewed = renewed
        self._failed = failed
        self._clock = clock
        self._wall = wall
        self._period = RENEW
        self._wake = threading.Condition()  # guards what follows
        self._presence = Presence(node)
        self._announces = ""
        self._written: str | None = None
        self._due = 0.0
        self._next_change = clock() + FIRST
        self._stopping = False
        self._known: dict[str, Object] = {}  # the thread's alone
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @property
    def seconds(self) -> int:
        """How long the Lease lasts for others."""
        return round(self._period * LASTS)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def nodes(self, count: int) -> None:
        """How many Nodes there are."""
        self._period = max(RENEW, count / NODES_A_SECOND)

    def show(self, presence: Presence) -> None:
        """The interfaces and MACs to announce with; a change is written at once."""
        with self._wake:
            if presence != self._presence:
                self._presence, self._due = presence, 0.0
                self._wake.notify()

    def announce(self, text: str) -> None:
        """What is announced, a line an address; a change is written within seconds."""
        with self._wake:
            if text != self._announces:
                self._announces = text
                self._wake.notify()

    def leave(self) -> None:
        """Give the Lease back, so that the others know at once; the last thing that is done."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def stop(self, seconds: float) -> None:
        """Wait for that."""
        self.leave()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping:
            self.turn()
            with self._wake:
                if not self._stopping and (rest := self._rest()) > 0:
                    self._wake.wait(rest)
        if self._try(self._renew):
            self._try(self._say)

    def turn(self) -> None:
        """Write what is due; the thread's work."""
        if self._clock() >= self._due:
            sent = self._clock()
            with self._wake:
                self._due = sent + self._period
            if self._try(self._renew):
                self.last = sent
                self._renewed()
        if self._announces != self._written and self._clock() >= self._next_change:
            self._next_change = self._clock() + CHANGED
            self._try(self._say)

    def _rest(self) -> float:
        due = self._due if self._announces == self._written else min(self._due, self._next_change)
        return due - self._clock()

    def _try(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except Exception as error:  # noqa: BLE001 because a thread that has died keeps no Lease
            self._known.clear()
            with self._wake:
                self._due = min(self._due, self._clock() + RETRY)
            self._failed(as_error(error))
            return False
        return True

    def _renew(self) -> None:
        now = self._wall()
        holder = "" if self._stopping else self._identity
        stamp = f"{timestamp(int(now))[:-1]}.{int(now % 1 * 1e6):06d}Z"
        spec = {"holderIdentity": holder, "leaseDurationSeconds": self.seconds, "renewTime": stamp}
        with self._wake:
            note = self._presence.note()
        self._write(LEASE + self.node, {LEASE_LABEL: "v1"}, {NOTE: note}, spec)

    def _say(self) -> None:
        with self._wake:
            text = "" if self._stopping else self._announces
        self._write(ANNOUNCES + self.node, {ANNOUNCES_LABEL: "v1"}, {NOTE: text}, {"holderIdentity": self._identity})
        self._written = text

    def _write(
        self, name: str, labels: Mapping[str, str], notes: Mapping[str, str], spec: Mapping[str, object]
    ) -> None:
        """Over whatever is there, but for what others put into it; a Lease of another run of this node's announcer is
        taken over, and one that has taken ours over is not given back in its stead."""
        for _ in range(3):
            there = self._known.get(name) or self._read(name)
            if (
                there is not None
                and self._stopping
                and (there.get("spec") or {}).get("holderIdentity") != self._identity
            ):
                return
            body = self._body(there, name, labels, notes, spec)
            try:
                if there is None:
                    self._known[name] = self._kube.create_lease(NAMESPACE, body, REQUEST_TIMEOUT)
                else:
                    version = str(there["metadata"]["resourceVersion"])
                    self._known[name] = self._kube.replace_lease(NAMESPACE, name, body, version, REQUEST_TIMEOUT)
            except (Conflict, NotFound) as beaten:
                if isinstance(beaten, NotFound) and there is None:
                    raise  # there is no namespace
                self._known.pop(name, None)
            else:
                return

    def _read(self, name: str) -> Object | None:
        try:
            return self._kube.get_lease(NAMESPACE, name, REQUEST_TIMEOUT)
        except NotFound:
            return None

    def _body(
        self,
        there: Object | None,
        name: str,
        labels: Mapping[str, str],
        notes: Mapping[str, str],
        spec: Mapping[str, object],
    ) -> Object:
        meta = dict((there or {}).get("metadata") or {"name": name})
        meta["labels"] = {**(meta.get("labels") or {}), **MANAGED, **labels}
        meta["annotations"] = {**(meta.get("annotations") or {}), **notes}
        if uid := self._owner():
            meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": self.node, "uid": uid}]
        old = (there or {}).get("spec") or {}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {**old, **spec}}
