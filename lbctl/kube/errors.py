"""The API server's answers as errors."""

from __future__ import annotations

from lbctl.errors import ClusterError, LbctlError


class ApiError(LbctlError):
    """The API server answered, and not with success."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: somebody else was faster, or it exists."""


class Invalid(ApiError):
    """422."""


class Forbidden(ClusterError):
    """401 or 403."""


class ServerFailed(ClusterError):
    """429 or 5xx, or an answer nobody understands."""


class Unreachable(ClusterError):
    """No answer; `sent` says whether the request may have reached the server, so that a write may land all the same."""

    sent = True
