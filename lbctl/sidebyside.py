"""Work done by several threads at once, of which nothing is left behind: not even by Ctrl-C.

concurrent.futures will not do: its threads are waited for when the interpreter ends, so that after Ctrl-C a request
that hangs would hold the terminal until its timeout.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    """The results of `work` on each item, in their order, `workers` at once.

    The first error stops what is not begun, and is raised once what is begun has ended. KeyboardInterrupt is raised at
    once: what is under way then ends with the process, or lands.
    """
    if len(items) < 2 or workers < 2:
        return [work(item) for item in items]
    waiting = deque(enumerate(items))
    results: list[R | None] = [None] * len(items)
    failures: list[Exception] = []

    def loop() -> None:
        while waiting:
            try:
                at, item = waiting.popleft()
            except IndexError:
                return  # because another thread has taken the last one
            try:
                results[at] = work(item)
            except Exception as failure:  # noqa: BLE001 because this is a thread's top: it is raised below
                failures.append(failure)
                waiting.clear()

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(min(workers, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        waiting.clear()
    if failures:
        raise failures[0]
    return cast("list[R]", results)
