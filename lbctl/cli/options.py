"""Options that several commands share, and how they become a cluster, a pool file and Service names."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.errors import UsageError

if TYPE_CHECKING:
    from lbctl.addresses import Address
    from lbctl.apply import Cluster
    from lbctl.planner import Decision
    from lbctl.pools import PoolFile
    from lbctl.services import Key

Pools = Annotated[Optional[str], typer.Option("--pools", envvar="LBCTL_POOLS", help="the pool file")]  # noqa: UP045 because typer reads it
Context = Annotated[Optional[str], typer.Option("--context", help="the kubeconfig's context")]  # noqa: UP045 because typer reads it
Kubeconfig = Annotated[Optional[str], typer.Option("--kubeconfig", help="the kubeconfig file")]  # noqa: UP045 because typer reads it
Namespace = Annotated[Optional[str], typer.Option("--namespace", "-n", help="the namespace of bare Service names")]  # noqa: UP045 because typer reads it
Timeout = Annotated[float, typer.Option("--request-timeout", help="seconds for one request", min=0.1)]


def open_pools(flag: str | None) -> PoolFile:
    """The pool file named, or the first of the usual places."""
    from lbctl.pools import find_pools, load_pools

    return load_pools(find_pools(flag, os.environ, Path.home()))


def open_cluster(
    kubeconfig: str | None, context: str | None, timeout: float, command: str, pools: PoolFile | None = None
) -> Cluster:
    """The cluster that kubeconfig and context name; nothing is asked of it yet but authentication."""
    import getpass
    import socket

    from lbctl.apply import Cluster
    from lbctl.kube.api import Kube
    from lbctl.kube.transport import connect

    transport = connect(kubeconfig, context, request_timeout=timeout)
    by = f"{getpass.getuser()}@{socket.gethostname()} {command}"
    by += f" {pools.digest}" if pools else ""
    return Cluster(Kube(transport), by, transport.namespace, _own_address(transport.server))


def _own_address(server: str) -> dict[Address, str]:
    """The API server's address, if its URL bears one: in use, though no object of the API need show it."""
    from urllib.parse import urlsplit

    from lbctl.addresses import AddressError, parse_address

    try:
        return {parse_address(urlsplit(server).hostname or ""): f"the API server at {server} has it"}
    except AddressError:
        return {}  # because it is a name; what stands behind it need not be an address of the LAN


def service_keys(names: list[str], namespace: str | None, cluster: Cluster) -> frozenset[Key]:
    """Read `[namespace/]name` arguments; a bare name is of `-n`, else of the context's namespace."""
    from lbctl.services import Key

    keys = set()
    for name in names:
        if name.count("/") > 1 or name.startswith("/") or name.endswith("/"):
            raise UsageError(
                f"{name!r} is no Service name", hint="write NAMESPACE/NAME, as lbctl list -o name prints it"
            )
        keys.add(Key.parse(name) if "/" in name else Key(namespace or cluster.namespace, name))
    return frozenset(keys)


def report(named: frozenset[Key] | None, results: Mapping[Key, Decision]) -> int:
    """Print a line for each Service that changed or was named, and say what went wrong; the exit code.

    `named` is None after --all: then what needed nothing and what is not ours to act on is passed over in silence.
    """
    from lbctl.planner import Action

    code = 0
    for key in sorted((named or frozenset()) - set(results)):
        say(f"error: there is no Service {key}")
        say("hint: kubectl get services -A lists them")
        code = 1
    for key, decision in results.items():
        if decision.satisfied:
            if named is not None or decision.writes:
                print(f"{key} {','.join(map(str, decision.addresses or decision.drops))} ({decision.reason.name})")
        elif named is not None or decision.action is not Action.SKIP:
            say(f"error: {key}: {decision.reason.name}: {decision.sentence}")
            if decision.reason.hint:
                say(f"hint: {decision.reason.hint}")
            code = max(code, 124 if decision.action is Action.WAIT else 1)
    return code


def say(text: str) -> None:
    """Talk goes to stderr; data alone to stdout."""
    print(text, file=sys.stderr)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A plain table as kubectl prints it: nothing is ever cut."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
