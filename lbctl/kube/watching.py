"""List and watch as a state machine: answers and bytes in, the next request and what changed out.

It owns when to ask for what again, and knows no socket, clock or thread: time and randomness come in, and the driver
(reflector.py) carries out what it is told. The numbers are client-go's where a line does not say otherwise.

A store that went back (an older etcd restored) shows in a list whose version is lower than ours, or that holds an
object older than ours; then what was known is worth nothing. It does not show when the store has grown past where we
stood before anybody looked, and a list after that holds nothing older.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import orjson

from lbctl.kube.answers import causes_of
from lbctl.kube.replica import Change, Kind, Replica, named_of, number_of

T = TypeVar("T")

# Objects a list: client-go's. Of 10,000 Services (11 MB of JSON, kept parsed) a process grows to 48 MB so, to 122 MB
# with one list of all, and takes the same time for it; a page of 250 saves 3 MB more.
PAGE = 500
LIFE = 300  # seconds: a watch is asked for this long and up to as long again, so that not all are made anew at once
GRACE = 30.0  # seconds past that, after which we end it: it drips, or the server does not care
SILENCE = 150.0  # seconds without a byte after which the peer is gone: a bookmark comes each minute (KEP-956)
LOOK = 60.0  # seconds between two looks at whether the store went back (DESIGN 5, Recovery)
SHORT = 10.0  # a watch that the server ends sooner is no healthy one; client-go's is 1 s, which can still loop warm
FRUITLESS = 3  # watches in a row that brought nothing, after which a list may help
FIRST, MOST, HEALTHY = 0.8, 30.0, 120.0  # seconds: the first pause, the longest, and the peace after which all is well
LONGEST = 16 * 2**20  # bytes of a line; etcd takes 1.5 MiB an object, and JSON may be some times as long


class Cause(StrEnum):
    """Why a watch ended or a request failed; the values are a metric's label."""

    ENDED = "ended"  # by the server, when the time was over that we had asked for
    CUT = "cut"
    SILENT = "silent"
    OVERDUE = "overdue"
    GONE = "gone"  # 410: the version is too old
    FUTURE = "future"  # 504: the server has not come as far as that version
    REWOUND = "rewound"
    ERROR = "error"  # an ERROR event of another code
    GARBAGE = "garbage"
    DISORDER = "disorder"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    THROTTLED = "throttled"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    BUG = "bug"


SAYS = {
    Cause.ENDED: "the server ended the watch",
    Cause.CUT: "the watch broke off",
    Cause.SILENT: f"the watch brought nothing for {SILENCE:g} s",
    Cause.OVERDUE: "the watch went on for longer than was asked for",
    Cause.GONE: "the watch was too far behind (410)",
    Cause.FUTURE: "the API server has not come as far as the watch had (504)",
    Cause.REWOUND: "the cluster's store went back to what it was before: an older etcd was restored",
    Cause.ERROR: "the watch ended with an error",
    Cause.GARBAGE: "what came was no object of the API",
    Cause.DISORDER: "an event came in the wrong order",
}  # of the others the error that was raised says more

# After these only a list helps. The first of them in a healthy time costs no pause; the next do, or a server that says
# 410 to everything would be asked as fast as it answers.
LIST_AGAIN = {Cause.GONE, Cause.FUTURE, Cause.REWOUND, Cause.DISORDER, Cause.BUG}
BACK = {Cause.FUTURE, Cause.REWOUND}  # the store is not the one we knew
AT_ONCE = LIST_AGAIN - {Cause.BUG}


@dataclass(frozen=True, slots=True)
class List:
    """GET a list with these parameters; a watch that is open ends. Then page() or failed()."""

    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """GET a list of one; a watch that is open stays so. Then looked() or failed()."""

    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Open:
    """Open a watch. Then opened() or failed()."""

    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for bytes of the watch, no longer than until then. Then data(), ended(), failed(), or tick()."""

    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until then; a watch that is open ends. Then tick()."""

    until: float


