"""What `serve` knows of the cluster, kept up to date one change at a time, and which Services each change concerns.

One thread tells it what the watches bring and what its own writes were answered with; whatever comes late or twice is
passed over, for a resourceVersion that is known is never gone back from (of one resource they are comparable since
Kubernetes 1.35, KEP-5504, and have been numbers of etcd's for ever). Pure: no clock, no client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lbctl.addresses import Address, AddressError, parse_address
from lbctl.allocator import Index
from lbctl.claims import Block, BlockId
from lbctl.decisions import Snapshot
from lbctl.lookout import Lookout
from lbctl.pools import PoolFile
from lbctl.services import Key, Service

Object = Mapping[str, Any]

# Older than every object, for etcd's own first revision is 1. Not "0": a PUT or PATCH with that has no precondition.
STALE = "1"

COOLED = 30  # seconds before a released address may be given, the LAN is asked for it: a pool may be waiting for it


class World:
    """Services, claims, Nodes and Namespaces, with the Index over them. `others` are addresses in use that no object of
    the API shows, in words; `dirty` are the Services to plan for, `helps` whether something changed that may end a
    refusal, `lost` whether claims were taken away that nobody let go of; `lookout` is what is known of the LAN."""

    def __init__(self, pools: PoolFile, others: Mapping[Address, str]) -> None:
        self.pools = pools
        self.services: dict[Key, Service] = {}
        self.blocks: dict[BlockId, Block] = {}
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.dirty: set[Key] = set()
        self.helps = False
        self.lost = False
        self._fixed = others
        self._nodes: dict[str, dict[Address, str]] = {}
        self.lookout = Lookout()
        self.index = Index({}, {}, others, pools, 0)

    def use_pools(self, pools: PoolFile) -> None:
        """Another pool file: whoever was refused is planned again; who has an address keeps it."""
        self.pools = pools
        self.helps = True

    def snapshot(self, now: int, attempt: str, mine: frozenset[str]) -> Snapshot:
        """What is known, for one plan; not to be kept, for it changes with the world. It makes the Index ready too."""
        self.index.begin(self.pools, now)
        others, lan = self._others(), self.lookout.lan
        return Snapshot(self.services, self.blocks, others, now, attempt, mine, self.namespaces, lan)

    def ahead(self, now: int, clock: float) -> tuple[list[Address], list[Address]]:
        """What the LAN is to be asked for by `clock`, seconds that never go back; and beside it what comes next of each
        pool, with what will have cooled soon after `now`, which is as for snapshot()."""
        self.index.begin(self.pools, now + COOLED)
        try:
            return self.lookout.wanted(self.index, self.pools, clock)
        finally:
            self.index.begin(self.pools, now)

    def _others(self) -> dict[Address, str]:
        found = dict(self._fixed)
        for addresses in self._nodes.values():
            found |= addresses
        return found

    def rewind_services(self) -> None:
        """The store went back in time: whatever Services come now are newer than what is known, and claims may be
        missing. Nothing is written over on the word of what is known: a write at STALE is refused as a conflict."""
        self.lost = True
        for key, service in self.services.items():
            self.services[key] = replace(service, resource_version=STALE)

    def rewind_claims(self) -> None:
        """As rewind_services(), of the claims. Each is told by its own watch, which then lists anew, and not at one
        time: what one has read anew already must not be stale again when the other notices."""
        self.lost = True
        for block_id, block in self.blocks.items():
            self.blocks[block_id] = replace(block, resource_version=STALE)

    def put_service(self, service: Service) -> None:
        """A Service as one read showed it, unless a later one is known."""
        before = self.services.get(service.key)
        if before is not None and before.uid == service.uid and not _newer(service, before):
            return
        self.services[service.key] = service
        self.index.put_service(service)
        if before is not None:
            self._lost(before, service)
            if before.sharing != service.sharing:  # those who share with it may no longer
                self.dirty |= {h.key for c, _ in self.index.held(service.key) for h in c.holders}
        if service.is_load_balancer or (before and before.is_load_balancer) or self.index.held(service.key):
            self.dirty.add(service.key)

    def drop_service(self, key: Key, uid: str = "") -> None:
        """A Service that is gone; with `uid` only that very one."""
        before = self.services.get(key)
        if before is None or (uid and before.uid != uid):
            return
        del self.services[key]
        self.index.drop_service(key)
        self._lost(before, None)
        self.dirty.add(key)

    def _lost(self, before: Service, after: Service | None) -> None:
        shown = {*after.status, *after.external_ips} if after else set()
        if not shown.issuperset((*before.status, *before.external_ips)):
            self.helps = True

    def put_claims(self, block: Block) -> None:
        """A block as it is now, unless a later version of it is known."""
        before = self.blocks.get(block.id)
        if before is not None and _version(block.resource_version) <= _version(before.resource_version):
            return
        self.blocks[block.id] = block
        self.index.put_block(block)
        self._claims_changed(before, block)

    def drop_block(self, name: str) -> Block | None:
        """A ConfigMap that was deleted; the block as it was last known, if it was one."""
        try:
            block_id = BlockId.from_name(name)
        except AddressError:
            return None
        before = self.blocks.pop(block_id, None)
        if before is not None:
            self.index.put_block(Block(block_id, None, {}))
            self.lost = self.lost or any(claim.holders for claim in before.claims.values())
            self._claims_changed(before, Block(block_id, None, {}))
        return before

    def _claims_changed(self, before: Block | None, after: Block) -> None:
        old = before.claims if before else {}
        for address in old.keys() | after.claims.keys():
            was, now = old.get(address), after.claims.get(address)
            if was is now or was == now:
                continue
            holders = {h.key for c in (was, now) if c is not None for h in c.holders}
            self.dirty |= holders
            if was is not None and was.holders and (now is None or len(now.holders) < len(was.holders)):
                self.helps = True

    def set_node(self, name: str, addresses: dict[Address, str]) -> None:
        """The addresses of a Node as they are now, in words; none when it is gone."""
        if self._nodes.get(name, {}) == addresses:
            return
        self._nodes[name] = addresses
        self.index.put_others(self._others())
        self.helps = True

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """The labels of a Namespace as they are now; None when it is gone."""
        if labels is None:
            self.namespaces.pop(name, None)
        elif self.namespaces.get(name) != labels:
            self.namespaces[name] = labels
            self.helps = True


def node_addresses(nodes: Iterable[Object]) -> dict[Address, str]:
    """The addresses of these Nodes, in words; they are in use."""
    found: dict[Address, str] = {}
    for node in nodes:
        for entry in (node.get("status") or {}).get("addresses") or ():
            try:
                found[parse_address(entry.get("address") or "")] = f"node {node['metadata']['name']} has it"
            except AddressError:
                continue  # because a Node's addresses are host names too
    return found


def _newer(service: Service, before: Service) -> bool:
    return _version(service.resource_version) > _version(before.resource_version)


def _version(resource_version: str | None) -> int:
    """A resourceVersion as a number; one that is none is older than all."""
    return int(resource_version) if resource_version and resource_version.isdecimal() else 0
