"""The pool file of a process that runs on and on: read again when it changes, and never exchanged for a broken one."""

from __future__ import annotations

import os
from collections.abc import Callable

from lbctl.errors import PoolFileError
from lbctl.pools import PoolFile, load_pools


class PoolWatch:
    """The pool file in use. `say` hears of one that is refused: "error" and a sentence; `error` is the last refusal,
    empty when the file as it is now is in use."""

    def __init__(self, pools: PoolFile, say: Callable[[str, str], object]) -> None:
        self.pools = pools
        self.error = ""
        self._say = say
        self._seen = _stamp(pools.path)

    def changed(self) -> bool:
        """Whether the file is another than the one last read; also through the symlink of a mounted ConfigMap."""
        return _stamp(self.pools.path) != self._seen

    def reload(self) -> PoolFile | None:
        """Read it again: the one that is in use from now on, None when that is the one before."""
        self._seen = _stamp(self.pools.path)
        try:
            pools = load_pools(self.pools.path)
        except PoolFileError as bad:
            self._refuse(bad.message, f"the pool file is refused, and the one before stays in use: {bad.message}")
            return None
        if pools.load_balancer_class != self.pools.load_balancer_class:
            why = "loadBalancerClass has changed"
            self._refuse(why, f"{why} in the pool file: that takes a restart; the one before stays in use")
            return None
        self.error = ""
        if pools.digest == self.pools.digest:
            return None
        self.pools = pools
        return pools

    def _refuse(self, why: str, sentence: str) -> None:
        self.error = why
        self._say("error", sentence)


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size  # ctime: of chmod, too