Action = List | Look | Open | Read | Wait


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What to do next, and what to tell first: why something ended, that the store went back, what changed."""

    do: Action
    changes: list[Change[T]]
    cause: Cause | None = None
    rewound: bool = False


class Watching(Generic[T]):
    """One resource, listed and watched into a replica; `jitter` gives numbers from 0 to 1.

    Each method returns what to do next; times are seconds of one clock that never goes back.
    """

    def __init__(self, replica: Replica[T], jitter: Callable[[], float]) -> None:
        self.replica = replica
        self.synced = False
        self.causes: Counter[Cause] = Counter()
        self.last_event: float | None = None  # or list
        self._jitter = jitter
        self._page = PAGE
        self._lines = _Lines()
        self._doing: Action = Wait(0.0)
        self._then: Callable[[], Action] = self._list
        self._open = self._dropped = False
        self._opened = self._heard = self._life = self._ends = self._look_at = 0.0
        self._fruitless = 0
        self._pauses = _Pauses()

    def begin(self) -> Step[T]:
        """The first request."""
        return self._do(self._list())

    def page(self, now: float, body: Mapping[str, Any]) -> Step[T]:
        """A list, or a page of it, has come."""
        version, token = number_of(body["metadata"].get("resourceVersion")), body["metadata"].get("continue")
        if version is None or not self.replica.gather(body["items"]):
            return self.failed(now, Cause.GARBAGE)
        self.last_event = now
        if token:
            return self._do(List({"limit": str(self._page), "continue": token}))
        rewound = self.replica.finish_list(version, dropped=self._dropped) and not self._dropped
        if rewound:
            self.causes[Cause.REWOUND] += 1
        self._dropped, self.synced, self._fruitless, self._page = False, True, 0, PAGE
        self._look_at = now + LOOK
        return self._do(self._watch(), Cause.REWOUND if rewound else None, rewound=rewound)

    def looked(self, now: float, body: Mapping[str, Any]) -> Step[T]:
        """The list of one has come: the store's version now."""
        version = number_of(body["metadata"].get("resourceVersion"))
        if version is None:
            return self.failed(now, Cause.GARBAGE)
        if version < self.replica.version:
            return self._over(now, Cause.REWOUND)
        self._look_at = now + LOOK
        return self._do(self._reading(now) if self._open else self._watch())

    def opened(self, now: float) -> Step[T]:
        """The watch is answered with 200."""
        self._open, self._lines = True, _Lines()
        self._opened = self._heard = now
        self._ends = now + self._life
        return self._do(self._reading(now))

    def data(self, now: float, data: bytes) -> Step[T]:
        """Bytes of the watch have come: some lines, and parts of lines."""
        self._heard = now
        lines = self._lines.feed(data)
        if lines is None:
            return self._over(now, Cause.GARBAGE)
        for line in lines:
            cause, retry_after = self._event(line)
            if cause is not None:
                return self._over(now, cause, retry_after)
            self.last_event, self._fruitless = now, 0
        if now >= self._ends:
            return self._over(now, Cause.OVERDUE)
        return self._do(self._reading(now))

    def ended(self, now: float) -> Step[T]:
        """The server has ended the watch, in good order unless that was within a line."""
        return self._over(now, Cause.CUT if self._lines.partial else Cause.ENDED)

    def failed(self, now: float, cause: Cause, retry_after: float | None = None) -> Step[T]:
        """The request, or the watch that was being read, came to nothing; `retry_after` is what the server asks for,
        in seconds."""
        if self._open and isinstance(self._doing, Look) and cause not in LIST_AGAIN:
            # The watch may be well; if it is not, it will be silent.
            self.causes[cause] += 1
            self._look_at = now + max(LOOK, retry_after or 0.0)
            return self._do(self._reading(now), cause)
        if cause is Cause.GONE and isinstance(self._doing, List):
            self._page = 0  # because the pages took longer than their snapshot is kept; client-go's pager does the same
        return self._over(now, cause, retry_after)

    def tick(self, now: float) -> Step[T]:
        """The time of a Wait or Read has come, and nothing else."""
        if not self._open:
            return self._do(self._then())
        if now >= self._heard + SILENCE:
            return self._over(now, Cause.SILENT)
        if now >= self._ends:
            return self._over(now, Cause.OVERDUE)
        return self._do(self._reading(now))

    def _do(self, action: Action, cause: Cause | None = None, *, rewound: bool = False) -> Step[T]:
        self._doing = action
        return Step(action, self.replica.drain(), cause, rewound)

    def _list(self) -> Action:
        self.replica.start_list()
        # Without resourceVersion: a quorum read (DESIGN 5), so that a list never shows what was before the last one.
        return List({"limit": str(self._page)} if self._page else {})

    def _look(self) -> Action:
        return Look({"limit": "1"})

    def _watch(self) -> Action:
        seconds = LIFE + round(LIFE * self._jitter())
        self._life = seconds + GRACE
        asked = {"resourceVersion": str(self.replica.version), "timeoutSeconds": str(seconds)}
        return Open({"watch": "1", "allowWatchBookmarks": "true", **asked})

    def _reading(self, now: float) -> Action:
        if now >= self._look_at:
            return self._look()
        return Read(min(self._heard + SILENCE, self._ends, self._look_at))

    def _over(self, now: float, cause: Cause, retry_after: float | None = None) -> Step[T]:
        """What was under way is over: what to do then, and when."""
        self.causes[cause] += 1
        well = self._open and cause is Cause.ENDED and now - self._opened >= SHORT
        self._fruitless += self._open and not well
        self._open = False
        rewound = cause in BACK and not self._dropped
        if cause in BACK:
            self._dropped, self.synced = True, False
        listing = isinstance(self._doing, List) or cause in LIST_AGAIN or self._fruitless >= FRUITLESS
        self._then = self._list if listing else self._look
        pause = 0.0 if well else self._pauses.after(now, self._jitter(), at_once=cause in AT_ONCE)
        pause = max(pause, retry_after or 0.0)
        return self._do(Wait(now + pause) if pause else self._then(), cause, rewound=rewound)

    def _event(self, line: bytes) -> tuple[Cause | None, float | None]:
        """Take in one event: why the watch is over because of it, and the seconds the server asks to wait, if any."""
        try:
            event = orjson.loads(line)
            kind, item = event["type"], event["object"]
            if kind == "ERROR":
                return _refusal(item)
            version = number_of(item["metadata"]["resourceVersion"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return Cause.GARBAGE, None
        if kind == "BOOKMARK" and version is not None:
            self.replica.move_to(version)
            return None, None
        named = named_of(item)
        if named is None or kind not in list(Kind):
            return Cause.GARBAGE, None
        sense = self.replica.take(Kind(kind), item, *named)
        return None if sense else Cause.DISORDER, None


class _Pauses:
    """Back-off: the first pause doubled up to the longest, between half and the whole of it; from new after peace."""

    def __init__(self) -> None:
        self._count = 0
        self._last = 0.0
        self._freed = False

    def after(self, now: float, jitter: float, *, at_once: bool) -> float:
        """Seconds to wait after one more failure; `at_once`: none after the first, nor after one that was not: then the
        server is there again, and says that a list would help."""
        if now - self._last > HEALTHY:
            self._count, self._freed = 0, False
        free = at_once and not self._freed
        self._freed = at_once
        pause = 0.0 if free else min(FIRST * 2 ** min(self._count, 16), MOST) * (1 - jitter / 2)
        self._count += 1
        self._last = now + pause
        return pause


class _Lines:
    """Bytes to lines, in linear time however they are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes] | None:
        """The lines that are whole now, empty ones left out; None when one is too long."""
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = bytes(self._rest) + whole[0]
            self._rest = bytearray()
        self._rest += rest
        return None if len(self._rest) > LONGEST else [line for line in whole if line]


def _refusal(status: Mapping[str, Any]) -> tuple[Cause, float | None]:
    """What an ERROR event's Status means, and the seconds it asks us to wait."""
    code, asked = status.get("code"), (status.get("details") or {}).get("retryAfterSeconds")
    wait = float(asked) if isinstance(asked, int) else None
    if code == 504 and "ResourceVersionTooLarge" in causes_of(status):
        return Cause.FUTURE, wait
    return Cause.GONE if code == 410 else Cause.ERROR, wait
