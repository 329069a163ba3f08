"""Services that come, go, change their type and come again, as fast as is asked: what serve must keep up with."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.testbed.driver import SERVICES, Hand, service

NAMES = 40


class Churn:
    """So many changes a second of NAMES Services, from a thread of its own, in an order that a seed gives."""

    def __init__(self, hand: Hand, seed: int, rate: float) -> None:
        print(f"churn: seed {seed}, {rate:g} changes a second")
        self.done = 0
        self._client = hand.admin
        self._random = random.Random(seed)
        self._rate = rate
        self._kinds: dict[str, str] = {}
        self._stopping = threading.Event()
        self._failed: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; AssertionError where the API server refused a change."""
        self._stopping.set()
        self._thread.join()
        assert self._failed == []

    def _run(self) -> None:
        began = time.monotonic()
        try:
            with self._client.sender() as self._send:
                while not self._stopping.wait(max(0.0, began + self.done / self._rate - time.monotonic())):
                    self._change(f"s{self._random.randrange(NAMES):02}")
        except Exception as bad:  # noqa: BLE001 because stop() says it
            self._failed.append(repr(bad))

    def _change(self, name: str) -> None:
        kind = self._kinds.get(name)
        if kind is None:
            self._make(name)
            return
        match self._random.choice(("delete", "retype", "recreate")):
            case "delete":
                self._delete(name)
            case "retype":
                self._retype(name, "ClusterIP" if kind == "LoadBalancer" else "LoadBalancer")
            case _:
                self._delete(name)
                self._make(name)

    def _make(self, name: str) -> None:
        self._ask("POST", SERVICES, service(name))
        self._kinds[name] = "LoadBalancer"

    def _delete(self, name: str) -> None:
        self._ask("DELETE", f"{SERVICES}/{name}", None)
        del self._kinds[name]

    def _retype(self, name: str, kind: str) -> None:
        spec: dict[str, object] = {"type": kind}
        spec["allocateLoadBalancerNodePorts"] = False if kind == "LoadBalancer" else None
        self._ask("PATCH", f"{SERVICES}/{name}", {"spec": spec})
        self._kinds[name] = kind

    def _ask(self, method: str, path: str, body: dict[str, object] | None) -> None:
        status = self._send(method, path, body)
        self.done += 1
        if status >= 300:
            self._failed.append(f"{method} {path}: {status} {json.dumps(body)}")


@contextmanager
def churned(hand: Hand, seed: int, rate: float = 50.0) -> Iterator[Churn]:
    """Churn for as long as the block runs."""
    churn = Churn(hand, seed, rate)
    churn.start()
    try:
        yield churn
    finally:
        churn.stop()
