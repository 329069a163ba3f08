"""EndpointSlices: where a Service's pods are; what is defaulted, checked, counted and shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_tables import cells, table
from tests.contract.wire import Wire

POD = {"addresses": ["192.0.2.1"], "conditions": {"ready": True}}


def slice_(name: str, /, **fields: Any) -> dict[str, Any]:
    """An EndpointSlice of one pod."""
    meta = {"name": name, "labels": {"kubernetes.io/service-name": "web"}}
    return {"metadata": meta, "addressType": "IPv4", "endpoints": [POD], "ports": [{"port": 80}], **fields}


def pods(*addresses: str) -> list[dict[str, Any]]:
    """One endpoint with these addresses."""
    return [{"addresses": list(addresses)}]


def managers(item: dict[str, Any]) -> set[str]:
    """The top fields of the only manager."""
    (entry,) = item["metadata"]["managedFields"]
    return set(entry["fieldsV1"])


def test_a_slice_is_kept_with_its_defaults(api: Wire) -> None:
    """A port is TCP's and has an empty name; conditions that are null are not there, and not false."""
    endpoints = [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True, "serving": None, "terminating": False}},
        {"addresses": ["192.0.2.2"], "conditions": None, "nodeName": "n", "zone": "z", "hostname": "h"},
        {"addresses": ["192.0.2.3"], "targetRef": {"kind": "Pod", "name": "p"}, "hints": {"forZones": [{"name": "z"}]}},
    ]
    made = api.made("endpointslices", slice_("a", endpoints=endpoints, ports=[{"port": 80}, {"name": "b"}]))
    assert (made["kind"], made["apiVersion"]) == ("EndpointSlice", "discovery.k8s.io/v1")
    assert (made["addressType"], made["metadata"]["generation"]) == ("IPv4", 1)
    assert made["endpoints"] == [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True, "terminating": False}},
        {"addresses": ["192.0.2.2"], "conditions": {}, "nodeName": "n", "zone": "z", "hostname": "h"},
        {
            "addresses": ["192.0.2.3"],
            "conditions": {},
            "targetRef": {"kind": "Pod", "name": "p"},
            "hints": {"forZones": [{"name": "z"}]},
        },
    ]
    assert made["ports"] == [{"name": "", "protocol": "TCP", "port": 80}, {"name": "b", "protocol": "TCP"}]
    assert managers(made) == {"f:addressType", "f:endpoints", "f:metadata", "f:ports"}
    assert api.get("endpointslices").body["items"][0]["endpoints"] == made["endpoints"]


def test_an_empty_slice_has_no_lists(api: Wire) -> None:
    """Null, whether they were empty or not given; who gave an empty one manages it."""
    bare = api.made("endpointslices", {"metadata": {"name": "a"}, "addressType": "IPv6"})
    given = api.made("endpointslices", {"metadata": {"name": "b"}, "addressType": "IPv6", "endpoints": [], "ports": []})
    for made in (bare, given):
        assert (made["endpoints"], made["ports"]) == (None, None)
    assert managers(bare) == {"f:addressType"}
    assert managers(given) == {"f:addressType", "f:endpoints", "f:ports"}
    assert cells(api, "endpointslices/a") == ["a", "IPv6", "<unset>", "<unset>", "AGE"]


