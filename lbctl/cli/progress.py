"""A bulk write as it is seen at a terminal: a bar, and what is done when somebody presses Ctrl-C."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lbctl.errors import Interrupted

if TYPE_CHECKING:
    from lbctl.cli.output import Talk
    from lbctl.decisions import Decision, Plan
    from lbctl.rounds import Cluster
    from lbctl.services import Key


class Progress:
    """Counts the statuses of a Plan as they are written; a bar on stderr when there is more than a screenful.

    On Ctrl-C it prints what is done and raises Interrupted.
    """

    def __init__(self, planned: Plan, cluster: Cluster, talk: Talk, named: frozenset[Key] | None) -> None:
        self._total = sum(d.writes for d in planned.decisions)
        self._done: dict[Key, Decision] = {}
        self._talk = talk
        self._named = named
        self._bar: Any = None
        cluster.on_published = self._count

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and self._total > shutil.get_terminal_size().lines:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("assigning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def _count(self, decision: Decision) -> None:
        self._done[decision.service.key] = decision
        if self._bar is not None:
            self._bar.update(self._task, completed=min(len(self._done), self._total))

    def finished(self) -> None:
        """The bar goes before the outcome is printed."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finished()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            from lbctl.cli.report import report

            done = dict(self._done)
            report(self._named and self._named & done.keys(), done, self._talk)
            raise Interrupted(f"interrupted: {len(done)} of {self._total} done; the next run does the rest")
