"""Who looks on while lbctl works: every status that a Service ever shows, and whether two of them show one address."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from tests.testbed.client import Client, Events
from tests.testbed.driver import SERVICES, Hand, addresses, service, until

END = "the-end"  # of the name of a Service by whose event the witness knows that it has seen all before


class Witness:
    """All that happens to the Services of the namespace default, from now on.

    It lives through restarts of the API server, and begins anew with a list where the watch cannot be taken up again:
    then the events are as if all Services had been deleted and made in one instant.
    """

    def __init__(self, client: Client) -> None:
        self.events: list[dict[str, Any]] = []
        self._client = client
        self._version = ""
        self._there: dict[str, dict[str, Any]] = {}
        self._stream: Events | None = None
        self._stopping = threading.Event()
        self._list()
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _list(self) -> None:
        found = self._client.get(SERVICES)
        for item in list(self._there.values()):
            self._take({"type": "DELETED", "object": item})
        for item in found["items"]:
            self._take({"type": "ADDED", "object": item})
        self._version = found["metadata"]["resourceVersion"]

    def _take(self, event: dict[str, Any]) -> None:
        item = event["object"]
        name, self._version = item["metadata"]["name"], item["metadata"]["resourceVersion"]
        if event["type"] == "DELETED":
            self._there.pop(name, None)
        else:
            self._there[name] = item
        self.events.append(event)

    def _gather(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError, RuntimeError, http.client.HTTPException):  # while the API server is away
                self._watch()
            self._stopping.wait(0.02)

    def _watch(self) -> None:
        now = self._client.get(f"{SERVICES}?limit=1")["metadata"]["resourceVersion"]
        if int(now) < int(self._version):  # the store went back, and a watch from where we stand would stay silent
            self._list()
        self._stream = self._client.stream(SERVICES, self._version)
        for event in self._stream:
            if event["type"] == "ERROR":
                self._list()
                return
            self._take(event)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        while self._thread.is_alive():
            if self._stream is not None:
                self._stream.stop()
            self._thread.join(0.1)

    def seen(self, hand: Hand) -> list[dict[str, Any]]:
        """All events up to now, after which it ends."""
        status, answer = hand.admin.request("POST", SERVICES, service(END, kind="ClusterIP"))
        assert status == 201, answer
        until(lambda: END in self._there, "the witness to see all", seconds=60)
        self.stop()
        hand.admin.send([("DELETE", f"{SERVICES}/{END}", None)])
        return self.events


@contextlib.contextmanager
def watched(hand: Hand) -> Iterator[Witness]:
    """A witness; in the end no two Services have ever shown one address, at any moment."""
    witness = Witness(hand.admin)
    try:
        yield witness
        assert_never_twice(witness.seen(hand))
    finally:
        witness.stop()


def assert_never_twice(events: Iterable[dict[str, Any]]) -> None:
    """At no moment of the watch do two Services show one address."""
    shown: dict[str, list[str]] = {}
    users: dict[str, str] = {}
    for event in events:
        name = event["object"]["metadata"]["name"]
        for address in shown.pop(name, ()):
            del users[address]
        if event["type"] != "DELETED":
            shown[name] = addresses(event["object"])
        for address in shown.get(name, ()):
            assert users.setdefault(address, name) == name, f"{name} and {users[address]} both show {address}"
