"""A pool as a map for a terminal: one cell an address, or a block of them where the pool is larger than the screen.

Rows begin at round numbers, as networks do. Blocks are counted, never walked, so that a /64 is drawn as fast as a /28.
Values in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lbctl.addresses import Family, Range, from_int
from lbctl.cli.output import BOLD, PLAIN, RED, YELLOW
from lbctl.usage import PoolUsage, State, offered

HEIGHT = 16  # rows of one family at most: both and the tables fit on a screen
WIDTHS = (64, 32, 16)  # cells in a row, the widest that the screen has room for beside the labels

_FREE, _IDLE, _FULL = ".", "-", "#"
_GLYPHS = {State.HELD: _FULL, State.PARKED: "~", State.RELEASED: "~", State.RESERVED: "=", State.ELSEWHERE: "!"}
_COLOURS = dict.fromkeys(State, YELLOW) | {State.HELD: BOLD, State.ELSEWHERE: RED}
# Whose colour a block has: the first that is in it.
_ORDER = (State.ELSEWHERE, State.HELD, State.PARKED, State.RELEASED, State.RESERVED)


@dataclass(frozen=True, slots=True)
class _Grid:
    """How the addresses lie: `rows` are the first numbers of the rows, each `width` cells of `size` addresses."""

    family: Family
    rows: tuple[int, ...]
    width: int
    size: int

    @property
    def margin(self) -> int:
        """The length of the longest label."""
        return max(len(self.label(row)) for row in self.rows)

    def label(self, row: int) -> str:
        """The first address of a row."""
        return str(from_int(self.family, row))

    def cells(self, row: int) -> Iterator[Range]:
        """The cells of a row."""
        for low in range(row, row + self.width * self.size, self.size):
            yield Range(self.family, low, low + self.size - 1)


def draw(usage: PoolUsage, family: Family, columns: int, *, colour: bool) -> list[str]:
    """The lines of the map and its legend, of at most `columns` characters; none when the pool lacks the family."""
    spans = usage.pool.addresses.ranges(family)
    if not spans:
        return []
    grids = (_grid(spans, family, width) for width in WIDTHS)
    grid = next((g for g in grids if g.margin + 2 + g.width <= columns), _grid(spans, family, WIDTHS[-1]))
    counts = _counts(usage, grid)
    margin = grid.margin
    lines = []
    for row in grid.rows:
        cells = [_cell(usage, cell, counts.get(cell.low, {}), colour=colour) for cell in grid.cells(row)]
        lines.append(f"{grid.label(row):<{margin}}  {''.join(cells)}".rstrip())
    return [*lines, _legend(grid)]


def _grid(spans: tuple[tuple[int, int], ...], family: Family, width: int) -> _Grid:
    """The finest grid of that width in HEIGHT rows."""
    size = 1
    while (rows := _rows(spans, width * size)) is None:
        size *= 2
    return _Grid(family, rows, width, size)


def _rows(spans: tuple[tuple[int, int], ...], length: int) -> tuple[int, ...] | None:
    """Where rows of this length begin; None when they are more than HEIGHT, however many more."""
    rows: dict[int, None] = {}
    for low, high in spans:
        first, last = low // length, high // length
        if last - first >= HEIGHT:
            return None
        rows.update(dict.fromkeys(range(first, last + 1)))
        if len(rows) > HEIGHT:
            return None
    return tuple(row * length for row in rows)


def _counts(usage: PoolUsage, grid: _Grid) -> dict[int, dict[State, int]]:
    """How many addresses of each state a cell has, by the cell's first number; cells without any are left out."""
    found: dict[int, dict[State, int]] = {}
    for use in usage.uses:
        if use.range.family is not grid.family:
            continue
        for low in range(use.range.low // grid.size * grid.size, use.range.high + 1, grid.size):
            part = Range(grid.family, max(low, use.range.low), min(low + grid.size - 1, use.range.high))
            cell = found.setdefault(low, {})
            cell[use.state] = cell.get(use.state, 0) + offered(usage.pool, part)
    return found


def _cell(usage: PoolUsage, cell: Range, counts: dict[State, int], *, colour: bool) -> str:
    if not usage.pool.addresses.within(cell):
        return " "
    capacity, used = offered(usage.pool, cell), sum(counts.values())
    state = next((state for state in _ORDER if counts.get(state)), None)
    if state is None or not capacity:
        return _FREE if capacity else _IDLE
    glyph = _GLYPHS[state] if cell.low == cell.high else _FULL if used == capacity else str(_tenths(used, capacity))
    return f"{_COLOURS[state]}{glyph}{PLAIN}" if colour else glyph


def _tenths(used: int, capacity: int) -> int:
    """From 1, for the least, to 9."""
    return min(9, -(-10 * used // capacity))


def _legend(grid: _Grid) -> str:
    if grid.size == 1:
        return "# held  ~ lingering  = reserved  ! used elsewhere  . free  - never given"
    prefix = grid.family.bits - grid.size.bit_length() + 1
    return f"each cell a /{prefix}: . free  1-9 tenths taken  # full  - never given"
