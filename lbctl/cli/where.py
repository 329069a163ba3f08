"""Which cluster a command is about, and as whom: the flags that all of them share, as kubectl has them.

`@with_where` adds the flags to a command, which gets them as one value, so that a new flag is one line here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from lbctl.cli.output import Talk
from lbctl.errors import UsageError

if TYPE_CHECKING:
    from lbctl.decisions import Snapshot
    from lbctl.pools import PoolFile
    from lbctl.rounds import Cluster
    from lbctl.services import Key


def seconds(text: str) -> float:
    """Read a flag's duration: as Go writes it, or a bare number of seconds."""
    from lbctl.durations import DurationError, parse_duration

    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text).total_seconds()
    except DurationError:
        raise typer.BadParameter(f"{text!r} is no duration; write 30s, 1m30s or a number of seconds") from None


def timeout(text: str) -> float:
    """Read --request-timeout: a duration that leaves time for an answer."""
    if (value := seconds(text)) < 0.1:
        raise typer.BadParameter(f"{text!r} is too short for an answer; write 100ms or more")
    return value


@dataclass(frozen=True, slots=True)
class Where:
    """The shared flags as given."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    as_user: str | None = None
    request_timeout: float = 30.0
    quiet: bool = False
    verbose: bool = False

    def talk(self) -> Talk:
        """What talks on stderr, or keeps quiet."""
        return Talk(quiet=self.quiet)

    def cluster(
        self,
        command: str,
        pools: PoolFile | None = None,
        *,
        dry_run: bool = False,
        log: Callable[[str], None] | None = None,
    ) -> Cluster:
        """The cluster at hand; nothing is asked of it yet but authentication. With -v each request goes to `log`
        (default: to stderr)."""
        from lbctl.access import reach

        cluster = reach(
            self.kubeconfig,
            self.context,
            command,
            pools_digest=pools.digest if pools else "",
            request_timeout=self.request_timeout,
            as_user=self.as_user,
            log=(log or self.talk().say) if self.verbose else None,
            dry_run=dry_run,
        )
        cluster.tell = self.talk().say
        cluster.with_namespaces = pools is not None and pools.asks_for_namespaces
        return cluster

    def keys(self, names: Iterable[str], cluster: Cluster) -> frozenset[Key]:
        """Read `[namespace/]name` arguments; a bare name is of `-n`, else of the context's namespace."""
        from lbctl.services import Key

        found = set()
        for name in names:
            parts = name.removeprefix("service/").removeprefix("svc/").split("/")
            if len(parts) > 2 or not all(parts):
                hint = "write NAMESPACE/NAME, as lbctl list -o name prints it"
                raise UsageError(f"{name!r} is no Service name", hint=hint)
            found.add(Key(*parts) if len(parts) == 2 else Key(self.namespace or cluster.namespace, parts[0]))
        return frozenset(found)

    def narrowed(self, look: Snapshot, selector: str | None, cluster: Cluster) -> frozenset[Key] | None:
        """What `-n` and `-l` leave to be acted on; None when they narrow nothing."""
        if self.namespace is None and not selector:
            return None
        keys = frozenset(look.services)
        if selector:
            keys &= labelled(selector, cluster)
        return frozenset(k for k in keys if self.namespace in (None, k.namespace))


def labelled(selector: str, cluster: Cluster) -> frozenset[Key]:
    """The Services whose labels fit, by the API server's own reading of the selector."""
    from lbctl.kube.errors import BadRequest
    from lbctl.services import Key

    try:
        items = cluster.kube.list_services(selector).items
    except BadRequest as bad:
        raise UsageError(f"-l {selector!r} is no label selector", hint="write KEY=VALUE,KEY!=VALUE as kubectl") from bad
    return frozenset(Key(i["metadata"]["namespace"], i["metadata"]["name"]) for i in items)


def _shared(
    namespace: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--namespace", "-n", envvar="LBCTL_NAMESPACE", metavar="NAME", help="act on this namespace only"),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="act on all namespaces, which is the default")
    ] = False,
    context: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--context", envvar="LBCTL_CONTEXT", metavar="NAME", help="the kubeconfig's context"),
    ] = None,
    kubeconfig: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--kubeconfig", envvar="LBCTL_KUBECONFIG", help="the kubeconfig file", metavar="FILE"),
    ] = None,
    as_user: Annotated[
        Optional[str],  # noqa: UP045 because typer reads it
        typer.Option("--as", envvar="LBCTL_AS", help="act as this user", metavar="USER"),
    ] = None,
    request_timeout: Annotated[
        float,
        typer.Option(
            "--request-timeout",
            envvar="LBCTL_REQUEST_TIMEOUT",
            parser=timeout,
            metavar="DURATION",
            help="the longest that one request may take",
        ),
    ] = "30s",  # type: ignore[assignment] # because typer gives the default to the parser
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="say nothing on stderr but errors")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="say each request on stderr")] = False,
) -> None:
    """The flags of every command that asks a cluster."""


def with_where(command: Callable[..., None]) -> Callable[..., None]:
    """Add the shared flags to a command whose first parameter is a Where."""
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(_shared, eval_str=True)

    def run(**given: Any) -> None:
        flags = {name: given.pop(name) for name in shared.parameters}
        if flags.pop("all_namespaces"):
            flags["namespace"] = None  # as with kubectl, -A wins: over -n, and over LBCTL_NAMESPACE
        command(Where(**flags), **given)

    parameters = [*list(own.parameters.values())[1:], *shared.parameters.values()]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # because functions have it all the same
        [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    )
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    return run
