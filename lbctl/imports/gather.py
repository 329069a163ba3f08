"""The whole way from objects to a pool file's text, over all systems."""

from __future__ import annotations

from collections.abc import Sequence

from lbctl.errors import PoolFileError
from lbctl.imports import cilium, kubevip, metallb, purelb
from lbctl.imports.settle import settle
from lbctl.imports.values import About, Draft, Found, Imported, ImportFailed, Remark, plain
from lbctl.imports.write import pool_file
from lbctl.pools import parse_pools

SYSTEMS = (metallb, cilium, kubevip, purelb)
KINDS = tuple(kind for system in SYSTEMS for kind in system.KINDS)


def imported(objects: Sequence[Found]) -> Imported:
    """The pool file of these objects, empty text when they hold no pool; raises ImportFailed."""
    book: list[Remark] = []
    latest = _latest(objects, book)
    drafts: list[Draft] = []
    left = list(latest)
    for system in SYSTEMS:
        theirs = [found for found in left if system.takes(found)]
        left = [found for found in left if not system.takes(found)]
        drafts += system.drafts(theirs, book)
    pools = settle(drafts)
    text = pool_file(pools) if pools else ""
    if pools:
        _check(text)
    order = {id(found): number for number, found in enumerate(objects)}
    remarks = tuple(sorted(book, key=lambda remark: order[id(remark.found)]))
    return Imported(text, len(pools), remarks, tuple(dict.fromkeys(plain(found.kind) for found in left)))


def _latest(objects: Sequence[Found], book: list[Remark]) -> list[Found]:
    """Of several objects of one kind and name the last one, as kubectl apply leaves it."""
    last = {_identity(found): found for found in objects}
    for found in objects:
        if last[_identity(found)] is not found and any(system.takes(found) for system in SYSTEMS):
            About(found, book).say("", "it stands here again further down, and is read there alone")
    return [found for found in objects if last[_identity(found)] is found]


def _identity(found: Found) -> tuple[object, ...]:
    return (found.group, found.kind, found.namespace, found.name) if found.name else (id(found),)


def _check(text: str) -> None:
    """Hold the text to what a pool file is; raises ImportFailed."""
    try:
        parse_pools("pools.yaml", text.encode())
    except PoolFileError as bad:
        raise ImportFailed(f"what was read makes no valid pool file: {bad.message}", hint=bad.hint) from bad
