"""What each pool says of a Service: every verdict word for word, and never against the Decision (promises 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lbctl.addresses import AddressSet, parse_address
from lbctl.claims import Block, BlockId, Claim, Last
from lbctl.decisions import Action, Decision
from lbctl.planner import plan
from lbctl.pools import Pool, PoolFile, Reservation
from lbctl.selectors import Selector
from lbctl.services import Key
from tests.unit.planner.values import NOW, Json, blocks, frozen, held, pool, pools, released, service, snapshot

BOTH = ("IPv4", "IPv6")
LAN = pool("192.0.2.0/29", name="lan")
SIX = pool("2001:db8::/125", name="six")
THEN = "1970-01-12T13:45:00Z (100s ago)"  # 100 s before NOW
WEB = Key("d", "web")


def _web(**more: Any) -> Json:
    return service("web", **more)


def _noted(item: Json, **notes: str) -> Json:
    """With annotations; `__` stands for the slash."""
    more = {name.replace("__", "/"): value for name, value in notes.items()}
    item["metadata"]["annotations"] = {**item["metadata"]["annotations"], **more}
    return item


def _shares(name: str, *shown: str, port: int, **more: Any) -> Json:
    return _noted(service(name, *shown, ports=[{"port": port}], **more), lbctl__share="k")


def _both_held(address: str, *by: Json) -> Claim:
    """One claim that these Services hold."""
    claims = [held(address, one, at=NOW - 100 * (n + 1)) for n, one in enumerate(by)]
    holders = tuple(replace(c.holders[0], share=_sharing(one)) for c, one in zip(claims, by, strict=True))
    return replace(claims[0], holders=holders)


def _sharing(item: Json) -> Any:
    from lbctl.services import parse_service

    return parse_service(item).sharing


@dataclass(frozen=True)
class Case:
    """What d/web meets, and what each pool says to it."""

    says: dict[str, str]
    web: Json = field(default_factory=_web)
    pools: tuple[Pool, ...] = (LAN,)
    claims: tuple[Claim, ...] = ()
    ledger: dict[BlockId, Block] = field(default_factory=dict)
    others: tuple[Json, ...] = ()
    nodes: dict[str, str] = field(default_factory=dict)
    reserved: dict[str, str] = field(default_factory=dict)
    load_balancer_class: str | None = None

    def decided(self) -> Decision:
        """The Decision for d/web, with its trace."""
        kept = tuple(
            Reservation(Key.parse(k), tuple(map(parse_address, a.split(",")))) for k, a in self.reserved.items()
        )
        file = PoolFile("pools.yaml", self.load_balancer_class, self.pools, "0", kept)
        look = snapshot([self.web, *self.others], {**blocks(*self.claims), **self.ledger})
        look = replace(look, others={parse_address(a): words for a, words in self.nodes.items()})
        (found,) = (d for d in plan(look, file, traced=WEB).decisions if d.service.key == WEB)
        return found


OTHER = service("other", "192.0.2.1")
GONE = service("gone")

CASES = {
    "a free address": Case({"lan": "192.0.2.0 is free"}),
    "a pool by its family": Case(
        {"lan": "192.0.2.0 is free; has no IPv6 addresses", "six": "has no IPv4 addresses; 2001:db8:: is free"},
        web=_web(families=BOTH),
        pools=(LAN, SIX),
    ),
    "pools for some stand first, each by priority": Case(
        {
            "mine": "192.0.2.16 is free",
            "theirs": "is for namespace prod",
            "lan": "192.0.2.0 is free",
            "labelled": "is for Services with tier=lab",
        }
        | {"late": "192.0.2.40 is free"},
        pools=(
            LAN,
            pool("192.0.2.40/29", name="late", priority=None),
            pool("192.0.2.24/29", name="theirs", namespaces=("prod",), priority=2),
            pool("192.0.2.16/29", name="mine", namespaces=("d",), priority=1),
            pool("192.0.2.32/29", name="labelled", service_selector=Selector((("tier", "lab"),))),
        ),
    ),
    "a namespace that does not match": Case(
        {"lan": "is for namespaces with env=prod"},
        pools=(replace(LAN, namespace_selector=Selector((("env", "prod"),))),),
    ),
    "a disabled pool": Case({"lan": "is disabled: it hands out nothing new"}, pools=(replace(LAN, disabled=True),)),
    "a pool that gives nothing unasked": Case(
        {"lan": "gives addresses only to Services that ask for them (autoAssign: false)"},
        pools=(replace(LAN, auto_assign=False),),
    ),
    "a named pool gives all the same, the others are passed over": Case(
        {"lan": "192.0.2.0 is free", "six": "the Service names pool lan"},
        web=_noted(_web(), lbctl__pool="lan"),
        pools=(replace(LAN, auto_assign=False), SIX),
    ),
    "a full pool": Case(
        {"lan": "none of its 2 IPv4 addresses is free"},
        pools=(pool("192.0.2.0/31", name="lan"),),
        others=(service("a", "192.0.2.0"), service("b", "192.0.2.1")),
    ),
    "a full pool of one": Case(
        {"lan": "its one IPv4 address is not free"},
        pools=(pool("192.0.2.1", name="lan"),),
        others=(OTHER,),
    ),
    "a cooling address": Case(
        {
            "lan": "its one IPv4 address is not free; the next released one cools until 1970-01-12T13:47:30Z "
            "(another 50s)"
        },
        pools=(pool("192.0.2.1", name="lan"),),
        claims=(released("192.0.2.1", GONE, ago=10),),
    ),
    "a cooled one, and who had it": Case(
        {"lan": "192.0.2.1 is free (d/gone had it, released 70s ago)"},
        pools=(pool("192.0.2.1", name="lan"),),
        claims=(released("192.0.2.1", GONE, ago=70),),
    ),
    "a block that cannot be read": Case(
        {
            "lan": "none of its 8 IPv4 addresses is free: ConfigMap lbctl-claims-192.0.2.0 cannot be read: its ledger "
            "version is v2; this lbctl reads v1"
        },
        ledger=frozen("192.0.2.0"),
    ),
    "the address asked for": Case(
        {"lan": "192.0.2.3 is free", "six": "does not hold the address asked for"},
        web=_web(ask="192.0.2.3"),
        pools=(LAN, SIX),
    ),
    "two asked for, of two pools": Case(
        {"lan": "192.0.2.3 is free", "six": "2001:db8::3 is free"},
        web=_web(ask="192.0.2.3,2001:db8::3", families=BOTH),
        pools=(LAN, SIX),
    ),
    "neither of two asked for": Case(
        {"lan": "does not hold the addresses asked for"},
        web=_web(ask="198.51.100.3,2001:db8::3", families=BOTH),
    ),
    "one asked for that another holds": Case(
        {"lan": f"192.0.2.1 is in use: Service d/other has it since {THEN}"},
        web=_web(ask="192.0.2.1"),
        others=(OTHER,),
        claims=(held("192.0.2.1", OTHER),),
    ),
    "one asked for that another shows without a claim": Case(
        {"lan": "192.0.2.1 is in use: Service d/other shows it"}, web=_web(ask="192.0.2.1"), others=(OTHER,)
    ),
    "one asked for that a node has": Case(
        {"lan": "192.0.2.1 is in use: node n has it"}, web=_web(ask="192.0.2.1"), nodes={"192.0.2.1": "node n has it"}
    ),
    "one asked for is given though it cools": Case(
        {"lan": "192.0.2.1 is free (d/gone had it, released 10s ago)"},
        web=_web(ask="192.0.2.1"),
        claims=(released("192.0.2.1", GONE, ago=10),),
    ),
    "one asked for that the pool excludes": Case(
        {"lan": "excludes 192.0.2.1"},
        web=_web(ask="192.0.2.1"),
        pools=(replace(LAN, exclude=AddressSet.parse("192.0.2.1")),),
    ),
    "one asked for that avoidBuggyIPs leaves out": Case(
        {"lan": "has avoidBuggyIPs, which leaves out 192.0.2.0"},
        web=_web(ask="192.0.2.0"),
        pools=(replace(LAN, avoid_buggy_ips=True),),
    ),
    "one asked for that is kept for another": Case(
        {"lan": "192.0.2.1 is reserved for Service d/other"},
        web=_web(ask="192.0.2.1"),
        reserved={"d/other": "192.0.2.1"},
    ),
    "one asked for of a pool that is for others": Case(
        {"lan": "is for namespace prod"},
        web=_web(ask="192.0.2.1"),
        pools=(replace(LAN, namespaces=("prod",)),),
    ),
    "one asked for of another family": Case(
        {"six": "2001:db8::1 is IPv6; the Service is IPv4"}, web=_web(ask="2001:db8::1"), pools=(SIX,)
    ),
    "one asked for that can be shared": Case(
        {"lan": "192.0.2.1 is free to be shared: Service d/front shows it"},
        web=_shares("web", port=81, ask="192.0.2.1"),
        others=(_shares("front", "192.0.2.1", port=80),),
        claims=(_both_held("192.0.2.1", _shares("front", "192.0.2.1", port=80)),),
    ),
    "one asked for that cannot be shared": Case(
        {
            "lan": "192.0.2.1 cannot be shared with Service d/front: both use TCP/80; Service d/front has it since "
            f"{THEN}"
        },
        web=_shares("web", port=80, ask="192.0.2.1"),
        others=(_shares("front", "192.0.2.1", port=80),),
        claims=(_both_held("192.0.2.1", _shares("front", "192.0.2.1", port=80)),),
    ),
    "an address under its key": Case(
        {"lan": "192.0.2.1 can be shared: Service d/front shows it", "six": "has no IPv4 addresses"},
        web=_shares("web", port=81),
        pools=(LAN, SIX),
        others=(_shares("front", "192.0.2.1", port=80),),
        claims=(_both_held("192.0.2.1", _shares("front", "192.0.2.1", port=80)),),
    ),
    "a reservation": Case(
        {
            "lan": "192.0.2.5 is reserved for it, and free",
            "p": "is not asked for IPv4: 192.0.2.5 of pool lan is reserved for it",
        },
        pools=(LAN, pool("192.0.2.8/29")),
        reserved={"d/web": "192.0.2.5"},
    ),
    "a reservation that another has": Case(
        {"lan": f"192.0.2.1 is reserved for it, and 192.0.2.1 is in use: Service d/other has it since {THEN}"},
        others=(OTHER,),
        claims=(held("192.0.2.1", OTHER),),
        reserved={"d/web": "192.0.2.1"},
    ),
    "a reservation in a pool that is not the named one": Case(
        {"lan": "the Service names pool p", "p": "192.0.2.8 is free"},
        web=_noted(_web(), lbctl__pool="p"),
        pools=(LAN, pool("192.0.2.8/29")),
        reserved={"d/web": "192.0.2.5"},
    ),
    "what its name had before": Case(
        {"lan": "192.0.2.4 was this name's before, and is kept for it until 1970-01-13T13:46:30Z"},
        claims=(released("192.0.2.4", _web(uid="older"), ago=10),),
    ),
    "what an older Service of its name still holds": Case(
        {"lan": "192.0.2.4 was this name's before, and nobody has it since"},
        claims=(held("192.0.2.4", _web(uid="older")),),
    ),
    "what it has": Case(
        {"lan": "holds 192.0.2.2, which the Service has", "p": "is not needed: the Service has what it asks for"},
        web=service("web", "192.0.2.2"),
        pools=(LAN, pool("192.0.2.8/29")),
        claims=(held("192.0.2.2", service("web", "192.0.2.2")),),
    ),
    "what it has of both families": Case(
        {"p": "holds 192.0.2.2 and 2001:db8::2, which the Service has"},
        web=service("web", "192.0.2.2", "2001:db8::2", families=BOTH),
        pools=(pool("192.0.2.0/29", "2001:db8::/125"),),
        claims=tuple(held(a, service("web", families=BOTH)) for a in ("192.0.2.2", "2001:db8::2")),
    ),
    "what it has and asked for": Case(
        {"lan": "holds 192.0.2.2, which the Service has", "six": "does not hold the address asked for"},
        web=service("web", "192.0.2.2", ask="192.0.2.2"),
        pools=(LAN, SIX),
        claims=(held("192.0.2.2", service("web", ask="192.0.2.2")),),
    ),
    "what it has, beside another that it asks for by now": Case(
        {"lan": "holds 192.0.2.2, which the Service has; 192.0.2.3 is free"},
        web=service("web", "192.0.2.2", ask="192.0.2.3"),
        claims=(held("192.0.2.2", service("web")),),
    ),
    "what it has, and would not get today": Case(
        {
            "lan": "holds 192.0.2.2, which the Service has and would not get today: pool lan is disabled: it hands out "
            "nothing new"
        },
        web=service("web", "192.0.2.2"),
        pools=(replace(LAN, disabled=True),),
        claims=(held("192.0.2.2", service("web")),),
    ),
    "what it has, though another is reserved for it": Case(
        {"lan": "holds 192.0.2.2, which the Service has and would not get today: 192.0.2.5 is reserved for it"},
        web=service("web", "192.0.2.2"),
        claims=(held("192.0.2.2", service("web")),),
        reserved={"d/web": "192.0.2.5"},
    ),
    "what is in no pool any more": Case(
        {"lan": "is not needed: the Service has what it asks for"},
        web=service("web", "198.51.100.2"),
        claims=(held("198.51.100.2", service("web")),),
    ),
    "a second family that it lacks": Case(
        {"lan": "holds 192.0.2.2, which the Service has; has no IPv6 addresses", "six": "2001:db8:: is free"},
        web=service("web", "192.0.2.2", families=BOTH, policy="PreferDualStack"),
        pools=(LAN, SIX),
        claims=(held("192.0.2.2", service("web", families=BOTH, policy="PreferDualStack")),),
    ),
    "what another run is at": Case(
        {"lan": "holds 192.0.2.2, which is claimed for the Service"},
        pools=(LAN, SIX),
        claims=(held("192.0.2.2", service("web"), at=NOW - 1),),
    ),
    "what another controller wrote": Case(
        {"lan": "holds 192.0.2.2, which the Service shows"}, web=service("web", "192.0.2.2"), pools=(LAN, SIX)
    ),
    "what it would get if it were named, once released": Case(
        {
            "lan": "192.0.2.4 was this name's before, and is kept for it until 1970-01-13T13:46:30Z",
            "p": "192.0.2.8 is free",
        },
        pools=(LAN, pool("192.0.2.8/29")),
        claims=(released("192.0.2.4", service("web"), ago=10, parked=True),),
    ),
    "another class": Case({}, web=_web(loadBalancerClass="example.com/other")),
    "another class, with an address of a pool": Case(
        {"lan": "holds 192.0.2.2, which the Service shows"},
        web=service("web", "192.0.2.2", loadBalancerClass="example.com/other"),
    ),
    "no LoadBalancer": Case({}, web=_web(type="ClusterIP")),
    "an ask that cannot be read": Case({}, web=_web(ask="192.0.2.300")),
    "an ask that cannot be read, beside what it has": Case(
        {"lan": "holds 192.0.2.2, which the Service has"},
        web=service("web", "192.0.2.2", ask="192.0.2.300"),
        claims=(held("192.0.2.2", service("web")),),
    ),
    "an address by DHCP": Case({}, web=_web(ask="0.0.0.0")),
}


@pytest.mark.parametrize("name", CASES)
def test_a_pool_says(name: str) -> None:
    """Each pool in its turn, word for word."""
    decision = CASES[name].decided()
    assert {v.pool: v.words for v in decision.trace} == CASES[name].says
    if name.startswith("pools for some"):
        assert [v.pool for v in decision.trace] == ["mine", "theirs", "labelled", "lan", "late"]


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_is_as_the_decision(name: str) -> None:
    """What is assigned, some pool gives or had given; what is shown, the pool that holds it says it has."""
    decision = CASES[name].decided()
    gives = {a for v in decision.trace for a in v.gives}
    has = {a for v in decision.trace for a in v.has}
    assert not gives & has
    if decision.action is Action.ASSIGN:
        assert set(decision.addresses) <= gives | has
    assert {a for a in decision.service.status if any(a in p.addresses for p in CASES[name].pools)} <= has


def test_nothing_is_traced_unasked() -> None:
    """It costs what it costs, and 10,000 Services are planned at once."""
    look = snapshot([service("web"), service("more")])
    assert [d.trace for d in plan(look, pools(LAN), traced=WEB).decisions if d.service.key != WEB] == [()]
    assert all(d.trace == () for d in plan(look, pools(LAN)).decisions)


def test_who_was_released_for_others_at_once() -> None:
    """`release --now` keeps nothing for the name."""
    last = Last(Key("d", "gone"), "uid-gone", "")
    claim = Claim(parse_address("192.0.2.1"), (), "p", 0, "x", last, 0, True)
    (verdict,) = Case({}, pools=(pool("192.0.2.1", name="lan"),), claims=(claim,)).decided().trace
    assert verdict.words == "192.0.2.1 is free (d/gone had it, released)"
