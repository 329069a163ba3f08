"""One lbctl process as text: what it has been answered so far, or what it will do.

The real code runs (planner, ledger, apply) over a transport that replays those answers; at the first request they do
not cover it stops, and that request is the process's next step. Nothing else is known of a process, so that a crash is
to forget the text, and two processes that were answered alike are one.

Once it has read all it reads, a process is no more than the tree of the writes it will send and what it does after each
answer (`foresee`): most of what it has read is of no consequence, and processes that differ in that alone are one, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from threading import get_ident
from typing import Any, cast

from lbctl import apply
from lbctl.addresses import AddressSet
from lbctl.errors import ClusterError
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import Answer, KubeTransport
from lbctl.pools import Pool, PoolFile
from lbctl.rivals import Origin
from lbctl.rounds import Cluster
from lbctl.services import Key
from tests.property import world
from tests.property.names import FRESH, FRESH_ATTEMPT, NAME
from tests.property.world import CUT, Json, dump, load

NOW = 1_000_000  # one moment for all: nothing may rest on clocks, and a write repeated is a write that changes nothing
NEW_VERSION = re.compile(r"\^\d")
KEYS = (Key("d", "s0"), Key("d", "s1"))


@dataclass(frozen=True, slots=True)
class Setting:
    """What the processes run on: a pool's addresses, the Services' families (of the `second` one, if others), whether a
    released address is kept for its last holder's name, what users may come to ask for, whether Services are listed,
    and so written, last one first, and what they may ask for from their creation (see world.Svc)."""

    addresses: tuple[str, ...]
    families: tuple[str, ...] = ("IPv4",)
    keep: bool = True
    asks: tuple[str, ...] = ()
    backwards: bool = False
    second: tuple[str, ...] = ()
    born: tuple[str, ...] = ("",)
    pools: PoolFile = field(init=False, compare=False)

    def families_of(self, number: int) -> tuple[str, ...]:
        """The families of s0 or s1."""
        return self.second if number and self.second else self.families

    def __post_init__(self) -> None:
        every = AddressSet()
        for text in self.addresses:
            every = every | AddressSet.parse(text)
        keep = timedelta(hours=24 if self.keep else 0)
        pool = Pool("p", every, reuse_after=timedelta(0), keep_for=keep)
        object.__setattr__(self, "pools", PoolFile("pools.yaml", None, (pool,), "0"))


class _Pause(BaseException):
    """The answers end here: the request that comes next."""

    def __init__(self, method: str, path: str, body: Json) -> None:
        super().__init__(path)
        self.request = f"{method}{CUT}{path}{CUT}{dump(body)}"


class Replay:
    """A transport that answers from a list, then stops the process. A run of one worker asks from one thread: else the
    order of its requests, which is all the list goes by, would be chance."""

    def __init__(self, answers: list[str], setting: Setting) -> None:
        self._thread = get_ident()
        self._answers = answers
        self._setting = setting

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> Answer:
        """The next answer of the list, as the API would give it."""
        del params, content_type
        if get_ident() != self._thread:
            raise RuntimeError("a run of one worker has asked from a second thread")
        if path == "/api/v1/nodes":
            return Answer(listed([]), NOW)
        if not self._answers:
            raise _Pause(method, path, body)
        return Answer(body_of(method, path, self._answers.pop(0), self._setting), NOW)


def body_of(method: str, path: str, answer: str, setting: Setting) -> Json:
    """The body of an answer (an HTTP status and, if that is 200, what it shows), or the error it is."""
    code, _, shows = answer.partition(" ")
    if code == "lost":
        raise errors.Unreachable("no answer")
    if code != "200":
        raise {"404": errors.NotFound, "409": errors.Conflict, "422": errors.Invalid}[code]("refused")
    if path == "/api/v1/services":
        services = [_service(n, s, setting) for n, s in enumerate(load(shows)) if s is not None]
        return listed(services[::-1] if setting.backwards else services)
    if method == "GET" and path.endswith("/configmaps"):
        return listed(world.blocks_object(shows))
    if "/services/" in path:
        return _service(service_number(path), load(shows), setting)
    return world.blocks_object(f"[{shows}]")[0]


def _service(number: int, service: world.Svc, setting: Setting) -> Json:
    return world.service_object(number, service, setting.families_of(number))


def listed(items: list[Json]) -> Json:
    """A list as the API shows it."""
    return {"items": items, "metadata": {"resourceVersion": "0"}}


def service_number(path: str) -> int:
    """Which Service a path is about."""
    return int(path.partition("/services/s")[2][0])


def next_request(process: str, setting: Setting) -> str:
    """The process's next request, `METHOD CUT path CUT body`; empty when its round is over."""
    if process.startswith("["):
        return str(load(process)[0])
    return _under_names_of_its_own(_advance, process, setting)


