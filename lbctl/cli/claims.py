"""lbctl claims: what the ledger in the cluster says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import options
from lbctl.cli.output import Document, document, table
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError, UsageError

if TYPE_CHECKING:
    from lbctl.apply import Pruned
    from lbctl.claims import Block, BlockId, Claim
    from lbctl.cli.output import Talk
    from lbctl.decisions import Decision, Snapshot

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
    _warn_of_unreadable(blocks, where.talk())


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


@app.command()
@with_where
def repair(where: Where, dry_run: options.Dry = None, pools: options.Pools = None) -> None:
    """Write anew what the ledger has lost: claims for the addresses that lbctl itself has published.

    Of two Services that show one address the one that holds its claim keeps it, else the older; the other is moved.
    """
    from lbctl.adoption import contradictions, plan_repair
    from lbctl.apply import repair as run
    from lbctl.cli.report import dry, telling

    pool_file = options.open_pools(pools)
    cluster, talk = where.cluster("repair", pool_file, dry_run=dry_run is not None), where.talk()
    look = cluster.snapshot()
    chosen = where.narrowed(look, None, cluster)
    first = plan_repair(look, pool_file, chosen)
    if dry_run is not None:
        results = dry(cluster, first, dry_run)
    else:
        with telling(cluster, talk):
            results = run(cluster, pool_file, chosen, first=first)
        look = cluster.snapshot()
    code = _repaired(results.values(), talk, dry_run.suffix if dry_run else "")
    for sentence in contradictions(look):
        talk.say(f"warning: {sentence}")
    raise typer.Exit(max(code, int(_warn_of_unreadable(look.blocks, talk))))


def _repaired(results: Iterable[Decision], talk: Talk, suffix: str) -> int:
    """A line a claim or a move, an error a Service that could not be helped; the exit code."""
    from lbctl.cli.report import CODES
    from lbctl.decisions import Action

    code, lines = 0, 0
    for decision in results:
        key, shown = decision.service.key, ",".join(map(str, decision.service.status))
        if not decision.satisfied:
            talk.error(f"{key}: {decision.reason.name}: {decision.sentence}", decision.hint)
            code = max(code, CODES[decision.action])
        elif decision.action is Action.ASSIGN:
            print(f"{key} {','.join(map(str, decision.addresses))} (moved from {shown}){suffix}")
        elif decision.writes:
            print(f"{key} {','.join(map(str, decision.claims))} (claimed anew){suffix}")
        lines += decision.writes or not decision.satisfied
    if not lines:
        talk.say("nothing to repair")
    return code


@app.command()
@with_where
def prune(
    where: Where,
    now: Annotated[bool, typer.Option("--now", help="every released claim, but those released by hand")] = False,
    dry_run: options.Dry = None,
    pools: options.Pools = None,
) -> None:
    """Let go of claims whose Service is gone, and take out those that nobody will get back.

    Both happen by themselves with the next write; this is for who wants to see it done.
    """
    from lbctl.adoption import plan_prune
    from lbctl.apply import prune as run
    from lbctl.apply import to_prune
    from lbctl.errors import TimedOut

    pool_file = options.open_pools(pools)
    cluster, talk = where.cluster("prune", pool_file, dry_run=dry_run is not None), where.talk()
    look = cluster.snapshot()
    first = plan_prune(look, pool_file, at_once=now, namespace=where.namespace)
    left: Pruned = {}
    if dry_run is None:
        went, left = run(cluster, lambda at: plan_prune(at, pool_file, at_once=now, namespace=where.namespace))
    else:
        went = to_prune(first)
        if dry_run is options.DryRun.SERVER:
            from lbctl.rounds import carry_out

            carry_out(cluster, first)
    _pruned(went, look, dry_run.suffix if dry_run else "")
    if not went and not left:
        talk.say("nothing to prune")
    _warn_of_unreadable(look.blocks, talk)
    if left:
        raise TimedOut(f"{len(left)} claims are left: others are writing their blocks", hint="run it once more")


def _pruned(went: Pruned, look: Snapshot, suffix: str) -> None:
    from lbctl.adoption import fate

    for (address, _), (claim, holder) in went.items():
        if holder is not None:
            print(f"{address} released: {holder.key} {fate(look, holder)}{suffix}")
        else:
            last = claim.last.key if claim.last else "nobody"
            print(f"{address} removed: {last} held it last{suffix}")


def _warn_of_unreadable(blocks: Mapping[BlockId, Block], talk: Talk) -> bool:
    """Say which blocks are left alone because they cannot be read; whether there are any."""
    frozen = [block for block in blocks.values() if block.unreadable]
    for block in frozen:
        talk.say(f"warning: LedgerUnreadable: {block.id.name}: {block.unreadable}")
    return bool(frozen)


def _of(where: Where, claim: Claim) -> bool:
    """Whether the claim is of the namespace that -n names."""
    keys = [h.key for h in claim.holders] or ([claim.last.key] if claim.last else [])
    return where.namespace is None or any(key.namespace == where.namespace for key in keys)


def _who(claim: Claim) -> str:
    if claim.holders:
        return ",".join(str(h.key) for h in claim.holders)
    return f"{claim.last.key} (last)" if claim.last else ""
