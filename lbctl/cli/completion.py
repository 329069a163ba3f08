"""Names for the shell to complete: Services of the cluster, pools of the pool file.

A completion that is slow or talks is worse than none: whatever fails, fails in silence, and the cluster gets a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

SECONDS = 1.0


def _quiet(names: Callable[[dict[str, Any]], Iterable[str]]) -> Callable[..., list[str]]:
    """The names that begin with what is typed; none when they cannot be had."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            return [name for name in names(ctx.params) if name.startswith(incomplete)]
        except Exception:  # noqa: BLE001 because nothing may come between a user and the prompt
            return []

    return complete


def _services(flags: dict[str, Any]) -> Iterable[str]:
    from lbctl.kube.api import Kube
    from lbctl.kube.transport import connect

    transport = connect(flags.get("kubeconfig"), flags.get("context"), request_timeout=SECONDS)
    namespace = flags.get("namespace")
    for item in Kube(transport).list_services().items:
        meta = item["metadata"]
        if item["spec"].get("type") == "LoadBalancer" and namespace in (None, meta["namespace"]):
            yield meta["name"] if namespace else f"{meta['namespace']}/{meta['name']}"


def _pools(flags: dict[str, Any]) -> Iterable[str]:
    from lbctl.cli.options import open_pools

    return [pool.name for pool in open_pools(flags.get("pools")).pools]


services = _quiet(_services)
pools = _quiet(_pools)
