"""The ledger: blocks of claims kept in the cluster, changed by compare-and-swap only (DESIGN 5).

A new block is a POST, every other write a PUT with resourceVersion, so that etcd decides between two runs. Writes are
never repeated here; on an unknown outcome the block is read again and compared, and searched for the writer's attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lbctl.addresses import AddressError
from lbctl.claims import NAMESPACE, Block, BlockId, parse_block
from lbctl.errors import ClusterError
from lbctl.kube.api import Kube
from lbctl.kube.errors import Conflict, Forbidden, NotFound, ServerFailed, Throttled, Unreachable
from lbctl.reasons import Reason


class LostRace(Exception):
    """Another run changed the block first: plan again from fresh reads."""


class Ledger:
    """All blocks of one cluster; `tell` hears of what a user should know was made."""

    def __init__(self, kube: Kube, tell: Callable[[str], None] = lambda _: None) -> None:
        self._kube = kube
        self._tell = tell

    def read(self) -> Mapping[BlockId, Block]:
        """Every block, by a quorum read.

        All ConfigMaps of the namespace are asked for, not those with our labels: a block that somebody took them from
        still stands in the way of a new one, and what it claims is still claimed.
        """
        blocks: dict[BlockId, Block] = {}
        for item in self._kube.list_configmaps(NAMESPACE).items:
            try:
                block = parse_block(item)
            except AddressError:
                continue  # because it is no block: its name is no address, so it claims nothing
            blocks[block.id] = block
        return blocks

    def write(self, block: Block, attempt: str) -> Block:
        """Write one block and return it as it is now; LostRace when somebody was faster.

        Raises Throttled when the cluster has no room for it now (nothing is written), else
        ClusterError when the cluster does not take it or can't be reached.
        """
        try:
            return self._send(block)
        except Conflict as lost:
            raise LostRace(block.id.name) from lost
        except Throttled:
            raise
        except (Unreachable, ServerFailed) as unknown:
            return self._look(block, attempt, unknown)

    def _send(self, block: Block) -> Block:
        name, version = block.id.name, block.resource_version
        if version is not None:
            try:
                return block.written(self._kube.replace_configmap(NAMESPACE, name, block.to_object(), version).object)
            except NotFound as gone:
                raise LostRace(name) from gone  # somebody has deleted it: what it held is read anew
        try:
            return block.written(self._kube.create_configmap(NAMESPACE, block.to_object()).object)
        except NotFound:
            self.make_namespace()
            if self._kube.dry_run:
                return block  # because the namespace is not there yet, nothing in it can be tried
            return block.written(self._kube.create_configmap(NAMESPACE, block.to_object()).object)

    def make_namespace(self) -> None:
        """Make the namespace of the claims and Leases; ClusterError where that is not allowed."""
        try:
            self._kube.create_namespace(NAMESPACE)
        except Conflict:
            return  # because another run has just made it
        except Forbidden as bad:
            raise ClusterError(
                f"the namespace {NAMESPACE}, which holds lbctl's claims, does not exist and you may not create it",
                hint=f"kubectl create namespace {NAMESPACE}",
                reason=Reason.LedgerUnavailable,
            ) from bad
        made = "would make" if self._kube.dry_run else "made"
        self._tell(f"{made} the namespace {NAMESPACE}, which holds lbctl's claims")

    def _look(self, block: Block, attempt: str, unknown: ClusterError) -> Block:
        """The write may have landed: look for one's own attempt."""
        try:
            found = parse_block(self._kube.get_configmap(NAMESPACE, block.id.name).object)
        except NotFound:
            raise unknown from None
        if found.claims == block.claims:
            return found  # also when it only let go, and so bears no attempt of one's own
        wrote = {h for c in block.claims.values() for h in c.holders if h.attempt == attempt}
        if wrote and wrote <= {h for c in found.claims.values() for h in c.holders}:
            return found
        raise unknown