@pytest.mark.parametrize(
    ("fields", "causes"),
    [
        pytest.param({"addressType": ""}, {("addressType", "FieldValueRequired")}, id="no-type"),
        pytest.param({"addressType": "Nope"}, {("addressType", "FieldValueNotSupported")}, id="type"),
        pytest.param({"addressType": "IPv6"}, {("endpoints[0].addresses", "FieldValueInvalid")}, id="family"),
        pytest.param({"endpoints": pods("x")}, {("endpoints[0].addresses[0]", "FieldValueInvalid")}, id="address"),
        pytest.param({"endpoints": [{}]}, {("endpoints[0].addresses", "FieldValueRequired")}, id="no-address"),
        pytest.param(
            {"endpoints": pods(*(f"192.0.2.{n}" for n in range(101)))},
            {("endpoints[0].addresses", "FieldValueTooMany")},
            id="addresses",
        ),
        pytest.param({"endpoints": [POD] * 1001}, {("endpoints", "FieldValueTooMany")}, id="endpoints"),
        pytest.param(
            {"ports": [{"name": f"p{n}"} for n in range(20_001)]}, {("ports", "FieldValueTooMany")}, id="ports"
        ),
        pytest.param(
            {"endpoints": pods("127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.1", "010.0.0.1")},
            {(f"endpoints[0].addresses[{n}]", "FieldValueInvalid") for n in range(5)},
            id="special-ipv4",
        ),
        pytest.param(
            {
                "addressType": "IPv6",
                "endpoints": pods("::1", "::", "fe80::1", "ff02::1", "2001:DB8::1", "::ffff:192.0.2.1", "fe80::1%e"),
            },
            {(f"endpoints[0].addresses[{n}]", "FieldValueInvalid") for n in range(7)},
            id="special-ipv6",
        ),
        pytest.param(
            {"addressType": "FQDN", "endpoints": pods("a.example", "a", "A_b.example")},
            {(f"endpoints[0].addresses[{n}]", "FieldValueInvalid") for n in (1, 2)},
            id="names",
        ),
        pytest.param(
            {"endpoints": [{**POD, "nodeName": "A b", "hostname": "a.b"}, {**POD, "nodeName": "", "hostname": ""}]},
            {(f"endpoints[{n}].{name}", "FieldValueInvalid") for n in (0, 1) for name in ("nodeName", "hostname")},
            id="node-and-host",
        ),
        pytest.param(
            {"endpoints": [{**POD, "hints": {"forZones": [{"name": "z"}, {"name": "z"}, {"name": "a b"}]}}]},
            {
                ("endpoints[0].hints.forZones[1].name", "FieldValueDuplicate"),
                ("endpoints[0].hints.forZones[2].name", "FieldValueInvalid"),
            },
            id="hints",
        ),
        pytest.param(
            {
                "endpoints": [
                    {**POD, "hints": {w: [{"name": f"n{n}"} for n in range(9)]}} for w in ("forZones", "forNodes")
                ]
            },
            {
                ("endpoints[0].hints.forZones", "FieldValueTooMany"),
                ("endpoints[1].hints.forNodes", "FieldValueTooMany"),
            },
            id="many-hints",
        ),
        pytest.param(
            {"ports": [{"name": "a"}, {"name": "a", "protocol": "x", "appProtocol": "a b"}, {"name": "A_b"}]},
            {
                ("ports[1].name", "FieldValueDuplicate"),
                ("ports[1].protocol", "FieldValueNotSupported"),
                ("ports[1].appProtocol", "FieldValueInvalid"),
                ("ports[2].name", "FieldValueInvalid"),
            },
            id="port-fields",
        ),
        pytest.param({"ports": [{}, {}]}, {("ports[1].name", "FieldValueDuplicate")}, id="two-nameless-ports"),
    ],
)
def test_a_slice_that_cannot_be(api: Wire, fields: dict[str, Any], causes: set[tuple[str, str]]) -> None:
    """422 with every cause."""
    refused = api.post("endpointslices", slice_("a", **fields))
    assert (refused.status, refused.causes) == (422, causes)
    assert refused.body["message"].startswith('EndpointSlice.discovery.k8s.io "a" is invalid: ')


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"addressType": "Nope"}, 'addressType: Unsupported value: "Nope": supported values: "FQDN", "IPv4", "IPv6"'),
        ({"endpoints": [{}]}, "endpoints[0].addresses: Required value: must contain at least 1 address"),
        ({"endpoints": [POD] * 1001}, "endpoints: Too many: 1001: must have at most 1000 items"),
        ({"addressType": "IPv6"}, 'endpoints[0].addresses: Invalid value: "192.0.2.1": must be an IPv6 address'),
        (
            {"addressType": "IPv6", "endpoints": pods("2001:DB8::1")},
            'endpoints[0].addresses[0]: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")',
        ),
        ({"ports": [{}, {}]}, 'ports[1].name: Duplicate value: ""'),
    ],
)
def test_what_is_wrong_with_a_slice_is_said(api: Wire, fields: dict[str, Any], sentence: str) -> None:
    """The whole message."""
    refused = api.post("endpointslices", slice_("a", **fields))
    assert refused.refusal == (422, "Invalid", f'EndpointSlice.discovery.k8s.io "a" is invalid: {sentence}')


def test_a_port_may_be_any_number(api: Wire) -> None:
    """Nobody looks; one that is no number is 400."""
    made = api.made("endpointslices", slice_("a", ports=[{"name": "a", "port": 70000}, {"name": "b", "port": -1}]))
    assert [port["port"] for port in made["ports"]] == [70000, -1]
    refused = api.post("endpointslices", slice_("b", ports=[{"port": "http"}]))
    why = "json: cannot unmarshal string into Go struct field EndpointPort.ports.port of type int32"
    assert refused.refusal[2] == f'EndpointSlice in version "v1" cannot be handled as a EndpointSlice: {why}'


def test_what_v1_no_longer_takes_is_dropped(api: Wire) -> None:
    """Topology of v1beta1, without a check and without a warning."""
    endpoints = [{**POD, "deprecatedTopology": {"a b": "c"}}]
    reply = api.post("endpointslices", slice_("a", endpoints=endpoints))
    assert (reply.status, reply.body["endpoints"], reply.headers.get("Warning")) == (201, [POD], None)


def test_names_in_place_of_addresses_are_warned_of(api: Wire) -> None:
    """When they are made."""
    reply = api.post("endpointslices", slice_("a", addressType="FQDN", endpoints=pods("a.example")))
    assert (reply.status, reply.headers["Warning"]) == (
        201,
        '299 - "spec.addressType: FQDN endpoints are deprecated"',
    )


