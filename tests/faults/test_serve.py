"""lbctl serve while watches, the API server, etcd or the ledger fail: in the end all is right, at no moment was one
address shown by two Services, and what another controller wrote was never touched."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import started
from tests.testbed.churn import churned
from tests.testbed.driver import SERVICES, Bed, Hand, service
from tests.testbed.proxy import End, Instead, Proxy, Reset, Rule, Stream
from tests.testbed.serving import Served, delete_ledger, foreign, settled, untouched
from tests.testbed.witness import watched

pytestmark = pytest.mark.cluster

SEED = 60620
ALONE = "--no-leader-elect"
POOL = "pools:\n- {name: bulk, addresses: [198.18.0.0/25], reuseAfter: 0s}\n"
SERVICES_WATCH, CLAIMS_WATCH, ANY_WATCH = "/api/v1/services?watch=1", "/configmaps?watch=1", "?watch=1"
AWAY = 40.0  # seconds: the longest pause between two tries is 30 s

long = pytest.mark.long


@dataclass(slots=True)
class Scene:
    """A control plane with a Service of somebody else's on it, and the pool file; `create` numbers its Services."""

    bed: Hand
    pools: str
    theirs: str
    count: int = 0

    def create(self, more: int) -> None:
        """Make so many more Services."""
        names = range(self.count, self.count + more)
        self.count += more
        self.bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{n:03}")).encode()) for n in names])

    def delete(self, *numbers: int) -> None:
        """Delete some."""
        self.bed.admin.send([("DELETE", f"{SERVICES}/s{n:03}", None) for n in numbers])


@contextlib.contextmanager
def scene(bed: Hand, folder: Path) -> Iterator[Scene]:
    """A witness looks on; when all is over everything is right, and what is somebody else's is as it was."""
    path = folder / "pools.yaml"
    path.write_text(POOL)
    made = Scene(bed, f"--pools={path}", foreign(bed))
    with watched(bed):
        yield made
        settled(bed)
        assert untouched(bed, made.theirs)


@contextlib.contextmanager
def through(
    made: Scene, folder: Path, *rules: Rule, words: tuple[str, ...] = (ALONE,)
) -> Iterator[tuple[Proxy, Served]]:
    """A serve behind a fault proxy."""
    bed = made.bed
    assert isinstance(bed, Bed)
    with Proxy(bed.url, bed.certificate, rules) as proxy:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(bed.kubeconfig_for(proxy.url))
        with Served(bed, made.pools, *words, kubeconfig=kubeconfig) as serve:
            yield proxy, serve
            assert serve.stop()[0] == 0


# What goes wrong with a watch: lines in, bytes out.

Lines = Iterator[bytes]
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


def ends_in_a_line(lines: Lines) -> Lines:
    """The server ends the answer in good order, within an event."""
    yield next(lines)
    yield next(lines)[:100]


def breaks_off(lines: Lines) -> Lines:
    """The connection ends within an event."""
    yield from ends_in_a_line(lines)
    raise End


def is_reset(lines: Lines) -> Lines:
    """The connection is reset within an event."""
    yield from ends_in_a_line(lines)
    raise Reset


def drips(lines: Lines) -> Lines:
    """200 bytes each 20 ms: an event of a Service takes a tenth of a second."""
    for line in lines:
        for at in range(0, len(line), 200):
            yield line[at : at + 200]
            time.sleep(0.02)  # because to drip is what was asked for


def comes_twice(lines: Lines) -> Lines:
    """Every event comes again, and an older one once more."""
    first = b""
    for line in lines:
        first = first or line
        yield line + line + first


def is_reordered(lines: Lines) -> Lines:
    """Of the first events each two change places."""
    for _ in range(4):
        first = next(lines)
        yield next(lines)
        yield first
    yield from lines


def is_fat(lines: Lines) -> Lines:
    """Every event is a line of 1 MB."""
    for line in lines:
        event = json.loads(line)
        event["object"]["metadata"].setdefault("annotations", {})["fat"] = "x" * 2**20
        yield json.dumps(event).encode() + b"\n"


