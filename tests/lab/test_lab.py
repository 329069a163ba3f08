"""The lab keeps its promises (DESIGN 10): real nodes behind a real switch, and faults that are what they say."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.conftest import started
from tests.testbed.capture import overlap
from tests.testbed.driver import SERVICES, until
from tests.testbed.lab import LEASES, Lab
from tests.testbed.lan import HOSTS, NODES, PORT

pytestmark = pytest.mark.lab

V4, V6 = "192.0.2.200", "2001:db8::200"


def _says(lab: Lab, address: str, times: int = 60) -> tuple[set[str], set[str]]:
    """The nodes whose pods answered the client, and whom they saw."""
    said = [lab.fetch(address).split() for _ in range(times)]
    return {node for node, _ in said}, {client for _, client in said}


def _carrier(lab: Lab, host: str) -> bool:
    return "NO-CARRIER" not in lab.space(host).run("ip", "link", "show", PORT)


@pytest.mark.parametrize("address", [V4, V6])
def test_the_client_reaches_pods_of_all_nodes_through_the_node_that_has_the_address(lab: Lab, address: str) -> None:
    """60 connections miss one of three pods once in 10 to the tenth; kube-proxy masquerades what it sends elsewhere."""
    lab.expose("web", address)
    lab.give("n1", address)
    nodes, clients = _says(lab, address)
    assert nodes == set(NODES)
    assert HOSTS["client"].ipv4 not in clients
    assert HOSTS["client"].ipv6 not in clients


@pytest.mark.parametrize(("address", "client"), [(V4, HOSTS["client"].ipv4), (V6, HOSTS["client"].ipv6)])
def test_with_local_the_pod_of_the_node_sees_the_client(lab: Lab, address: str, client: str) -> None:
    """externalTrafficPolicy Local: only the pod of the node that has the address, and nothing masqueraded."""
    lab.expose("web", address, externalTrafficPolicy="Local")
    lab.give("n2", address)
    assert _says(lab, address, 20) == ({"n2"}, {client})


def test_kube_proxy_in_iptables_mode() -> None:
    """A lab of its own."""
    with started(lambda: Lab("iptables")) as lab:
        lab.expose("web", V4, V6)
        lab.give("n3", V4, V6)
        assert _says(lab, V4)[0] == set(NODES)
        assert _says(lab, V6)[0] == set(NODES)
        assert "KUBE-SERVICES" in lab.space("n1").run("iptables-save")


def test_a_pod_that_is_not_ready_gets_nothing(lab: Lab) -> None:
    """The real endpointslice controller says so to the real kube-proxies; and ready again it gets its share."""
    lab.expose("web", V4)
    lab.give("n1", V4)
    lab.ready("n2", False)
    until(lambda: _says(lab, V4)[0] == {"n1", "n3"}, "n2 to be left out", seconds=20)
    lab.ready("n2")
    until(lambda: _says(lab, V4)[0] == set(NODES), "n2 to be back", seconds=20)


def test_a_link_that_is_cut_has_no_carrier(lab: Lab) -> None:
    """The host sees it, nobody reaches the host, and restored all is well."""
    lab.lan.cut_link("n1")
    until(lambda: not _carrier(lab, "n1"), "the carrier to go", seconds=5)
    assert not _alive(lab, "n1")
    assert _alive(lab, "n2")
    lab.lan.restore()
    assert _comes(lab, "n1")
    assert _carrier(lab, "n1")


def test_a_link_that_is_cut_in_the_switch_keeps_its_carrier(lab: Lab) -> None:
    """Both directions are dead, and the host can't tell."""
    lab.lan.cut_in_switch("n1")
    assert _carrier(lab, "n1")
    assert not _alive(lab, "n1")
    assert not _alive(lab, "n2", by="n1")
    assert _alive(lab, "n2")
    lab.lan.restore()
    assert _comes(lab, "n1")


def test_a_partition_parts_two_hosts_and_no_others(lab: Lab) -> None:
    """Both directions."""
    lab.lan.partition("n1", "n2")
    found = {(one, other): _alive(lab, other, by=one) for one in NODES for other in NODES if one != other}
    assert [pair for pair, alive in found.items() if not alive] == [("n1", "n2"), ("n2", "n1")]
    lab.lan.restore()
    assert _comes(lab, "n2", by="n1")


def test_a_link_that_is_delayed_brings_everything_late(lab: Lab) -> None:
    """Each way, whatever it is, answers of many segments too; and restored nothing."""
    lab.expose("web", V4)
    lab.give("n1", V4)
    lab.fetch(V4)
    lab.lan.delay("n1", 0.1)
    began = time.monotonic()
    with lab.connect(V4, timeout=5):
        assert time.monotonic() - began >= 0.2
    with lab.space("n1").call(lambda: socket.create_server((HOSTS["n1"].ipv4, 7001))) as listener:
        sent = bytes(range(256)) * 2000
        with lab.connect(HOSTS["n1"].ipv4, 7001) as client:
            accepted, _ = listener.accept()
            sender = threading.Thread(target=_send, args=(client, sent))
            sender.start()
            with accepted:
                assert b"".join(iter(lambda: accepted.recv(65536), b"")) == sent
            sender.join()
    lab.lan.cut_in_switch("n1")
    assert not _alive(lab, "n1")
    lab.lan.restore()
    assert _comes(lab, "n1")
    assert lab.space("switch").run("ip", "-brief", "link", "show", "type", "veth").count("\n") == len(HOSTS)


