"""The Python API on a sandbox: what it promises to scripts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lbctl import api
from lbctl.api import Action, Key, Reason, apply, connect, load_pools, plan
from tests.stage import HOUR, NOW, Stage, stage


@pytest.fixture
def set_stage() -> Iterator[Stage]:
    """A sandbox with two Services that lack an address, and one that lacks none."""
    with stage() as here:
        here.service("web", ago=2 * HOUR)
        here.service("db", ago=HOUR)
        here.service("inside", kind="ClusterIP")
        yield here


@pytest.mark.usefixtures("set_stage")
def test_what_a_plan_says_is_what_apply_does() -> None:
    """Look, plan, apply: status and claims are as the Decisions said, and planning again finds nothing to do."""
    cluster, pools = connect(), load_pools("pools.yaml")
    planned = plan(cluster.snapshot(), pools)
    assert [(str(d.service.key), d.action) for d in planned.decisions if d.writes] == [
        ("default/db", Action.ASSIGN),
        ("default/web", Action.ASSIGN),
    ]
    assert apply(cluster, planned) == planned.decisions
    look = cluster.snapshot()
    expected = {d.service.key: d.addresses for d in planned.decisions if d.writes}
    assert {key: service.status for key, service in look.services.items() if service.is_load_balancer} == expected
    held = {holder.key: (claim.address,) for claim in look.claims for holder in claim.holders}
    assert held == expected
    assert not any(d.writes for d in plan(look, pools).decisions)


@pytest.mark.usefixtures("set_stage")
def test_the_older_service_comes_first() -> None:
    """The order is the planner's own: the API decides nothing."""
    decisions = plan(connect().snapshot(), load_pools("pools.yaml"), ["default/web", Key("default", "db")]).decisions
    got = {d.service.key.name: list(map(str, d.addresses)) for d in decisions}
    assert got == {"web": ["192.0.2.200"], "db": ["192.0.2.201"]}


@pytest.mark.usefixtures("set_stage")
def test_select() -> None:
    """Names, Keys and predicates choose; a name that is not there has no Decision; None is every Service."""
    look, pools = connect().snapshot(), load_pools(Path("pools.yaml"))

    def names(select: api.Select) -> list[str]:
        return [d.service.key.name for d in plan(look, pools, select).decisions]

    assert names(["default/web", "default/gone"]) == ["web"]
    assert names({Key("default", "db")}) == ["db"]
    assert names(lambda service: service.is_load_balancer and service.created < "2026-03-02T10:30") == ["web"]
    assert names([]) == []
    assert sorted(names(None)) == ["db", "inside", "kubernetes", "web"]


@pytest.mark.usefixtures("set_stage")
@pytest.mark.parametrize("name", ["web", "default/", "/web", "a/b/c", ""])
def test_a_name_that_is_none(name: str) -> None:
    """It is refused, not passed over: a script with a slip in it must not look like one with nothing to do."""
    look, pools = connect().snapshot(), load_pools("pools.yaml")
    with pytest.raises(ValueError, match="is no Service name; write namespace/name"):
        plan(look, pools, [name])


@pytest.mark.usefixtures("set_stage")
def test_one_string_is_not_a_list_of_letters() -> None:
    """A string is iterable, which no type checker catches."""
    with pytest.raises(TypeError, match=r"write select=\['default/web'\]"):
        plan(connect().snapshot(), load_pools("pools.yaml"), "default/web")


@pytest.mark.usefixtures("set_stage")
def test_pool_and_addresses_are_what_the_flags_are() -> None:
    """As --pool and --ip: within the planner's rules, with its reasons."""
    look, pools = connect().snapshot(), load_pools("pools.yaml")
    (decision,) = plan(look, pools, ["default/web"], pool="public").decisions
    assert decision.claims == {ip_address("203.0.113.16"): "public"}
    (decision,) = plan(look, pools, ["default/web"], addresses=["192.0.2.210"]).decisions
    assert decision.addresses == (ip_address("192.0.2.210"),)
    (decision,) = plan(look, pools, ["default/web"], pool="nowhere").decisions
    assert (decision.action, decision.reason) == (Action.REFUSE, Reason.PoolNotFound)
    with pytest.raises(api.AddressError, match="one address per family"):
        plan(look, pools, ["default/web"], addresses=["192.0.2.1", "192.0.2.2"])


