"""The API server's answers as errors, and what every message that quotes somebody else goes through.

Those under ClusterError end the run with exit code 4; the plain ApiErrors are for the layers above to act on.
"""

from __future__ import annotations

from lbctl.errors import ClusterError, LbctlError


class ApiError(LbctlError):
    """The API server answered with a Status of its own, and not with success."""


class NotFound(ApiError):
    """404 with a Status that says NotFound: the object is gone. A bare 404 proves nothing and is ServerFailed."""


class Conflict(ApiError):
    """409: somebody else was faster, or it exists. Plan again from fresh reads."""


class BadRequest(ApiError):
    """400: the API server cannot read the request, a selector say."""


class Invalid(ApiError):
    """422: the API server's validation, in its own words."""


class Gone(ApiError):
    """410: the resourceVersion of a list or watch is too old. List again."""


class NoKubeconfig(ClusterError):
    """None was named, there is none in the usual places, and this is no pod: there may be no cluster at all."""


class Unauthorized(ClusterError):
    """401: the API server does not know who we are."""


class Forbidden(ClusterError):
    """403: it knows, and forbids it."""


class NamespaceTerminating(ClusterError):
    """403 for a create in a namespace that is being deleted: wait until it is gone, not hotter."""


class ServerFailed(ClusterError):
    """429, 5xx, or an answer that no API server gives. After a write the outcome is unknown.

    `passing` is whether it may pass by itself; `retry_after` is the seconds the server asks for, if it does.
    """

    def __init__(
        self, message: str, *, hint: str = "", passing: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.passing = passing
        self.retry_after = retry_after


class Throttled(ServerFailed):
    """429: the API server turned the request away before doing anything (KEP-1040); `retry_after` says until when."""


class FutureVersion(ServerFailed):
    """504 `Too large resource version`: the API server has not come as far, because it lags or the store went back."""


class Unreachable(ClusterError):
    """No answer; `sent` says whether the request may have reached the server, so that a write may land all the same.

    `reset` is whether a connection that stood was cut: a server drops idle ones so.
    """

    def __init__(self, message: str, *, hint: str = "", sent: bool = True, reset: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent
        self.reset = reset


def quoted(text: str, limit: int = 500) -> str:
    """Somebody else's words on one line, cut at the front, without what could steer a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else "…" + line[-limit:]
