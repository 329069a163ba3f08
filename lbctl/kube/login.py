"""From a Place to a connection pool that speaks for somebody, kept fresh: exec plugins and token files are asked again.

The `kubernetes` package makes the pool and the header (static tokens, passwords, certificates, OpenID Connect); what it
would pass over in silence is checked here first.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from lbctl.errors import ClusterError
from lbctl.kube.clocked import POOLS
from lbctl.kube.config import Place
from lbctl.kube.plugin import run_plugin

POOL_SIZE = 20  # connections kept: the 16 writers that go side by side, a watch, a lease, and some room
FRESH = 60.0  # seconds for which a credential is taken as good: client-go reads token files again after a minute
TOKEN = re.compile(r"[\x21-\x7e]+")  # what can stand in an HTTP header (RFC 9110, 5.5), blanks excepted

ANEW = "take the cluster's kubeconfig anew"


@dataclass(frozen=True, slots=True)
class Login:
    """A pool, and the headers that say who we are; to be renewed at `until` (seconds since the epoch)."""

    client: Any = field(repr=False)
    server: str
    secret: str = field(repr=False)
    until: float | None
    identity: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    # Found once a login: to find the host's pool anew for each request costs a third of what the request itself does.
    pool: urllib3.HTTPConnectionPool = field(init=False, repr=False)
    prefix: str = field(init=False, repr=False)  # what stands before a path: nothing, or the server for a proxy

    def __post_init__(self) -> None:
        manager: urllib3.PoolManager = self.client.rest_client.pool_manager
        url = urllib3.util.parse_url(self.server)
        pool = manager.connection_from_host(url.host, url.port, url.scheme)
        forwarded = isinstance(manager, urllib3.ProxyManager) and url.scheme == "http"
        object.__setattr__(self, "pool", pool)
        object.__setattr__(self, "prefix", self.server if forwarded else url.path or "")

    def signed(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers, and who we are."""
        if len({name for name, _ in self.identity}) == len(self.identity):
            return {**headers, **dict(self.identity)}
        signed = urllib3.HTTPHeaderDict(headers)  # which sends a name that stands twice (Impersonate-Group) twice
        for name, value in self.identity:
            signed.add(name, value)
        return signed


class Session:
    """One place and the current login; used by many threads at once."""

    def __init__(self, place: Place, timeout: float, clock: Callable[[], float] = time.time) -> None:
        self.place = place
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._login = log_in(place, timeout, clock())

    def login(self) -> Login:
        """The login to use now, renewed when its time is over. Raises ClusterError."""
        with self._lock:
            now = self._clock()
            if self._login.until is not None and now >= self._login.until:
                self._renew(now)
            return self._login

    def renewed(self, refused: Login) -> Login | None:
        """After a 401: another login than the one refused, or None when there is none to be had."""
        with self._lock:
            if self._login.until is None:
                return None
            if self._login is refused:  # else another thread has renewed it meanwhile
                self._renew(self._clock())
            same = self._login.secret and self._login.secret == refused.secret
            return None if same else self._login

    def close(self) -> None:
        """Close the idle connections."""
        self._login.client.close()

    def _renew(self, now: float) -> None:
        old = self._login
        if not self.place.user.get("exec") and _token_file(self.place) == old.secret:
            self._login = replace(old, until=now + FRESH)
            return
        # The old pool is not closed, for another thread may be about to use it; its connections go with its last user.
        self._login = log_in(self.place, self._timeout, now)


def log_in(place: Place, timeout: float, now: float) -> Login:
    """Ask the plugin or read the token file if there is one, and make the pool. Raises ClusterError."""
    user, until, secret = dict(place.user), None, ""
    if user.get("exec"):
        got = run_plugin(place, timeout)
        user.pop("exec")
        if got.token:
            user["token"] = _header_token(got.token, place)
        if got.certificate:
            user |= {"client-certificate-data": _b64(got.certificate), "client-key-data": _b64(got.key)}
        # A plugin's token is good for a minute whatever its expiry says: with a clock that runs ahead the plugin would
        # run before each request. When the server knows better, its 401 says so.
        until = max(got.expires if got.expires is not None else float("inf"), now + FRESH)
    elif user.get("tokenFile"):
        secret, until = _token_file(place), now + FRESH
        user["token"] = secret
    elif user.get("auth-provider"):
        user = {"token": _header_token(_id_token(place), place)}
    elif user.get("token"):
        user["token"] = _header_token(str(user["token"]), place)
    made = _client(place, user)
    # Once a login, not once a request: the package reads the whole environment anew each time it is asked.
    ours = tuple((setting["key"], setting["value"]) for setting in made.configuration.auth_settings().values())
    return Login(made, place.server, secret, until, ours + _impersonation(place))


