"""What `lbctl list -w` prints after the list: each Service once more whenever its line changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from lbctl.cli.documents import service_item
from lbctl.cli.following import follow
from lbctl.cli.rows import Row, rows_of
from lbctl.cli.where import Where
from lbctl.decisions import Action
from lbctl.planner import plan
from lbctl.pools import PoolFile
from lbctl.reasons import Reason
from lbctl.rounds import Cluster
from lbctl.services import Key


def changes(
    where: Where, cluster: Cluster, pools: PoolFile, selector: str | None, watched: Watched
) -> Iterator[tuple[list[Row], int]]:
    """The Rows that changed, and what time it is by the API server's clock; for ever."""
    for world, look in follow(cluster, pools, where.talk()):
        keys = where.narrowed(look, selector, cluster)
        rows = {row.decision.service.key: row for row in rows_of(plan(look, pools, index=world.index))}
        if news := watched.news({key: row for key, row in rows.items() if keys is None or key in keys}):
            yield news, look.now


class Watched:
    """The last Row that was printed of each Service that is to be shown."""

    def __init__(self, shown: list[Row], is_shown: Callable[[Row], bool]) -> None:
        self._shown = {row.decision.service.key: row for row in shown}
        self._is_shown = is_shown

    def news(self, rows: Mapping[Key, Row]) -> list[Row]:
        """What is to be printed now: what comes to be shown or changes, and once more what is no longer shown."""
        news = []
        for key in sorted(self._shown.keys() | rows.keys()):
            before, row = self._shown.pop(key, None), rows.get(key)
            if row is not None and self._is_shown(row):
                self._shown[key] = row
            elif before is None:
                continue
            elif row is None or not row.decision.service.is_load_balancer:
                row = _gone(before, "it is gone" if row is None else "it is no LoadBalancer any more")
            if before is None or service_item(row) != service_item(before):
                news.append(row)
        return news


def _gone(row: Row, message: str) -> Row:
    return Row(replace(row.decision, action=Action.SKIP, reason=Reason.Deleting, message=message), row.pool)
