"""lbctl pools check: what is wrong with the pool file, and what in it is unwise here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lbctl.cli import options
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError

if TYPE_CHECKING:
    from lbctl.poollint import Facts, Finding, Machine
    from lbctl.pools import PoolFile
    from lbctl.rounds import Cluster


@with_where
def check(
    where: Where,
    pools: options.Pools = None,
    strict: Annotated[bool, typer.Option("--strict", help="end with 1 when there are warnings")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="ask no cluster")] = False,
    probe: Annotated[bool, typer.Option("--probe", help="ask the LAN for all addresses, and list who answers")] = False,
) -> None:
    """Say everything that is wrong with the pool file, and what in it is unwise here.

    A valid file is held against the cluster's own addresses and against this machine's.
    """
    from lbctl import machine, poollint, yamltext
    from lbctl.pools import find_pools, parse_pools, read_pools

    path = find_pools(pools, os.environ, Path.home())
    data = read_pools(path)
    pool_file = parse_pools(path, data)
    here = machine.read()
    for words in here.unread:
        where.talk().say(f"{words}, so it is left out")
    cluster = _cluster(where, pool_file, offline=offline)
    facts = poollint.Facts(here) if cluster is None else cluster_facts(here, cluster)
    if probe:
        facts = _asked(where, pool_file, facts, cluster)
    text = yamltext.read(data)
    assert text.root is not None
    findings = poollint.lint(pool_file, text.root, facts)
    for finding in findings:
        print(finding.render(path, text.lines), end="\n\n")
    warnings = _count(findings, warning=True)
    print(_summary(pool_file, [warnings, _count(findings, warning=False)]))
    if strict and warnings:
        raise LbctlError(f"{path} has {warnings}", hint="without --strict they are no error")


def _cluster(where: Where, pool_file: PoolFile, *, offline: bool) -> Cluster | None:
    """The cluster, where there is one and it is to be asked."""
    from lbctl.kube.errors import NoKubeconfig

    if offline:
        where.talk().say("the cluster is left out (--offline)")
        return None
    try:
        return where.cluster("pools", pool_file)
    except NoKubeconfig as bad:
        where.talk().say(f"the cluster is left out: {bad.message}")
        return None


def _asked(where: Where, pool_file: PoolFile, facts: Facts, cluster: Cluster | None) -> Facts:
    """The facts with what the LAN answers, all of which is listed. Raises CannotProbe or MissingCapability."""
    from dataclasses import replace

    from lbctl.cli.output import table
    from lbctl.probing import Announcers, Prober
    from lbctl.sweep import Sweep

    prober = Prober(pool_file, Announcers(cluster.kube) if cluster else dict, must=True)
    sweep = Sweep(pool_file, facts.look)
    found = prober.ask(sweep.addresses, sweep.free)
    for words in (*sweep.cut, *sweep.far(found)):
        where.talk().say(words)
    if rows := sweep.rows(found):
        table(("ADDRESS", "MAC", "WHO"), rows)
        print()
    # Whose an answer is, the cluster says.
    free = {a: one for a, one in found.items() if a in sweep.free and facts.look is not None}
    return replace(facts, answers=free)


def cluster_facts(here: Machine, cluster: Cluster) -> Facts:
    """What the cluster has of its own; raises ClusterError, but not for a Service CIDR that cannot be read."""
    from lbctl.poollint import Facts, pod_cidrs, service_cidrs

    look = cluster.snapshot()
    cidrs = cluster.kube.list_service_cidrs()
    return Facts(
        here, look, pod_cidrs(cluster.kube.list_nodes().items), None if cidrs is None else service_cidrs(cidrs.items)
    )


def _count(findings: list[Finding], *, warning: bool) -> str:
    """`2 warnings`; empty for none."""
    number = sum(1 for finding in findings if finding.code.warning is warning)
    word = "warning" if warning else "note"
    return f"{number} {word}{'' if number == 1 else 's'}" if number else ""


def _summary(pool_file: PoolFile, counts: list[str]) -> str:
    from lbctl.addresses import Family

    count = len(pool_file.pools)
    sizes = [f"{sum(pool.count(family) for pool in pool_file.pools)} {family}" for family in Family]
    pools = f"{count} pool{'' if count == 1 else 's'}, {' and '.join(sizes)} addresses"
    return ", ".join([f"{pool_file.path}: {pools}", "no errors", *filter(None, counts)])
