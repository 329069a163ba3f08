"""`lbctl serve` as a child: what it says is kept, and it does not outlive the test."""

from __future__ import annotations

import secrets
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.testbed.driver import CLAIMS, SERVICES, Hand, service, until

SOON = 20.0  # seconds within which serve does anything on two cores that others use too
FOREIGN = "theirs"  # of the name of a Service that another controller has given an address
TAKEN = "198.18.0.3"  # that address


class Served:
    """One `lbctl serve`; use it as a context manager, which waits until it knows the cluster."""

    def __init__(
        self, hand: Hand, pools: str, *words: str, kubeconfig: Path | None = None, synced: bool = True
    ) -> None:
        self.said: list[str] = []
        self._synced = synced
        self.child = hand.lbctl("serve", pools, "--listen=off", *words, kubeconfig=kubeconfig)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def __enter__(self) -> Served:
        try:
            self.waits("synced: ")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        print("serve said:", *self.said, sep="\n")

    def _hear(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.said.append(line.rstrip("\n"))

    def waits(self, words: str, seconds: float = SOON, *, after: int = 0) -> float:
        """Wait until a line of stderr has these words, past the first `after` lines; the seconds it took."""
        began = time.monotonic()
        until(lambda: any(words in line for line in self.said[after:]) or self._ended(), f"{words!r}", seconds=seconds)
        assert any(words in line for line in self.said[after:]), self.said
        return time.monotonic() - began

    def _ended(self) -> bool:
        return self.child.poll() is not None and not self._thread.is_alive()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """End it by a signal: its exit status, and the seconds it took."""
        began = time.monotonic()
        self.child.send_signal(number)
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within a minute: {self.said}") from None
        took = time.monotonic() - began
        self._close()
        return self.child.returncode, took

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self.child.kill()
        self.child.wait()
        self._close()

    def _close(self) -> None:
        self._thread.join()
        for pipe in (self.child.stdout, self.child.stderr):
            if pipe is not None:
                pipe.close()


def settled(hand: Hand, seconds: float = SOON, *, each: int = 1) -> dict[str, list[str]]:
    """Wait until every LoadBalancer Service shows as many addresses, and claims are statuses; who shows what."""
    shown: dict[str, list[str]] = {}

    def right() -> bool:
        shown.clear()
        shown.update({name: found for name, found in hand.shown().items() if not name.startswith(FOREIGN)})
        return all(len(found) == each for found in shown.values()) and hand.held() == shown

    try:
        until(right, "all Services to be right", seconds=seconds)
    except AssertionError as late:
        held = hand.held()
        wrong = {n: (shown.get(n), held.get(n)) for n in {*shown, *held} if shown.get(n) != held.get(n) or not shown[n]}
        raise AssertionError(f"{late}: shown and held: {wrong}, {len(shown)} Services") from None
    return shown


def foreign(hand: Hand) -> str:
    """Make a Service that another controller gives an address within the pools; its resourceVersion, which every write
    to it would change."""
    name = f"{FOREIGN}-{secrets.token_hex(3)}"
    hand.admin.request("POST", SERVICES, service(name))
    patch = {"status": {"loadBalancer": {"ingress": [{"ip": TAKEN}]}}}
    status, item = hand.admin.request("PATCH", f"{SERVICES}/{name}/status?fieldManager=controller", patch)
    assert status == 200, item
    return f"{name} {item['metadata']['resourceVersion']}"


def untouched(hand: Hand, was: str) -> bool:
    """Whether nobody has written to that Service."""
    name, _, version = was.partition(" ")
    return bool(hand.admin.get(f"{SERVICES}/{name}")["metadata"]["resourceVersion"] == version)


def delete_ledger(hand: Hand) -> None:
    """Delete the claims under everybody."""
    names = [item["metadata"]["name"] for item in hand.admin.get(CLAIMS)["items"]]
    hand.admin.send([("DELETE", f"{CLAIMS}/{name}", None) for name in names])
