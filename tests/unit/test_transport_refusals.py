"""What a user reads when the API server can't be reached, is not trusted, or says no: sentence, hint, exit code 4."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from lbctl.errors import LbctlError
from lbctl.kube import errors
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from tests.unit.loopback import Server, http, kubeconfig, loopback, status, told

Ask = Callable[[Kube], object]


def list_services(kube: Kube) -> object:
    """A read in all namespaces."""
    return kube.list_services()


def failed(path: Path, ask: Ask = list_services, timeout: float = 1.0) -> LbctlError:
    """The error that a request ends with."""
    with pytest.raises(LbctlError) as caught:
        ask(Kube(connect(str(path), request_timeout=timeout)))
    assert "s3cr3t" not in told(caught.value)
    return caught.value


def run_cli(path: Path, *words: str) -> tuple[str, int]:
    """Run the installed lbctl: stderr and exit code; stdout holds no claims."""
    command = [str(Path(sys.executable).parent / "lbctl"), *(words or ("claims", "list")), f"--kubeconfig={path}"]
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run([*command, "--request-timeout=2"], env=env, capture_output=True, text=True, check=False)
    assert done.stdout in ("", "ADDRESS   STATE   SERVICE   POOL   SINCE   BY\n")
    return done.stderr, done.returncode


def serving(ca: trustme.CA, *names: str, client_ca: trustme.CA | None = None) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for these names."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*names).configure_cert(context)
    if client_ca:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def ca_file(tmp_path: Path, ca: trustme.CA) -> str:
    """The CA as a file."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    return str(tmp_path / "ca.crt")


def test_refused_connection(tmp_path: Path) -> None:
    """A port where nobody listens: the address, what to look at, and the certainty that nothing was sent."""
    with loopback(b"") as server:
        path = kubeconfig(tmp_path / "config", server.url)
    error = failed(path)
    expected = (
        f"error: the API server at {server.url} refuses connections\n"
        f"hint: see whether the cluster is up, and whether this is its address (the server in {path})\n"
    )
    assert told(error) == expected
    assert isinstance(error, errors.Unreachable)
    assert not error.sent
    assert run_cli(path) == (expected, 4)


def test_unknown_host_name(tmp_path: Path) -> None:
    """A name that cannot be resolved is named (RFC 6761: .invalid never can)."""
    path = kubeconfig(tmp_path / "config", "https://cluster.invalid:6443")
    error = failed(path)
    assert told(error) == (
        "error: the name of the API server at https://cluster.invalid:6443 cannot be resolved\n"
        f"hint: check the server in {path}, and whether you are on the network (VPN?) that knows the name\n"
    )
    assert isinstance(error, errors.Unreachable)
    assert not error.sent


def test_wrong_ca(tmp_path: Path) -> None:
    """A certificate that the kubeconfig's CA did not sign: the URL, and which CA it was checked against."""
    path = tmp_path / "config"
    with loopback(b"", tls=serving(trustme.CA(), "127.0.0.1")) as server:
        kubeconfig(path, server.url, certificate_authority=ca_file(tmp_path, trustme.CA()))
        error = failed(path)
        expected = (
            f"error: the certificate of the API server at {server.url} is not signed by {tmp_path}/ca.crt\n"
            "hint: another or a rebuilt cluster? Take its kubeconfig anew\n"
        )
        assert told(error) == expected
        assert isinstance(error, errors.Unreachable)
        assert not error.sent
        assert run_cli(path) == (expected, 4)
        kubeconfig(path, server.url)
        assert f"{server.url} is not signed by the CAs of this system\n" in told(failed(path))
    assert server.asked == []


def test_expired_token(tmp_path: Path) -> None:
    """A 401 says whose credentials are not accepted, and never shows them."""
    with loopback(status(401, "Unauthorized", "Unauthorized")) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        expected = (
            f'error: {server.url} does not accept the credentials of user "me" in {path}: '
            "they have expired, or it does not know them\n"
            f"hint: log in again or renew them, then try: kubectl --kubeconfig={path} auth whoami\n"
        )
        error = failed(path)
        assert told(error) == expected
        assert isinstance(error, errors.Unauthorized)
        assert run_cli(path) == (expected, 4)
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer s3cr3t-token"] * 2
        kubeconfig(path, server.url, user={})
        assert told(failed(path)) == (
            f'error: {server.url} wants to know who you are, and user "me" in {path} has no credentials\n'
            "hint: give the context a user with credentials, or log in\n"
        )


FORBIDDEN: list[tuple[Ask, str, str]] = [
    (list_services, "list services in all namespaces", "list services -A"),
    (lambda kube: kube.list_nodes(), "list nodes", "list nodes"),
    (lambda kube: kube.get_service("default", "web"), "get services in namespace default", "get services -n default"),
    (
        lambda kube: kube.patch_service_status("default", "web", {}),
        "patch services/status in namespace default",
        "patch services --subresource=status -n default",
    ),
    (
        lambda kube: kube.create_configmap("lbctl-system", {}),
        "create configmaps in namespace lbctl-system",
        "create configmaps -n lbctl-system",
    ),
    (lambda kube: kube.create_namespace("lbctl-system"), "create namespaces", "create namespaces"),
]


@pytest.mark.parametrize(("ask", "words", "can_i"), FORBIDDEN, ids=[words for _, words, _ in FORBIDDEN])
def test_forbidden_verb(tmp_path: Path, ask: Ask, words: str, can_i: str) -> None:
    """A 403 names verb, resource, namespace and user, and the hint asks kubectl the same question."""
    message = f'x is forbidden: User "jane" cannot {words.split()[0]} resource "x" in API group ""'
    with loopback(status(403, "Forbidden", message)) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path, ask)
    assert told(error) == (
        f'error: you may not {words} at {server.url} as user "jane"\n'
        "hint: examples/kubernetes/rbac.yaml holds the Role to ask for; "
        f"kubectl --kubeconfig={path} auth can-i {can_i}\n"
    )
    assert isinstance(error, errors.Forbidden)
    assert error.exit_code == 4


