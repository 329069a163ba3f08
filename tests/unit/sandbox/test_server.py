"""The sandbox as a server: where it listens, how it ends, how quick it is, and what it does when its client is rude."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lbctl.sandbox import Sandbox

SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that has had no fault at its end."""
    with Sandbox() as running:
        yield running
    assert running.faults == []


class Talker:
    """One connection that is kept."""

    def __init__(self, sandbox: Sandbox) -> None:
        parts = urlsplit(sandbox.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)

    def __enter__(self) -> Talker:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, kind: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        """One request."""
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": kind})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def service(name: str) -> dict[str, Any]:
    """A Service without node ports."""
    spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_listens_on_loopback_alone(host: str) -> None:
    """For it lets everybody in."""
    with pytest.raises(ValueError, match=r"is no loopback address, and the sandbox lets everybody in"):
        Sandbox(host)


def test_it_listens_on_ipv6_too() -> None:
    """Loopback's other address."""
    with Sandbox("::1") as sandbox, Talker(sandbox) as talker:
        assert sandbox.url.startswith("http://[::1]:")
        assert talker.ask("GET", SERVICES)[0] == 200


def test_it_is_seeded_with_what_every_cluster_has(sandbox: Sandbox) -> None:
    """A ready node of the documentation's range, namespaces, and the API's own Service."""
    with Talker(sandbox) as talker:
        nodes = talker.ask("GET", "/api/v1/nodes")[1]["items"]
        spaces = talker.ask("GET", "/api/v1/namespaces")[1]["items"]
        services = talker.ask("GET", "/api/v1/services")[1]["items"]
    assert [item["metadata"]["name"] for item in spaces] == ["default", "kube-system", "lbctl-system"]
    assert [item["spec"]["clusterIP"] for item in services] == ["10.96.0.1"]
    assert nodes[0]["status"]["addresses"][0] == {"type": "InternalIP", "address": "192.0.2.11"}
    assert "taints" not in nodes[0]["spec"]


def test_its_kubeconfig_has_the_contexts_of_the_test_bed(sandbox: Sandbox, tmp_path: Path) -> None:
    """So that the same commands run beside both."""
    config = json.loads(sandbox.kubeconfig(tmp_path / "kubeconfig").read_text())
    assert config["current-context"] == "admin"
    assert [context["name"] for context in config["contexts"]] == ["admin", "lbctl"]
    assert {context["context"]["namespace"] for context in config["contexts"]} == {"default"}
    assert config["clusters"][0]["cluster"] == {"server": sandbox.url}


def test_stopping_ends_watches_and_idle_connections_and_leaves_no_thread() -> None:
    """Within a second."""
    before = threading.active_count()
    with Sandbox() as sandbox, Talker(sandbox) as idle, Talker(sandbox) as watcher:
        idle.ask("GET", SERVICES)
        watcher.connection.request("GET", f"{SERVICES}?watch=1")
        answer = watcher.connection.getresponse()
        answer.readline()
        began = time.monotonic()
        sandbox.__exit__(None, None, None)
        assert answer.read() == b""
        took = time.monotonic() - began
    assert took < 1
    assert threading.active_count() == before


