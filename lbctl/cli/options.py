"""Flags that some commands share beside those of where.py, and the pool file they name."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from lbctl.cli import completion
from lbctl.errors import UsageError

if TYPE_CHECKING:
    from lbctl.cli.output import Talk
    from lbctl.lan import Lan
    from lbctl.pools import PoolFile
    from lbctl.probing import Prober
    from lbctl.rounds import Cluster

SERVICE = typer.Argument(metavar="SVC", help="[namespace/]name", autocompletion=completion.services)
SERVICES = typer.Argument(metavar="SVC", help="[namespace/]name", autocompletion=completion.services)

Pools = Annotated[
    Optional[str],  # noqa: UP045 because typer reads it
    typer.Option("--pools", envvar="LBCTL_POOLS", metavar="FILE", help="the pool file"),
]
Selector = Annotated[
    Optional[str],  # noqa: UP045 because typer reads it
    typer.Option("--selector", "-l", metavar="LABELS", help="act on Services with these labels only"),
]


class LogForm(StrEnum):
    """Values of --log-format: those of lbctl.logs, which every command's start would wait for."""

    TEXT = "text"
    LOGFMT = "logfmt"
    JSON = "json"


Logs = Annotated[LogForm, typer.Option("--log-format", envvar="LBCTL_LOG_FORMAT", help="how lines on stderr look")]
Listen = Annotated[
    str,
    typer.Option(
        "--listen", envvar="LBCTL_LISTEN", metavar="HOST:PORT", help="answer /livez, /readyz, /metrics there; or off"
    ),
]


class DryRun(StrEnum):
    """Values of --dry-run."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def suffix(self) -> str:
        """What stands behind each line of its outcome, as with kubectl."""
        return " (dry run)" if self is DryRun.CLIENT else " (server dry run)"


class Probe(StrEnum):
    """Values of --probe."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


Probes = Annotated[
    Probe,
    typer.Option(
        "--probe",
        envvar="LBCTL_PROBE",
        help="ask the LAN whether an address is in use before giving it; auto: where this machine is on its subnet",
    ),
]

Dry = Annotated[
    Optional[DryRun],  # noqa: UP045 because typer reads it
    typer.Option("--dry-run", help="show what would be done; `server` has the API server check it too"),
]


def which(command: str, services: list[str], *, everything: bool, selector: str | None, asks: bool) -> None:
    """Names, or --all, or a person to ask; raises UsageError for what does not fit together."""
    if services and everything:
        hint = f"lbctl {command} NAMESPACE/NAME, or lbctl {command} --all"
        raise UsageError("names and --all exclude each other", hint=hint)
    if services and selector:
        raise UsageError("names and -l exclude each other", hint=f"lbctl {command} --all -l LABELS")
    if asks and not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = f"lbctl {command} NAMESPACE/NAME, or lbctl {command} --all"
        raise UsageError("say which Services: names, or --all", hint=hint)


def prober(probe: Probe, pools: PoolFile, cluster: Cluster) -> Prober | None:
    """What asks the LAN for addresses of these pools; None where it is not to be asked, or cannot be by `auto`. Raises
    CannotProbe or MissingCapability."""
    from lbctl.l2.privileges import capable

    if probe is Probe.OFF or (probe is Probe.AUTO and not capable()):
        return None
    from lbctl.probing import Announcers, Prober

    found = Prober(pools, Announcers(cluster.kube), must=probe is Probe.ON)
    return found if probe is Probe.ON or found.near else None


def lan(probe: Probe, pools: PoolFile, cluster: Cluster, talk: Talk) -> Lan | None:
    """The same for one run of a command."""
    asks = prober(probe, pools, cluster)
    if asks is None:
        return None
    from lbctl.lan import Lan

    return Lan(asks, pools, talk.say)


def open_pools(flag: str | None) -> PoolFile:
    """The pool file named, or the first of the usual places; raises PoolFileError."""
    from lbctl.pools import find_pools, load_pools

    return load_pools(find_pools(flag, os.environ, Path.home()))


def pools_if_any(flag: str | None) -> PoolFile:
    """The pool file, or one without pools when there is none in the usual places; a wrong one is an error here too."""
    from lbctl.pools import PoolFile, PoolFileMissing

    try:
        return open_pools(flag)
    except PoolFileMissing:
        return PoolFile("", None, (), "")