def test_the_type_of_addresses_stays(api: Wire) -> None:
    """422 for another, and for none."""
    api.made("endpointslices", {"metadata": {"name": "a"}, "addressType": "IPv4"})
    field = 'EndpointSlice.discovery.k8s.io "a" is invalid: '
    refused = api.merge("endpointslices/a", {"addressType": "IPv6"})
    assert refused.refusal == (422, "Invalid", f'{field}addressType: Invalid value: "IPv6": field is immutable')
    refused = api.merge("endpointslices/a", {"addressType": None})
    assert refused.causes == {("addressType", "FieldValueRequired"), ("addressType", "FieldValueInvalid")}


def test_the_generation_counts_contents_and_labels(api: Wire) -> None:
    """Not annotations, and not a write that changes nothing."""
    api.made("endpointslices", slice_("a"))

    def generation(**body: Any) -> int:
        return int(api.merge("endpointslices/a", body).body["metadata"]["generation"])

    assert generation(metadata={"annotations": {"x": "y"}}) == 1
    assert generation(metadata={"labels": {"x": "y"}}) == 2
    assert generation(endpoints=pods("192.0.2.2")) == 3
    assert generation(endpoints=pods("192.0.2.2")) == 3
    assert generation(ports=None) == 4
    assert generation(ports=[]) == 4


def test_a_replace_and_its_managers(api: Wire) -> None:
    """A list that goes is still its writer's; nothing is made by PUT."""
    api.made("endpointslices", slice_("a"))
    bare = {"metadata": {"name": "a"}, "addressType": "IPv4"}
    replaced = api.put("endpointslices/a", bare).body
    assert (replaced["endpoints"], replaced["ports"], replaced["metadata"]["generation"]) == (None, None, 2)
    assert managers(replaced) == {"f:addressType", "f:endpoints", "f:ports"}
    refused = api.put("endpointslices/b", {**bare, "metadata": {"name": "b"}})
    assert refused.refusal == (404, "NotFound", 'endpointslices.discovery.k8s.io "b" not found')


def test_patches_of_all_kinds(api: Wire) -> None:
    """No list has a merge key: each is replaced whole."""
    api.made("endpointslices", slice_("a"))
    body = {"endpoints": pods("192.0.2.2"), "ports": [{"name": "b", "port": 2}]}
    patched = api.strategic("endpointslices/a", body).body
    assert [one["addresses"] for one in patched["endpoints"]] == [["192.0.2.2"]]
    assert patched["ports"] == [{"name": "b", "protocol": "TCP", "port": 2}]
    steps = [{"op": "add", "path": "/endpoints/-", "value": {"addresses": ["192.0.2.3"]}}]
    assert len(api.steps("endpointslices/a", steps).body["endpoints"]) == 2
    assert api.merge("endpointslices/a", {"endpoints": None}).body["endpoints"] is None


def test_the_slices_of_a_service(api: Wire) -> None:
    """Found and watched by label, and gone with a Status."""
    made = api.made("endpointslices", slice_("a"))
    api.made("endpointslices", {**slice_("b"), "metadata": {"name": "b"}})
    of = {"labelSelector": "kubernetes.io/service-name=web"}
    assert [i["metadata"]["name"] for i in api.get("endpointslices", **of).body["items"]] == ["a"]
    with api.watch("endpointslices", resourceVersion=made["metadata"]["resourceVersion"], **of) as stream:
        api.merge("endpointslices/b", {"ports": None})
        api.merge("endpointslices/a", {"endpoints": None})
        gone = api.delete("endpointslices/a").body
        events = stream.take(2)
    assert [(kind, obj["metadata"]["name"]) for kind, obj in events] == [("MODIFIED", "a"), ("DELETED", "a")]
    uid = made["metadata"]["uid"]
    assert gone["details"] == {"name": "a", "group": "discovery.k8s.io", "kind": "endpointslices", "uid": uid}


def test_a_slice_in_a_table(api: Wire) -> None:
    """Three of each, and how many more; a port without a number is any."""
    ports = [{"name": "a", "port": 80}, {"name": "b"}, {"name": "c", "port": 0}, {"name": "d", "port": 1}]
    endpoints = [*pods("192.0.2.1", "192.0.2.2"), *pods("192.0.2.3"), *pods("192.0.2.4", "192.0.2.5")]
    api.made("endpointslices", slice_("a", endpoints=endpoints, ports=ports))
    assert [column["name"] for column in table(api, "endpointslices")["columnDefinitions"]] == [
        *("Name", "AddressType", "Ports", "Endpoints", "Age")
    ]
    shown = "192.0.2.1,192.0.2.2,192.0.2.3 + 2 more..."
    assert cells(api, "endpointslices/a") == ["a", "IPv4", "80,b,0 + 1 more...", shown, "AGE"]
