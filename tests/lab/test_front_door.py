"""python -m tests.testbed --lab, and how the lab begins and ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import out_of_reach
from tests.testbed import __main__ as door
from tests.testbed.build import binary
from tests.testbed.driver import ROOT, until
from tests.testbed.lab import Lab, missing_packages
from tests.testbed.servers import lives

FRONT = [sys.executable, "-m", "tests.testbed", "--lab", "--"]
SCRIPT = """
kubectl get nodes -o name
for host in client n1 n2 n3 gw; do $host ip -brief -4 address show eth0; done
p2 ip route show default
n3 kubectl get pods -o name
exit 3
"""
SAID = """node/n1 node/n2 node/n3
eth0@ UP 192.0.2.10/24 eth0@ UP 192.0.2.11/24 eth0@ UP 192.0.2.12/24 eth0@ UP 192.0.2.13/24 eth0@ UP 192.0.2.20/24
default via 10.244.2.1 dev eth0
pod/web-n1 pod/web-n2 pod/web-n3"""

# What one does by hand: a Service, its address in its status and on a node; $1 is a Python, for want of curl.
BY_HAND = """
kubectl create service loadbalancer web --tcp=80 >&2
kubectl patch service web --subresource=status -p '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.200"}]}}}' >&2
n1 ip address add 192.0.2.200/32 dev eth0
for attempt in $(seq 40); do
    client "$1" -c 'import urllib.request as r
print(r.build_opener(r.ProxyHandler({})).open("http://192.0.2.200/", timeout=1).read().decode())' && exit 0
    sleep 0.2
done
exit 1
"""


def _words(text: str) -> list[str]:
    """The words, without the numbers that the kernel gives interfaces."""
    return [word.partition("@")[0] + "@" if word.startswith("eth0@") else word for word in text.split()]


def _children() -> dict[int, int]:
    """Each process of this machine that is alive, and its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and lives(int(entry.name)):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _below(parent: int) -> set[int]:
    """A process's children and theirs."""
    parents = _children()
    below: set[int] = set()
    while more := {pid for pid, above in parents.items() if above in {parent, *below}} - below:
        below |= more
    return below


@pytest.mark.lab
def test_a_command_finds_the_lab_by_the_names_of_its_hosts(lab: Lab) -> None:
    """A command a host on PATH, the API server from everywhere; CMD's exit status; nothing else on stdout."""
    assert lab  # which has skipped this where there can be none
    done = subprocess.run([*FRONT, "sh", "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, check=False)
    assert _words(done.stdout) == _words(SAID), done.stderr
    assert done.returncode == 3


@contextlib.contextmanager
def _standing() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The front door with a command that stays: the driver, and the lab's folder."""
    script = 'echo "$KUBECONFIG"; exec sleep 300'
    driver = subprocess.Popen([*FRONT, "sh", "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert driver.stdout is not None
    with driver:
        try:
            yield driver, Path(driver.stdout.readline().strip()).parent
        finally:
            driver.kill()


@pytest.mark.lab
def test_nothing_outlives_a_lab_that_is_killed(lab: Lab) -> None:
    """SIGKILL: the kernel ends all processes, and no namespace had another holder than these and the driver."""
    assert lab
    with _standing() as (driver, folder):
        below = _below(driver.pid)
        assert len(below) == 3 + 3 + 3 + 1 + 1  # control plane, kube-proxies, pods, relay, CMD
        driver.kill()
        driver.wait()
        until(lambda: not any(lives(pid) for pid in below), "all to die", seconds=5)
        shutil.rmtree(folder)


@pytest.mark.lab
def test_sigterm_takes_the_lab_down(lab: Lab) -> None:
    """And nothing is left of it, folder included."""
    assert lab
    with _standing() as (driver, folder):
        below = _below(driver.pid)
        driver.terminate()
        assert driver.wait(20) == 143
        assert not any(lives(pid) for pid in below)
        assert not folder.exists()


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="NOT RUN: it needs root and setpriv")
def test_an_ordinary_user_has_the_lab_in_a_user_namespace(lab: Lab) -> None:
    """Without rights, a home, a name, or sbin on PATH; the client reaches the pods through a real kube-proxy."""
    assert lab
    if problem := out_of_reach(binary(), Path(sys.executable).resolve(), ROOT):
        pytest.skip(f"NOT RUN: others than root may not look into {problem}")
    nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    if subprocess.run([*nobody, "unshare", "-Urnm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("NOT RUN: this kernel lets no ordinary user make a user namespace")
    path = ":".join(place for place in os.environ["PATH"].split(":") if "sbin" not in place)
    env = {"HOME": "/nonexistent", "XDG_CACHE_HOME": str(binary().parents[2]), "PATH": path}
    command = [*nobody, *FRONT, "sh", "-c", BY_HAND, "sh", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **env}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("n"), done.stdout


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started; and --packages gives it to the Makefile."""
    monkeypatch.setattr(shutil, "which", lambda tool, path: None if tool[:3] in ("nft", "ipt") else path)
    assert missing_packages() == ["iptables", "nftables"]
    with pytest.raises(OSError, match=r"^the lab needs: sudo apt-get install iptables nftables$"):
        Lab()


def test_packages_prints_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On one line, for apt-get."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert door.main(["--packages"]) == 0
    assert capsys.readouterr().out == "iproute2 iptables nftables util-linux\n"