def test_a_client_that_never_reads_does_not_hold_up_the_end() -> None:
    """Nor anybody else."""
    with Sandbox() as sandbox, Talker(sandbox) as talker:
        for number in range(300):
            talker.ask("POST", SERVICES, service(f"s{number}"))
        parts = urlsplit(sandbox.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as deaf:
            deaf.sendall(f"GET {SERVICES} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 200)
            assert talker.ask("GET", f"{SERVICES}/s1")[0] == 200


def test_a_watch_whose_client_went_is_given_up(sandbox: Sandbox) -> None:
    """Its thread ends, though nothing happens that could be sent."""
    with Talker(sandbox) as talker:
        talker.ask("GET", SERVICES)
        before = threading.active_count()
        gone = Talker(sandbox)
        gone.connection.request("GET", f"{SERVICES}?watch=1")
        answer = gone.connection.getresponse()
        answer.readline()
        assert threading.active_count() == before + 1
        answer.close()
        gone.connection.close()
        ends = time.monotonic() + 10
        while threading.active_count() > before:
            assert time.monotonic() < ends, "the watch still waits"
            time.sleep(0.05)  # because the server looks round but once a second


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(b"nonsense\r\n\r\n", b"400", id="nonsense"),
        pytest.param(b"POST /api/v1/namespaces HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"411", id="length"),
        pytest.param(b"POST /api/v1/namespaces HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411", id="chunked"),
        pytest.param(b"POST /api/v1/namespaces HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413", id="large"),
        pytest.param(b"GET //[ HTTP/1.1\r\n\r\n", b"40", id="path"),
    ],
)
def test_what_is_no_request_is_refused(sandbox: Sandbox, request_: bytes, code: bytes) -> None:
    """And the server goes on."""
    parts = urlsplit(sandbox.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as rude:
        rude.sendall(request_)
        assert code in rude.recv(100)
    with Talker(sandbox) as talker:
        assert talker.ask("GET", SERVICES)[0] == 200


def test_two_thousand_services_at_hundreds_of_writes_a_second(sandbox: Sandbox) -> None:
    """Four clients at once; none waits 40 ms for a delayed ACK, and a list of all is quick."""
    count, clients = 2000, 4

    def make(share: int) -> None:
        with Talker(sandbox) as talker:
            for number in range(share, count, clients):
                assert talker.ask("POST", SERVICES, service(f"s{number}"))[0] == 201

    began = time.perf_counter()
    threads = [threading.Thread(target=make, args=(share,)) for share in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = count / (time.perf_counter() - began)
    with Talker(sandbox) as talker:
        began = time.perf_counter()
        items = talker.ask("GET", SERVICES)[1]["items"]
        listed = time.perf_counter() - began
    print(f"{rate:.0f} writes/s, list of {len(items)} in {listed * 1000:.0f} ms")
    assert len(items) == count + 1
    assert rate > 100, "a delayed ACK each would leave 100"
    assert listed < 3


def test_server_side_apply_is_not_served(sandbox: Sandbox) -> None:
    """415, of which kubectl apply --server-side says that the server has no such thing."""
    with Talker(sandbox) as talker:
        status, body = talker.ask("PATCH", f"{SERVICES}/a", service("a"), "application/apply-patch+yaml")
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")


def test_of_writers_that_race_one_wins_each_version(sandbox: Sandbox) -> None:
    """Compare and swap between threads: as many steps forward as there were successes."""
    path = "/api/v1/namespaces/default/configmaps/a"
    won: list[int] = []

    def count() -> None:
        with Talker(sandbox) as talker:
            for _ in range(30):
                read = talker.ask("GET", path)[1]
                data = {"n": str(int(read["data"]["n"]) + 1)}
                status, _ = talker.ask("PUT", path, {**read, "data": data})
                assert status in (200, 409)
                won.append(int(status == 200))

    with Talker(sandbox) as talker:
        talker.ask("POST", path.rpartition("/")[0], {"metadata": {"name": "a"}, "data": {"n": "0"}})
        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert talker.ask("GET", path)[1]["data"]["n"] == str(sum(won))
    assert len(won) == 120


def start(*words: str, **env: str) -> subprocess.Popen[str]:
    """`lbctl sandbox` as a process."""
    command = [str(Path(sys.executable).parent / "lbctl"), "sandbox", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **env}
    )


def said(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Its first two lines."""
    assert child.stderr is not None
    return child.stderr.readline(), child.stderr.readline()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_command_says_where_it_listens_and_ends_without_a_trace(number: int, code: int, tmp_path: Path) -> None:
    """Data goes nowhere; the line to type is the second."""
    child = start(TMPDIR=str(tmp_path))
    listens, export = said(child)
    path = Path(export.removeprefix("export KUBECONFIG=").strip())
    assert listens.startswith("the sandbox listens at http://127.0.0.1:")
    assert json.loads(path.read_text())["current-context"] == "admin"
    child.send_signal(number)
    out, _ = child.communicate(timeout=10)
    assert (child.returncode, out) == (code, "")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_its_kubeconfig_where_it_is_told_and_over_nothing(tmp_path: Path) -> None:
    """A kubeconfig of the user's is not to be lost."""
    mine = tmp_path / "mine"
    mine.write_text("precious")
    refused = start("--kubeconfig", str(mine))
    assert refused.communicate(timeout=10)[1].startswith(f"error: {mine} is there already")
    assert (refused.returncode, mine.read_text()) == (2, "precious")
    child = start("--kubeconfig", str(tmp_path / "new"))
    assert said(child)[1] == f"export KUBECONFIG={tmp_path / 'new'}\n"
    child.terminate()
    child.communicate(timeout=10)
    assert not (tmp_path / "new").exists()


def test_the_command_says_that_its_port_is_taken(sandbox: Sandbox) -> None:
    """One sentence."""
    port = str(urlsplit(sandbox.url).port)
    child = start("--port", port)
    _, error = child.communicate(timeout=10)
    assert (child.returncode, error) == (2, "error: the sandbox cannot start: Address already in use\n")
