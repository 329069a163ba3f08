"""The test bed keeps its promises (DESIGN 10), with a control plane started by its front door or by the library."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import out_of_reach, started
from tests.testbed.build import binary
from tests.testbed.driver import ROOT, Bed, service, until
from tests.testbed.servers import Server, lives

pytestmark = pytest.mark.cluster

SLICES = "/apis/discovery.k8s.io/v1/namespaces/apart/endpointslices"
PODS = "/api/v1/namespaces/apart/pods"
FRONT = [sys.executable, "-m", "tests.testbed", "--"]


def _servers(folder: Path) -> list[int]:
    """The processes that run in a bed's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder and lives(int(entry.name)):
                found.append(int(entry.name))
    return found


def _listens(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as sock:
        return sock.connect_ex((address.hostname or "", address.port or 0)) == 0


def test_a_command_finds_a_cluster_and_tools_and_leaves_nothing_behind() -> None:
    """KUBECONFIG with both users' contexts, namespace default and tokens inline; kubectl and lbctl on PATH; afterwards
    no process, no port, no file."""
    script = (
        "kubectl config view --raw -o json; { kubectl get --raw /readyz; echo; command -v kubectl lbctl; } >&2; exit 3"
    )
    done = subprocess.run([*FRONT, "bash", "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    ready, kubectl, lbctl = done.stderr.splitlines()
    config = json.loads(done.stdout)
    contexts = {c["name"]: (c["context"]["user"], c["context"]["namespace"]) for c in config["contexts"]}
    authority = Path(config["clusters"][0]["cluster"]["certificate-authority"])
    assert (done.returncode, ready) == (3, "ok")
    assert contexts == {"admin": ("admin", "default"), "lbctl": ("lbctl", "default")}
    assert config["current-context"] == "admin"
    assert [u["user"] for u in config["users"]] == [{"token": "admin"}, {"token": "lbctl"}]
    assert (Path(kubectl), Path(lbctl)) == (binary().parent / "kubectl", Path(sys.executable).parent / "lbctl")
    assert not _listens(config["clusters"][0]["cluster"]["server"])
    assert not authority.parents[1].exists()
    assert _servers(authority.parents[1]) == []


@contextlib.contextmanager
def _standing() -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """The front door with a command that stays: the driver, the bed's folder, and the command's process."""
    command = [*FRONT, "bash", "-c", 'echo "$KUBECONFIG"; echo $$; exec sleep 300']
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert driver.stdout is not None
    with driver:
        folder, child = Path(driver.stdout.readline().strip()).parent, int(driver.stdout.readline())
        try:
            yield driver, folder, child
        finally:
            driver.kill()


def test_sigterm_to_the_driver_ends_the_command_and_tears_down() -> None:
    """And the driver's exit status says so."""
    with _standing() as (driver, folder, child):
        assert len(_servers(folder)) == 2
        driver.send_signal(signal.SIGTERM)
        assert driver.wait(20) == 143
        assert _servers(folder) == []
        assert not lives(child)
        assert not folder.exists()


def test_nothing_outlives_a_driver_that_is_killed() -> None:
    """SIGKILL, so it can clean up nothing: the kernel ends servers and command all the same."""
    with _standing() as (driver, folder, child):
        driver.kill()
        until(lambda: _servers(folder) == [] and not lives(child), "all to die", seconds=5)
        shutil.rmtree(folder)


def test_ctrl_c_does_not_reach_the_control_plane() -> None:
    """A terminal sends it to everybody in the foreground; a shell beside the control plane must survive it."""
    script = "trap : INT; kill -INT 0; kubectl get --raw /readyz"
    done = subprocess.run([*FRONT, "bash", "-c", script], capture_output=True, cwd=ROOT, check=False, process_group=0)
    assert (done.stdout, done.returncode) == (b"ok", 0)


@pytest.fixture(scope="module")
def own() -> Iterator[Bed]:
    """A control plane with its controllers."""
    with started(Bed) as bed:
        bed.controllers.start()
        yield bed


def _post(bed: Bed, path: str, item: dict[str, object]) -> None:
    status, answer = bed.admin.request("POST", path, item)
    assert status == 201, answer


def test_the_controllers_make_endpointslices_from_pods_and_finish_deleted_namespaces(own: Bed) -> None:
    """A pod that a test says is ready becomes an endpoint of its Service; its namespace then goes with all in it."""
    _post(own, "/api/v1/namespaces", {"metadata": {"name": "apart"}})
    web = service("web", kind="ClusterIP")
    web["metadata"]["namespace"] = "apart"
    _post(own, "/api/v1/namespaces/apart/services", web)
    _post(own, "/api/v1/nodes", {"metadata": {"name": "n1"}})
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    _post(own, PODS, {"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
    ready = {
        "podIP": "192.0.2.77",
        "podIPs": [{"ip": "192.0.2.77"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert own.admin.request("PATCH", f"{PODS}/web/status", {"status": {"phase": "Running", **ready}})[0] == 200

    def endpoints() -> list[str]:
        return [a for s in own.admin.get(SLICES)["items"] for e in s["endpoints"] or () for a in e["addresses"]]

    until(lambda: endpoints() == ["192.0.2.77"], "an endpoint", seconds=30)
    assert own.admin.request("DELETE", f"{PODS}/web?gracePeriodSeconds=0")[0] == 200
    assert own.admin.request("DELETE", "/api/v1/namespaces/apart")[0] == 200
    until(lambda: own.admin.request("GET", "/api/v1/namespaces/apart")[0] == 404, "the namespace to go", seconds=60)


def test_the_api_server_stops_before_etcd_and_nobody_has_to_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without etcd the API server ignores SIGTERM: each teardown would take its 5 s."""
    ended: list[str] = []
    stop, kill = Server.stop, Server.kill

    def stopped(server: Server) -> None:
        stop(server)
        ended.append(server.name)

    def killed(server: Server) -> None:
        ended.append(f"{server.name} killed")
        kill(server)

    with Bed() as bed:
        monkeypatch.setattr(Server, "stop", stopped)
        monkeypatch.setattr(Server, "kill", killed)
    assert ended == ["kube-controller-manager", "kube-apiserver", "etcd"]
    assert not _listens(bed.url)
    assert not bed.dir.exists()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="NOT RUN: it needs root and setpriv")
def test_an_ordinary_user_can_run_it() -> None:
    """Without rights, a home or a name, and with a cache that is only to be read."""
    if problem := out_of_reach(binary(), Path(sys.executable).resolve(), ROOT):
        pytest.skip(f"NOT RUN: others than root may not look into {problem}")
    nobody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    home = {"HOME": "/nonexistent", "XDG_CACHE_HOME": str(binary().parents[2])}
    command = [*nobody, *FRONT, "bash", "-c", "id -u; kubectl auth whoami -o name"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **home}, check=False)
    assert (done.stdout.splitlines()[0], done.returncode) == ("54321", 0), done.stderr
