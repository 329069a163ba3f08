"""Tables: the columns and cells that kubectl prints."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.wire import TABLE, Wire, config_map, ingress, service

AGE = re.compile(r"\d+s")


def table(api: Wire, path: str, **params: str) -> dict[str, Any]:
    """A Table."""
    body = api.ask("GET", path, accept=TABLE, params=params).body
    assert (body["kind"], body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    return body


def cells(api: Wire, path: str) -> list[Any]:
    """The cells of the only row, with its age as AGE."""
    rows = table(api, path)["rows"]
    assert len(rows) == 1
    return ["AGE" if isinstance(cell, str) and AGE.fullmatch(cell) else cell for cell in rows[0]["cells"]]


def test_the_columns_of_each_kind(api: Wire) -> None:
    """Names, and which of them are for `-o wide`."""
    wanted = {
        "services": "Name Type Cluster-IP External-IP Port(s) Age Selector*",
        "configmaps": "Name Data Age",
        "/api/v1/namespaces": "Name Status Age",
        "/api/v1/nodes": "Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* "
        "Container-Runtime*",
        "events": "Last|Seen Type Reason Object Subobject* Source* Message First|Seen* Count* Name*",
    }
    for path, columns in wanted.items():
        found = table(api, path)["columnDefinitions"]
        shown = [c["name"].replace(" ", "|") + ("*" if c["priority"] else "") for c in found]
        assert shown == columns.split()
        assert {c["format"] for c in found if c["name"] == "Name"} == {"name"}


def test_a_pending_load_balancer(api: Wire) -> None:
    """No field of the API says so: it is the printer's word for a status without addresses."""
    made = api.made("services", service("a", "LoadBalancer", selector={"b": "c", "a": "b"}))
    port, address = made["spec"]["ports"][0]["nodePort"], made["spec"]["clusterIP"]
    assert cells(api, "services/a") == ["a", "LoadBalancer", address, "<pending>", f"80:{port}/TCP", "AGE", "a=b,b=c"]


def test_the_addresses_of_a_load_balancer(api: Wire) -> None:
    """In the order of letters, none cut, host names and external addresses too."""
    spec: dict[str, Any] = {"externalIPs": ["192.0.2.9"], "allocateLoadBalancerNodePorts": False}
    api.made("services", service("a", "LoadBalancer", **spec))
    body = ingress("2001:db8::1111:2222:3333:4444", "192.0.2.1")
    body["status"]["loadBalancer"]["ingress"].append({"hostname": "a.example"})
    api.merge("services/a/status", body)
    assert cells(api, "services/a")[3] == "192.0.2.1,2001:db8::1111:2222:3333:4444,a.example,192.0.2.9"


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        pytest.param(
            {"clusterIP": "None"}, ["a", "ClusterIP", "None", "<none>", "80/TCP", "AGE", "<none>"], id="headless"
        ),
        pytest.param(
            {"type": "ExternalName", "externalName": "a.example", "ports": []},
            ["a", "ExternalName", "<none>", "a.example", "<none>", "AGE", "<none>"],
            id="external-name",
        ),
        pytest.param(
            {"clusterIP": "None", "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2, "protocol": "UDP"}]},
            ["a", "ClusterIP", "None", "<none>", "1/TCP,2/UDP", "AGE", "<none>"],
            id="ports",
        ),
    ],
)
def test_other_services(api: Wire, spec: dict[str, Any], shown: list[str]) -> None:
    """As kubectl get svc -o wide."""
    api.made("services", service("a", str(spec.get("type", "ClusterIP")), **spec))
    assert cells(api, "services/a") == shown


def test_a_config_map(api: Wire) -> None:
    """The number of its keys is a number."""
    api.made("configmaps", config_map("a", k="v", l="w"))
    assert cells(api, "configmaps/a") == ["a", 2, "AGE"]


def test_a_node(api: Wire) -> None:
    """Status, roles, version, addresses and system."""
    name = f"node-{api.space}"
    status = {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.11"}, {"type": "ExternalIP", "address": "192.0.2.12"}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Linux", "kernelVersion": "6.1", "architecture": "amd64"},
    }
    labels = {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": ""}
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"unschedulable": True}, "status": status}
    api.made("/api/v1/nodes", body)
    try:
        assert cells(api, f"/api/v1/nodes/{name}") == [
            *(name, "Ready,SchedulingDisabled", "edge,worker", "AGE", "v1.36.0"),
            *("192.0.2.11", "192.0.2.12", "Linux", "6.1 (amd64)", "<unknown>"),
        ]
        api.strategic(
            f"/api/v1/nodes/{name}/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        )
        assert cells(api, f"/api/v1/nodes/{name}")[1] == "NotReady,SchedulingDisabled"
    finally:
        api.delete(f"/api/v1/nodes/{name}")


def test_an_event(api: Wire) -> None:
    """An old one and a new one; of times that are not there nothing is known."""
    about = {"kind": "Service", "name": "web", "namespace": api.space, "fieldPath": "spec"}
    body = {
        "metadata": {"name": "a"},
        "involvedObject": about,
        "reason": "R",
        "message": " words ",
        "type": "Normal",
        "source": {"component": "lbctl", "host": "h"},
        "count": 3,
    }
    api.made("events", body)
    assert cells(api, "events/a") == [
        *("<unknown>", "Normal", "R", "service/web", "spec"),
        *("lbctl, h", "words", "<unknown>", 3, "a"),
    ]


def test_a_row_bears_metadata_the_object_or_nothing(api: Wire) -> None:
    """As the client asks."""
    made = api.made("configmaps", config_map("a", k="v"))
    metadata = table(api, "configmaps")["rows"][0]["object"]
    assert (metadata["kind"], metadata["metadata"]) == ("PartialObjectMetadata", made["metadata"])
    assert table(api, "configmaps", includeObject="Object")["rows"][0]["object"]["data"] == {"k": "v"}
    assert not table(api, "configmaps", includeObject="None")["rows"][0].get("object")


def test_a_table_has_the_version_and_pages_of_its_list(api: Wire) -> None:
    """kubectl get goes on from there."""
    for name in ("a", "b"):
        api.made("configmaps", config_map(name))
    found = table(api, "configmaps", limit="1")
    assert found["metadata"]["resourceVersion"].isdecimal()
    assert found["metadata"]["remainingItemCount"] == 1
    assert [row["cells"][0] for row in found["rows"]] == ["a"]
