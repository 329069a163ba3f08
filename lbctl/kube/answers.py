"""What the API server's answer means: a JSON object, or one error with a sentence and a hint.

Only a Status object counts as the API server's word. A 404 page of something in between must not read as NotFound, for
on "it is gone" a claim is dropped (DESIGN 5, rule 3).
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import orjson

from lbctl.errors import LbctlError
from lbctl.kube import errors
from lbctl.kube.config import Place
from lbctl.kube.errors import quoted

VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
CLUSTER_WIDE = {"nodes", "namespaces"}  # of the resources that lbctl asks for, those that stand in no namespace
PASSING = {429, 500, 502, 503, 504}  # what may be otherwise in a moment
BY_STATUS: dict[int, type[errors.ApiError]] = {
    400: errors.BadRequest,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Gone,
    422: errors.Invalid,
}
LOG_IN = "give the context a user with credentials, or log in"
UNAVAILABLE = {502, 503, 504}


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks, in the words of RBAC: `services/status`, and the namespace or "" for all."""

    verb: str
    resource: str
    subresource: str
    namespace: str

    @classmethod
    def of(cls, method: str, path: str) -> Call:
        """Read a request's method and path."""
        parts = path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
        namespace = ""
        if len(rest) > 2 and rest[0] == "namespaces":
            namespace, rest = rest[1], rest[2:]
        resource, name, subresource = (*rest, "", "", "")[:3]
        verb = "list" if method == "GET" and not name else VERBS[method]
        return cls(verb, resource or path, subresource, namespace)

    def __str__(self) -> str:
        what = f"{self.verb} {self.resource}" + (f"/{self.subresource}" if self.subresource else "")
        if self.namespace:
            return f"{what} in namespace {self.namespace}"
        return what if self.resource in CLUSTER_WIDE else f"{what} in all namespaces"

    @property
    def can_i(self) -> str:
        """The arguments of `kubectl auth can-i` that ask the same."""
        sub = f" --subresource={self.subresource}" if self.subresource else ""
        scope = f" -n {self.namespace}" if self.namespace else "" if self.resource in CLUSTER_WIDE else " -A"
        return f"{self.verb} {self.resource}{sub}{scope}"


@dataclass(frozen=True, slots=True)
class Heard:
    """An HTTP answer as it came: status, headers (names as in `urllib3.HTTPHeaderDict`: any case), body."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def understood(heard: Heard, call: Call, place: Place) -> tuple[dict[str, Any], float]:
    """The object of an answer of success and the API server's clock, in seconds since the epoch.

    Raises ApiError or ClusterError.
    """
    body = _object(heard.data)
    if not 200 <= heard.status < 300:
        raise _refused(heard, body, call, place)
    if body is None or not _fits(body, call):
        raise _foreign(heard, place)
    date = _seconds(heard.headers.get("Date"))
    if date is None:
        # Claims age by this clock and no other (DESIGN 5); with the local one a laptop that is a day ahead would let
        # every released claim expire. The first request of a run is a read, so nothing has been written yet.
        raise errors.ServerFailed(
            f"the answer of {place.server} does not say what time it is there (no Date header)",
            hint="an API server always does: see what stands between, and let it keep the header",
        )
    return body, date


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(data)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _fits(body: Mapping[str, Any], call: Call) -> bool:
    """Whether it is an object of the API, and a list where a list was asked for."""
    if call.resource.startswith("/"):
        return True  # because paths such as /version answer with something of their own
    meta = body.get("metadata")
    if not isinstance(meta, dict) or not isinstance(body.get("kind"), str):
        return False
    return call.verb != "list" or (isinstance(body.get("items"), list) and isinstance(meta.get("resourceVersion"), str))


@lru_cache(maxsize=8)  # because the answers of a second bear one date, and to read it takes 20 us
def _seconds(stamp: str | None) -> float | None:
    """An HTTP date (RFC 9110, 5.6.7) as seconds since the epoch."""
    try:
        when: datetime = email.utils.parsedate_to_datetime(stamp or "")
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _refused(heard: Heard, body: dict[str, Any] | None, call: Call, place: Place) -> LbctlError:
    if heard.status == 401:
        return _unauthorized(place)
    if heard.status == 429 or heard.status >= 500:
        return _failed(heard, body, call, place)
    if body is None or body.get("kind") != "Status":
        return _foreign(heard, place)
    words = quoted(str(body.get("message") or body.get("reason") or "no reason given"))
    if heard.status == 403:
        return _forbidden(body, words, call, place)
    sentence = f"{place.server} did not {call}: {words}"
    return BY_STATUS.get(heard.status, errors.ApiError)(sentence)


def _unauthorized(place: Place) -> LbctlError:
    if not place.user:
        return errors.Unauthorized(
            f"{place.server} wants to know who you are, and {place.who} has no credentials", hint=LOG_IN
        )
    return errors.Unauthorized(
        f"{place.server} does not accept the credentials of {place.who}: they have expired, or it does not know them",
        hint=f"log in again or renew them, then try: {place.kubectl} auth whoami",
    )


def _forbidden(body: Mapping[str, Any], words: str, call: Call, place: Place) -> LbctlError:
    if "NamespaceTerminating" in causes_of(body):
        return errors.NamespaceTerminating(
            f"the namespace {call.namespace} at {place.server} is being deleted, so nothing can be made in it",
            hint=f"wait until it is gone: {place.kubectl} wait --for=delete namespace/{call.namespace}",
        )
    if " cannot " not in words:  # because it is not RBAC that forbids it, but admission, a quota or a policy
        return errors.Forbidden(f"you may not {call} at {place.server}: {words}", hint="ask who runs the cluster")
    if 'User "system:anonymous"' in words:
        return errors.Forbidden(
            f"you may not {call} at {place.server}, because you are not logged in there ({place.who})",
            hint=LOG_IN,
        )
    user = words.partition('User "')[2].partition('"')[0]
    return errors.Forbidden(
        f"you may not {call} at {place.server}" + (f' as user "{user}"' if user else ""),
        hint=f"examples/kubernetes/rbac.yaml holds the Role to ask for; {place.kubectl} auth can-i {call.can_i}",
    )


def causes_of(status: Mapping[str, Any] | None) -> list[str]:
    """The reasons of the causes in a Status's details."""
    details = (status or {}).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [str(cause.get("reason")) for cause in causes or () if isinstance(cause, dict)]


