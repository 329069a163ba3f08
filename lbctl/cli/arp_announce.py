"""lbctl arp-announce: the LAN finds addresses here, given ones or those of the cluster's Services."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError, UsageError

if TYPE_CHECKING:
    from lbctl.addresses import Address
    from lbctl.pools import PoolFile


@with_where
def arp_announce(
    where: Where,
    addresses: Annotated[
        Optional[list[str]],  # noqa: UP045 because typer reads it
        typer.Argument(metavar="ADDRESS", help="announce these, without any cluster"),
    ] = None,
    interface: Annotated[
        Optional[list[str]],  # noqa: UP045 because typer reads it
        typer.Option("--interface", "-i", metavar="NAME", help="only there; repeat it for several"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="announce ADDRESS without asking whether another machine has it")
    ] = False,
    node_name: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--node-name", envvar="NODE_NAME", metavar="NAME", help="this Node's name; else the host's"),
    ] = None,
    simulate_drain: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--simulate-drain", metavar="NODE", help="only say what would move where if NODE were drained"),
    ] = None,
    ignore_exclude_label: Annotated[
        bool,
        typer.Option(
            "--ignore-exclude-label",
            help="nodes labelled node.kubernetes.io/exclude-from-external-load-balancers may announce too",
        ),
    ] = False,
    listen: options.Listen = "127.0.0.1:9656",
    log_format: options.Logs = options.LogForm.TEXT,
    pools: options.Pools = None,
) -> None:
    """Answer for addresses on the LAN (ARP and Neighbor Discovery), until Ctrl-C.

    With ADDRESS for those, if nobody else has them. Without, as the announcer of this node: for the addresses of the
    cluster's Services that this node should announce. It never puts an address on an interface.
    """
    if sys.platform != "linux" and not simulate_drain:
        raise LbctlError("lbctl arp-announce needs Linux", hint="run it on a node, or on another Linux box of the LAN")
    from lbctl.logs import Level, Log, LogFormat

    only = frozenset(interface or ())
    log = Log(LogFormat(log_format.value), Level.of(quiet=where.quiet, verbose=where.verbose))
    if addresses:
        if simulate_drain:
            raise UsageError("--simulate-drain is about the cluster's addresses", hint="leave ADDRESS out")
        from lbctl.cli.announce_given import announce

        raise typer.Exit(announce([_address(text) for text in addresses], only, log, force=force))
    if force:
        raise UsageError("--force is for addresses on the command line", hint="lbctl arp-announce ADDRESS --force")
    pool_file = options.open_pools(pools)
    if simulate_drain:
        _simulate(where, pool_file, simulate_drain)
        return
    from lbctl.cli.announce_node import Wanted
    from lbctl.cli.announce_node import announce as follow

    node = node_name or socket.gethostname()
    raise typer.Exit(follow(where, Wanted(node, only, listen, ignore_exclude_label), pool_file, log))


def _simulate(where: Where, pools: PoolFile, node: str) -> None:
    from lbctl.cli.output import table
    from lbctl.cli.status import drain

    if rows := drain(where.cluster("arp-announce", pools), pools, node):
        table(("ADDRESS", "SERVICE", "TO", "WHY"), rows)
    else:
        where.talk().say(f"{node} announces nothing")


def _address(text: str) -> Address:
    from lbctl.addresses import AddressError, parse_address

    try:
        return parse_address(text)
    except AddressError as bad:
        raise UsageError(str(bad), hint=bad.hint) from bad
