"""The verbs: what a create, replace, patch or delete does to the store, in the order in which the API server does it.

The order is part of the behaviour: it decides which of two faults a client hears of. One write at a time: the store's
lock is held from the read it rests on until it is recorded, so a resourceVersion can never be passed by.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable

from lbctl.ages import timestamp
from lbctl.sandbox import meta
from lbctl.sandbox.bodies import Write, from_body, from_patch
from lbctl.sandbox.managed import managed
from lbctl.sandbox.refusals import Object, Refusal, about, bad_request, check, conflict, exists, invalid, not_found
from lbctl.sandbox.resources import RESOURCES, Resource
from lbctl.sandbox.store import Key, Shelf, Store, Stored

Clock = Callable[[], float]

IMMORTAL = ("default", "kube-public", "kube-system")  # namespaces that the API server lets nobody delete


class Registry:
    """All resources of one sandbox."""

    def __init__(self, clock: Clock = time.time) -> None:
        self.store = Store(RESOURCES)
        self.clock = clock
        self._rules = {name: row.rules() for name, row in RESOURCES.items()}
        self._random = random.SystemRandom()

    def get(self, resource: Resource, key: Key) -> Stored:
        """One object. Raises Refusal (404)."""
        found = self.store.shelf(resource.name).get(key)
        if found is None:
            raise not_found(resource.full_name, key[1])
        return found

    def create(self, resource: Resource, namespace: str, body: bytes, write: Write) -> Stored:
        """Make a new object. Raises Refusal."""
        obj = from_body(body, resource, write)
        self._place(obj, namespace)
        with self.store.lock:
            return self._create(resource, obj, write)

    def replace(
        self, resource: Resource, key: Key, body: bytes, write: Write, subresource: str = ""
    ) -> tuple[Stored, bool]:
        """Put an object in the place of another; whether it was made anew. Raises Refusal."""
        obj = from_body(body, resource, write)
        name = obj["metadata"].get("name")
        if not name:
            raise bad_request(
                f"the name of the object ({key[1]} based on URL) was undeterminable: name must be provided"
            )
        self._same_place(obj, key)
        with self.store.lock:
            if self.store.shelf(resource.name).get(key) is None and resource.put_creates and not subresource:
                obj["metadata"].pop("resourceVersion", None)
                return self._create(resource, obj, write), True
            old = self.get(resource, key)
            uid, was = obj["metadata"].get("uid"), old.object["metadata"]["uid"]
            if uid and uid != was:
                why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {was}"
                raise conflict(resource.full_name, key[1], why)
            return self._update(resource, key, old, obj, write, subresource), False

    def patch(
        self, resource: Resource, key: Key, body: bytes, kind: str, write: Write, subresource: str = ""
    ) -> Stored:
        """Patch an object. Raises Refusal."""
        with self.store.lock:
            old = self.get(resource, key)
            obj = from_patch(old.object, body, kind, resource, write)
            self._same_place(obj, key)
            return self._update(resource, key, old, obj, write, subresource)

    def _place(self, obj: Object, namespace: str) -> None:
        given = obj["metadata"].get("namespace")
        if given and given != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if namespace:
            obj["metadata"]["namespace"] = namespace

    def _same_place(self, obj: Object, key: Key) -> None:
        self._place(obj, key[0])
        name = obj["metadata"].get("name")
        if name != key[1]:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({key[1]})")

    def _create(self, resource: Resource, obj: Object, write: Write) -> Stored:
        rules, new = self._rules[resource.name], obj["metadata"]
        if new.get("namespace"):
            self._namespace_takes(resource, new["namespace"], new.get("name", ""))
        if new.get("resourceVersion"):
            raise Refusal(500, "", "resourceVersion should not be set on objects to be created")
        shelf, space = self.store.shelf(resource.name), new.get("namespace", "")
        self._register(new, shelf)
        rules.defaults(obj)
        new["managedFields"] = self._managed(resource, {}, obj, write, "")
        if not new["managedFields"]:
            del new["managedFields"]
        causes = meta.created(new, resource.name_rule)
        if not new.get("name"):
            check(resource.full_kind, "", causes)
        rules.create(obj)
        rules.allocate(obj, None)
        check(resource.full_kind, new["name"], [*causes, *rules.wrong(obj, None)])
        rules.settle(obj)
        key = (space, new["name"])
        write.warnings.extend(rules.warnings(obj))
        if (there := shelf.get(key)) is not None:
            raise exists(resource.full_name, new["name"], deleting="deletionTimestamp" in there.object["metadata"])
        if write.dry_run:
            return Stored(obj, 0)
        rules.committed(None, obj)
        return shelf.put(key, lambda version: _at(obj, version))

    def _register(self, new: Object, shelf: Shelf) -> None:
        """What the server alone writes into the metadata of a new object."""
        for stale in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"):
            new.pop(stale, None)
        new["uid"], new["creationTimestamp"] = str(uuid.uuid4()), timestamp(self.clock())
        while not new.get("name") and new.get("generateName"):
            name = meta.generated(new["generateName"], self._random)
            if shelf.get((new.get("namespace", ""), name)) is None:
                new["name"] = name

    def _namespace_takes(self, resource: Resource, namespace: str, name: str) -> None:
        found = self.store.shelf("namespaces").get(("", namespace))
        if found is None:
            raise not_found("namespaces", namespace)
        if found.object["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            message = f"namespace {namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            details = {**about(resource.full_name, name), "causes": [cause]}
            raise Refusal(403, "Forbidden", f'{resource.full_name} "{name}" is forbidden: {why}', details)

    def _update(self, resource: Resource, key: Key, old: Stored, obj: Object, write: Write, subresource: str) -> Stored:
        rules, was = self._rules[resource.name], old.object
        version = obj["metadata"].get("resourceVersion") or str(0 if resource.needs_version else old.version)
        if not version.isdecimal():
            raise Refusal(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
        if not int(version) and resource.needs_version:  # of the resource, where others are of the kind: so it is there
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            check(resource.full_name, key[1], [cause])
        if int(version) not in (0, old.version):
            raise conflict(resource.full_name, key[1])
        obj["metadata"] = {**meta.carried(obj["metadata"], was["metadata"]), "resourceVersion": str(old.version)}
        rules.defaults(obj)
        fields = self._managed(resource, was, obj, write, subresource)
        obj["metadata"]["managedFields"] = fields
        if subresource:
            rules.update_status(obj, was)
        else:
            rules.update(obj, was)
            rules.allocate(obj, was)
        causes = meta.updated(obj["metadata"], was["metadata"])
        causes += rules.wrong_status(obj, was) if subresource else rules.wrong(obj, was)
        check(resource.full_kind, key[1], causes)
        write.warnings.extend(rules.status_warnings(obj) if subresource else rules.warnings(obj))
        rules.settle(obj)
        if _without_managers(obj) == _without_managers(was):
            return old
        if not fields:
            del obj["metadata"]["managedFields"]
        if write.dry_run:
            return Stored(obj, 0)
        if obj["metadata"].get("deletionTimestamp") and not _finalizers(resource, obj):
            self._drop(resource, key, was)
            return Stored(obj, old.version)
        rules.committed(was, obj)
        return self.store.shelf(resource.name).put(key, lambda new: _at(obj, new))

    def _managed(self, resource: Resource, old: Object, new: Object, write: Write, subresource: str) -> list[Object]:
        """Whose the fields are now; what a write of this sort does not reach is left out of the comparison."""
        beyond = "spec" if subresource else "status" if resource.status else ""
        seen = [{k: v for k, v in obj.items() if k != beyond} for obj in (old, new)]
        return managed(
            resource.shape,
            *seen,
            manager=write.manager,
            subresource=subresource,
            version=resource.api_version,
            now=timestamp(self.clock()),
        )

    def delete(self, resource: Resource, key: Key, options: Object, write: Write) -> tuple[Stored, bool]:
        """Delete an object, or mark it while it has finalizers; whether it is gone. Raises Refusal."""
        with self.store.lock:
            old = self.get(resource, key)
            was = old.object["metadata"]
            if resource.name == "namespaces" and key[1] in IMMORTAL:
                message = f'namespaces "{key[1]}" is forbidden: this namespace may not be deleted'
                raise Refusal(403, "Forbidden", message, {"name": key[1], "kind": "namespaces"})
            _check_preconditions(resource, key[1], options.get("preconditions") or {}, was)
            if write.dry_run or was.get("deletionTimestamp"):
                return old, not _finalizers(resource, old.object)
            if not _finalizers(resource, old.object):
                version = self._drop(resource, key, old.object)
                return Stored(_at(old.object, str(version)), version), True
            marked = self._mark(resource, key, old.object)
            if resource.name == "namespaces":
                self._empty(key[1])
            return marked, False

    def _mark(self, resource: Resource, key: Key, old: Object) -> Stored:
        """Say that it is being deleted."""
        marks: Object = {"deletionTimestamp": timestamp(self.clock())}
        if resource.name != "namespaces":
            marks["deletionGracePeriodSeconds"] = 0
        new = {**old, "metadata": {**old["metadata"], **marks}}
        if resource.name == "namespaces":
            new["status"] = {**old["status"], "phase": "Terminating"}
        return self.store.shelf(resource.name).put(key, lambda version: _at(new, version))

    def _drop(self, resource: Resource, key: Key, old: Object) -> int:
        version = self.store.shelf(resource.name).drop(key)
        self._rules[resource.name].committed(old, None)
        space = self.store.shelf("namespaces").get(("", key[0]))
        if space is not None and space.object["metadata"].get("deletionTimestamp"):
            self._bury(key[0])
        return version

    def _empty(self, namespace: str) -> None:
        """Delete what is in a namespace that is being deleted; in a cluster a controller does."""
        for name, shelf in ((n, self.store.shelf(n)) for n, row in RESOURCES.items() if row.namespaced):
            for key, _ in shelf.all(namespace):
                self.delete(RESOURCES[name], key, {}, Write())
        self._bury(namespace)

    def _bury(self, namespace: str) -> None:
        """A namespace goes once nothing is left in it."""
        shelves = (self.store.shelf(name) for name, row in RESOURCES.items() if row.namespaced)
        key = ("", namespace)
        found = self.store.shelf("namespaces").get(key)
        if (
            found is not None
            and not found.object["metadata"].get("finalizers")
            and not any(s.all(namespace) for s in shelves)
        ):
            self.store.shelf("namespaces").drop(key)


PRECONDITIONS = (
    ("uid", "UID", "deleted and then recreated"),
    ("resourceVersion", "ResourceVersion", "modified"),
)


def _check_preconditions(resource: Resource, name: str, wanted: Object, meta: Object) -> None:
    for field, what, happened in PRECONDITIONS:
        want, have = wanted.get(field), meta[field]
        if want and want != have:
            why = f"the {what} in the precondition ({want}) does not match the {what} in record ({have})"
            raise conflict(resource.full_kind, name, f"{why}. The object might have been {happened}")


def _finalizers(resource: Resource, obj: Object) -> list[str]:
    own = obj["spec"].get("finalizers") if resource.name == "namespaces" else ()
    return [*(obj["metadata"].get("finalizers") or ()), *(own or ())]


def _at(obj: Object, version: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}


def _without_managers(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}
