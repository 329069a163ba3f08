"""lbctl in the lab: `serve` on one host, an announcer on each node; what they say is kept; none outlives the test."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.testbed.driver import ROOT, SERVICES, until
from tests.testbed.lab import Lab
from tests.testbed.lab_objects import APP
from tests.testbed.lan import BY_MAC, NODES

SOON = 20.0  # seconds within which lbctl does anything on two cores that others use too
EVENTS = "/api/v1/namespaces/default/events"
V4, V6 = "192.0.2.200", "2001:db8::200"
BOTH = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}  # of a Service
POOLS = "pools:\n- {name: lan, addresses: [192.0.2.200-192.0.2.220, '2001:db8::200/124']}\n"


class Running:
    """One lbctl on a host."""

    def __init__(self, lab: Lab, host: str, *words: str) -> None:
        self.host = host
        self.said: list[str] = []
        self.child: subprocess.Popen[str] = lab.lbctl(host, *words)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.said.append(line.rstrip("\n"))

    def waits(self, words: str) -> None:
        """Wait until a line of stderr has these words."""

        def there() -> bool:
            return any(words in line for line in self.said) or self.child.poll() is not None

        until(there, f"{words!r} of {self.host}", seconds=SOON)
        assert any(words in line for line in self.said), self.said

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; its exit status."""
        self.child.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until it ends."""
        code = self.child.wait(30)
        self._thread.join()
        for pipe in (self.child.stdout, self.child.stderr):
            if pipe is not None:
                pipe.close()
        return code


@contextlib.contextmanager
def running(lab: Lab, host: str, *words: str) -> Iterator[Running]:
    """One lbctl, killed in the end if it still runs."""
    one = Running(lab, host, *words)
    try:
        yield one
    finally:
        if one.child.poll() is None:
            one.end(signal.SIGKILL)
        print(f"lbctl {words[0]} on {host} said:", *one.said, sep="\n")


@contextlib.contextmanager
def announcers(
    lab: Lab, pools: Path, *words: str, nodes: Iterable[str] = NODES, serve: bool = True
) -> Iterator[dict[str, Running]]:
    """`lbctl serve` on gw, and `lbctl arp-announce` on nodes, by the host's name; all know the cluster."""
    with contextlib.ExitStack() as stack:
        found = {}
        if serve:
            command = ("serve", f"--pools={pools}", "--listen=off", "--no-leader-elect")
            found["gw"] = stack.enter_context(running(lab, "gw", *command))
        for node in nodes:
            command = ("arp-announce", f"--node-name={node}", f"--pools={pools}", "--listen=off")
            found[node] = stack.enter_context(running(lab, node, *command, *words))
        for one in found.values():
            one.waits("synced")
        yield found


def neighbours(lab: Lab, address: str, host: str = "client") -> str:
    """The MAC that a host has for an address; empty when it has none."""
    words = lab.space(host).run("ip", "neigh", "show", address).split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def article(lab: Lab, **spec: Any) -> None:
    """Make the article's own Service, on the lab's pods."""
    item = yaml.safe_load((ROOT / "examples" / "test-svc-1.yaml").read_text())
    item["spec"] |= {"selector": {"app": APP}, **spec}
    status, answer = lab.hand.admin.request("POST", SERVICES, item)
    assert status == 201, answer


def reached(lab: Lab, address: str, times: int = 40) -> tuple[set[str], set[str]]:
    """The nodes whose pods answer the client, and whom they see; waits for the first answer."""
    until(lambda: lab.reaches(address), f"{address} to be reached", seconds=SOON)
    said = [lab.fetch(address).split() for _ in range(times)]
    return {node for node, _ in said}, {client for _, client in said}


def owner(lab: Lab, address: str) -> str:
    """The node whose MAC the client has for an address."""
    return BY_MAC[neighbours(lab, address)]


def explained(lab: Lab, pools: Path, *words: str) -> str:
    """What lbctl explain says of the Service."""
    with running(lab, "gw", "explain", "test-svc-1", f"--pools={pools}", *words) as one:
        assert one.child.stdout is not None
        said = one.child.stdout.read()
        assert one.wait() == 0
    return said


def printed(lab: Lab, *words: str) -> str:
    """What another lbctl prints."""
    with running(lab, "gw", *words) as one:
        assert one.child.stdout is not None
        said = one.child.stdout.read()
        assert one.wait() == 0, one.said
    return said


def events(lab: Lab, reason: str) -> list[tuple[str, int, str]]:
    """The Events of a reason about the article's Service: its name, how often, and the words of the last time.

    Not about those of this name that other tests have made, whose Events stay.
    """
    uid = lab.hand.admin.get(f"{SERVICES}/test-svc-1")["metadata"]["uid"]
    found = [item for item in lab.hand.admin.get(EVENTS)["items"] if item["reason"] == reason]
    mine = [item for item in found if item["involvedObject"]["uid"] == uid]
    return [(item["involvedObject"]["name"], item["count"], item["message"]) for item in mine]
