"""Whatever an input holds, what comes of it loads; and nobody gets an address by an import who could not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbctl.imports.gather import imported
from lbctl.imports.reader import flattened, normalised
from lbctl.imports.values import Found
from lbctl.pools import PoolFile, parse_pools
from tests.property.test_pools import examples

Object = dict[str, Any]

TEXTS = [
    "",
    "lan",
    "192.0.2.0/28",
    "192.0.2.5/29",
    "2001:db8::/64",
    "10.0.0.9-10.0.0.1",
    "0.0.0.0/32",
    "a=b",
    "\x1b\n- x",
]
VALUES = st.recursive(
    st.sampled_from([None, True, 7, *TEXTS]) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "cidr", "pool"]), inner, max_size=2)
    ),
    max_leaves=6,
)
METALLB = ["addresses", "autoAssign", "avoidBuggyIPs", "serviceAllocation", "interfaces", "ipAddressPoolSelectors"]
CILIUM = ["blocks", "cidrs", "allowFirstLastIPs", "disabled", "serviceSelector"]
PURELB = ["local", "remote", "external", "namespaces", "enforceNamespaces", "namespaceDefault"]
KEYS = [*METALLB, *CILIUM, *PURELB]
HEADS = st.sampled_from(
    [
        ("metallb.io/v1beta1", "IPAddressPool"),
        ("metallb.io/v1beta1", "L2Advertisement"),
        ("cilium.io/v2", "CiliumLoadBalancerIPPool"),
        ("cilium.io/v2alpha1", "CiliumLoadBalancerIPPool"),
        ("purelb.io/v1", "ServiceGroup"),
        ("purelb.io/v2", "ServiceGroup"),
    ]
)


def _load(objects: Sequence[Object]) -> PoolFile | None:
    done = imported([found for body in objects for found in flattened(normalised(body))])
    return parse_pools("pools.yaml", done.text.encode()) if done.pools else None


@st.composite
def _nasty(draw: st.DrawFn) -> Object:
    version, kind = draw(HEADS)
    sound = {"addresses": ["192.0.2.0/28", "198.51.100.7/32"], "blocks": [{"cidr": "192.0.2.8/29"}]}
    spec = {**sound, **draw(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))}
    meta = draw(st.fixed_dictionaries({"name": VALUES, "labels": VALUES}))
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}


CONFIGMAPS = st.dictionaries(
    st.sampled_from(["cidr-global", "range-global", "cidr-a", "range-B", "cidr-", "search-order", "config"]), VALUES
)


@settings(examples(300), suppress_health_check=[HealthCheck.too_slow])  # which a busy machine is
@given(st.lists(_nasty(), max_size=4), CONFIGMAPS)
def test_what_comes_of_any_input_loads(objects: list[Object], data: Object) -> None:
    """parse_pools takes it, or there is none."""
    configmap = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kubevip"}, "data": data}
    _load([*objects, configmap])


SPACES = {"a": {"env": "x"}, "b": {"env": "y", "t": "1"}, "c": {}}
SERVICES: list[Mapping[str, str]] = [{}, {"app": "u"}, {"app": "v", "tier": "w"}]
NAME = "kubernetes.io/metadata.name"


def _selectors(labels: Mapping[str, list[str]]) -> st.SearchStrategy[Object]:
    """Label selectors over a few labels, sound ones."""
    pairs = st.sampled_from([(key, value) for key, values in labels.items() for value in values])
    expressions = st.one_of(
        st.builds(
            lambda key, operator, n: {"key": key, "operator": operator, "values": labels[key][: n + 1]},
            st.sampled_from(sorted(labels)),
            st.sampled_from(["In", "NotIn"]),
            st.integers(0, 1),
        ),
        st.builds(
            lambda key, operator: {"key": key, "operator": operator},
            st.sampled_from(sorted(labels)),
            st.sampled_from(["Exists", "DoesNotExist"]),
        ),
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "matchLabels": st.lists(pairs, max_size=2).map(dict),
            "matchExpressions": st.lists(expressions, max_size=2),
        },
    )


SPACE_SELECTORS = _selectors({"env": ["x", "y"], "t": ["1"], NAME: ["a", "c"]})
SERVICE_SELECTORS = _selectors({"app": ["u", "v"], "tier": ["w"]})


def _fits(selector: Object, labels: Mapping[str, str]) -> bool:
    """A label selector by its definition, for the oracle alone."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions", ()):
        has, there = labels.get(one["key"]) in one.get("values", ()), one["key"] in labels
        if not {"In": has, "NotIn": not has, "Exists": there, "DoesNotExist": not there}[one["operator"]]:
            return False
    return True


def _metallb(spec: Object, space: str, service: Mapping[str, str]) -> bool:
    """Whether MetalLB gives a Service that asks for nothing an address of the pool: the lists are alternatives."""
    if (allocation := spec.get("serviceAllocation")) is None:
        return True
    names, spaces, services = (allocation.get(k) for k in ("namespaces", "namespaceSelectors", "serviceSelectors"))
    if not (names or spaces or services):
        return False
    labels = {**SPACES[space], NAME: space}
    inside = space in (names or ()) or any(_fits(one, labels) for one in spaces or ())
    if (names or spaces) and not inside:
        return False
    return not services or any(_fits(one, service) for one in services)


ALLOCATIONS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "priority": st.integers(0, 9),
        "namespaces": st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=2),
        "namespaceSelectors": st.lists(SPACE_SELECTORS, max_size=2),
        "serviceSelectors": st.lists(SERVICE_SELECTORS, max_size=2),
    },
)


@examples(400)
@given(ALLOCATIONS)
def test_a_pool_of_metallb_is_for_the_same_services_or_for_none(allocation: Object | None) -> None:
    """For each Service and namespace; a pool that cannot be said is for nobody."""
    spec = {"addresses": ["192.0.2.0/28"], **({} if allocation is None else {"serviceAllocation": allocation})}
    head = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": "lan"}}
    file = _load([{**head, "spec": spec}])
    assert file is not None
    (pool,) = file.pools
    for space, labels in SPACES.items():
        for service in SERVICES:
            admitted = not pool.admits(space, {**labels, NAME: space}, service) and pool.auto_assign
            assert pool.disabled or admitted == _metallb(spec, space, service)


CHOSEN = _selectors(
    {"app": ["u", "v"], "io.kubernetes.service.namespace": ["a", "c"], "io.kubernetes.service.name": ["n"]}
)


@examples(400)
@given(CHOSEN)
def test_a_pool_of_cilium_is_for_the_same_services_or_for_none(selector: Object) -> None:
    """The two labels that Cilium makes of a Service's namespace and name count as labels of the Service."""
    head = {"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "lan"}}
    file = _load([{**head, "spec": {"blocks": [{"cidr": "192.0.2.0/28"}], "serviceSelector": selector}}])
    assert file is not None
    (pool,) = file.pools
    for space, labels in SPACES.items():
        for service in SERVICES:
            made = {"io.kubernetes.service.namespace": space, "io.kubernetes.service.name": "n"}
            admitted = not pool.admits(space, {**labels, NAME: space}, service)
            assert pool.disabled or admitted == _fits(selector, {**service, **made})


def test_the_oracle_and_its_inputs_are_not_empty() -> None:
    """The inputs above do reach both answers, else the tests could not fail."""
    spec = {"serviceAllocation": {"namespaces": ["a"], "serviceSelectors": [{"matchLabels": {"app": "u"}}]}}
    answers = {_metallb(spec, space, service) for space in SPACES for service in SERVICES}
    assert answers == {True, False}
    assert Found({"metadata": {"name": "x"}}).name == "x"
