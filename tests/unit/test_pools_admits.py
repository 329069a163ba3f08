"""Which Services a pool is for, and how it says whom it is for otherwise."""

from __future__ import annotations

import pytest

from lbctl.addresses import AddressSet
from lbctl.pools import Pool, parse_pools
from lbctl.selectors import Operator, Requirement, Selector

WEB = Selector.of({"app": "web"})
PROD = Selector.of({}, [Requirement("env", Operator.IN, ("prod",))])
Labels = dict[str, str]


def pool(names: tuple[str, ...] = (), spaces: Selector | None = None, services: Selector | None = None) -> Pool:
    """A pool with these conditions."""
    return Pool(
        "lan",
        AddressSet.parse("192.0.2.200"),
        namespaces=names,
        namespace_selector=spaces,
        service_selector=services,
    )


CASES: dict[str, tuple[Pool, str, Labels, Labels, str]] = {
    "no condition": (pool(), "x", {}, {}, ""),
    "its namespace": (pool(("prod", "dev")), "dev", {}, {}, ""),
    "another namespace": (pool(("prod", "dev")), "test", {}, {}, "is for namespaces prod, dev"),
    "one namespace": (pool(("prod",)), "prod-eu", {}, {}, "is for namespace prod"),
    "namespace labels": (pool((), PROD), "x", {"env": "prod"}, {}, ""),
    "other namespace labels": (pool((), PROD), "x", {"env": "dev"}, {}, "is for namespaces with env in (prod)"),
    "the Service's labels are not its namespace's": (
        pool((), PROD),
        "x",
        {},
        {"env": "prod"},
        "is for namespaces with env in (prod)",
    ),
    "named, though its labels differ": (pool(("dev",), PROD), "dev", {"env": "dev"}, {}, ""),
    "not named, though its labels match": (pool(("dev",), PROD), "x", {"env": "prod"}, {}, ""),
    "neither named nor matched": (
        pool(("dev",), PROD),
        "x",
        {},
        {},
        "is for namespace dev and those with env in (prod)",
    ),
    "neither of several named nor matched": (
        pool(("dev", "qa"), PROD),
        "x",
        {},
        {},
        "is for namespaces dev, qa and those with env in (prod)",
    ),
    "Service labels": (pool((), None, WEB), "x", {}, {"app": "web", "tier": "front"}, ""),
    "other Service labels": (pool((), None, WEB), "x", {}, {"app": "api"}, "is for Services with app=web"),
    "the namespace's labels are not the Service's": (
        pool((), None, WEB),
        "x",
        {"app": "web"},
        {},
        "is for Services with app=web",
    ),
    "namespace and Service both": (pool(("prod",), None, WEB), "prod", {}, {"app": "web"}, ""),
    "its namespace, other Service labels": (
        pool(("prod",), PROD, WEB),
        "prod",
        {},
        {},
        "is for Services with app=web",
    ),
    "Service labels, another namespace": (
        pool(("prod",), None, WEB),
        "dev",
        {},
        {"app": "web"},
        "is for namespace prod",
    ),
    "neither namespace nor Service": (
        pool(("prod",), None, WEB),
        "dev",
        {},
        {},
        "is for namespace prod, and for Services with app=web",
    ),
    "an empty namespaceSelector": (pool((), Selector()), "x", {}, {}, ""),
    "an empty namespaceSelector beside names": (pool(("prod",), Selector()), "x", {}, {}, ""),
    "an empty serviceSelector": (pool((), None, Selector()), "x", {}, {}, ""),
}


@pytest.mark.parametrize(("given", "space", "spaces", "services", "said"), CASES.values(), ids=CASES)
def test_a_pool_admits_those_it_is_for(given: Pool, space: str, spaces: Labels, services: Labels, said: str) -> None:
    """Names or labels of the namespace, and labels of the Service; else the sentence says all that is lacking."""
    assert given.admits(space, spaces, services) == said


@pytest.mark.parametrize(
    ("given", "restricted"),
    [
        (pool(), False),
        (pool(("prod",)), True),
        (pool((), PROD), True),
        (pool((), None, WEB), True),
        (pool((), Selector()), True),
        (pool((), None, Selector()), True),
    ],
)
def test_a_pool_with_a_condition_is_restricted(given: Pool, restricted: bool) -> None:
    """Also when the condition lets everything in: then the pool was written to go before the open ones."""
    assert given.restricted is restricted


def test_every_condition_of_the_file_arrives() -> None:
    """Each key is a field of the pool, and what is not written asks for nothing."""
    text = """pools:
- name: lan
  addresses: [192.0.2.200]
  namespaces: [prod, "10"]
  namespaceSelector: {matchExpressions: [{key: env, operator: In, values: [prod]}]}
  serviceSelector:
    matchLabels: {app: web, on: yes, n: 010}
    matchExpressions: [{key: a, operator: NotIn, values: ["", b]}, {key: c, operator: Exists},
      {key: example.com/d, operator: DoesNotExist, values: []}]
  shareAcrossNamespaces: true
  disabled: true
- {name: open, addresses: [192.0.2.201]}
- {name: all, addresses: [192.0.2.202], namespaceSelector: {}, serviceSelector: {matchLabels: {}, matchExpressions: []}}
"""
    lan, everyone, all_ = parse_pools("pools.yaml", text.encode()).pools
    assert (lan.namespaces, lan.namespace_selector) == (("prod", "10"), PROD)
    assert lan.service_selector == Selector(
        (("app", "web"), ("on", "yes"), ("n", "010")),
        (
            Requirement("a", Operator.NOT_IN, ("", "b")),
            Requirement("c", Operator.EXISTS),
            Requirement("example.com/d", Operator.DOES_NOT_EXIST),
        ),
    )
    assert (lan.share_across_namespaces, lan.disabled) == (True, True)
    assert everyone == Pool("open", AddressSet.parse("192.0.2.201"))
    assert (everyone.share_across_namespaces, everyone.disabled) == (False, False)
    assert (all_.namespace_selector, all_.service_selector) == (Selector(), Selector())