def is_too_old(lines: Lines) -> Lines:
    """410 by an event, after one that was in order."""
    yield next(lines)
    yield json.dumps(GONE).encode() + b"\n"


def is_garbage(lines: Lines) -> Lines:
    """A line that is no event."""
    yield next(lines)
    yield b"<html>502 Bad Gateway</html>\n"


def falls_silent(lines: Lines) -> Lines:
    """After two events nothing comes any more, and nothing ends: the peer is gone, or half open."""
    yield next(lines)
    yield next(lines)
    time.sleep(600)  # longer than any test


def never_ends(lines: Lines) -> Lines:
    """What ends behind the proxy does not end before it: the watch goes on, and is silent."""
    with contextlib.suppress(Exception):
        yield from lines
    time.sleep(600)


HARMLESS = [drips, comes_twice, is_fat]
FATAL = [ends_in_a_line, breaks_off, is_reset, is_reordered, is_too_old, is_garbage]


@pytest.mark.parametrize("change", [*HARMLESS, *FATAL], ids=lambda change: change.__name__)
def test_a_watch_may_fail_as_it_likes(bed: Bed, tmp_path: Path, change: Callable[[Lines], Lines]) -> None:
    """Those of Services and claims twice in a row, while Services come and go: they are taken up again, or listed."""
    rules = [Rule(Stream(change), path=path, times=2) for path in (SERVICES_WATCH, CLAIMS_WATCH)]
    with scene(bed, tmp_path) as made, through(made, tmp_path, *rules) as (_, serve):
        made.create(8)
        made.delete(0, 1)
        made.create(4)
        assert len(settled(bed)) == 10
        if change in FATAL:
            serve.waits("watch of /api/v1/services: ")
        made.delete(2)
        made.create(2)
        assert len(settled(bed)) == 11
        if change in FATAL and change is not is_reordered:  # what claims do needs no order
            serve.waits("watch of /api/v1/namespaces/lbctl-system/configmaps: ")


REFUSALS = {
    403: Instead(403, "Forbidden"),
    410: Instead(410, "Expired"),
    429: Instead(429, "TooManyRequests", retry_after=1),
    500: Instead(500),
}
WHILES = [
    (403, "", 2),
    (429, "", 2),
    *(pytest.param(code, path, 20, marks=long) for code in REFUSALS for path in ("", ANY_WATCH, "/status")),
]


@pytest.mark.parametrize(("code", "path", "seconds"), WHILES)
def test_the_api_server_refuses_for_a_while(bed: Bed, tmp_path: Path, code: int, path: str, seconds: int) -> None:
    """Watches, statuses or all requests: it is asked less and less often, and soon after all is right."""
    with scene(bed, tmp_path) as made, through(made, tmp_path) as (proxy, _):
        made.create(4)
        settled(bed)
        proxy.use(Rule(REFUSALS[code], path=path, times=None))
        before = len(proxy.requests)
        made.create(4)
        made.delete(0)
        proxy.cut()
        time.sleep(seconds)  # because it is a while that is tested
        asked = len(proxy.requests) - before
        proxy.use()
        made.create(2)
        assert len(settled(bed, AWAY)) == 9
    assert 0 < asked <= 60 + 10 * seconds


@long
def test_a_peer_that_is_half_open_is_given_up(bed: Bed, tmp_path: Path) -> None:
    """A watch without a byte for 150 s is over; what it would have told comes late, and nothing is wrong."""
    rules = [Rule(Stream(falls_silent), path=path) for path in (SERVICES_WATCH, CLAIMS_WATCH)]
    with scene(bed, tmp_path) as made, through(made, tmp_path, *rules) as (_, serve):
        made.create(8)
        made.delete(0, 1)
        for path in ("/api/v1/services", "/api/v1/namespaces/lbctl-system/configmaps"):
            serve.waits(f"watch of {path}: the watch brought nothing for 150 s", 170)
        made.create(2)
        assert len(settled(bed, AWAY)) == 8