def _under_names_of_its_own(work: Callable[[str, Setting], str], process: str, setting: Setting) -> str:
    """Run cached work on the process alone, renamed, so that the rest of the state makes no difference to the cache."""
    names: dict[str, str] = {}
    local = NAME.sub(lambda m: names.setdefault(m[0], f"~{len(names)}"), process)
    back = {v: k for k, v in names.items()}
    return NAME.sub(lambda m: back[m[0]], work(local, setting))


def foresee(process: str, setting: Setting) -> str:
    """A process that has read all it reads, as the tree of what it will do; empty when that is nothing. One that reads
    more, or whose PATCH may find another Service than it read, stays as it is."""
    return _under_names_of_its_own(_foreseen, process, setting)


@lru_cache(maxsize=300_000)
def _foreseen(process: str, setting: Setting) -> str:
    try:
        tree = _tree(process, setting, 0)
    except _NotForeseenError:
        return process
    return dump(tree) if tree else ""


class _NotForeseenError(Exception):
    """What a process does depends on more than the outcome of its writes."""


def _tree(process: str, setting: Setting, depth: int) -> list[Any]:
    """[request, {status: [the answer it then gets, what it does after that]}], or [] when it is over.

    A new resourceVersion stands as ^depth in the answer and below it.
    """
    request = _advance(process, setting)
    if not request:
        return []
    method, path, text = request.split(CUT)
    body = load(text)
    if method == "GET":
        raise _NotForeseenError(request)
    if method == "PATCH":
        if "resourceVersion" not in body["metadata"]:
            raise _NotForeseenError(request)
        services, code = world.patch_status(process.split(CUT)[3].partition(" ")[2], service_number(path), body)
        granted = dump(load(services)[service_number(path)]) if code == 200 else ""
        others = ["404", "409", "lost"]
    else:
        granted, code = dump([body["metadata"]["name"], FRESH, body["data"]["claims"]]), 200
        others = ["409"]
    if code != 200:
        raise _NotForeseenError(request)
    answers = [f"200 {granted.replace(FRESH, f'^{depth}')}", *others]
    return [request, {a.split()[0]: [a, _tree(f"{process}{CUT}{a}", setting, depth + 1)] for a in answers}]


def answered(process: str, answer: str) -> str:
    """The process once its request has been answered."""
    if not process.startswith("["):
        return f"{process}{CUT}{answer}"
    expected, after = load(process)[1][answer.split()[0]]
    version = NEW_VERSION.search(expected)
    text = dump(after) if after else ""
    if version:
        expected, text = expected.replace(version[0], FRESH), text.replace(version[0], FRESH)
    if answer != expected:
        raise ValueError(f"foreseen {expected}, but it was {answer}")
    return text


@lru_cache(maxsize=300_000)
def _advance(process: str, setting: Setting) -> str:
    operation, attempt, *answers = process.split(CUT)
    kube = Kube(cast("KubeTransport", Replay(answers, setting)))
    cluster = Cluster(kube, "x", workers=1, name_attempt=lambda: attempt)
    try:
        command, *flags, which = operation.split()
        named = None if which == "--all" else frozenset({KEYS[int(which)]})
        if command == "assign":
            apply.assign(cluster, setting.pools, named, wait=0)
        elif command == "adopt":
            apply.adopt(cluster, setting.pools, Origin.ANY, named, wait=0)
        else:
            apply.release(cluster, named or frozenset(), at_once="--now" in flags, wait=0)
    except _Pause as pause:
        return pause.request
    except ClusterError:
        return ""
    return ""


def forget() -> None:
    """Drop what was replayed: the code has been changed under it."""
    _advance.cache_clear()
    _foreseen.cache_clear()


def begin(operation: str) -> str:
    """A process that has asked nothing yet."""
    return f"{operation}{CUT}{FRESH_ATTEMPT}"
