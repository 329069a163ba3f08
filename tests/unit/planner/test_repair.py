"""What repair and prune decide, and what they write: claims for what lbctl itself has published, and none too many."""

from __future__ import annotations

import pytest

from lbctl.adoption import contradictions, plan_prune, plan_repair, wrote
from lbctl.apply import prune, repair
from lbctl.decisions import Action, Decision, Plan, Snapshot
from lbctl.kube.errors import Conflict
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.services import CONDITION, Key, parse_service
from tests.unit.planner.filled import (
    LAN,
    made,
    ours,
    said_of,
    sharer,
    theirs,
)
from tests.unit.planner.values import (
    NOW,
    Api,
    Json,
    blocks,
    frozen,
    held,
    pool,
    pools,
    released,
    service,
    snapshot,
)

# repair


def _told(item: Json, message: str, status: str = "True") -> Json:
    item["status"]["conditions"] = [{"type": CONDITION, "status": status, "reason": "Assigned", "message": message}]
    return item


@pytest.mark.parametrize(
    ("item", "mine"),
    [
        pytest.param(ours("web", "192.0.2.1"), True, id="managedFields say so"),
        pytest.param(theirs("web", "192.0.2.1"), False, id="managedFields name another"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.1"), True, id="the condition says so"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.2"), False, id="the condition names another address"),
        pytest.param(_told(service("web", "192.0.2.1"), "192.0.2.1", "False"), False, id="the condition is a refusal"),
        pytest.param(_told(theirs("web", "192.0.2.1"), "192.0.2.1"), False, id="managedFields know better"),
        pytest.param(service("web", "192.0.2.1"), False, id="nothing says so"),
    ],
)
def test_whether_lbctl_wrote_a_status(item: Json, mine: bool) -> None:
    """By managedFields, which the API server keeps; by its condition where those were taken away."""
    assert wrote(parse_service(item)) is mine


def _repaired(look: Snapshot, file: PoolFile = LAN) -> dict[str, Decision]:
    return {d.service.key.name: d for d in plan_repair(look, file).decisions}


def test_a_lost_ledger_is_written_anew_from_what_lbctl_published() -> None:
    """Everybody keeps what is shown, also what is in none of this pool file; what others wrote is not claimed."""
    items = [
        ours("web", "192.0.2.1"),
        ours("out", "198.51.100.1"),
        theirs("other", "192.0.2.2"),
        service("new"),
    ]
    api = Api(items)
    versions = {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()}
    results = repair(api.cluster(), LAN)
    assert {k.name: (d.action, d.reason) for k, d in results.items()} == {
        "web": (Action.ADOPT, Reason.Assigned),
        "out": (Action.ADOPT, Reason.Assigned),
    }
    assert api.held() == {"192.0.2.1": "web", "198.51.100.1": "out"}
    assert [api.claims()[a].pool for a in ("192.0.2.1", "198.51.100.1")] == ["p", "unknown"]
    assert {path: item["metadata"]["resourceVersion"] for path, item in api.services.items()} == versions
    assert {d.action for d in repair(api.cluster(), LAN).values()} == {Action.KEEP}


def test_of_two_that_show_one_address_the_older_keeps_it() -> None:
    """The other gets another, make before break."""
    young, old = (
        made(ours("a", "192.0.2.0"), "2026-02-01T00:00:00Z"),
        made(ours("b", "192.0.2.0"), "2026-01-01"),
    )
    api = Api([young, old])
    repair(api.cluster(), LAN)
    assert api.shown() == {"a": ["192.0.2.1"], "b": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "b", "192.0.2.1": "a"}
    assert [c.split()[0] for c in api.calls].index("POST") < [c.split()[0] for c in api.calls].index("PATCH")


