"""lbctl claims: what the ledger in the cluster says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli.output import Document, document, table
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError, UsageError

if TYPE_CHECKING:
    from lbctl.claims import Claim

app = typer.Typer(help="The claims that lbctl keeps in the cluster.", no_args_is_help=True, rich_markup_mode=None)
Output = Annotated[Optional[Document], typer.Option("--output", "-o", help="instead of text")]  # noqa: UP045 because typer reads it


@app.command("list")
@with_where
def list_(where: Where, output: Output = None) -> None:
    """Show every claim: the address, its state, who holds it or held it last."""
    from lbctl.ages import timestamp

    blocks = where.cluster("claims").ledger.read()
    claims = [c for _, block in sorted(blocks.items()) for _, c in sorted(block.claims.items()) if _of(where, c)]
    if output is not None:
        from lbctl.cli.documents import claim_item, listing

        document(listing("ClaimList", map(claim_item, claims)), output)
    elif claims:
        rows = [(str(c.address), c.state, _who(c), c.pool, timestamp(c.since), c.by) for c in claims]
        table(("ADDRESS", "STATE", "SERVICE", "POOL", "SINCE", "BY"), rows)
    else:
        where.talk().say("there are no claims")
    for block in blocks.values():
        if block.unreadable:
            where.talk().say(f"warning: LedgerUnreadable: {block.id.name}: {block.unreadable}")


@app.command()
@with_where
def show(where: Where, address: Annotated[str, typer.Argument(metavar="IP")], output: Output = None) -> None:
    """Show one claim in full."""
    from lbctl.addresses import AddressError, parse_address
    from lbctl.ages import timestamp
    from lbctl.claims import BlockId
    from lbctl.cli.documents import claim_item

    try:
        wanted = parse_address(address)
    except AddressError as bad:
        raise UsageError(str(bad), hint=bad.hint) from bad
    block = where.cluster("claims").ledger.read().get(BlockId.of(wanted))
    if block is not None and block.unreadable:
        raise LbctlError(
            f"LedgerUnreadable: {block.id.name}: {block.unreadable}", hint="look at it with kubectl, or upgrade lbctl"
        )
    if block is None or wanted not in block.claims:
        raise LbctlError(f"there is no claim for {wanted}", hint="lbctl claims list")
    claim = block.claims[wanted]
    if output is not None:
        document({"apiVersion": "lbctl/v1", "kind": "Claim", **claim_item(claim)}, output)
        return
    lines = [("Address", str(claim.address)), ("State", claim.state), ("Pool", claim.pool)]
    lines += [("Holder", f"{h.key} (uid {h.uid})") for h in claim.holders]
    if not claim.holders and claim.last:
        lines.append(("Last", f"{claim.last.key} (uid {claim.last.uid})"))
    lines += [
        ("Since", timestamp(claim.since)),
        ("By", claim.by),
        ("Kept in", f"ConfigMap lbctl-system/{block.id.name}"),
    ]
    for label, text in lines:
        print(f"{label:<8}  {text}")


def _of(where: Where, claim: Claim) -> bool:
    """Whether the claim is of the namespace that -n names."""
    keys = [h.key for h in claim.holders] or ([claim.last.key] if claim.last else [])
    return where.namespace is None or any(key.namespace == where.namespace for key in keys)


def _who(claim: Claim) -> str:
    if claim.holders:
        return ",".join(str(h.key) for h in claim.holders)
    return f"{claim.last.key} (last)" if claim.last else ""
