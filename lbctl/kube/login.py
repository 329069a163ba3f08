"""From a Place to somebody who may ask there, kept fresh: exec plugins and token files are asked again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import urllib3

from lbctl.errors import ClusterError
from lbctl.kube.config import Place
from lbctl.kube.connections import inline, open_pools
from lbctl.kube.plugin import run_plugin

FRESH = 60.0  # seconds for which a credential is taken as good: client-go reads token files again after a minute
TOKEN = re.compile(r"[\x21-\x7e]+")  # what can stand in an HTTP header (RFC 9110, 5.5), blanks excepted


@dataclass(frozen=True, slots=True)
class Login:
    """A pool, and the headers that say who we are; to be renewed at `until` (seconds since the epoch)."""

    manager: urllib3.PoolManager = field(repr=False)
    server: str
    secret: str = field(repr=False)
    until: float | None
    identity: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    # Found once a login: to find the host's pool anew for each request costs a third of what the request itself does.
    pool: urllib3.HTTPConnectionPool = field(init=False, repr=False)
    prefix: str = field(init=False, repr=False)  # what stands before a path: nothing, or the server for a proxy

    def __post_init__(self) -> None:
        url = urllib3.util.parse_url(self.server)
        pool = self.manager.connection_from_host(url.host, url.port, url.scheme)
        forwarded = isinstance(self.manager, urllib3.ProxyManager) and url.scheme == "http"
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
    """One place and the current login; used by many threads at once. `again` looks for the place anew: by now the
    kubeconfig may hold another token or certificate."""

    def __init__(
        self,
        place: Place,
        timeout: float,
        clock: Callable[[], float] = time.time,
        again: Callable[[], Place] | None = None,
    ) -> None:
        self.place = place
        self._again = again
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
            if self._login is refused:  # else another thread has renewed it meanwhile
                if self._login.until is None:
                    self._look_again()
                else:
                    self._renew(self._clock())
            same = self._login.secret and self._login.secret == refused.secret
            return None if same else self._login

    def close(self) -> None:
        """Close the idle connections."""
        self._login.manager.clear()

    def _look_again(self) -> None:
        """Log in with what the kubeconfig says now, if that is of the same place: its current context may have become
        another cluster's."""
        if self._again is None:
            return
        try:
            place = self._again()
        except ClusterError:
            return  # because it is being written, or is gone
        there, known = ((p.server, p.cluster_name, p.user_name) for p in (place, self.place))
        if there == known and _credentials(place) != self._login.secret:
            self._login = log_in(place, self._timeout, self._clock())
            self.place = place

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
            user |= {"client-certificate-data": inline(got.certificate), "client-key-data": inline(got.key)}
        # A plugin's token is good for a minute whatever its expiry says: with a clock that runs ahead the plugin would
        # run before each request. When the server knows better, its 401 says so.
        until = max(got.expires if got.expires is not None else float("inf"), now + FRESH)
    elif user.get("tokenFile"):
        secret, until = _token_file(place), now + FRESH
        user.pop("tokenFile")
        user["token"] = secret
    elif user.get("auth-provider"):
        user = {"token": _header_token(_id_token(place), place)}
    elif user.get("token"):
        user["token"] = _header_token(str(user["token"]), place)
    if until is None:
        secret = _credentials(place)
    manager, identity = open_pools(place, user)
    return Login(manager, place.server, secret, until, identity + _impersonation(place))


def _credentials(place: Place) -> str:
    """A digest of what the user's stanza says, and of the files that it names."""
    parts = [json.dumps(place.user, sort_keys=True, default=str).encode()]
    for name in ("client-certificate", "client-key"):
        with contextlib.suppress(OSError):  # because to read it for good says what is wrong with it
            parts.append(Path(str(place.user[name])).read_bytes() if place.user.get(name) else b"")
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


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
