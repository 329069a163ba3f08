"""lbctl claims: what the ledger in the cluster says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lbctl.cli import options
from lbctl.errors import LbctlError, UsageError

if TYPE_CHECKING:
    from lbctl.claims import Claim

app = typer.Typer(help="The claims that lbctl keeps in the cluster.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    kubeconfig: options.Kubeconfig = None, context: options.Context = None, request_timeout: options.Timeout = 30.0
) -> None:
    """Every claim: the address, its state, who holds it or held it last."""
    blocks = options.open_cluster(kubeconfig, context, request_timeout, "claims").ledger.read()
    rows = [
        (str(claim.address), claim.state, _who(claim), claim.pool, _when(claim.since), claim.by)
        for _, block in sorted(blocks.items())
        for _, claim in sorted(block.claims.items())
    ]
    options.table(("ADDRESS", "STATE", "SERVICE", "POOL", "SINCE", "BY"), rows)
    for block in blocks.values():
        if block.unreadable:
            options.say(f"warning: LedgerUnreadable: {block.id.name}: {block.unreadable}")


@app.command()
def show(
    address: Annotated[str, typer.Argument(metavar="IP")],
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    request_timeout: options.Timeout = 30.0,
) -> None:
    """One claim in full, as it stands in the cluster."""
    import json

    from lbctl.addresses import AddressError, parse_address
    from lbctl.claims import BlockId

    try:
        wanted = parse_address(address)
    except AddressError as bad:
        raise UsageError(str(bad)) from bad
    block = options.open_cluster(kubeconfig, context, request_timeout, "claims").ledger.read().get(BlockId.of(wanted))
    if block is None or wanted not in block.claims:
        raise LbctlError(f"there is no claim for {wanted}", hint="lbctl claims list")
    print(json.dumps(block.claims[wanted].to_json(), indent=2))


def _who(claim: Claim) -> str:
    if claim.holders:
        return ",".join(str(h.key) for h in claim.holders)
    return f"{claim.last.key} (last)" if claim.last else ""


def _when(seconds: int) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
