"""python -m tests.testbed [--lab] -- CMD…: run a command beside a real control plane; only CMD writes to stdout.

With --lab the control plane has a LAN (lab.py): three nodes, a client and more in network namespaces, and on PATH a
command for each of them: `client curl 192.0.2.200`, `n1 ip address`. Who is not root gets it in a user namespace.

SIGTERM ends CMD and then the control plane. Ctrl-C is CMD's own business, as under a shell: a terminal sends it to
everybody in the foreground, and the control plane stays for whoever survives it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tests.testbed.build import binary
from tests.testbed.driver import Bed
from tests.testbed.lab import Lab, missing_packages, with_sbin
from tests.testbed.servers import dies_with_us

USAGE = "usage: python -m tests.testbed --build | --packages | [--lab] -- CMD..."
PATIENCE = 5.0  # seconds that CMD has to end after SIGTERM


class Running(Protocol):
    """What CMD is told of a control plane: its kubeconfig, and the folder of its kubectl."""

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig."""

    @property
    def bin(self) -> Path:
        """The folder of kubectl."""


def main(words: Sequence[str], bed: Callable[[], AbstractContextManager[Running]] = Bed) -> int:
    """Build, start, run, tear down; CMD's exit status (128 and its signal, as under a shell)."""
    if list(words) == ["--build"]:
        binary()
        return 0
    if list(words) == ["--packages"]:
        print(*missing_packages())
        return 0
    if list(words[:1]) == ["--lab"]:
        if os.geteuid() != 0:
            return _as_root(words)
        words, bed = words[1:], Lab
    if list(words[:1]) != ["--"] or len(words) < 2:
        print(USAGE, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with bed() as running:
            signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which CMD would inherit
            code = _run(words[1:], environment(running, os.environ))
    except KeyboardInterrupt:
        return 130
    return code if code >= 0 else 128 - code


def _as_root(words: Sequence[str]) -> int:
    """Run ourselves again as root of a user namespace of our own, with what root may write; comes back when it can't.

    kube-proxy locks a file in /run, and /sys must be that of the namespace.
    """
    inside = 'mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"'
    again = ["sh", "-c", inside, "sh", sys.executable, "-m", "tests.testbed", *words]
    try:
        os.execvpe("unshare", ["unshare", "-Urnm", *again], {**os.environ, "PATH": with_sbin()})
    except OSError as missing:
        print(f"unshare: {missing.strerror}", file=sys.stderr)
        return 127


def environment(running: Running, outer: Mapping[str, str]) -> dict[str, str]:
    """CMD's environment: KUBECONFIG, and kubectl and lbctl on PATH before all others."""
    path = f"{running.bin}:{Path(sys.executable).parent}:{outer.get('PATH', os.defpath)}"
    # The bed's addresses are nobody's: the LAN of this machine is asked for none, unless somebody wants it to be.
    return {"LBCTL_PROBE": "off", **outer, "KUBECONFIG": str(running.kubeconfig), "PATH": path}


def _end(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


def _run(command: Sequence[str], env: Mapping[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=env, preexec_fn=dies_with_us())
    except OSError as missing:
        print(f"{command[0]}: {missing.strerror}", file=sys.stderr)
        return 127
    try:
        return child.wait()
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
        child.kill()
        child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
