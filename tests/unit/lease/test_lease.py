"""What one candidate does next, from what it has seen of the Lease (no clock, no thread)."""

from __future__ import annotations

from typing import Any

import pytest

from lbctl.kube.lease import Create, Election, Look, Record, Replace, Timing

WALL = 1772452800.25  # 2026-03-02T12:00:00.25Z
MIDDLE = 0.5  # no jitter: the middle of its range
Object = dict[str, Any]


def lease(
    holder: str = "other", *, renewed: str = "t1", version: str = "7", seconds: Any = 15, turns: int = 4
) -> Object:
    """A Lease as the API server shows it, with a label that is none of ours."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "acquireTime": "t0", "renewTime": renewed}
    spec |= {"leaseTransitions": turns, "strategy": "later"}
    return {"metadata": {"name": "lbctl", "resourceVersion": version, "labels": {"a": "b"}}, "spec": spec}


def election(seen: Object | None = None, *, at: float = 0.0) -> Election:
    """Candidate `us`, who has read this Lease at that time; None: there is none."""
    one = Election("lbctl", "us")
    assert one.step(at, WALL) == Look()
    one.looked(at, seen, MIDDLE)
    return one


def leader(*, sent: float = 100.0) -> Election:
    """`us` as leader, by a write that was sent then and answered half a second later."""
    one = election(at=sent)
    one.written(sent, sent + 0.5, lease("us", version="8"), MIDDLE)
    return one


def test_a_lease_that_is_not_there_is_made() -> None:
    """As client-go makes it: transitions start at 0."""
    step = election().step(0, WALL)
    assert step == Create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "lbctl", "labels": {"app.kubernetes.io/managed-by": "lbctl"}},
            "spec": {
                "holderIdentity": "us",
                "leaseDurationSeconds": 15,
                "acquireTime": "2026-03-02T12:00:00.250000Z",
                "renewTime": "2026-03-02T12:00:00.250000Z",
                "leaseTransitions": 0,
            },
        }
    )


def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    """Over the version that was read; what else stands in it stays, and the transitions count one more."""
    step = election(lease("", seconds=1)).step(0, WALL)
    assert isinstance(step, Replace)
    assert step.version == "7"
    assert step.body["metadata"]["labels"] == {"a": "b"}
    assert step.body["spec"] == {
        "holderIdentity": "us",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-03-02T12:00:00.250000Z",
        "renewTime": "2026-03-02T12:00:00.250000Z",
        "leaseTransitions": 5,
        "strategy": "later",
    }


@pytest.mark.parametrize(
    ("seconds", "lasts"),
    [(15, 15.0), (30, 30.0), (1, 1.0), (None, 15.0), (0, 15.0), (-5, 15.0), ("soon", 15.0)],
)
def test_another_s_lease_is_taken_once_it_was_seen_unchanged_for_as_long_as_it_says(seconds: Any, lasts: float) -> None:
    """By our clock alone; where it says nothing of use, for as long as ours would last."""
    one, at = election(lease(seconds=seconds), at=1000.0), 1000.0
    while True:
        at = one.due
        step = one.step(at, WALL)
        if isinstance(step, Replace):
            break
        assert step == Look()
        one.looked(at, lease(seconds=seconds), MIDDLE)
    assert at == pytest.approx(1000.0 + lasts)


@pytest.mark.parametrize("change", [{"renewed": "t2"}, {"holder": "third"}, {"turns": 5}])
def test_a_lease_that_changes_is_alive(change: Any) -> None:
    """Then the wait begins again."""
    one = election(lease(), at=0.0)
    one.looked(14.9, lease(**change), MIDDLE)
    one.looked(29.8, lease(**change), MIDDLE)
    assert one.step(29.85, WALL) is None
    one.looked(30.0, lease(**change), MIDDLE)
    assert isinstance(one.step(30.0, WALL), Replace)


def test_a_label_does_not_prolong_a_lease() -> None:
    """The version moves and the holder is as silent as before."""
    one = election(lease(version="7"), at=0.0)
    one.looked(15.0, lease(version="99"), MIDDLE)
    step = one.step(15.0, WALL)
    assert isinstance(step, Replace)
    assert step.version == "99"


def test_a_lead_lasts_ten_seconds_from_when_its_write_was_sent() -> None:
    """Not from when the answer came: others may have seen the write long before."""
    one = leader(sent=100.0)
    assert one.leading(109.9)
    assert not one.leading(110.0)
    assert one.until == 110.0


def test_a_leader_renews_with_one_request() -> None:
    """Over the version its last write was answered with; when it began and how often the holder changed stay."""
    one = leader(sent=100.0)
    assert one.due == 102.5
    assert one.step(102.4, WALL) is None
    step = one.step(102.5, WALL)
    assert isinstance(step, Replace)
    assert (step.version, step.body["spec"]["acquireTime"], step.body["spec"]["leaseTransitions"]) == ("8", "t0", 4)


def test_a_renewal_is_never_the_same_as_the_last_one() -> None:
    """The API server would keep it to itself, and to all others the holder would be silent; clocks may stand still."""
    one = leader()
    first = one.step(200, WALL)
    assert isinstance(first, Replace)
    one.written(200, 200, {**first.body, "metadata": {"name": "lbctl", "resourceVersion": "9"}}, MIDDLE)
    second = one.step(300, WALL)
    assert isinstance(second, Replace)
    assert (first.body["spec"]["renewTime"], second.body["spec"]["renewTime"]) == (
        "2026-03-02T12:00:00.250000Z",
        "2026-03-02T12:00:00.250001Z",
    )


def test_a_failed_renewal_is_looked_into_before_the_next_write() -> None:
    """It may have landed; the lead goes on as long as it would have."""
    one = leader(sent=100.0)
    one.failed(103.0, MIDDLE)
    assert (one.due, one.leading(109.9), one.leading(110.0)) == (105.0, True, False)
    assert one.step(105.0, WALL) == Look()
    one.looked(105.1, lease("us", version="9"), MIDDLE)
    step = one.step(105.1, WALL)
    assert isinstance(step, Replace)
    assert step.version == "9"


def test_who_finds_another_in_its_lease_leads_no_longer() -> None:
    """Whoever wrote it, and however long the lead would have lasted; so too when the Lease was deleted."""
    for found in (lease("other"), lease(""), None):
        one = leader(sent=100.0)
        one.beaten(101.0, MIDDLE)
        assert one.leading(101.0)
        one.looked(101.0, found, MIDDLE)
        assert not one.leading(101.0)


def test_a_lost_race_is_looked_at_once_and_a_second_one_waits() -> None:
    """What answers Conflict to everything is not asked over and over."""
    one = election(lease(""), at=0.0)
    one.beaten(0.0, MIDDLE)
    assert one.step(0.0, WALL) == Look()
    one.looked(0.0, lease("", version="8"), MIDDLE)
    one.beaten(0.0, MIDDLE)
    assert one.step(1.9, WALL) is None
    assert one.step(2.0, WALL) == Look()


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 2.0), (1.0, 2.0), (7.0, 7.0), (3600.0, 15.0)])
def test_a_server_that_asks_for_patience_gets_it(asked: float, waits: float) -> None:
    """Never less than our own pace, never more than a Lease lasts."""
    one = Election("lbctl", "us")
    one.failed(0.0, MIDDLE, asked)
    assert one.due == waits


@pytest.mark.parametrize(("jitter", "look", "retry"), [(0.0, 0.56, 1.6), (1.0, 0.84, 2.4)])
def test_jitter_keeps_candidates_apart(jitter: float, look: float, retry: float) -> None:
    """A fifth each way; even the latest look finds a Lease that was given back within a second."""
    one = Election("lbctl", "us")
    one.looked(0.0, lease(), jitter)
    assert one.due == pytest.approx(look)
    one.failed(0.0, jitter)
    assert one.due == pytest.approx(retry)


def test_a_lease_is_given_back_as_client_go_does() -> None:
    """No holder, one second, and the transitions stay; then there is nothing left to do."""
    one = leader()
    one.step(200, WALL)
    step = one.release(WALL)
    assert isinstance(step, Replace)
    assert step.version == "8"
    assert {k: step.body["spec"][k] for k in ("holderIdentity", "leaseDurationSeconds", "leaseTransitions")} == {
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "leaseTransitions": 4,
    }
    one.read(0, lease("", version="9"))
    assert one.release(WALL) is None


def test_what_is_not_ours_is_not_given_back() -> None:
    """Nor is it looked at."""
    assert election(lease()).release(WALL) is None
    assert Election("lbctl", "us").release(WALL) is None


def test_a_lease_that_may_be_ours_is_looked_at_and_given_back() -> None:
    """The answer to the write that took it was lost."""
    one = election(lease(""))
    assert isinstance(one.step(0, WALL), Replace)
    one.failed(3.0, MIDDLE)
    assert one.release(WALL) == Look()
    one.read(3.0, lease("us", version="8"))
    step = one.release(WALL)
    assert isinstance(step, Replace)
    assert step.version == "8"


def test_a_lease_of_nothing_is_free() -> None:
    """Somebody made it with kubectl, without a spec."""
    one = election({"metadata": {"name": "lbctl", "resourceVersion": "1"}})
    assert isinstance(one.step(0, WALL), Replace)
    assert Record.of({"metadata": {}, "spec": None}) == Record("", 0, "", "", 0)


def test_the_numbers_leave_others_room() -> None:
    """5 s between the end of a lead and the first takeover, three tries within a lead, a look within a second."""
    timing = Timing()
    assert timing.lease - timing.deadline == 5
    assert timing.retry * 1.2 * 3 < timing.deadline
    assert timing.look * 1.2 < 1
