"""Connection pools to a Place: certificates and proxy as the kubeconfig has them, and the header that says who we are.

A certificate or a token, on a direct way, is all that most kubeconfigs have: those pools are made here. Whatever else
there is (a proxy, a password) the `kubernetes` package sets up; its import takes as long as the rest of a start, so
that it is done for those alone. What it would pass over in silence is checked here first.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from lbctl.errors import ClusterError
from lbctl.kube.clocked import POOLS
from lbctl.kube.config import Place

POOL_SIZE = 20  # connections kept: the 16 writers that go side by side, a watch, a lease, and some room

ANEW = "take the cluster's kubeconfig anew"

AS = frozenset({"as", "as-uid", "as-groups", "as-user-extra"})  # a user's keys that are no credentials
PLAIN_USER = AS | {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
PLAIN_CLUSTER = {
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "tls-server-name",
    "extensions",
}
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # environment variables, in any case

Header = tuple[str, str]


def open_pools(place: Place, user: Mapping[str, Any]) -> tuple[urllib3.PoolManager, tuple[Header, ...]]:
    """The pools, nothing connected yet, and the headers of the `user` stanza (plugin and files already read).

    Raises ClusterError.
    """
    authority = _check_certificates(place, user)
    _check_proxy(place)
    plain = _only(user, PLAIN_USER) and _only(place.cluster, PLAIN_CLUSTER)
    if plain and not any(name.lower() in PROXIES and value for name, value in os.environ.items()):
        manager, headers, certificate = _plain(place, user, authority)
    else:
        manager, headers, certificate = _by_package(place, user)
    if not AS.issuperset(user) and not (headers or certificate):
        raise ClusterError(f"{place.who} has no credentials that are complete", hint=f"{place.kubectl} config view")
    if manager.pool_classes_by_scheme is urllib3.poolmanager.pool_classes_by_scheme:  # else SOCKS, which has its own
        manager.pool_classes_by_scheme = POOLS
    if place.cluster.get("insecure-skip-tls-verify"):
        # because the kubeconfig says so, and urllib3 would warn on stderr at each request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return manager, headers


def _only(stanza: Mapping[str, Any], known: Set[str]) -> bool:
    """Whether it says nothing but what is known."""
    return all(name in known for name, value in stanza.items() if value)


def _plain(
    place: Place, user: Mapping[str, Any], authority: str
) -> tuple[urllib3.PoolManager, tuple[Header, ...], bool]:
    context = create_urllib3_context()
    if place.cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif authority:
        context.load_verify_locations(cadata=authority)
    else:
        context.load_default_certs()
    certificate, key = (_pem(user, name, place.source) for name in ("client-certificate", "client-key"))
    if certificate:
        with _as_file(certificate + "\n" + key) as path:
            _load_pair(context, place, path, None)
    name = place.cluster.get("tls-server-name")
    named: dict[str, Any] = {"server_hostname": str(name)} if name else {}
    manager = urllib3.PoolManager(maxsize=POOL_SIZE, ssl_context=context, **named)
    headers = (("authorization", f"Bearer {user['token']}"),) if user.get("token") else ()
    return manager, headers, bool(certificate)


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A file of this text for OpenSSL, which takes certificate and key from nowhere else."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # which nobody else may read
        file.write(text)
        file.flush()
        yield file.name


def _by_package(place: Place, user: Mapping[str, Any]) -> tuple[urllib3.PoolManager, tuple[Header, ...], bool]:
    from kubernetes import client, config

    configuration = client.Configuration()
    configuration.connection_pool_maxsize = POOL_SIZE
    try:
        config.load_kube_config_from_dict(_alone(place, user), client_configuration=configuration)  # type: ignore[no-untyped-call] # because it has no types
        if place.cluster.get("proxy-url"):  # which the package knows from 36 on; NO_PROXY is not about it (client-go)
            configuration.proxy, configuration.no_proxy = str(place.cluster["proxy-url"]), None
        made = client.ApiClient(configuration)
    except (config.ConfigException, OSError, ValueError) as bad:
        raise ClusterError(f"{place.who} cannot log in: {bad}", hint=f"{place.kubectl} config view --minify") from bad
    if configuration.cert_file:
        _load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), place, configuration.cert_file, configuration.key_file)
    # Once a login, not once a request: the package reads the whole environment anew each time it is asked.
    auth: Mapping[str, Any] = configuration.auth_settings()
    headers = tuple((setting["key"], setting["value"]) for setting in auth.values())
    return made.rest_client.pool_manager, headers, bool(configuration.cert_file)


def _alone(place: Place, user: Mapping[str, Any]) -> dict[str, Any]:
    """A kubeconfig of this place alone, for the package to read."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": {**place.cluster, "server": place.server}}],
        "users": [{"name": "one", "user": dict(user)}],
    }


def _check_certificates(place: Place, user: Mapping[str, Any]) -> str:
    """The cluster's CA as PEM. Every certificate and key can be read, or ClusterError says which cannot: at the request
    itself OpenSSL's words would name neither file nor field."""
    authority = _pem(place.cluster, "certificate-authority", place.source)
    if authority:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as bad:
            raise ClusterError(f"{place.authority} is no certificate", hint=ANEW) from bad
    certificate, key = (_pem(user, name, place.source) for name in ("client-certificate", "client-key"))
    if bool(certificate) != bool(key):
        lacks = "client-key" if certificate else "client-certificate"
        raise ClusterError(f"{place.who} has no {lacks} to go with the other half", hint=f"add {lacks}-data")
    return authority


def _check_proxy(place: Place) -> None:
    """A SOCKS proxy needs a package that lbctl does not bring."""
    if str(place.cluster.get("proxy-url") or "").startswith("socks") and find_spec("socks") is None:
        raise ClusterError(
            f'the proxy-url of cluster "{place.cluster_name}" in {place.source} is a SOCKS proxy, which needs PySocks',
            hint="pip install PySocks beside lbctl",
        )


def _load_pair(context: ssl.SSLContext, place: Place, certificate: str, key: str | None) -> None:
    """Take client certificate and key from these files; an encrypted key is refused, for nobody may be there to ask."""
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as bad:
        sentence = f"client certificate and key of {place.who} are broken, encrypted, or do not belong together"
        raise ClusterError(sentence, hint=ANEW) from bad


def inline(text: str) -> str:
    """PEM text as it stands in a kubeconfig's `-data`."""
    return base64.b64encode(text.encode()).decode()


def _pem(stanza: Mapping[str, Any], name: str, source: str) -> str:
    """The PEM text in the stanza or in the file it names; empty when it has none."""
    data, path = stanza.get(f"{name}-data"), stanza.get(name)
    try:
        if data:
            return base64.b64decode("".join(str(data).split()), validate=True).decode()
        return Path(str(path)).read_text(encoding="utf-8") if path else ""
    except OSError as bad:
        raise ClusterError(
            f"the {name} {path} that {source} names cannot be read: {bad.strerror}", hint="correct the path"
        ) from bad
    except (binascii.Error, ValueError) as bad:
        where = f"{name}-data in {source}" if data else f"{name} {path}"
        raise ClusterError(f"the {where} is no certificate or key", hint=ANEW) from bad