def test_the_ledger_deleted_under_it_heals_within_a_second(bed: Bed, tmp_path: Path) -> None:
    """Its ConfigMaps go while Services come: each keeps its address, the claims are written anew, and it is said."""
    with scene(bed, tmp_path) as made, Served(bed, made.pools, ALONE) as serve:
        made.create(8)
        before = settled(bed)
        for _ in range(3):
            heard = len(serve.said)
            delete_ledger(bed)
            began = time.monotonic()
            made.create(2)
            after = settled(bed)
            assert time.monotonic() - began < 1 + 2  # a second, and what the machine is slow
            serve.waits("somebody deleted its claim", after=heard)
            assert before.items() <= after.items()
            before = after
        assert serve.stop()[0] == 0


# On a control plane of its own, so that a test that fails leaves no ruin behind for others.


@pytest.fixture(scope="module")
def own() -> Iterator[Bed]:
    """A control plane that may be broken."""
    with started(Bed) as bed:
        yield bed


@pytest.fixture
def broken(own: Bed) -> Bed:
    """It stands, swept."""
    own.wipe()
    return own


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        pytest.param((), 5, id="for 5 s"),
        pytest.param((), 30, id="for 30 s", marks=long),
        pytest.param((ALONE,), 30, id="for 30 s, alone", marks=long),
    ],
)
def test_the_api_server_stops_and_starts_again(
    broken: Bed, tmp_path: Path, seconds: int, words: tuple[str, ...]
) -> None:
    """In the middle of a burst of Services; serve outlives it, and goes on by itself."""
    with scene(broken, tmp_path) as made, Served(broken, made.pools, *words) as serve:
        made.create(30)
        broken.apiserver.kill()
        time.sleep(seconds)  # because it is a while that is tested
        broken.apiserver.start()
        broken.ready()
        made.create(10)
        assert len(settled(broken, AWAY)) == 40
        assert serve.stop()[0] == 0


def _keep(made: Scene, bed: Bed) -> None:
    """Ten Services have their addresses in the copy of etcd that is kept."""
    made.create(10)
    assert bed.run("assign", "--all", "-q", made.pools)[1:] == ("", 0)
    bed.snapshot("old")


def _live_on(made: Scene, bed: Bed) -> None:
    """Ten more get theirs, two are deleted, and all of that is undone."""
    made.create(10)
    settled(bed)
    made.delete(0, 1)
    settled(bed)
    bed.restore("old")


def test_an_older_etcd_is_restored_under_it(broken: Bed, tmp_path: Path) -> None:
    """What was assigned since then is gone, who was deleted is there again; it notices, says so, and carries on."""
    with scene(broken, tmp_path) as made:
        _keep(made, broken)
        before = broken.shown()
        with Served(broken, made.pools, ALONE) as serve:
            _live_on(made, broken)
            made.create(5)
            after = settled(broken, AWAY)
            assert len(after) == 15
            assert {name: after[name] for name in before if name in after} == {
                n: before[n] for n in after if n in before
            }
            serve.waits("went back in time")
            assert serve.stop()[0] == 0


@long
def test_a_watch_that_stays_silent_after_the_store_went_back_is_seen_through(broken: Bed, tmp_path: Path) -> None:
    """Its connection holds, and the API server behind it sends nothing: a look each minute tells."""
    with scene(broken, tmp_path) as made:
        _keep(made, broken)
        rule = Rule(Stream(never_ends), path=ANY_WATCH, times=None)
        with through(made, tmp_path, rule) as (proxy, serve):
            _live_on(made, broken)
            proxy.use()
            made.create(5)
            serve.waits("went back in time", 90)
            assert len(settled(broken, 90)) == 15


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=long)])
def test_killed_at_random_moments_under_churn(bed: Bed, tmp_path: Path, kills: int) -> None:
    """SIGKILL again and again; the next one always finds its way, and the last one finishes."""
    moments = random.Random(SEED)
    print(f"seed {SEED}")
    with scene(bed, tmp_path) as made:
        with churned(bed, SEED, 30):
            for _ in range(kills):
                with Served(bed, made.pools, ALONE):
                    time.sleep(moments.uniform(0.0, 0.6))  # because it is a moment that is tested
        with Served(bed, made.pools, ALONE) as serve:
            settled(bed)
            assert serve.stop()[0] == 0
