"""What the tests of allocation do to a cluster as its admin, and how they read what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.testbed.driver import CLAIMS, SERVICES, Hand, addresses, service

CONDITION = "lbctl/AddressAssigned"
Object = dict[str, Any]


def pool_file(folder: Path, text: str, name: str = "pools.yaml") -> str:
    """A pool file of this text, as the flag that names it."""
    path = folder / name
    path.write_text(text)
    return f"--pools={path}"


def path_of(name: str) -> str:
    """The path of the Service [namespace/]name."""
    space, _, short = name.rpartition("/")
    return f"/api/v1/namespaces/{space or 'default'}/services/{short}"


def create(
    bed: Hand, name: str, notes: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None, **spec: Any
) -> None:
    """Make the LoadBalancer Service [namespace/]name, of port 80 unless `spec` says otherwise."""
    space, _, short = name.rpartition("/")
    body = service(short)
    body["metadata"] |= {"namespace": space or "default", "annotations": dict(notes or {})}
    body["metadata"]["labels"] |= labels or {}
    body["spec"] |= spec
    status, answer = bed.admin.request("POST", path_of(name).rpartition("/")[0], body)
    assert status == 201, answer


def edit(bed: Hand, name: str, notes: Mapping[str, str | None] | None = None, **spec: Any) -> None:
    """Change annotations (None: take away) and fields of the spec."""
    if "ports" in spec:
        spec["ports"] = [{"$patch": "replace"}, *spec["ports"]]
    patch: Object = {"metadata": {"annotations": dict(notes or {})}, "spec": spec}
    status, answer = bed.admin.request("PATCH", path_of(name), patch)
    assert status == 200, answer


def delete(bed: Hand, name: str) -> None:
    """Delete the Service."""
    status, answer = bed.admin.request("DELETE", path_of(name))
    assert status == 200, answer


def port(number: int, protocol: str = "TCP") -> list[Object]:
    """One port, for `ports`."""
    return [{"port": number, "protocol": protocol}]


def get(bed: Hand, name: str) -> Object:
    """The Service as it is."""
    return bed.admin.get(path_of(name))


def shown(bed: Hand, name: str) -> list[str]:
    """The addresses it shows."""
    return addresses(get(bed, name))


def holders(bed: Hand, address: str) -> list[str]:
    """Who holds the address by the ledger, the longest holder first."""
    return [holder["svc"] for holder in bed.claims()[address].get("holders", ())]


def conditions(item: Object) -> list[Object]:
    """The Service's conditions of lbctl's, without type and time: at most one, unless lbctl is wrong."""
    found = [dict(c) for c in item["status"].get("conditions", ()) if c["type"] == CONDITION]
    for one in found:
        del one["lastTransitionTime"], one["type"]
    return found


def condition(item: Object) -> Object:
    """The one that it has."""
    found = conditions(item)
    assert len(found) == 1, item["status"]
    return found[0]


def age_condition(bed: Hand, name: str) -> None:
    """Let the condition have said what it says since long ago: lbctl writes it at most once a minute."""
    before = next(c for c in get(bed, name)["status"]["conditions"] if c["type"] == CONDITION)
    patch = {"status": {"conditions": [{**before, "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}
    status, answer = bed.admin.request("PATCH", f"{path_of(name)}/status", patch)
    assert status == 200, answer


def events(bed: Hand, name: str) -> list[tuple[str, str, str]]:
    """Type, reason and message of the Events about a Service of the namespace default, as it is now."""
    uid = get(bed, name)["metadata"]["uid"]
    path = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid%3D{uid}"
    return [(one["type"], one["reason"], one["message"]) for one in bed.admin.get(path)["items"]]


def write_status(bed: Hand, name: str, manager: str, *ingress: Mapping[str, str]) -> None:
    """Write the Service's status as another controller does, under the field manager that this one has."""
    patch = {"status": {"loadBalancer": {"ingress": [dict(entry) for entry in ingress]}}}
    status, answer = bed.admin.request("PATCH", f"{path_of(name)}/status?fieldManager={manager}", patch)
    assert status == 200, answer


class Film:
    """All that happens to the Services of the namespace default and to the claims, from now on."""

    def __init__(self, bed: Hand) -> None:
        self._bed = bed
        self._services = bed.admin.watch(SERVICES)
        self._claims = bed.admin.watch(CLAIMS)

    def shows(self, name: str) -> list[tuple[int, list[str]]]:
        """What the Service showed after each change of it, with the resourceVersion, which is the cluster's one clock;
        ends the watch of Services."""
        seen = self._services.until(get(self._bed, name)["metadata"]["resourceVersion"])
        items = [e["object"] for e in seen if e["object"]["metadata"]["name"] == name]
        return [(int(i["metadata"]["resourceVersion"]), addresses(i)) for i in items]

    def holds(self) -> list[tuple[int, dict[str, list[str]]]]:
        """Who held what after each write of claims, a block a time; ends their watch."""
        blocks = [i for i in self._bed.admin.get(CLAIMS)["items"] if "claims" in i.get("data", {})]
        last = max(int(i["metadata"]["resourceVersion"]) for i in blocks)
        return [
            _holds(event["object"]) for event in self._claims.until(str(last)) if "claims" in event["object"]["data"]
        ]

    def stop(self) -> None:
        """End both watches."""
        self._services.stop()
        self._claims.stop()


def _holds(block: Object) -> tuple[int, dict[str, list[str]]]:
    claims = [json.loads(line) for line in block["data"]["claims"].splitlines()]
    held = {c["ip"]: [h["svc"] for h in c.get("holders", ())] for c in claims}
    return int(block["metadata"]["resourceVersion"]), held


def assert_made_before_broken(film: Film, name: str, old: str, new: str) -> None:
    """The new address was claimed before it was shown, the old one let go after it was shown no more, and at no moment
    did the Service show none."""
    seen, key = film.shows(name), f"default/{name}"
    assert [a for n, (_, a) in enumerate(seen) if n == 0 or a != seen[n - 1][1]] in ([[old], [new]], [[new]])
    published = next(version for version, found in seen if found == [new])
    held = film.holds()
    claimed = next(version for version, by in held if key in by.get(new, ()))
    let_go = next(version for version, by in held if old in by and key not in by[old])
    assert claimed < published < let_go


def lines(text: str, start: str) -> list[str]:
    """The lines of what was said that begin so."""
    return [line for line in text.splitlines() if line.startswith(start)]


def versions(bed: Hand, names: Iterable[str]) -> dict[str, str]:
    """The resourceVersion of each Service: it changes with every write that changes anything."""
    return {name: get(bed, name)["metadata"]["resourceVersion"] for name in names}
