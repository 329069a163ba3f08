"""Services: what is filled in, what a change of type takes with it, what is refused, and the status apart."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tests.contract.wire import Wire, ingress, service

NETWORKS = {4: ipaddress.ip_network("10.96.0.0/16"), 6: ipaddress.ip_network("fd00:10:96::/112")}
ALLOCATED = {"clusterIP", "clusterIPs"}


def spec_of(item: dict[str, Any], *without: str) -> dict[str, Any]:
    """The spec without what differs from run to run."""
    return {k: v for k, v in item["spec"].items() if k not in ALLOCATED | set(without)}


def families(item: dict[str, Any]) -> list[int]:
    """The families of its addresses, each of which is of the cluster's range."""
    addresses = [ipaddress.ip_address(text) for text in item["spec"]["clusterIPs"]]
    assert all(address in NETWORKS[address.version] for address in addresses)
    assert item["spec"]["clusterIP"] == item["spec"]["clusterIPs"][0]
    return [address.version for address in addresses]


def test_a_cluster_ip_service_is_filled_in(api: Wire) -> None:
    """Type, affinity, policies, protocol, target port, families and an address."""
    made = api.made("services", {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
    assert spec_of(made) == {
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    assert families(made) == [4]
    assert made["status"] == {"loadBalancer": {}}


def test_a_load_balancer_gets_node_ports(api: Wire) -> None:
    """And is open to the outside."""
    made = api.made("services", service("a", "LoadBalancer"))
    port = made["spec"]["ports"][0].pop("nodePort")
    assert 30000 <= port <= 32767
    assert spec_of(made) == {
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "type": "LoadBalancer",
        "sessionAffinity": "None",
        "externalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "allocateLoadBalancerNodePorts": True,
        "internalTrafficPolicy": "Cluster",
    }


def test_a_load_balancer_can_do_without_node_ports(api: Wire) -> None:
    """What is false stays false, and no port is taken."""
    made = api.made("services", service("a", "LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert made["spec"]["allocateLoadBalancerNodePorts"] is False
    assert "nodePort" not in made["spec"]["ports"][0]


def test_a_local_load_balancer_gets_a_port_for_health_checks(api: Wire) -> None:
    """And loses it with the policy."""
    made = api.made("services", service("a", "LoadBalancer", externalTrafficPolicy="Local"))
    port = made["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    assert port != made["spec"]["ports"][0]["nodePort"]
    kept = api.merge("services/a", {"metadata": {"labels": {"x": "y"}}}).body
    assert kept["spec"]["healthCheckNodePort"] == port
    changed = api.merge("services/a", {"spec": {"externalTrafficPolicy": "Cluster"}}).body
    assert "healthCheckNodePort" not in changed["spec"]


def test_two_protocols_of_one_port_share_their_node_port(api: Wire) -> None:
    """As mixed protocols need it."""
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
    made = api.made("services", service("a", "NodePort", ports=ports))["spec"]["ports"]
    assert made[0]["nodePort"] == made[1]["nodePort"]


def test_a_headless_service_has_no_address(api: Wire) -> None:
    """With a selector one family, without one both."""
    chosen = api.made("services", service("a", clusterIP="None", selector={"x": "y"}))["spec"]
    anyway = api.made("services", service("b", clusterIP="None"))["spec"]
    assert chosen["clusterIPs"] == anyway["clusterIPs"] == ["None"]
    assert (chosen["ipFamilyPolicy"], chosen["ipFamilies"]) == ("SingleStack", ["IPv4"])
    assert (anyway["ipFamilyPolicy"], anyway["ipFamilies"]) == ("RequireDualStack", ["IPv4", "IPv6"])


def test_an_external_name_has_neither_address_nor_family(api: Wire) -> None:
    """It is an alias."""
    made = api.made(
        "services", {"metadata": {"name": "a"}, "spec": {"type": "ExternalName", "externalName": "a.example"}}
    )
    assert made["spec"] == {"externalName": "a.example", "sessionAffinity": "None", "type": "ExternalName"}


@pytest.mark.parametrize(
    ("asked", "families_", "policy"),
    [
        pytest.param({"ipFamilyPolicy": "PreferDualStack"}, [4, 6], "PreferDualStack", id="prefer"),
        pytest.param({"ipFamilyPolicy": "RequireDualStack"}, [4, 6], "RequireDualStack", id="require"),
        pytest.param({"ipFamilies": ["IPv6"]}, [6], "SingleStack", id="ipv6"),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
            [6, 4],
            "RequireDualStack",
            id="order",
        ),
        pytest.param({"clusterIP": "fd00:10:96::7001"}, [6], "SingleStack", id="by-address"),
    ],
)
def test_families_follow_policy_order_and_address(
    api: Wire, asked: dict[str, Any], families_: list[int], policy: str
) -> None:
    """And each family has an address of its range."""
    made = api.made("services", service("a", **asked))
    assert families(made) == families_
    assert made["spec"]["ipFamilies"] == [f"IPv{family}" for family in families_]
    assert made["spec"]["ipFamilyPolicy"] == policy


def test_a_second_family_comes_and_goes_with_the_policy(api: Wire) -> None:
    """The first address stays."""
    first = api.made("services", service("a"))["spec"]["clusterIP"]
    both = api.merge("services/a", {"spec": {"ipFamilyPolicy": "PreferDualStack"}}).body
    assert families(both) == [4, 6]
    assert both["spec"]["clusterIP"] == first
    one = api.merge("services/a", {"spec": {"ipFamilyPolicy": "SingleStack"}}).body
    assert (one["spec"]["clusterIPs"], one["spec"]["ipFamilies"]) == ([first], ["IPv4"])


def test_a_second_family_cannot_be_dropped_by_hand_alone(api: Wire) -> None:
    """The policy has to say so."""
    made = api.made("services", service("a", ipFamilyPolicy="RequireDualStack"))
    refused = api.merge("services/a", {"spec": {"ipFamilies": ["IPv4"], "clusterIPs": made["spec"]["clusterIPs"][:1]}})
    assert refused.refusal[:2] == (422, "Invalid")
    assert refused.causes == {("spec.ipFamilyPolicy", "FieldValueInvalid")}
    assert "must be 'SingleStack' to release the secondary cluster IP" in refused.text


def test_client_affinity_lasts_three_hours_unless_told(api: Wire) -> None:
    """The default of its timeout."""
    made = api.made("services", service("a", sessionAffinity="ClientIP"))["spec"]
    assert made["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    back = api.merge("services/a", {"spec": {"sessionAffinity": "None"}}).body["spec"]
    assert "sessionAffinityConfig" not in back


def test_an_address_that_is_taken_or_elsewhere_is_refused(api: Wire) -> None:
    """422 for the address that was named."""
    taken = api.made("services", service("a"))["spec"]["clusterIP"]
    twice = api.post("services", service("b", clusterIP=taken))
    outside = api.post("services", service("b", clusterIP="192.0.2.1"))
    assert twice.refusal == (
        422,
        "Invalid",
        f'Service "b" is invalid: spec.clusterIPs: Invalid value: ["{taken}"]: '
        f"failed to allocate IP {taken}: provided IP is already allocated",
    )
    assert "the provided network does not match the current range" in outside.text


def test_an_address_is_free_again_after_its_service(api: Wire) -> None:
    """Nothing leaks."""
    address = api.made("services", service("a"))["spec"]["clusterIP"]
    api.delete("services/a")
    assert api.made_in_time("services", service("b", clusterIP=address))["spec"]["clusterIP"] == address


def test_a_node_port_is_given_once_and_of_its_range(api: Wire) -> None:
    """422 for the port that was named."""
    port = api.made("services", service("a", "NodePort"))["spec"]["ports"][0]["nodePort"]
    twice = api.post("services", service("b", "NodePort", ports=[{"port": 80, "nodePort": port}]))
    outside = api.post("services", service("b", "NodePort", ports=[{"port": 80, "nodePort": 80}]))
    assert twice.causes == outside.causes == {("spec.ports[0].nodePort", "FieldValueInvalid")}
    assert f"Invalid value: {port}: provided port is already allocated" in twice.text
    assert "provided port is not in the valid range. The range of valid ports is 30000-32767" in outside.text


def test_node_ports_stay_with_their_ports_by_name(api: Wire) -> None:
    """A write that leaves them out does not shuffle them."""
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    made = api.made("services", service("a", "NodePort", ports=ports))["spec"]["ports"]
    swapped = api.merge("services/a", {"spec": {"ports": [{"name": "b", "port": 3}, {"name": "a", "port": 1}]}}).body
    assert [port["nodePort"] for port in swapped["spec"]["ports"]] == [made[1]["nodePort"], made[0]["nodePort"]]


def test_leaving_the_type_clears_what_belongs_to_it(api: Wire) -> None:
    """Status, class, node ports, policy and health port; the address and other conditions stay."""
    spec: dict[str, Any] = {"loadBalancerClass": "example.com/lan", "externalTrafficPolicy": "Local"}
    made = api.made("services", service("a", "LoadBalancer", **spec))
    condition = {
        "type": "x/y",
        "status": "True",
        "reason": "R",
        "message": "",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
    }
    body = ingress("192.0.2.200")
    body["status"]["conditions"] = [condition]
    assert api.strategic("services/a/status", body).status == 200
    changed = api.merge("services/a", {"spec": {"type": "ClusterIP"}}).body
    assert changed["spec"] == {
        "ports": [{"protocol": "TCP", "port": 80, "targetPort": 80}],
        "clusterIP": made["spec"]["clusterIP"],
        "clusterIPs": made["spec"]["clusterIPs"],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
    }
    assert changed["status"] == {"loadBalancer": {}, "conditions": [condition]}


def test_becoming_an_external_name_gives_the_address_back(api: Wire) -> None:
    """And an address comes with the way back."""
    address = api.made("services", service("a"))["spec"]["clusterIP"]
    alias = api.merge("services/a", {"spec": {"type": "ExternalName", "externalName": "a.example"}}).body["spec"]
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & set(alias)
    assert api.made_in_time("services", service("b", clusterIP=address))["spec"]["clusterIP"] == address
    back = api.merge("services/a", {"spec": {"type": "ClusterIP", "externalName": None}})
    assert families(back.body) == [4]


def test_the_class_may_not_change_while_the_type_stays(api: Wire) -> None:
    """Neither given late nor taken away."""
    api.made("services", service("a", "LoadBalancer", loadBalancerClass="example.com/lan"))
    api.made("services", service("b", "LoadBalancer"))
    for name, value in (("a", None), ("a", "example.com/wan"), ("b", "example.com/lan")):
        refused = api.merge(f"services/{name}", {"spec": {"loadBalancerClass": value}})
        assert refused.causes == {("spec.loadBalancerClass", "FieldValueInvalid")}
        assert "may not change once set" in refused.text


def test_the_address_may_not_change_while_the_type_stays(api: Wire) -> None:
    """422."""
    api.made("services", service("a"))
    refused = api.merge("services/a", {"spec": {"clusterIP": "10.96.1.2", "clusterIPs": ["10.96.1.2"]}})
    assert refused.causes == {("spec.clusterIPs[0]", "FieldValueInvalid")}


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        pytest.param({"ports": []}, "spec.ports", "FieldValueRequired", id="no-ports"),
        pytest.param({"ports": [{"port": 0, "targetPort": 1}]}, "spec.ports[0].port", "FieldValueInvalid", id="port-0"),
        pytest.param(
            {"ports": [{"port": 70000, "targetPort": 1}]}, "spec.ports[0].port", "FieldValueInvalid", id="port-70000"
        ),
        pytest.param({"type": "Nonsense"}, "spec.type", "FieldValueNotSupported", id="type"),
        pytest.param(
            {"ports": [{"port": 80, "protocol": "ICMP"}]},
            "spec.ports[0].protocol",
            "FieldValueNotSupported",
            id="protocol",
        ),
        pytest.param(
            {"ports": [{"port": 80, "targetPort": "a--b"}]},
            "spec.ports[0].targetPort",
            "FieldValueInvalid",
            id="target",
        ),
        pytest.param({"sessionAffinity": "X"}, "spec.sessionAffinity", "FieldValueNotSupported", id="affinity"),
        pytest.param({"ipFamilies": ["IPv5"]}, "spec.ipFamilies[0]", "FieldValueNotSupported", id="family"),
        pytest.param({"ipFamilyPolicy": "X"}, "spec.ipFamilyPolicy", "FieldValueNotSupported", id="policy"),
        pytest.param({"clusterIP": "nonsense"}, "spec.clusterIPs[0]", "FieldValueInvalid", id="cluster-ip"),
        pytest.param({"externalIPs": ["nonsense"]}, "spec.externalIPs[0]", "FieldValueInvalid", id="external-ip"),
        pytest.param(
            {"externalIPs": ["127.0.0.1"]}, "spec.externalIPs[0]", "FieldValueInvalid", id="external-loopback"
        ),
        pytest.param({"selector": {"a b": "c"}}, "spec.selector", "FieldValueInvalid", id="selector"),
        pytest.param({"loadBalancerClass": "x/y"}, "spec.loadBalancerClass", "FieldValueForbidden", id="class"),
        pytest.param(
            {"externalTrafficPolicy": "Local"}, "spec.externalTrafficPolicy", "FieldValueInvalid", id="external-policy"
        ),
        pytest.param(
            {"internalTrafficPolicy": "X"}, "spec.internalTrafficPolicy", "FieldValueNotSupported", id="internal-policy"
        ),
        pytest.param(
            {"allocateLoadBalancerNodePorts": True},
            "spec.allocateLoadBalancerNodePorts",
            "FieldValueForbidden",
            id="allocate",
        ),
        pytest.param(
            {"ports": [{"port": 80, "nodePort": 30001}]},
            "spec.ports[0].nodePort",
            "FieldValueForbidden",
            id="node-port",
        ),
        pytest.param(
            {"loadBalancerSourceRanges": ["192.0.2.0/24"]},
            "spec.LoadBalancerSourceRanges",
            "FieldValueForbidden",
            id="source-ranges",
        ),
        pytest.param({"type": "ExternalName"}, "spec.externalName", "FieldValueRequired", id="no-external-name"),
        pytest.param(
            {"type": "LoadBalancer", "clusterIP": "None"}, "spec.clusterIPs[0]", "FieldValueInvalid", id="headless"
        ),
        pytest.param(
            {"type": "LoadBalancer", "loadBalancerSourceRanges": ["x"]},
            "spec.LoadBalancerSourceRanges[0]",
            "FieldValueInvalid",
            id="source-range",
        ),
        pytest.param(
            {"trafficDistribution": "X"}, "spec.trafficDistribution", "FieldValueNotSupported", id="distribution"
        ),
    ],
)
def test_what_is_wrong_is_said_by_field(api: Wire, spec: dict[str, Any], field: str, reason: str) -> None:
    """422, one cause."""
    refused = api.post("services", service("a", str(spec.get("type", "ClusterIP")), **spec))
    assert refused.refusal[:2] == (422, "Invalid")
    assert refused.causes == {(field, reason)}


def test_several_ports_need_names_that_differ(api: Wire) -> None:
    """Each is said."""
    unnamed = api.post("services", service("a", ports=[{"port": 1}, {"port": 2, "name": "b"}]))
    twice = api.post("services", service("a", ports=[{"port": 1, "name": "b"}, {"port": 2, "name": "b"}]))
    same = api.post("services", service("a", ports=[{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]))
    assert unnamed.causes == {("spec.ports[0].name", "FieldValueRequired")}
    assert twice.causes == {("spec.ports[1].name", "FieldValueDuplicate")}
    assert same.causes == {("spec.ports[1]", "FieldValueDuplicate")}


def test_the_words_for_what_is_wrong(api: Wire) -> None:
    """One fault stands alone, several in brackets."""
    one = api.post("services", service("a", ports=[]))
    two = api.post("services", service("a", ports=[{"port": 0, "targetPort": 1}], sessionAffinity="X"))
    assert one.body["message"] == 'Service "a" is invalid: spec.ports: Required value'
    assert two.body["message"] == (
        'Service "a" is invalid: [spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, '
        'spec.sessionAffinity: Unsupported value: "X": supported values: "ClientIP", "None"]'
    )


def test_a_status_is_filled_in_with_how_traffic_comes(api: Wire) -> None:
    """ipMode VIP for an address, nothing for a host name."""
    api.made("services", service("a", "LoadBalancer"))
    body = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.200"}, {"hostname": "a.example"}]}}}
    shown = api.merge("services/a/status", body).body["status"]["loadBalancer"]["ingress"]
    assert shown == [{"ip": "192.0.2.200", "ipMode": "VIP"}, {"hostname": "a.example"}]


def test_a_status_is_written_through_its_own_door_alone(api: Wire) -> None:
    """A normal write keeps the old status, a status write keeps the old spec; metadata goes through both."""
    made = api.made("services", {**service("a", "LoadBalancer"), **ingress("192.0.2.1")})
    assert made["status"] == {"loadBalancer": {}}
    shown = api.merge("services/a/status", {**ingress("192.0.2.2"), "spec": {"selector": {"x": "y"}}}).body
    assert shown["spec"] == made["spec"]
    written = api.put("services/a", {**shown, **ingress("192.0.2.3")})
    assert written.body["status"] == shown["status"]
    assert written.version == shown["metadata"]["resourceVersion"]
    labelled = api.merge("services/a/status", {"metadata": {"labels": {"x": "y"}}}).body
    assert labelled["metadata"]["labels"] == {"x": "y"}


def test_a_status_can_be_read_and_replaced(api: Wire) -> None:
    """GET and PUT of `/status` are of the whole object."""
    made = api.made("services", service("a", "LoadBalancer"))
    assert api.get("services/a/status").body == made
    shown = api.put("services/a/status", {**made, **ingress("2001:db8::1")})
    assert shown.body["status"] == {"loadBalancer": {"ingress": [{"ip": "2001:db8::1", "ipMode": "VIP"}]}}
    assert api.put("services/a/status", {**made, **ingress("2001:db8::2")}).refusal[:2] == (409, "Conflict")


@pytest.mark.parametrize(
    ("entry", "field", "words"),
    [
        pytest.param({"ip": "nonsense"}, "ip", "must be a valid IP address", id="no-address"),
        pytest.param({"ip": "192.0.02.1"}, "ip", "must not have leading 0s", id="leading-zeros"),
        pytest.param(
            {"hostname": "192.0.2.1"}, "hostname", "must be a DNS name, not an IP address", id="host-is-address"
        ),
        pytest.param({"hostname": "a_b"}, "hostname", "a lowercase RFC 1123 subdomain must consist of", id="host"),
        pytest.param({"ip": "192.0.2.1", "ipMode": "X"}, "ipMode", 'supported values: "Proxy", "VIP"', id="mode"),
        pytest.param(
            {"hostname": "a.b", "ipMode": "VIP"}, "ipMode", "may not be specified when `ip` is not set", id="alone"
        ),
    ],
)
def test_a_status_that_shows_nonsense_is_refused(api: Wire, entry: dict[str, str], field: str, words: str) -> None:
    """422 for the entry."""
    api.made("services", service("a", "LoadBalancer"))
    refused = api.merge("services/a/status", {"status": {"loadBalancer": {"ingress": [entry]}}})
    assert refused.refusal[:2] == (422, "Invalid")
    assert {name for name, _ in refused.causes} == {f"status.loadBalancer.ingress[0].{field}"}
    assert words in refused.body["message"]


def test_only_a_load_balancer_shows_addresses(api: Wire) -> None:
    """422, since 1.32 without a way around."""
    api.made("services", service("a"))
    refused = api.merge("services/a/status", ingress("192.0.2.1"))
    assert refused.causes == {("status.loadBalancer.ingress", "FieldValueForbidden")}
    assert "may only be used when `spec.type` is 'LoadBalancer'" in refused.body["message"]


def test_an_address_that_is_not_written_as_it_should_be_earns_a_warning(api: Wire) -> None:
    """It is kept as it was written, so addresses are to be compared parsed."""
    api.made("services", service("a", "LoadBalancer"))
    shown = api.merge("services/a/status", ingress("2001:DB8::1"))
    assert shown.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "2001:DB8::1"
    assert "should be in RFC 5952 canonical format" in shown.headers["Warning"]


def test_a_status_that_is_written_again_keeps_the_version(api: Wire) -> None:
    """Such a write swaps nothing: what the `attempt` of a claim is for (DESIGN 5)."""
    api.made("services", service("a", "LoadBalancer"))
    first = api.strategic("services/a/status", ingress("192.0.2.200"))
    again = api.strategic("services/a/status", ingress("192.0.2.200"))
    assert first.version == again.version
    assert first.body == again.body