def _send(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def _alive(lab: Lab, host: str, *, by: str = "client") -> bool:
    """Whether a host answers, if only that nobody listens there."""
    try:
        lab.connect(HOSTS[host].ipv4, 9, timeout=0.5, host=by).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def _comes(lab: Lab, host: str, *, by: str = "client") -> bool:
    """Whether a host answers soon: a kernel that has just asked in vain asks again once a second."""
    until(lambda: _alive(lab, host, by=by), f"{host} to answer {by}", seconds=10)
    return True


def test_one_host_is_cut_off_from_the_api_server_and_no_other(lab: Lab) -> None:
    """An open connection gets nothing and is not told; new ones hang; let back, what was lost arrives."""
    port = int(lab.hand.url.rpartition(":")[2])
    with lab.connect("127.0.0.1", port, timeout=0.5, host="n1") as before:
        lab.cut_api("n1")
        with pytest.raises(TimeoutError):
            lab.connect("127.0.0.1", port, timeout=0.5, host="n1")
        lab.connect("127.0.0.1", port, timeout=5, host="n2").close()
        before.sendall(b"GET / HTTP/1.0\r\n\r\n")  # which a server that speaks TLS refuses
        with pytest.raises(TimeoutError):
            before.recv(100)
        lab.restore_api("n1")
        before.settimeout(20)
        assert b"400" in before.recv(100)


def test_traffic_goes_on_while_the_api_server_is_stopped(lab: Lab) -> None:
    """And kube-proxies hear of what comes after it is back."""
    lab.expose("web", V4)
    lab.give("n1", V4)
    lab.hand.apiserver.stop()
    try:
        assert _says(lab, V4)[0] == set(NODES)
        with pytest.raises(OSError, match="Connection"):
            _hello(lab, "n1")
    finally:
        lab.hand.apiserver.start()
        lab.hand.ready()
    lab.expose("other", "192.0.2.201")


def _hello(lab: Lab, host: str) -> bytes:
    """What a host gets from where the API server should be."""
    port = int(lab.hand.url.rpartition(":")[2])
    with lab.connect("127.0.0.1", port, host=host) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if not (said := sock.recv(100)):
            raise ConnectionResetError("Connection ended")
        return said


@pytest.mark.parametrize("address", [V4, V6])
def test_a_capture_shows_who_answers_for_an_address_and_since_when(lab: Lab, address: str) -> None:
    """Real kernels answer: one host, then another, then both at once."""
    with lab.capture() as seen, lab.asking(address, period=0.05):
        lab.give("n1", address)
        until(lambda: seen.owners(address) == ["n1"], "n1 to answer", seconds=5)
        lab.space("n1").run("ip", "address", "flush", "dev", PORT, "to", address)
        moved = time.monotonic()
        lab.give("n2", address)
        until(lambda: seen.owners(address) == ["n1", "n2"], "n2 to answer", seconds=5)
        answers = seen.answers(address)
        assert all(a.mac == HOSTS[a.host].mac for a in answers)
        assert all((a.host == "n2") == (a.at > moved) for a in answers)
        assert overlap(answers) == 0
        lab.give("n3", address)
        until(lambda: overlap(seen.answers(address)) > 0.5, "two to answer at once", seconds=5)


def test_a_capture_sees_nothing_of_a_host_that_is_cut_off_in_the_switch(lab: Lab) -> None:
    """So it shows what the LAN hears, not what a cut-off host says to itself."""
    lab.lan.cut_in_switch("n1")
    with lab.capture() as seen, lab.asking("192.0.2.1", host="n1"), lab.asking("192.0.2.2", host="n2"):
        until(lambda: len(seen.frames) > 2, "n2's questions", seconds=5)
    assert {frame.host for frame in seen.frames if frame.address in ("192.0.2.1", "192.0.2.2")} == {"n2"}


def test_a_socket_belongs_to_the_namespace_it_was_made_in(lab: Lab) -> None:
    """Also in the hands of a thread outside."""
    listener = lab.space("n1").call(lambda: socket.create_server((HOSTS["n1"].ipv4, 7000)))
    with listener, lab.connect(HOSTS["n1"].ipv4, 7000) as client:
        accepted, peer = listener.accept()
        accepted.close()
        assert peer[0] == HOSTS["client"].ipv4 == client.getsockname()[0]


def test_wiped_it_is_as_new(lab: Lab) -> None:
    """Whatever a test left behind."""
    lab.expose("web", V4)
    lab.give("n1", V4, V6)
    lab.label("n1", {"left": "behind", "kubernetes.io/hostname": None})
    lab.ready("n3", False)
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    assert lab.hand.admin.request("PATCH", "/api/v1/nodes/n2/status", unready)[0] == 200
    assert lab.hand.admin.request("POST", LEASES, {"metadata": {"name": "left-behind"}, "spec": {}})[0] == 201
    lab.lan.cut_link("n2")
    lab.lan.cut_in_switch("n3")
    lab.cut_api("n1")
    lab.wipe()
    assert lab.hand.admin.get("/api/v1/nodes/n1")["metadata"]["labels"] == {"kubernetes.io/hostname": "n1"}
    conditions = lab.hand.admin.get("/api/v1/nodes/n2")["status"]["conditions"]
    assert {c["type"]: c["status"] for c in conditions} == {"Ready": "True", "NetworkUnavailable": "False"}
    assert lab.hand.admin.get(LEASES)["items"] == []
    assert V4 not in lab.space("n1").run("ip", "address")
    assert V6 not in lab.space("n1").run("ip", "address")
    assert [item["metadata"]["name"] for item in lab.hand.admin.get(SERVICES)["items"]] == ["kubernetes"]
    assert all(_comes(lab, host) for host in HOSTS if host != "client")
    assert b"400" in _hello(lab, "n1")
