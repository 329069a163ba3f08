"""Events: what `kubectl describe svc` and `kubectl events` show of what lbctl did, or could not do, and why.

Two halves. `Event` is a value and knows core/v1's JSON, no clock and no socket. `Events` sends them from a thread of
its own, slowly, so that no command waits for one and a bulk assign does not double (DESIGN 5). An Event is a courtesy:
one that cannot be written is counted and forgotten, and nothing rests on it.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from lbctl.ages import timestamp
from lbctl.errors import LbctlError
from lbctl.kube.api import Kube, Object
from lbctl.kube.errors import Conflict, Forbidden, NamespaceTerminating, NotFound
from lbctl.kube.transport import Pace
from lbctl.reasons import Reason
from lbctl.services import Service
from lbctl.sharing import digest

Kind = Literal["Normal", "Warning"]

COMPONENT = "lbctl"
# In bytes, as the API server counts them in an Event with eventTime and in all of events.k8s.io/v1. It lets older ones
# like ours be longer, but whoever copies them there should not have to cut.
MESSAGE_BYTES, INSTANCE_BYTES = 1024, 128

RATE, BURST = 10.0, 25  # Events a second, and how many at once after a silence: a screenful of refusals
ROOM = 1000  # Events that wait, 0.5 MB; at 10 a second the last would come 100 s late, and nobody looks for it then
REMEMBERED = 4096  # Events written by this process whose count it knows; as many as client-go remembers


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an Event in the cluster: how often it has happened, and at which resourceVersion it says so."""

    count: int
    version: str

    @classmethod
    def of(cls, there: Object) -> Standing:
        """Read the API server's answer."""
        return cls(int(there.get("count") or 0), str(there["metadata"]["resourceVersion"]))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a Service, `count` times from `first` to `last` (seconds, the API server's clock).

    What happens again for the same reason is the same Event: its name follows from the Service's uid and the reason, so
    that another run finds it without being allowed to look.
    """

    service: Service
    kind: Kind
    reason: Reason
    message: str
    first: int
    last: int
    count: int = 1

    @property
    def name(self) -> str:
        """SERVICE.HASH: at most 72 characters, for a Service's name has at most 63."""
        return f"{self.service.key.name}.{digest([self.service.uid, self.reason.name])}"

    def again(self, later: Event) -> Event:
        """Both as one: the later one's words, and how often in all."""
        return replace(later, first=self.first, count=self.count + later.count)

    def body(self, instance: str) -> Object:
        """A core/v1 Event as it is created; `instance` is user@host."""
        key = self.service.key
        about = {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": key.namespace,
            "name": key.name,
            "uid": self.service.uid,
            "resourceVersion": self.service.resource_version,
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": key.namespace, "name": self.name},
            "involvedObject": about,
            "reason": self.reason.name,
            "firstTimestamp": timestamp(self.first),
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": cut(instance, INSTANCE_BYTES),
            **self._latest(),
            "count": self.count,
        }

    def patch(self, there: Standing, instance: str) -> Object:
        """What makes the Event that is there say that it happened again.

        It carries the version that its count rests on, so that two runs never write the same count for two times.
        """
        return {
            "metadata": {"resourceVersion": there.version},
            "involvedObject": {"resourceVersion": self.service.resource_version},
            "reportingInstance": cut(instance, INSTANCE_BYTES),
            **self._latest(),
            "count": there.count + self.count,
        }

    def _latest(self) -> Object:
        message = cut(self.message or self.reason.sentence, MESSAGE_BYTES)
        return {"type": self.kind, "message": message, "lastTimestamp": timestamp(self.last)}


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8, no character halved; an ellipsis says that something is missing."""
    whole = text.encode(errors="replace")  # because a message may quote what is no text
    if len(whole) <= limit:
        return whole.decode()
    ellipsis = "…"
    return whole[: limit - len(ellipsis.encode())].decode(errors="ignore") + ellipsis


class Bucket:
    """A token bucket: `rate` a second, and `burst` at once after a silence. Time comes in."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)  # below zero: as many are promised
        self._then = now

    def take(self, now: float) -> float:
        """Take a token; the seconds to wait until it is there."""
        self._tokens = min(self._burst, self._tokens + (now - self._then) * self._rate) - 1
        self._then = now
        return max(0.0, -self._tokens / self._rate)


class Events:
    """Writes Events from a thread of its own. Nothing here raises, and only `close` waits.

    `instance` is user@host. `tell`, called by the thread, hears once that Events may not be written; after that none
    are tried. A token is one Event: one that another run has written before costs three requests instead of one.
    """

    def __init__(
        self,
        kube: Kube,
        instance: str,
        *,
        tell: Callable[[str], None] = lambda _: None,
        pace: Pace | None = None,
        room: int = ROOM,
    ) -> None:
        self._kube = kube
        self._instance = instance
        self._tell = tell
        self._pace = pace or Pace()
        self._room = room
        self._bucket = Bucket(RATE, BURST, self._pace.clock())
        self._changed = threading.Condition()  # guards all below but _standing, which is the thread's alone
        self._waiting: OrderedDict[tuple[str, Reason], Event] = OrderedDict()
        self._under_way: Event | None = None
        self._lost = 0
        self._quiet = kube.dry_run
        self._closed = False
        self._thread: threading.Thread | None = None
        self._standing: OrderedDict[tuple[str, str], Standing] = OrderedDict()

    def tell(self, service: Service, kind: Kind, reason: Reason, message: str, now: int) -> None:
        """Have it written that this happened to the Service at `now` (seconds, the API server's clock).

        What waits already is counted up; where too many wait, the oldest is lost. A dry run writes none.
        """
        event = Event(service, kind, reason, message, now, now)
        with self._changed:
            if self._quiet or self._closed:
                return
            key = service.uid, reason
            before = self._waiting.get(key)
            self._waiting[key] = before.again(event) if before else event
            if len(self._waiting) > self._room:
                self._lost += self._waiting.popitem(last=False)[1].count
            self._start()
            self._changed.notify_all()

    def close(self, timeout: float) -> int:
        """Let what waits go out for at most `timeout` seconds; how many happenings no Event tells of.

        0 in a dry run, and once it was said that Events may not be written. One whose answer is still awaited counts as
        lost, though it may land.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if self._thread is not None:
                self._changed.wait_for(lambda: not self._waiting and self._under_way is None, timeout)
            left = [*self._waiting.values(), *([self._under_way] if self._under_way else [])]
            self._waiting.clear()
            self._under_way = None
            self._lost += sum(event.count for event in left)
            return 0 if self._quiet else self._lost

    def _start(self) -> None:
        """Begin with the first Event: most runs have none."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="events", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread is to be had: the next Event tries again
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
            self._pace.sleep(self._bucket.take(self._pace.clock()))  # before choosing: meanwhile it may be counted up
            with self._changed:
                if not self._waiting:
                    continue
                _, event = self._waiting.popitem(last=False)
                self._under_way = event
            settled = self._settled(event)
            with self._changed:
                if self._under_way is event:  # else close has counted it
                    self._under_way = None
                    self._lost += 0 if settled else event.count
                self._changed.notify_all()

    def _settled(self, event: Event) -> bool:
        """Write it, and whether that is done with, if only because nobody could see it."""
        try:
            self._write(event)
        except (NamespaceTerminating, NotFound):
            return True  # because the namespace goes or is gone, and the Service with it
        except Forbidden as refused:
            self._give_up(refused)
            return True
        except LbctlError:
            return False
        except Exception:  # noqa: BLE001 because this is a thread's top, and no Event is worth a traceback
            return False
        return True

    def _give_up(self, refused: Forbidden) -> None:
        with self._changed:
            self._quiet = True
            self._waiting.clear()
        with contextlib.suppress(Exception):  # whoever is told may be gone, as a terminal may
            self._tell(f"lbctl writes no Events: {refused.message}")

    def _write(self, event: Event) -> None:
        """Create it, or count up the one that is there. No request is repeated as it was.

        Where another run counts it up between our look and our patch, what it says is as new as ours would be, and the
        count stays one short rather than wrong.
        """
        space, name = at = event.service.key.namespace, event.name
        known = self._standing.pop(at, None)
        written = (known and self._counted_up(event, known)) or self._created(event)
        if written is None:
            # It is there, and the Role may not read Events: a patch of nothing changes nothing and answers with it.
            written = self._counted_up(event, Standing.of(self._kube.patch_event(space, name, {})))
        if written is not None:
            self._standing[at] = written
        if len(self._standing) > REMEMBERED:
            self._standing.popitem(last=False)

    def _created(self, event: Event) -> Standing | None:
        """None when it exists."""
        try:
            return Standing.of(self._kube.create_event(event.service.key.namespace, event.body(self._instance)))
        except Conflict:
            return None

    def _counted_up(self, event: Event, there: Standing) -> Standing | None:
        """None when it is no longer that: another run has counted it up, or it has expired (an hour after its last)."""
        patch = event.patch(there, self._instance)
        try:
            return Standing.of(self._kube.patch_event(event.service.key.namespace, event.name, patch))
        except (Conflict, NotFound):
            return None