def test_released_by_hand_comes_back_by_name_only(set_stage: Stage) -> None:
    """Neither None nor a predicate gives an address to what a person has taken it from."""
    set_stage.run("assign", "web")
    set_stage.run("release", "web")
    look, pools = connect().snapshot(), load_pools("pools.yaml")
    for select in (None, lambda service: service.key.name == "web"):
        (decision,) = [d for d in plan(look, pools, select).decisions if d.service.key.name == "web"]
        assert (decision.action, decision.reason) == (Action.SKIP, Reason.Released)
    (decision,) = plan(look, pools, ["default/web"]).decisions
    assert decision.action is Action.ASSIGN


def test_what_was_overtaken_says_so(set_stage: Stage) -> None:
    """Another run was faster: nothing of the plan is done, the Decision waits, and a new plan finds what is true."""
    cluster, pools = connect(), load_pools("pools.yaml")
    planned = plan(cluster.snapshot(), pools, ["default/web", "default/db"])
    set_stage.run("assign", "web", "--ip", "192.0.2.207")
    after = apply(cluster, planned)
    assert [(d.action, d.reason) for d in after] == [(Action.WAIT, Reason.BeingAssigned)] * 2
    assert set_stage.shown("web") == ["192.0.2.207"]
    (again,) = apply(cluster, plan(cluster.snapshot(), pools, ["default/db"]))
    assert (again.action, set_stage.shown("db")) == (Action.ASSIGN, list(map(str, again.addresses)))


def test_a_plan_applied_twice_changes_nothing(set_stage: Stage) -> None:
    """The second time it is out of date."""
    cluster = connect()
    planned = plan(cluster.snapshot(), load_pools("pools.yaml"), ["default/web"])
    assert apply(cluster, planned) == planned.decisions
    claims = cluster.snapshot().claims
    assert [d.action for d in apply(cluster, planned)] == [Action.WAIT]
    assert (set_stage.shown("web"), cluster.snapshot().claims) == (["192.0.2.200"], claims)


@pytest.mark.usefixtures("set_stage")
def test_the_claims_name_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """`lbctl claims list` says who wrote a claim: the user, the host, the script, and by which pool file."""
    monkeypatch.setattr("sys.argv", ["/srv/scripts/nightly.py", "--all"])
    cluster, pools = connect(), load_pools("pools.yaml")
    apply(cluster, plan(cluster.snapshot(), pools))
    assert {claim.by for claim in cluster.snapshot().claims} == {f"ann@desk nightly.py {pools.digest}"}


def test_a_user_without_a_name(set_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container that knows no name for its user, the number stands in the claim; there is no traceback."""
    monkeypatch.setattr("getpass.getuser", _nameless)
    assert set_stage.run("assign", "web").code == 0
    assert "uid-" in set_stage.run("claims", "list").out


def _nameless() -> str:
    raise KeyError("getpwuid(): uid not found: 1001")


def test_errors_are_of_one_tree(set_stage: Stage) -> None:
    """No kubeconfig, no such context, no pool file, a wrong one: each an LbctlError with a sentence and a hint."""
    set_stage.write("wrong.yaml", "pools:\n- name: lan\n  adresses: [192.0.2.0/24]\n")
    for call, kind in (
        (lambda: connect("nowhere"), api.ClusterError),
        (lambda: connect(context="nowhere"), api.ClusterError),
        (lambda: load_pools("nowhere.yaml"), api.PoolFileError),
        (lambda: load_pools("wrong.yaml"), api.PoolFileError),
    ):
        with pytest.raises(kind) as raised:
            call()
        assert issubclass(kind, api.LbctlError)
        assert raised.value.message == str(raised.value) != ""


def test_context_kubeconfig_and_time(set_stage: Stage) -> None:
    """They may be given as paths; the snapshot's time is the API server's."""
    cluster = connect(set_stage.folder / "kubeconfig", context="lbctl")
    assert cluster.namespace == "default"
    assert cluster.snapshot().now == NOW


def test_everything_public_is_there_and_documented() -> None:
    """What `__all__` names exists, in order, and has a docstring, but for the names of types."""
    assert api.__all__ == sorted(api.__all__, key=lambda name: (name.islower(), name))
    for name in api.__all__:
        assert name in ("Address", "Select") or getattr(api, name).__doc__, name
