"""How soon `lbctl serve` gives a Service its address, and what it costs.

One Service after the other: from the POST to the address on a watch. The floor is what cannot be done without: a bare
client that sees the Service on a watch, writes one claim and patches the status. Both in one run, the floor first and
last. Many Services at once: created before the start, beside as many bare PATCHes under the same watch that sees both,
and while it runs. At rest: the process's own CPU time over a minute, once the last Event is written. etcd runs without
fsync, as everywhere in the test bed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from lbctl.addresses import AddressSet
from tests.bench.assign import clear, floor_of
from tests.bench.figures import Figure
from tests.testbed.client import Client
from tests.testbed.driver import CLAIMS, SERVICES, Bed, addresses, service, until

SEQUENCE = 200
P50, P99 = 1.3, 2.0  # multiples of the floor
BULK = {2_000: 1.4, 10_000: 1.4}  # Services: limit of the ratio to bare PATCHes
REST = 60.0  # seconds
EVENTS = 150.0  # seconds that the writing of Events takes at most: a thousand of them, ten a second
POOL = "198.18.0.0/15"


def run(*, quick: bool) -> Iterator[Figure]:
    """The sequence (`quick`: nothing else), then 2,000 and 10,000 Services."""
    with Bed() as bed:
        yield from _sequence(bed)
    for size, limit in {} if quick else BULK.items():
        with Bed() as bed:
            yield from _bulk(bed, size, limit)


def _sequence(bed: Bed) -> Iterator[Figure]:
    floors = _latencies(bed, "f", _Bare(bed.admin))
    values = _latencies(bed, "s", _Serve(bed))
    floors += _latencies(bed, "g", _Bare(bed.admin))
    for name, at, limit in (("p50", 0.5, P50), ("p99", 0.99, P99)):
        value, floor = (sorted(times)[int(at * (len(times) - 1))] * 1000 for times in (values, floors))
        yield Figure(f"POST to address on a watch, {SEQUENCE} in sequence, {name}", value, "ms", floor, limit)


def _latencies(bed: Bed, prefix: str, filler: contextlib.AbstractContextManager[object]) -> list[float]:
    """Seconds from each POST to its address, seen on a watch of our own."""
    admin, seen = bed.admin, _Seen(bed.admin)
    times = []
    with filler, seen:
        for n in range(SEQUENCE):
            name = f"{prefix}{n:04}"
            began = time.perf_counter()
            status, answer = admin.request("POST", SERVICES, service(name))
            if status != 201:
                raise RuntimeError(f"POST {name}: {status} {answer.get('message')}")
            times.append(seen.wait(name) - began)
    admin.send([("DELETE", f"{SERVICES}/{prefix}{n:04}", None) for n in range(SEQUENCE)])
    blocks = admin.get(CLAIMS)["items"]
    admin.send([("DELETE", f"{CLAIMS}/{b['metadata']['name']}", None) for b in blocks])
    return times


class _Seen:
    """A watch that notes when each Service first shows an address."""

    def __init__(self, admin: Client) -> None:
        self._stream = admin.stream(SERVICES)
        self._when: dict[str, float] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._gather, daemon=True)

    def __enter__(self) -> _Seen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.stop()
        self._thread.join()

    def _gather(self) -> None:
        for event in self._stream:
            item = event["object"]
            if event["type"] != "DELETED" and "status" in item and addresses(item):
                with self._changed:
                    self._when.setdefault(item["metadata"]["name"], time.perf_counter())
                    self._changed.notify()

    def wait(self, name: str, seconds: float = 30.0) -> float:
        """When it showed one."""
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._when, seconds):
                raise RuntimeError(f"{name} has no address after {seconds} s")
            return self._when[name]


class _Filled:
    """A watch that keeps what comes unread, and when, so that seeing costs next to nothing; read once all is there."""

    def __init__(self, admin: Client) -> None:
        self._stream = admin.stream(SERVICES)
        self._pieces: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._gather, daemon=True)

    def __enter__(self) -> _Filled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.stop()
        self._thread.join()

    def _gather(self) -> None:
        for piece in self._stream.pieces():
            self._pieces.append((time.perf_counter(), piece))

    def last(self, names: list[str], seconds: float = 300.0) -> float:
        """When the last of these Services first showed an address."""
        until(lambda: sum(piece.count(b"\n") for _, piece in self._pieces) >= len(names), "events", seconds=seconds)
        until(lambda: self._when().keys() >= set(names), "all Services to have an address", seconds=seconds)
        when = self._when()
        return max(when[name] for name in names)

    def _when(self) -> dict[str, float]:
        when: dict[str, float] = {}
        rest = b""
        for at, piece in list(self._pieces):
            *lines, rest = (rest + piece).split(b"\n")
            for event in map(json.loads, lines):
                if "status" in event["object"] and addresses(event["object"]):
                    when.setdefault(event["object"]["metadata"]["name"], at)
        return when


class _Bare:
    """What any allocator must do at least: see the Service, write one claim, patch the status."""

    def __init__(self, admin: Client) -> None:
        self._stream = admin.stream(SERVICES)
        self._admin = admin
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._free = iter(AddressSet.parse(POOL))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stream.stop()
        self._thread.join()

    def _fill(self) -> None:
        send = self._admin.session()
        claims: list[str] = []
        for event in self._stream:
            meta, spec = event["object"]["metadata"], event["object"]["spec"]
            if event["type"] != "ADDED" or spec["type"] != "LoadBalancer":
                continue
            address = str(next(self._free))
            claims = [
                *claims[-63:],
                json.dumps({"ip": address, "svc": meta["name"], "uid": meta["uid"], "pad": "x" * 120}),
            ]
            body = {"metadata": {"name": "floor"}, "data": {"claims": "\n".join(claims)}}
            if send("PUT", f"{CLAIMS}/floor", body) == 404:
                send("POST", CLAIMS, body)
            versions = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
            send(
                "PATCH",
                f"{SERVICES}/{meta['name']}/status",
                {"metadata": versions, "status": {"loadBalancer": {"ingress": [{"ip": address}]}}},
            )


class _Serve:
    """`lbctl serve` as a user starts it, under the least Role."""

    def __init__(self, bed: Bed) -> None:
        self._pools = bed.dir / "pools.yaml"
        self._pools.write_text(f"pools:\n- name: bulk\n  addresses: [{POOL}]\n")
        self._env = {**os.environ, "KUBECONFIG": str(bed.kubeconfig)}
        self.pid = 0
        self.began = 0.0

    def __enter__(self) -> _Serve:
        command = [str(Path(sys.executable).parent / "lbctl"), "serve", "--context=lbctl", "--listen=off", "--pools"]
        self.began = time.perf_counter()
        self._child = subprocess.Popen([*command, str(self._pools)], env=self._env, stderr=subprocess.PIPE, text=True)
        self.pid = self._child.pid
        self._ready = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(60):
            raise RuntimeError("lbctl serve does not say that it leads")
        return self

    def _read(self) -> None:
        for line in self._child.stderr or ():
            if "leading" in line:
                self._ready.set()

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        if self._child.wait(30):
            raise RuntimeError(f"lbctl serve ended with {self._child.returncode}")

    def cpu(self) -> float:
        """Its own user and system time so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> float:
        """Its greatest memory so far in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _bulk(bed: Bed, size: int, limit: float) -> Iterator[Figure]:
    admin = bed.admin
    names, more = ([f"{letter}{n:05}" for n in range(size)] for letter in "st")
    admin.send([("POST", SERVICES, json.dumps(service(name)).encode()) for name in names])
    floors = []
    for _ in range(3):
        with _Filled(admin):
            floors.append(min(floor_of(bed, workers) for workers in (4, 16)))
    with contextlib.ExitStack() as stack:
        with _Filled(admin) as filled:
            serve = stack.enter_context(_Serve(bed))
            took = filled.last(names) - serve.began
        yield Figure(f"serve, {size} created before the start", took, "s", median(floors), limit)
        yield Figure(f"serve, CPU for {size}", serve.cpu(), "s")
        _wait_for_events(admin)
        before = serve.cpu()
        time.sleep(REST)  # because rest is what is measured
        yield Figure(f"serve, CPU at rest with {size}", (serve.cpu() - before) / REST * 100, "%", limit=0.5)
        with _Filled(admin) as filled:
            admin.send([("POST", SERVICES, json.dumps(service(name)).encode()) for name in more])
            last = time.perf_counter()
            late = filled.last(more) - last
        words = f"serve, {size} created while it runs: the last address after the last creation"
        yield Figure(words, late, "s", limit=1.0)
        yield Figure(f"serve, peak memory with {2 * size}", serve.peak(), "MB", limit=200)
    clear(bed)


def _wait_for_events(admin: Client) -> None:
    """Until no Event has been written for two seconds."""
    path, deadline, count = "/api/v1/namespaces/default/events", time.monotonic() + EVENTS, -1
    while (now := len(admin.get(path)["items"])) != count and time.monotonic() < deadline:
        count = now
        time.sleep(2.0)  # because silence of that length is waited for
