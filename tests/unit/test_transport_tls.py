"""TLS and proxies: which certificate is not good and why, and that the kubeconfig's switches for them work."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import empty_list, hang_up, http, kubeconfig, loopback, silence, told
from tests.unit.test_transport_refusals import ca_file, failed, run_cli, serving


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """The cluster's CA."""
    return trustme.CA()


def test_trusted_server_answers(tmp_path: Path, ca: trustme.CA) -> None:
    """With the right CA, as a file or inline, the server is believed."""
    with loopback(empty_list(), tls=serving(ca, "127.0.0.1")) as server:
        path = kubeconfig(tmp_path / "config", server.url, certificate_authority=ca_file(tmp_path, ca))
        assert Kube(connect(str(path))).list_services().items == []
        assert run_cli(path) == ("there are no claims\n", 0)


@pytest.mark.parametrize("days", [-1, 1])
def test_certificate_out_of_its_time(tmp_path: Path, ca: trustme.CA, days: int) -> None:
    """An expired certificate, or one of the future, is told from an untrusted one; the clock may be to blame."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    now = datetime.now(UTC)
    start, end = (now - timedelta(days=9), now - timedelta(days=1)) if days < 0 else (now + timedelta(days=1), None)
    ca.issue_cert("127.0.0.1", not_before=start, not_after=end or now + timedelta(days=9)).configure_cert(context)
    with loopback(b"", tls=context) as server:
        error = failed(kubeconfig(tmp_path / "config", server.url, certificate_authority=ca_file(tmp_path, ca)))
    state = "has expired" if days < 0 else "is not valid yet"
    assert told(error) == (
        f"error: the certificate of the API server at {server.url} {state}\n"
        "hint: see this machine's clock (date); then renew it on the control plane (kubeadm certs check-expiration)\n"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("127.0.0.2", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("api.example.com", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
def test_certificate_for_another_name(tmp_path: Path, ca: trustme.CA, name: str, words: str) -> None:
    """A certificate for another name says for which it is not; tls-server-name is the way out, and works."""
    with loopback(empty_list(), tls=serving(ca, name)) as server:
        path = kubeconfig(tmp_path / "config", server.url, certificate_authority=ca_file(tmp_path, ca))
        error = failed(path)
        assert told(error) == (
            f"error: the certificate of the API server at {server.url} is for another name: {words}\n"
            f"hint: name it as the certificate does: server or tls-server-name of the cluster in {path}\n"
        )
        kubeconfig(path, server.url, certificate_authority=ca_file(tmp_path, ca), tls_server_name=name)
        assert Kube(connect(str(path))).list_services().items == []


def test_insecure_server_is_believed_in_silence(tmp_path: Path) -> None:
    """insecure-skip-tls-verify is the user's word: no check, and no warning at each request."""
    with loopback(empty_list(), tls=serving(trustme.CA(), "127.0.0.1")) as server:
        path = kubeconfig(tmp_path / "config", server.url, insecure_skip_tls_verify=True)
        assert Kube(connect(str(path))).list_services().items == []
        assert run_cli(path) == ("there are no claims\n", 0)


def test_http_server_at_an_https_url(tmp_path: Path, ca: trustme.CA) -> None:
    """A server that speaks no TLS is named as such, and no request was sent to it."""
    with loopback(http(400, b"")) as server:
        url = server.url.replace("http:", "https:")
        path = kubeconfig(tmp_path / "config", url, certificate_authority=ca_file(tmp_path, ca))
        error = failed(path)
    assert told(error) == (
        f"error: what answers at {url} does not speak https\n"
        f"hint: a plain http server, or a proxy? It is the server in {path}\n"
    )
    assert isinstance(error, errors.Unreachable)
    assert not error.sent


