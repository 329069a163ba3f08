"""How objects go out: as they are, or as the Table that kubectl prints. Pure; `now` comes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lbctl.sandbox.lists import Listed
from lbctl.sandbox.refusals import Object
from lbctl.sandbox.resources import Resource
from lbctl.sandbox.store import Stored


def encoded(body: Object) -> bytes:
    """An object as JSON."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch."""

    type: str
    stored: Stored


@dataclass(frozen=True, slots=True)
class View:
    """What a client wants to see: the objects, or a Table with all of each object, its metadata or nothing beside."""

    resource: Resource
    table: bool
    include: str = "Metadata"

    @classmethod
    def of(cls, resource: Resource, accept: str, params: Mapping[str, str]) -> View:
        """Read the Accept header."""
        first = accept.partition(",")[0]
        table = "as=Table" in first and "g=meta.k8s.io" in first
        return cls(resource, table, params.get("includeObject") or "Metadata")

    def one(self, stored: Stored, now: float) -> bytes:
        """One object."""
        if not self.table:
            return stored.json
        version = stored.object["metadata"].get("resourceVersion", "")
        return encoded(self._table([stored], {"resourceVersion": version}, now))

    def many(self, found: Listed, now: float) -> bytes:
        """A list."""
        if self.table:
            return encoded(self._table(found.items, found.meta(), now))
        head = {"kind": f"{self.resource.kind}List", "apiVersion": self.resource.api_version, "metadata": found.meta()}
        return encoded(head)[:-1] + b',"items":[' + b",".join(one.item for one in found.items) + b"]}"

    def event(self, event: Event, now: float, first: bool) -> bytes:
        """One line of a watch; of Tables only the first bears the columns."""
        body = event.stored.json
        if self.table:
            version = event.stored.object["metadata"]["resourceVersion"]
            body = encoded(self._table([event.stored], {"resourceVersion": version}, now, columns=first))
        return b'{"type":"' + event.type.encode() + b'","object":' + body + b"}\n"

    def _table(self, items: list[Stored], meta: Object, now: float, *, columns: bool = True) -> Object:
        rows = []
        for stored in items:
            row: Object = {"cells": self._cells(stored.object, now)}
            if self.include != "None":
                row["object"] = self._beside(stored.object)
            rows.append(row)
        definitions = [column.json() for column in self.resource.columns] if columns else None
        head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        return {**head, "columnDefinitions": definitions, "rows": rows}

    def _cells(self, obj: Object, now: float) -> list[object]:
        """Those of an object; a bookmark is of none, and has as many empty ones."""
        return self.resource.cells(obj, now) if "name" in obj["metadata"] else [""] * len(self.resource.columns)

    def _beside(self, obj: Object) -> Object:
        if self.include == "Object":
            return obj
        head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return {**head, "metadata": obj["metadata"]}