def test_anonymous_is_not_logged_in(tmp_path: Path) -> None:
    """Where requests without credentials are taken as anonymous, the 403 says that nobody is logged in."""
    message = 'services is forbidden: User "system:anonymous" cannot list resource "services"'
    with loopback(status(403, "Forbidden", message)) as server:
        path = kubeconfig(tmp_path / "config", server.url, user={})
        error = failed(path)
    assert told(error) == (
        f"error: you may not list services in all namespaces at {server.url}, "
        f'because you are not logged in there (user "me" in {path})\n'
        "hint: give the context a user with credentials, or log in\n"
    )


def test_forbidden_by_a_policy_keeps_its_words(tmp_path: Path) -> None:
    """A 403 that no Role would lift (quota, admission) keeps the API server's words."""
    with loopback(status(403, "Forbidden", 'configmaps "a" is forbidden: exceeded quota: q')) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path, lambda kube: kube.create_configmap("lbctl-system", {}))
    assert told(error) == (
        f"error: you may not create configmaps in namespace lbctl-system at {server.url}: "
        'configmaps "a" is forbidden: exceeded quota: q\nhint: ask who runs the cluster\n'
    )


def test_terminating_namespace(tmp_path: Path) -> None:
    """A create in a namespace that is being deleted is an error of its own: wait, do not hurry."""
    message = 'configmaps "a" is forbidden: unable to create new content in namespace lbctl-system'
    reply = status(403, "Forbidden", message, causes=[{"reason": "NamespaceTerminating"}])
    with loopback(reply) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path, lambda kube: kube.create_configmap("lbctl-system", {}))
    assert isinstance(error, errors.NamespaceTerminating)
    assert told(error) == (
        f"error: the namespace lbctl-system at {server.url} is being deleted, so nothing can be made in it\n"
        f"hint: wait until it is gone: kubectl --kubeconfig={path} wait --for=delete namespace/lbctl-system\n"
    )


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (400, "BadRequest", errors.BadRequest),
        (405, "MethodNotAllowed", errors.ApiError),
    ],
)
def test_refusals_keep_the_words_of_the_api(tmp_path: Path, code: int, reason: str, kind: type[LbctlError]) -> None:
    """What the layers above act on has a type of its own and the API server's words, on one line."""
    with loopback(status(code, reason, 'Service "web" is\n\x1b[31minvalid')) as server:
        path = kubeconfig(tmp_path / "config", server.url)
        error = failed(path, lambda kube: kube.patch_service_status("default", "web", {}))
    assert type(error) is kind
    assert error.message == (
        f'{server.url} did not patch services/status in namespace default: Service "web" is [31minvalid'
    )


def write(path: Path, text: str) -> str:
    """An executable Python program."""
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return str(path)


def with_plugin(tmp_path: Path, server: Server | None, text: str, **spec: object) -> Path:
    """A kubeconfig whose user logs in with a plugin of this text."""
    command = write(tmp_path / "login", text)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["--password=s3cr3t"]}
    url = server.url if server else "https://127.0.0.1:1"
    return kubeconfig(tmp_path / "config", url, user={"exec": {**plugin, **spec}})


def test_failing_plugin_speaks_for_itself(tmp_path: Path) -> None:
    """A plugin that fails is an error with its command and its own words; nothing goes out unauthenticated."""
    with loopback(http(200, {})) as server:
        path = with_plugin(tmp_path, server, "import sys; sys.exit('SSO session expired:\\n run sso login')")
        expected = (
            f'error: the exec plugin {tmp_path}/login of user "me" in {path} failed with exit code 1: '
            "SSO session expired: run sso login\nhint: log in as that plugin asks, then try again\n"
        )
        assert told(failed(path)) == expected
        assert run_cli(path) == (expected, 4)
    assert server.asked == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import sys; sys.exit(3)", "failed with exit code 3: it said nothing"),
        ("print('token: s3cr3t')", "printed no ExecCredential"),
        ("print('[]')", "printed no ExecCredential"),
        ('print(\'{"kind": "ExecCredential", "status": "s3cr3t"}\')', "printed no ExecCredential"),
        (
            'print(\'{"kind": "ExecCredential", "apiVersion": "v9", "status": {}}\')',
            "speaks v9, the kubeconfig client.authentication.k8s.io/v1",
        ),
        (
            'print(\'{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {}}\')',
            "gave neither token nor client certificate and key",
        ),
        ("import time; time.sleep(60)", "gave no credential within 1 s"),
    ],
)
def test_plugin_that_gives_nothing_to_log_in_with(tmp_path: Path, text: str, sentence: str) -> None:
    """Whatever a plugin does in place of giving a credential, its command is named and its output is not shown."""
    path = with_plugin(tmp_path, None, text)
    error = failed(path)
    assert error.message == f'the exec plugin {tmp_path}/login of user "me" in {path} {sentence}'
    assert error.hint
    assert error.exit_code == 4


def test_missing_plugin_shows_its_install_hint(tmp_path: Path) -> None:
    """A plugin that is not installed: the kubeconfig's installHint is the hint."""
    path = with_plugin(tmp_path, None, "", command="no-such-login", installHint="Get it from example.com.\n")
    assert told(failed(path)) == (
        f'error: the exec plugin no-such-login of user "me" in {path} cannot be started: No such file or directory\n'
        "hint: Get it from example.com.\n"
    )
