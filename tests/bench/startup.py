"""How long a command takes to answer: as multiples of Python's own start, and beside kubectl on the same API server.

Each is run by turns with its floor, RUNS times, and the medians are compared. The installed wheel is what counts, with
its bytecode compiled: an editable install is refused, for it would be compiled anew at every start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure
from tests.testbed.driver import ROOT, SERVICES, Bed, service

RUNS = 20
LIMITS = {("--version",): 9.0, ("--help",): 10.0, ("pools", "list"): 19.0}  # multiples of `python -c pass`
LIST_OVER_KUBECTL = 300.0  # ms
BULK = 5_000


def run(*, quick: bool) -> Iterator[Figure]:
    """Start-up, then list beside kubectl (`quick`: without the 5,000 Services)."""
    exe, python = str(Path(sys.executable).parent / "lbctl"), sys.executable
    where = [python, "-c", "import lbctl; print(lbctl.__file__)"]
    installed = subprocess.run(where, cwd="/", capture_output=True, text=True, check=True).stdout.strip()
    if Path(installed).is_relative_to(ROOT / "lbctl"):
        raise SystemExit("lbctl is installed in place: run make install first")
    env = {**os.environ, "LBCTL_POOLS": str(ROOT / "examples/pools/simple.yaml")}
    for words, limit in LIMITS.items():
        floor, value = _by_turns([python, "-c", "pass"], [exe, *words], env)
        yield Figure(" ".join(words), value, "ms", floor, limit)
    with Bed() as bed:
        env["KUBECONFIG"] = str(bed.kubeconfig)
        for size in (1,) if quick else (1, BULK):
            names = range(1) if size == 1 else range(1, size)
            bed.admin.send([("POST", SERVICES, json.dumps(service(f"s{n:05}")).encode()) for n in names])
            floor, value = _by_turns([str(bed.bin / "kubectl"), "get", "svc", "-A"], [exe, "list"], env)
            name = f"list, {size} Services: {value:.0f} ms, kubectl {floor:.0f} ms"
            yield Figure(name, value - floor, "ms over it", limit=LIST_OVER_KUBECTL)


def _by_turns(floor: list[str], command: list[str], env: Mapping[str, str]) -> tuple[float, float]:
    """The medians of both in ms, run by turns."""
    times = [(_milliseconds(floor, env), _milliseconds(command, env)) for _ in range(RUNS)]
    return median(t[0] for t in times), median(t[1] for t in times)


def _milliseconds(command: list[str], env: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000
