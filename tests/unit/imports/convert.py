"""What the tests of imports share: an input as a user has it, and what comes of it, loaded as a pool file."""

from __future__ import annotations

from dataclasses import dataclass

from lbctl.imports.gather import imported
from lbctl.imports.reader import read
from lbctl.pools import Pool, PoolFile, parse_pools


@dataclass(frozen=True, slots=True)
class Result:
    """The file's text, the file loaded, and the remarks as they are said."""

    text: str
    file: PoolFile | None
    remarks: list[str]

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Its pools; none when nothing could be carried over."""
        return self.file.pools if self.file else ()

    @property
    def body(self) -> str:
        """The text of the pools, without comments and blank lines."""
        lines = [line for line in self.text.splitlines() if line and not line.startswith("#")]
        return "\n".join(lines[1:])

    def pool(self, name: str) -> Pool:
        """The pool of that name."""
        found = self.file.pool(name) if self.file else None
        assert found is not None, f"there is no pool {name} in:\n{self.text}"
        return found


def convert(text: str) -> Result:
    """Import a text called in.yaml; what it makes must load as a pool file."""
    done = imported(read(text.encode(), "in.yaml"))
    file = parse_pools("pools.yaml", done.text.encode()) if done.pools else None
    assert len(file.pools if file else ()) == done.pools
    return Result(done.text, file, list(map(str, done.remarks)))
