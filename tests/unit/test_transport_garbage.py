"""Answers that no API server gives: each a sentence that says what came and where, never NotFound."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from lbctl import __version__
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import Reply, empty_list, hang_up, http, kubeconfig, loopback, told
from tests.unit.test_transport_refusals import failed, run_cli

LOGIN_PAGE = http(302, b"", Location="https://login.example.com/?token=s3cr3t")


def half(sock: socket.socket) -> None:
    """Announce more than comes."""
    sock.sendall(empty_list()[:-5])
    sock.shutdown(socket.SHUT_RDWR)


FOREIGN = {
    "a page": (http(200, b"<html>"), "it answers with text/html (200)"),
    "a page at 404": (http(404, b"<html>"), "it answers with text/html (404)"),
    "a page at 403": (http(403, b"<html>"), "it answers with text/html (403)"),
    "JSON at 404 that is no Status": (http(404, {}), "its JSON is no object of the API (404)"),
    "empty": (http(200, b""), "its answer is empty (200)"),
    "a list": (http(200, []), "its JSON is no object of the API (200)"),
    "truncated": (http(200, b'{"a":', Content_Type="application/json"), "its JSON is cut short or broken (200)"),
    "too deep": (http(200, b"[" * 99999, Content_Type=""), "it answers with data without a type (200)"),
    "another API": (http(200, {"version": 1}), "its JSON is no object of the API (200)"),
    "list without items": (
        http(200, {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}}),
        "its JSON is no object of the API (200)",
    ),
    "login page": (LOGIN_PAGE, "it redirects to login.example.com (302)"),
    "redirect to nowhere": (http(301, b"", Location="//[x"), "it redirects to another place (301)"),
}


@pytest.mark.parametrize(("reply", "what"), FOREIGN.values(), ids=list(FOREIGN))
def test_answer_of_something_else(tmp_path: Path, reply: Reply, what: str) -> None:
    """What is no API server's answer is described by its kind and status; none of its text is shown."""
    with loopback(reply) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path)
        expected = (
            f"error: what answers at {server.url} is no Kubernetes API server: {what}\n"
            f'hint: see what stands at that address; it is the server of cluster "c" in {path}\n'
        )
        assert told(error) == expected
        assert isinstance(error, errors.ServerFailed)
        if what.startswith("it redirects"):
            assert run_cli(path) == (expected, 4)


def test_https_server_at_an_http_url(tmp_path: Path) -> None:
    """Go's web server says in plain text that it wants https: the hint says where to write it."""
    with loopback(http(400, b"Client sent an HTTP request to an HTTPS server.\n")) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path)
    assert told(error) == (
        f"error: what answers at {server.url} is no Kubernetes API server: "
        "it speaks https, and the kubeconfig says http\n"
        f"hint: write https:// as server in {path}\n"
    )


def test_no_date(tmp_path: Path) -> None:
    """Without the API server's clock nothing is done, for claims age by it."""
    for stamp in ("", "yesterday"):
        with loopback(empty_list(Date=stamp)) as server:
            error = failed(kubeconfig(tmp_path / "config", server.url))
        assert told(error) == (
            f"error: the answer of {server.url} does not say what time it is there (no Date header)\n"
            "hint: an API server always does: see what stands between, and let it keep the header\n"
        )


BROKEN: dict[str, tuple[Reply, str]] = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers at URL does not speak HTTP"),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46\r\n", "what answers at URL does not speak HTTP"),
    "nothing": (hang_up, "the connection to the API server at URL broke off before the answer was whole"),
    "half a body": (half, "the connection to the API server at URL broke off before the answer was whole"),
    "no chunks": (
        http(200, b"zz\r\n", Transfer_Encoding="chunked", Content_Length=""),
        "the connection to the API server at URL broke off before the answer was whole",
    ),
    "no gzip": (http(200, b"zz", Content_Encoding="gzip"), "the API server at URL gave an answer that is no HTTP"),
    "endless header": (
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99999 + b"\r\n\r\n",
        "the connection to the API server at URL broke off before the answer was whole",
    ),
}


@pytest.mark.parametrize(("reply", "sentence"), BROKEN.values(), ids=list(BROKEN))
def test_answer_that_is_no_http(tmp_path: Path, reply: Reply, sentence: str) -> None:
    """Bytes that are no HTTP, or break off, are told from silence."""
    with loopback(reply) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path)
        assert error.message.split(": ")[0] == sentence.replace("URL", server.url)
        assert error.hint
        assert isinstance(error, errors.Unreachable)
        assert error.sent
        stderr, code = run_cli(path)
        assert stderr.startswith(f"error: {error.message}\n")
        assert ("Traceback" in stderr, code) == (False, 4)


def test_names_and_selectors_are_encoded(tmp_path: Path) -> None:
    """A label selector and a name arrive as they were written, whatever stands in them."""
    with loopback(empty_list()) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url))))
        kube.list_configmaps("lbctl-system", "a/b=c d,e&f=ü")
        kube.get_service("default", "a/b?c")
    assert [asked.target for asked in server.asked] == [
        "/api/v1/namespaces/lbctl-system/configmaps?labelSelector=a%2Fb%3Dc+d%2Ce%26f%3D%C3%BC",
        "/api/v1/namespaces/default/services/a%2Fb%3Fc",
    ]


def test_body_is_sent_with_its_type(tmp_path: Path) -> None:
    """A patch goes out as compact JSON with its content type and field manager; a read has neither; both say who
    asks."""
    reply = http(200, {"kind": "Service", "apiVersion": "v1", "metadata": {"resourceVersion": "8"}})
    with loopback(reply) as server:
        kube = Kube(connect(str(kubeconfig(tmp_path / "config", server.url))))
        kube.patch_service_status("default", "web", {"status": {"conditions": []}})
        kube.get_service("default", "web")
    patch, get = server.asked
    assert patch.target == "/api/v1/namespaces/default/services/web/status?fieldManager=lbctl"
    assert json.loads(patch.body) == {"status": {"conditions": []}}
    assert patch.headers["content-type"] == "application/strategic-merge-patch+json"
    assert (get.headers["accept-encoding"], patch.headers["accept"]) == ("gzip", "application/json")
    assert (get.body, "content-type" in get.headers) == (b"", False)
    assert {a.headers["user-agent"] for a in server.asked} == {f"lbctl/{__version__}"}