def test_of_two_that_show_one_address_its_holder_keeps_it() -> None:
    """However young it is."""
    holder, old = (
        made(ours("holder", "192.0.2.0"), "2026-02-01"),
        made(ours("old", "192.0.2.0"), "2026-01-01"),
    )
    api = Api([holder, old], blocks(held("192.0.2.0", holder)))
    repair(api.cluster(), LAN)
    assert api.shown() == {"holder": ["192.0.2.0"], "old": ["192.0.2.1"]}


def test_two_that_may_share_are_claimed_as_one() -> None:
    """A key that came through the loss."""
    api = Api([sharer("web", 80, mine=True), sharer("other", 443, mine=True)])
    repair(api.cluster(), LAN)
    assert sorted(h.key.name for h in api.claims()["192.0.2.1"].holders) == ["other", "web"]
    assert api.shown() == {"web": ["192.0.2.1"], "other": ["192.0.2.1"]}


def test_a_dual_stack_service_loses_only_the_address_that_another_keeps() -> None:
    """The other family stays as it is."""
    both = ("IPv4", "IPv6")
    loser = made(ours("loser", "192.0.2.0", "2001:db8::1", families=both), "2026-02-01")
    api = Api([loser, made(ours("old", "192.0.2.0"), "2026-01-01")])
    repair(api.cluster(), pools(pool("192.0.2.0/29", "2001:db8::/124")))
    assert api.shown() == {"loser": ["192.0.2.1", "2001:db8::1"], "old": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "old", "192.0.2.1": "loser", "2001:db8::1": "loser"}


@pytest.mark.parametrize(
    ("loser", "file", "reason", "words"),
    [
        pytest.param(
            ours("loser", "192.0.2.0"),
            pools(pool("192.0.2.0")),
            Reason.PoolExhausted,
            "192.0.2.0 is in use: Service d/a shows it; no IPv4 address is free in p",
            id="nothing is free",
        ),
        pytest.param(
            ours("loser", "192.0.2.0", ask="192.0.2.0"),
            LAN,
            Reason.AddressInUse,
            "192.0.2.0 is in use: Service d/a shows it",
            id="it asks for this one",
        ),
        pytest.param(
            _told(service("loser", "192.0.2.0"), "192.0.2.0"),
            LAN,
            Reason.AddressInUse,
            "192.0.2.0 is in use: Service d/a shows it",
            id="its condition alone does not let lbctl clear it",
        ),
    ],
)
def test_who_cannot_be_moved_keeps_the_address_and_is_told(
    loser: Json, file: PoolFile, reason: Reason, words: str
) -> None:
    """Never left without."""
    keeper = made(ours("a", "192.0.2.0"), "2026-01-01")
    api = Api([keeper, made(loser, "2026-02-01")])
    results = repair(api.cluster(), file, wait=0)
    assert said_of(results[Key("d", "loser")]) == (Action.REFUSE, reason, words)
    assert api.shown() == {"a": ["192.0.2.0"], "loser": ["192.0.2.0"]}
    assert api.held() == {"192.0.2.0": "a"}


def test_an_address_of_ours_that_another_controller_gave_away_too_is_claimed_and_told() -> None:
    """Nobody is moved for what lbctl has not done."""
    look = snapshot([ours("web", "192.0.2.1"), theirs("other", "192.0.2.1")])
    assert _repaired(look)["web"].action is Action.ADOPT
    web = ours("web", "192.0.2.1")
    after = snapshot([web, theirs("other", "192.0.2.1")], blocks(held("192.0.2.1", web)))
    assert list(contradictions(after)) == ["d/other shows 192.0.2.1, which lbctl did not write there and d/web holds"]


