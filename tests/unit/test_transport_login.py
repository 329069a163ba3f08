"""Who we are, kept fresh: plugins and token files are asked again, and nobody acts with more rights than given."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.config import find_place
from lbctl.kube.login import Session
from lbctl.kube.transport import KubeTransport, connect
from tests.unit.loopback import Asked, Judge, empty_list, http, kubeconfig, loopback, status, told
from tests.unit.test_transport_refusals import ca_file, failed, serving, with_plugin

UNKNOWN = status(401, "Unauthorized", "Unauthorized")
SERVICE = http(200, {"kind": "Service", "apiVersion": "v1", "metadata": {"resourceVersion": "8"}})

# A plugin that counts its runs in a file and gives the token run-1, run-2, …
COUNTING = """
import json, os, pathlib
runs = pathlib.Path(__file__).with_name("runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
status = {"token": "run-%d" % len(runs.read_text()), **json.loads(os.environ.get("STATUS", "{}"))}
print(json.dumps({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status}))
"""


@dataclass(slots=True)
class Now:
    """A clock to set."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def kube_at(path: Path, clock: Now | None = None) -> Kube:
    """The API over a session with this clock."""
    place = find_place(str(path), None, {}, Path("/nowhere"))
    return Kube(KubeTransport(Session(place, 5.0, clock or Now()), 5.0))


def tokens(asked: list[Asked]) -> list[str]:
    """The tokens of the requests, in their order."""
    return [a.headers.get("authorization", "none").removeprefix("Bearer ") for a in asked]


def env(**values: str) -> list[dict[str, str]]:
    """A kubeconfig's list of environment variables."""
    return [{"name": name, "value": value} for name, value in values.items()]


def test_plugin_runs_once_for_many_requests(tmp_path: Path) -> None:
    """A token without expiry is kept for the whole run."""
    with loopback(empty_list()) as server:
        clock = Now()
        kube = kube_at(with_plugin(tmp_path, server, COUNTING), clock)
        kube.list_services()
        clock.now += 1e9
        kube.list_services()
    assert tokens(server.asked) == ["run-1", "run-1"]


def test_plugin_may_leave_somebody_behind(tmp_path: Path) -> None:
    """Who holds its stderr open for long: an agent, say."""
    leaves = "import subprocess; subprocess.Popen(['sleep', '8'], stdin=-3, stdout=-3)\n"  # -3: /dev/null
    with loopback(empty_list()) as server:
        began = time.monotonic()
        kube_at(with_plugin(tmp_path, server, leaves + COUNTING)).list_services()
        assert time.monotonic() - began < 4
    assert tokens(server.asked) == ["run-1"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_token_that_was_put_into_the_kubeconfig_meanwhile_is_taken(tmp_path: Path, at_once: bool) -> None:
    """After a 401 it is read again; the same one is a failure."""

    def judge(asked: Asked) -> bytes:
        return UNKNOWN if asked.headers["authorization"] == "Bearer old" else listing

    listing = http(200, {"kind": "ServiceList", "metadata": {"resourceVersion": "7"}, "items": []})
    with loopback(Judge(judge), Judge(judge)) as server:
        path = kubeconfig(tmp_path / "config", server.url, user={"token": "old"})
        kube = Kube(connect(str(path)))
        if not at_once:
            with pytest.raises(errors.Unauthorized):
                kube.list_services()
        kubeconfig(path, server.url, user={"token": "new"})
        kube.list_services()
        kube.list_services()
    assert tokens(server.asked) == ["old"] * (1 + (not at_once)) + ["new", "new"]


def test_a_kubeconfig_that_now_means_another_cluster_is_not_followed(tmp_path: Path) -> None:
    """Somebody has changed its current context."""
    with loopback(UNKNOWN) as server, loopback(empty_list()) as other:
        path = kubeconfig(tmp_path / "config", server.url, user={"token": "old"})
        kube = Kube(connect(str(path)))
        kubeconfig(path, other.url, user={"token": "new"})
        with pytest.raises(errors.Unauthorized):
            kube.list_services()
    assert (tokens(server.asked), other.asked) == (["old"], [])


def test_a_client_certificate_that_was_renewed_is_taken(tmp_path: Path) -> None:
    """In its file, which the kubeconfig names: the next connection shows it."""
    authority = trustme.CA()
    old, new = (authority.issue_cert(f"{name}@example.com") for name in ("old", "new"))
    pem, key = tmp_path / "me.pem", tmp_path / "me.key"

    def put(cert: trustme.LeafCert) -> None:
        cert.cert_chain_pems[0].write_to_path(str(pem))
        cert.private_key_pem.write_to_path(str(key))

    put(old)
    place = find_place(
        str(
            kubeconfig(
                tmp_path / "config",
                "https://192.0.2.1:6443",
                user={"client-certificate": str(pem), "client-key": str(key)},
            )
        ),
        None,
        {},
        Path("/nowhere"),
    )
    session = Session(place, 5.0, Now(), again=lambda: place)
    first = session.login()
    assert session.renewed(first) is None
    put(new)
    second = session.renewed(first)
    assert second is not None
    assert second is session.login()
    assert second.manager is not first.manager
    assert session.renewed(first) is second


def test_plugin_runs_again_when_its_token_expires(tmp_path: Path) -> None:
    """A token is renewed at its expirationTimestamp, before the request that it would fail."""
    until = json.dumps({"expirationTimestamp": "1970-01-12T14:00:00Z"})  # 1,000,800 s
    with loopback(empty_list()) as server:
        clock = Now()
        kube = kube_at(with_plugin(tmp_path, server, COUNTING, env=env(STATUS=until)), clock)
        for now in (1_000_799, 1_000_801, 1_000_850, 1_000_870):
            clock.now = now
            kube.list_services()
    assert tokens(server.asked) == ["run-1", "run-2", "run-2", "run-3"]  # a minute each, whatever its expiry says


def test_token_that_expires_in_a_run_is_renewed_once_for_reads_and_writes(tmp_path: Path) -> None:
    """After a 401 the plugin is asked once more and the request sent again; a second 401 is the answer."""
    with loopback(UNKNOWN, empty_list(), UNKNOWN, SERVICE, UNKNOWN) as server:
        path = with_plugin(tmp_path, server, COUNTING)
        kube = kube_at(path)
        kube.list_services()
        kube.patch_service_status("default", "web", {})
        with pytest.raises(errors.Unauthorized) as caught:
            kube.list_services()
    assert tokens(server.asked) == ["run-1", "run-2", "run-2", "run-3", "run-3", "run-4"]
    assert [a.method for a in server.asked] == ["GET", "GET", "PATCH", "PATCH", "GET", "GET"]
    assert told(caught.value) == (
        f'error: {server.url} does not accept the credentials of user "me" in {path}: '
        "they have expired, or it does not know them\n"
        f"hint: log in again or renew them, then try: kubectl --kubeconfig={path} auth whoami\n"
    )


def test_eight_threads_renew_once(tmp_path: Path) -> None:
    """When a token expires under eight threads, the plugin runs once for all of them."""
    meet = threading.Barrier(8)

    def judge(asked: Asked) -> bytes:
        if asked.headers["authorization"] == "Bearer run-2":
            return empty_list()
        meet.wait(5)
        return UNKNOWN

    with loopback(Judge(judge)) as server, ThreadPoolExecutor(8) as pool:
        kube = kube_at(with_plugin(tmp_path, server, COUNTING))
        assert [listed.items for listed in pool.map(lambda _: kube.list_services(), range(8))] == [[]] * 8
    assert sorted(tokens(server.asked)) == ["run-1"] * 8 + ["run-2"] * 8


def test_plugin_is_told_what_it_asks_for(tmp_path: Path) -> None:
    """A plugin gets its arguments, its environment, and with provideClusterInfo the cluster and its extension."""
    text = "import os, sys; sys.exit(' '.join([*sys.argv[1:], os.environ['A'], os.environ['KUBERNETES_EXEC_INFO']]))"
    with loopback(b"") as server:
        path = with_plugin(tmp_path, server, text, args=["get", 1], env=env(A="b"), provideClusterInfo=True)
        document = json.loads(path.read_text())
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
        document["clusters"][0]["cluster"]["extensions"] = [extension]
        path.write_text(json.dumps(document))
        words = failed(path).message.partition("exit code 1: ")[2]
    assert words.startswith("get 1 b {")
    assert json.loads(words.removeprefix("get 1 b ")) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": server.url, "config": {"audience": "x"}}},
    }


def test_plugin_that_needs_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """interactiveMode Always without a terminal is refused before the plugin waits for somebody who is not there."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    path = with_plugin(tmp_path, None, COUNTING, interactiveMode="Always")
    assert told(failed(path)) == (
        f'error: the exec plugin {tmp_path}/login of user "me" in {path} needs a terminal\n'
        "hint: run lbctl in one, or use another user\n"
    )
    assert not (tmp_path / "runs").exists()


def test_plugin_gives_a_client_certificate(tmp_path: Path) -> None:
    """A certificate and key from a plugin are what the server sees."""
    ca = trustme.CA()
    issued = ca.issue_cert("me@example.com")
    pem = b"".join(p.bytes() for p in issued.cert_chain_pems).decode()
    given = {"token": "", "clientCertificateData": pem, "clientKeyData": issued.private_key_pem.bytes().decode()}
    with loopback(empty_list(), tls=serving(ca, "127.0.0.1", client_ca=ca)) as server:
        path = with_plugin(tmp_path, server, COUNTING, env=env(STATUS=json.dumps(given)))
        document = json.loads(path.read_text())
        document["clusters"][0]["cluster"]["certificate-authority"] = ca_file(tmp_path, ca)
        path.write_text(json.dumps(document))
        assert kube_at(path).list_services().items == []
    assert tokens(server.asked) == ["none"]


def test_token_file_is_read_again(tmp_path: Path) -> None:
    """A token file that rotates is read again after a minute, or at once after a 401; the same token stays."""
    token = tmp_path / "token"
    token.write_text("one\n")
    with loopback(empty_list(), empty_list(), empty_list(), UNKNOWN, empty_list(), UNKNOWN) as server:
        clock = Now()
        kube = kube_at(kubeconfig(tmp_path / "config", server.url, user={"tokenFile": "token"}), clock)
        kube.list_services()
        clock.now += 61
        kube.list_services()
        token.write_text("two\n")
        kube.list_services()
        token.write_text("three\n")
        kube.list_services()
        with pytest.raises(errors.Unauthorized):
            kube.list_services()
    assert tokens(server.asked) == ["one", "one", "one", "one", "three", "three"]


USERS: dict[str, tuple[Mapping[str, Any], str]] = {
    "token": ({"token": "t"}, "Bearer t"),
    "password": ({"username": "jane", "password": "p"}, "Basic " + base64.b64encode(b"jane:p").decode()),
    "OpenID Connect": ({"auth-provider": {"name": "oidc", "config": {"id-token": "i"}}}, "Bearer i"),
    "nobody": ({}, "none"),
}


@pytest.mark.parametrize(("user", "header"), USERS.values(), ids=list(USERS))
def test_ways_to_log_in(tmp_path: Path, user: Mapping[str, Any], header: str) -> None:
    """Each kind of credential in a kubeconfig arrives at the server as its header."""
    with loopback(empty_list()) as server:
        Kube(connect(str(kubeconfig(tmp_path / "config", server.url, user=user)))).list_services()
    assert server.asked[0].headers.get("authorization", "none") == header


def test_impersonation_of_the_kubeconfig_is_kept(tmp_path: Path) -> None:
    """A user who has laid down rights with `as` and `as-groups` acts without them."""
    user = {"token": "t", "as": "viewer", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"x/y": ["z"]}}
    with loopback(empty_list()) as server:
        Kube(connect(str(kubeconfig(tmp_path / "config", server.url, user=user)))).list_services()
    sent = {k.removeprefix("impersonate-"): v for k, v in server.asked[0].headers.items() if "impersonate" in k}
    assert sent == {"user": "viewer", "uid": "7", "group": "a, b", "extra-x%2fy": "z"}


def test_impersonation_needs_no_credentials_of_its_own(tmp_path: Path) -> None:
    """Behind `kubectl proxy`, which logs in for others, `as` alone is a user that is complete."""
    with loopback(empty_list()) as server:
        path = kubeconfig(tmp_path / "config", server.url, user={"as": "jane"})
        Kube(connect(str(path))).list_nodes()
    assert server.asked[0].headers["impersonate-user"] == "jane"
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"username": "jane"}, 'user "me" in PATH has no credentials that are complete'),
        (
            {"auth-provider": {"name": "gcp"}},
            'user "me" in PATH logs in with the auth-provider "gcp", which kubectl has given up too (1.26)',
        ),
        ({"auth-provider": {"name": "oidc"}}, 'the token of user "me" in PATH is empty or not one word'),
        ({"exec": {"args": []}}, 'the exec plugin of user "me" in PATH has no command'),
        ({"token": "t", "as": "Žofia"}, 'user "me" in PATH acts `as` somebody whose name no HTTP header can hold'),
        ({"exec": "login"}, 'the exec plugin of user "me" in PATH has no command'),
    ],
)
def test_half_a_login_is_none(tmp_path: Path, user: Mapping[str, Any], sentence: str) -> None:
    """Credentials that are incomplete are an error, not a request that goes out unauthenticated."""
    with loopback(b"") as server:
        path = kubeconfig(tmp_path / "config", server.url, user=user)
        error = failed(path)
    assert error.message == sentence.replace("PATH", str(path))
    assert error.hint
    assert server.asked == []


def test_namespace_of_the_context(tmp_path: Path) -> None:
    """The transport knows the namespace that bare names are of, and its server; close ends the connections."""
    with loopback(empty_list()) as server:
        transport = connect(str(kubeconfig(tmp_path / "config", server.url)))
        assert (transport.namespace, transport.server) == ("prod", server.url)
        assert repr(transport) == f'<KubeTransport {server.url}, user "me" in {tmp_path}/config>'
        transport.close()