def _failed(heard: Heard, body: dict[str, Any] | None, call: Call, place: Place) -> LbctlError:
    wait = _retry_after(heard)
    again = "try again in a moment" if wait is None else f"try again in {wait:g} s"
    if heard.status == 429:
        return errors.Throttled(
            f"{place.server} is too busy to {call} (429)", hint=again, passing=True, retry_after=wait
        )
    words = quoted(str(body.get("message") or "")) if body and body.get("kind") == "Status" else ""
    means = " is not available" if heard.status in UNAVAILABLE else f" failed to {call}"
    future = heard.status == 504 and "ResourceVersionTooLarge" in causes_of(body)
    return (errors.FutureVersion if future else errors.ServerFailed)(
        f"{place.server}{means} ({heard.status}{': ' + words if words else ''})",
        hint=again,
        passing=heard.status in PASSING,
        retry_after=wait,
    )


def _retry_after(heard: Heard) -> float | None:
    """Seconds to wait, from a number or a date by the server's clock (RFC 9110, 10.2.3)."""
    text = (heard.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until, now = _seconds(text), _seconds(heard.headers.get("Date"))
    return None if until is None or now is None else max(0.0, until - now)


def _foreign(heard: Heard, place: Place) -> LbctlError:
    """Something answered that is no API server: a proxy's login page, another service on the port, half an answer."""
    what = _described(heard)
    hint = f'see what stands at that address; it is the server of cluster "{place.cluster_name}" in {place.source}'
    if heard.status == 400 and b"HTTP request to an HTTPS server" in heard.data:
        what, hint = "it speaks https, and the kubeconfig says http", f"write https:// as server in {place.source}"
    return errors.ServerFailed(f"what answers at {place.server} is no Kubernetes API server: {what}", hint=hint)


def _described(heard: Heard) -> str:
    if 300 <= heard.status < 400:
        return f"it redirects to {_host(heard.headers.get('Location'))} ({heard.status})"
    if not heard.data:
        return f"its answer is empty ({heard.status})"
    kind = quoted(heard.headers.get("Content-Type") or "data without a type", 80)
    if "json" not in kind:
        return f"it answers with {kind} ({heard.status})"
    try:
        orjson.loads(heard.data)
    except ValueError:
        return f"its JSON is cut short or broken ({heard.status})"
    return f"its JSON is no object of the API ({heard.status})"


def _host(location: str | None) -> str:
    """The host alone: the rest of a login page's URL may hold secrets."""
    try:
        return quoted(urlsplit(location or "").hostname or "another place", 80)
    except ValueError:
        return "another place"