def test_a_block_that_cannot_be_read_is_not_touched() -> None:
    """And its Services are told."""
    decision = _repaired(snapshot([ours("web", "192.0.2.1")], frozen("192.0.2.1")))["web"]
    assert said_of(decision) == (
        Action.REFUSE,
        Reason.LedgerUnreadable,
        "ConfigMap lbctl-claims-192.0.2.0 cannot be read: its ledger version is v2; this lbctl reads v1",
    )


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([ours("web", "192.0.2.1")], []),
        (
            [ours("web", "192.0.2.2")],
            ["192.0.2.1 is held by d/web, which shows 192.0.2.2: lbctl assign d/web settles it"],
        ),
        ([service("web")], ["192.0.2.1 is held by d/web, which shows nothing: lbctl assign d/web settles it"]),
        ([], ["192.0.2.1 is held by d/web, which is gone: lbctl claims prune lets it go"]),
        (
            [service("web", uid="new")],
            ["192.0.2.1 is held by d/web, which was deleted and created again: lbctl claims prune lets it go"],
        ),
    ],
)
def test_what_contradicts_a_claim_is_said(items: list[Json], said: list[str]) -> None:
    """With the command that settles it."""
    assert list(contradictions(snapshot(items, blocks(held("192.0.2.1", service("web")))))) == said


def test_a_claim_under_way_contradicts_nothing() -> None:
    """Its status follows within seconds."""
    look = snapshot([service("web")], blocks(held("192.0.2.1", service("web"), at=NOW - 1)))
    assert list(contradictions(look)) == []


# prune


def _pruned(planned: Plan) -> tuple[list[str], list[str]]:
    return [f"{c.address} of {h.key}" for c, h in planned.orphans], sorted(map(str, planned.expired))


DAY = 86_400


@pytest.mark.parametrize(
    ("at_once", "removed"),
    [(False, ["192.0.2.3"]), (True, ["192.0.2.2", "192.0.2.3"])],
)
def test_what_prune_lets_go_and_takes_out(at_once: bool, removed: list[str]) -> None:
    """Holders who are gone; released claims past keepFor, or all with --now, but no parked one."""
    web, parked = service("web", "192.0.2.0"), service("parked")
    claims = blocks(
        held("192.0.2.0", web),
        held("192.0.2.1", service("gone")),
        released("192.0.2.2", service("late"), ago=100),
        released("192.0.2.3", service("old"), ago=DAY + 1),
        released("192.0.2.4", parked, ago=2 * DAY, parked=True),
    )
    assert _pruned(plan_prune(snapshot([web, parked], claims), LAN, at_once=at_once)) == (
        ["192.0.2.1 of d/gone"],
        removed,
    )


def test_prune_of_another_namespace_finds_nothing_here() -> None:
    """-n narrows what is acted on."""
    claims = blocks(held("192.0.2.1", service("gone")), released("192.0.2.3", service("old"), ago=DAY + 1))
    assert _pruned(plan_prune(snapshot([], claims), LAN, namespace="e")) == ([], [])


def test_prune_writes_now_what_would_go_with_the_next_write() -> None:
    """Though nothing else is to be written; with --now who has just let go is taken out as well."""
    gone = blocks(held("192.0.2.1", service("gone")), released("192.0.2.3", service("old"), ago=DAY + 1))
    api = Api([], gone)
    went, left = prune(api.cluster(), lambda look: plan_prune(look, LAN))
    assert (sorted(map(str, (a for a, _ in went))), left) == (["192.0.2.1", "192.0.2.3"], {})
    assert {a: c.state for a, c in api.claims().items()} == {"192.0.2.1": "released"}
    prune(api.cluster(), lambda look: plan_prune(look, LAN, at_once=True))
    assert api.claims() == {}
    calls = len(api.calls)
    assert prune(api.cluster(), lambda look: plan_prune(look, LAN)) == ({}, {})
    assert not any(call.startswith(("PUT", "POST")) for call in api.calls[calls:])


def test_prune_that_loses_its_block_tries_again_and_says_what_is_left() -> None:
    """Others write it all the time."""
    api = Api([], blocks(released("192.0.2.3", service("old"), ago=DAY + 1)))
    api.faults["PUT"] = Conflict("changed")
    slept: list[float] = []
    went, left = prune(api.cluster(), lambda look: plan_prune(look, LAN), wait=0.01, sleep=slept.append)
    assert (len(went), left) == (1, {})
    assert (slept, api.claims()) == ([], {})
