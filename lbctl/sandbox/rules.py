"""What each resource adds to the common course of a write. Services have a room of their own (servicerules)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lbctl.sandbox.meta import CONFIG_KEY, qualified_name
from lbctl.sandbox.refusals import Cause, Object, forbidden, invalid, required


class Rules:
    """The course of a write: defaults, then what only the server decides, then what is wrong with it.

    `create` and `update` get objects that are theirs to change; `old` is never changed. The default keeps an object's
    status to writes of `/status` and its spec to all others, where it has both.
    """

    def defaults(self, new: Object) -> None:
        """Fill in what an empty field means; also what a later read shows."""

    def create(self, new: Object) -> None:
        """Decide what the server decides for a new object."""

    def update(self, new: Object, old: Object) -> None:
        """Decide what the server decides when it changes."""
        if "status" in old:
            new["status"] = old["status"]

    def update_status(self, new: Object, old: Object) -> None:
        """The same through `/status`."""
        new["spec"] = old["spec"]

    def wrong(self, _new: Object, _old: Object | None) -> Iterable[Cause]:
        """What is wrong with it."""
        return ()

    def wrong_status(self, _new: Object, _old: Object) -> Iterable[Cause]:
        """What is wrong with a status."""
        return ()

    def allocate(self, new: Object, old: Object | None) -> None:
        """Give what comes out of a pool; may refuse."""

    def settle(self, new: Object) -> None:
        """It is to be kept as it is: drop what no read shows."""

    def committed(self, old: Object | None, new: Object | None) -> None:
        """The write is done: what pools are out of is to be brought up to date."""

    def warnings(self, _new: Object) -> Iterable[str]:
        """What is said beside an answer of success."""
        return ()

    def status_warnings(self, _new: Object) -> Iterable[str]:
        """The same for a status."""
        return ()


class ConfigMapRules(Rules):
    """Keys must be file names; an immutable one stays as it is."""

    def update(self, new: Object, old: Object) -> None:
        """Nothing is the server's here."""

    def wrong(self, new: Object, old: Object | None) -> Iterable[Cause]:
        """Keys, and changes where none may be."""
        for where in ("data", "binaryData"):
            for key in new.get(where) or {}:
                if not re.fullmatch(CONFIG_KEY, key):
                    why = (
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',"
                        f"  or 'KEY_NAME',  or 'key-name', regex used for validation is '{CONFIG_KEY}')"
                    )
                    yield invalid(f"{where}[{key}]", key, why)
        if old and old.get("immutable"):
            if not new.get("immutable"):
                yield forbidden("immutable", "field is immutable when `immutable` is set")
            for where in ("data", "binaryData"):
                if new.get(where) != old.get(where):
                    yield forbidden(where, "field is immutable when `immutable` is set")


class EventRules(Rules):
    """An event stands in the namespace of what it is about; only one with an exact time is looked at any closer."""

    def wrong(self, new: Object, _old: Object | None) -> Iterable[Cause]:
        """The namespace; and with eventTime, who reports and how long each text is."""
        about, space = new["involvedObject"].get("namespace", ""), new["metadata"]["namespace"]
        exact = bool(new.get("eventTime"))
        elsewhere = about != space and not exact if about else space not in EVERYWHERE[exact]
        if elsewhere:
            yield invalid("involvedObject.namespace", about, "does not match event.namespace")
        if exact:
            yield from _exact(new)


EVERYWHERE = {False: ("default",), True: ("default", "kube-system")}  # where events about what has no namespace stand
EVENT_LIMITS = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}  # in bytes


def _exact(new: Object) -> Iterable[Cause]:
    reporter = new.get("reportingComponent", "")
    if not reporter:
        yield required("reportingComponent")
    if wrong := qualified_name(reporter):
        yield invalid("reportingComponent", reporter, wrong)
    for name, limit in EVENT_LIMITS.items():
        text = new.get(name, "")
        if not text and name != "message":
            yield required(name)
        if len(text.encode()) > limit:
            yield invalid(name, "", f"can have at most {limit} characters")


class NamespaceRules(Rules):
    """A namespace holds the finalizer that lets its contents go first."""

    def create(self, new: Object) -> None:
        """Active, labelled with its own name."""
        new["status"] = {"phase": "Active"}
        if "kubernetes" not in (new["spec"].get("finalizers") or ()):
            new["spec"]["finalizers"] = [*(new["spec"].get("finalizers") or ()), "kubernetes"]

    def defaults(self, new: Object) -> None:
        """The label that selectors find it by."""
        name = new["metadata"].get("name")
        if name:
            new["metadata"]["labels"] = {**(new["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}

    def update(self, new: Object, old: Object) -> None:
        """Its finalizers go by another door."""
        new["status"] = old["status"]
        new["spec"] = old["spec"]

    def wrong_status(self, new: Object, _old: Object) -> Iterable[Cause]:
        """The phase follows from whether it is being deleted."""
        wanted = "Terminating" if new["metadata"].get("deletionTimestamp") else "Active"
        if new["status"].get("phase", "") != wanted:
            why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            if wanted == "Terminating":
                why = "may only be 'Active' if `deletionTimestamp` is empty"
            yield invalid("status.Phase", new["status"].get("phase", ""), why)


class NodeRules(Rules):
    """A new Node is tainted until its conditions say that it is ready; here too, though nobody ever looks."""

    def defaults(self, new: Object) -> None:
        """One pod range is also the list of them."""
        spec = new["spec"]
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]

    def create(self, new: Object) -> None:
        """The taint."""
        taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
        taints = new["spec"].get("taints") or []
        if not any((t["key"], t["effect"]) == (taint["key"], taint["effect"]) for t in taints):
            new["spec"]["taints"] = [*taints, taint]
