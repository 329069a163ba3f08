"""lbctl pools import: a pool file out of another system's configuration, from a file or from the cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli.output import Talk
from lbctl.cli.where import Where, with_where
from lbctl.errors import LbctlError, UsageError

if TYPE_CHECKING:
    from lbctl.imports.values import Found
    from lbctl.kube.api import Kube

STDIN = "-"
RULE = "apiGroups: [{group}], resources: [{resource}], verbs: [list]"


@with_where
def import_(
    where: Where,
    file: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Argument(metavar="[FILE]", help="YAML or JSON as kubectl takes it; - for stdin"),
    ] = None,
    from_cluster: Annotated[bool, typer.Option("--from-cluster", help="read what the cluster has")] = False,
    output: Annotated[
        Optional[Path],  # noqa: UP045 because typer reads it
        typer.Option("--output", "-o", metavar="FILE", help="write it there; one that is there is not overwritten"),
    ] = None,
) -> None:
    """Make a pool file of the pools of MetalLB, Cilium, kube-vip or PureLB.

    What a pool file cannot say is said line by line on stderr, and nobody may get more by it.
    """
    from lbctl.imports.gather import KINDS, imported
    from lbctl.imports.values import ImportFailed

    if (file is None) is not from_cluster:
        hint = "lbctl pools import FILE, lbctl pools import -, or lbctl pools import --from-cluster"
        raise UsageError("say where to import from: a file, or --from-cluster", hint=hint)
    talk = where.talk()
    refused: list[LbctlError] = []
    if file is None:
        found, source = list(_in_cluster(where.cluster("pools import").kube, talk, refused)), "the cluster"
    else:
        found, source = _in_file(file), "stdin" if file == STDIN else file
    done = imported(found)
    for remark in done.remarks:
        talk.say(str(remark))
    if done.others:
        talk.say(f"{source}: passed over: {', '.join(kind or 'what has no kind' for kind in done.others)}")
    if done.pools:
        _write(done.text, output)
        count = f"{done.pools} pool{'' if done.pools == 1 else 's'}"
        talk.say(f"{source}: {count}, {len(done.remarks)} remark{'' if len(done.remarks) == 1 else 's'}")
    elif not refused:
        raise ImportFailed(
            f"{source} has no pool that can be carried over", hint=f"what becomes a pool is {', '.join(KINDS)}"
        )
    if refused:
        raise typer.Exit(refused[0].exit_code)


def _in_file(file: str) -> list[Found]:
    from lbctl.imports.reader import read
    from lbctl.imports.values import ImportFailed

    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except OSError as bad:
        raise ImportFailed(f"{file} cannot be read: {bad.strerror}", hint="name another file, or - for stdin") from bad
    return read(data, "stdin" if file == STDIN else file)


def _in_cluster(kube: Kube, talk: Talk, refused: list[LbctlError]) -> Iterator[Found]:
    """What each system keeps in the cluster; what may not be read is said, and goes into `refused`."""
    from lbctl.imports.gather import SYSTEMS
    from lbctl.imports.reader import flattened, normalised
    from lbctl.kube.errors import Forbidden, NotFound

    served = kube.served(frozenset(group for system in SYSTEMS for group, _, _ in system.CUSTOM))
    for system in SYSTEMS:
        for group, versions, resource in system.CUSTOM:
            version = next((v for v in versions if resource in served.get(f"{group}/{v}", ())), None)
            if version is None:
                continue  # because that system is not installed
            try:
                items = kube.list_custom(group, version, resource)
            except Forbidden as bad:
                rule = RULE.format(group=group, resource=resource)
                talk.error(f"{system.SYSTEM} is not read: {bad.message}", f"it takes a ClusterRole with {rule}")
                refused.append(bad)
                continue
            for item in items:
                yield from flattened(normalised(item))
        for namespace, name in system.CONFIGMAPS:
            try:
                body = kube.get_configmap(namespace, name).object
            except NotFound:
                continue
            except Forbidden as bad:
                rule = f"apiGroups: [''], resources: [configmaps], resourceNames: [{name}], verbs: [get]"
                hint = f"it takes a Role in {namespace} with {rule}"
                talk.error(f"{system.SYSTEM}'s ConfigMap is not read: {bad.message}", hint)
                refused.append(bad)
                continue
            yield from flattened(normalised({"apiVersion": "v1", "kind": "ConfigMap", **body}))


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        with output.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as there:
        raise LbctlError(f"{output} is there already", hint="name another file with -o") from there
    except OSError as bad:
        raise LbctlError(f"{output} cannot be written: {bad.strerror}", hint="name another file with -o") from bad