def test_client_certificate_is_not_accepted(tmp_path: Path, ca: trustme.CA) -> None:
    """A server that wants a client certificate, and not this one or not none, says whose is refused."""
    issued = trustme.CA().issue_cert("me@example.com")
    (tmp_path / "me.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(tmp_path / "me.key"))
    user = {"client-certificate": "me.crt", "client-key": "me.key"}
    with loopback(empty_list(), tls=serving(ca, "127.0.0.1", client_ca=ca)) as server:
        authority = ca_file(tmp_path, ca)
        path = kubeconfig(tmp_path / "config", server.url, certificate_authority=authority, user=user)
        error = failed(path)
        assert told(error) == (
            f'error: {server.url} does not accept the client certificate of user "me" in {path}\n'
            "hint: it has expired or another CA signed it: take the kubeconfig anew\n"
        )
        kubeconfig(path, server.url, certificate_authority=authority, user={"token": "x"})
        assert told(failed(path)).startswith(f"error: {server.url} does not accept the client certificate of user")
    with loopback(empty_list(), tls=serving(ca, "127.0.0.1", client_ca=ca)) as server:
        issued = ca.issue_cert("me@example.com")
        (tmp_path / "me.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        kubeconfig(path, server.url, certificate_authority=authority, user=user)
        assert told(failed(path)) == (
            f'error: client certificate and key of user "me" in {path} are broken, encrypted, or do not belong '
            "together\nhint: take the cluster's kubeconfig anew\n"
        )
        issued.private_key_pem.write_to_path(str(tmp_path / "me.key"))
        assert Kube(connect(str(path))).list_services().items == []


def test_server_hangs_up_in_the_handshake(tmp_path: Path) -> None:
    """A server that closes the connection in place of a handshake says that it did, and what may be behind it."""
    with loopback(hang_up) as server:
        url = server.url.replace("http:", "https:")
        path = kubeconfig(tmp_path / "config", url)
        error = failed(path)
    assert told(error) == (
        f"error: {url} hung up while a secure connection was being made\n"
        f'hint: it may want another client certificate than that of user "me" in {path}, or a proxy stands between\n'
    )


def test_handshake_that_stalls_is_bounded(tmp_path: Path, ca: trustme.CA) -> None:
    """A server that accepts and then says nothing, not even TLS, holds a request no longer than its time."""
    with loopback(silence) as server:
        url = server.url.replace("http:", "https:")
        path = kubeconfig(tmp_path / "config", url, certificate_authority=ca_file(tmp_path, ca))
        started = time.monotonic()
        error = failed(path, timeout=0.3)
    assert error.message == f"the API server at {url} did not answer within 0.3 s"
    assert time.monotonic() - started < 2


def test_proxy_url_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubeconfig's proxy-url takes the request, whatever NO_PROXY says; one that is not there is named as the
    proxy."""
    monkeypatch.setenv("NO_PROXY", "*")
    with loopback(empty_list()) as proxy:
        path = kubeconfig(tmp_path / "config", "http://192.0.2.1", proxy_url=proxy.url)
        assert Kube(connect(str(path))).list_services().items == []
        assert proxy.asked[0].target == "http://192.0.2.1/api/v1/services"
    error = failed(path)
    assert told(error) == (
        "error: the proxy in front of the API server at http://192.0.2.1 does not let us through: Connection refused\n"
        f"hint: see proxy-url in {path}, else HTTPS_PROXY and NO_PROXY in the environment\n"
    )
    assert isinstance(error, errors.Unreachable)
    assert not error.sent


def test_proxy_that_refuses_the_tunnel(tmp_path: Path) -> None:
    """A proxy that lets nobody through to the API server says so, before anything is sent to it."""
    with loopback(http(403, b"")) as proxy:
        path = kubeconfig(tmp_path / "config", "https://192.0.2.1", proxy_url=proxy.url)
        error = failed(path)
    assert error.message == (
        "the proxy in front of the API server at https://192.0.2.1 does not let us through: "
        "Tunnel connection failed: 403 X"
    )


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("socks5://127.0.0.1:1", 'the proxy-url of cluster "c" in PATH is a SOCKS proxy, which needs PySocks'),
        ("ftp://127.0.0.1:1", 'user "me" in PATH cannot log in: Proxy URL had unsupported scheme ftp, should use'),
    ],
)
def test_proxy_that_cannot_be_used(tmp_path: Path, proxy: str, sentence: str) -> None:
    """A proxy of a kind that lbctl can't speak to is refused before anything is sent."""
    path = kubeconfig(tmp_path / "config", "https://192.0.2.1", proxy_url=proxy)
    error = failed(path)
    assert error.message.startswith(sentence.replace("PATH", str(path)))
    assert error.hint


@pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2, which only Linux brings up by itself")
def test_name_with_a_dead_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name's addresses each gets its share of the time, so that one that drops everything is got past."""
    with loopback(empty_list(), host="127.0.0.2") as server, dead_port(int(server.url.rpartition(":")[2])) as port:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.1", "127.0.0.2")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        path = kubeconfig(tmp_path / "config", f"http://cluster.example.com:{port}")
        assert Kube(connect(str(path), request_timeout=1)).list_services().items == []
        found.pop()
        error = failed(path, timeout=0.3)
    assert told(error) == (
        f"error: the API server at http://cluster.example.com:{port} cannot be reached: no connection within 0.3 s\n"
        "hint: see whether the cluster is up, and whether a firewall or a missing VPN stands between\n"
    )
    assert isinstance(error, errors.Unreachable)
    assert not error.sent


@contextlib.contextmanager
def dead_port(port: int) -> Iterator[int]:
    """A port on 127.0.0.1 that drops every connection, for its queue is full."""
    with socket.create_server(("127.0.0.1", port), backlog=0), contextlib.ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port