def _id_token(place: Place) -> str:
    """The token of OpenID Connect's provider as it stands in the kubeconfig.

    It is not renewed here: a refresh token may be good once only, and kubectl keeps the next one in the kubeconfig. Two
    programs that do so log each other out. After a 401 the hint's kubectl command renews it.
    """
    provider = place.user["auth-provider"]
    name = str(provider.get("name")) if isinstance(provider, dict) else ""
    if name != "oidc":
        raise ClusterError(
            f'{place.who} logs in with the auth-provider "{name}", which kubectl has given up too (1.26)',
            hint="take a new kubeconfig from your provider: it names an exec plugin",
        )
    return str((provider.get("config") or {}).get("id-token") or "")


AS = frozenset({"as", "as-uid", "as-groups", "as-user-extra"})  # a user's keys that are no credentials


def _impersonation(place: Place) -> tuple[tuple[str, str], ...]:
    """The headers for the kubeconfig's `as`, `as-uid`, `as-groups` and `as-user-extra`: to pass over them would be to
    act with rights that the user has laid down."""
    user = place.user
    single = (("User", user.get("as")), ("Uid", user.get("as-uid")))
    groups = (("Group", group) for group in user.get("as-groups") or ())
    extra = (
        (f"Extra-{quote(str(k), safe='')}", v)
        for k, values in (user.get("as-user-extra") or {}).items()
        for v in values
    )
    headers = tuple((f"Impersonate-{name}", str(value)) for name, value in (*single, *groups, *extra) if value)
    if not all(value.isascii() and value.isprintable() for _, value in headers):
        raise ClusterError(f"{place.who} acts `as` somebody whose name no HTTP header can hold", hint="use ASCII")
    return headers


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _token_file(place: Place) -> str:
    path = Path(str(place.user["tokenFile"]))
    try:
        return _header_token(path.read_text(encoding="ascii"), place)
    except (OSError, UnicodeDecodeError) as bad:
        why = bad.strerror if isinstance(bad, OSError) else "it holds no token"
        raise ClusterError(f"the token file {path} of {place.who} cannot be read: {why}", hint="log in again") from bad


def _header_token(text: str, place: Place) -> str:
    """The token without the blanks around it; never in a message."""
    token = text.strip()
    if not TOKEN.fullmatch(token):
        raise ClusterError(f"the token of {place.who} is empty or not one word", hint="log in again")
    return token


def _client(place: Place, user: Mapping[str, Any]) -> Any:
    from kubernetes import client, config

    _check_certificates(place, user)
    _check_proxy(place)
    configuration = client.Configuration()
    configuration.connection_pool_maxsize = POOL_SIZE
    try:
        config.load_kube_config_from_dict(_alone(place, user), client_configuration=configuration)  # type: ignore[no-untyped-call] # it has no types
        if place.cluster.get("proxy-url"):  # which the package knows from 36 on; NO_PROXY is not about it (client-go)
            configuration.proxy, configuration.no_proxy = str(place.cluster["proxy-url"]), None
        made = client.ApiClient(configuration)
    except (config.ConfigException, OSError, ValueError) as bad:
        raise ClusterError(f"{place.who} cannot log in: {bad}", hint=f"{place.kubectl} config view --minify") from bad
    if not AS.issuperset(user) and not (configuration.api_key or configuration.cert_file):
        raise ClusterError(f"{place.who} has no credentials that are complete", hint=f"{place.kubectl} config view")
    if configuration.cert_file:
        _check_pair(place, configuration.cert_file, configuration.key_file)
    pool = made.rest_client.pool_manager
    if pool.pool_classes_by_scheme is urllib3.poolmanager.pool_classes_by_scheme:  # else SOCKS, which has its own
        pool.pool_classes_by_scheme = POOLS
    if not configuration.verify_ssl:
        # because the kubeconfig says so, and urllib3 would warn on stderr at each request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return made


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


def _check_certificates(place: Place, user: Mapping[str, Any]) -> None:
    """Every certificate and key can be read, or ClusterError says which cannot: at the request itself OpenSSL's words
    would name neither file nor field."""
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


def _check_proxy(place: Place) -> None:
    """A SOCKS proxy needs a package that lbctl does not bring."""
    if str(place.cluster.get("proxy-url") or "").startswith("socks") and find_spec("socks") is None:
        raise ClusterError(
            f'the proxy-url of cluster "{place.cluster_name}" in {place.source} is a SOCKS proxy, which needs PySocks',
            hint="pip install PySocks beside lbctl",
        )


def _check_pair(place: Place, certificate: str, key: str | None) -> None:
    """The client certificate and key fit together; an encrypted key is refused, for nobody may be there to ask."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as bad:
        sentence = f"client certificate and key of {place.who} are broken, encrypted, or do not belong together"
        raise ClusterError(sentence, hint=ANEW) from bad


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
