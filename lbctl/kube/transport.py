"""One request, one answer: the `kubernetes` package's configuration and pool, no retries, always a timeout."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from lbctl.errors import ClusterError
from lbctl.kube import errors

BY_STATUS = {404: errors.NotFound, 409: errors.Conflict, 422: errors.Invalid}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success; `date` is the API server's clock in seconds since the epoch."""

    body: Any
    date: float


class KubeTransport:
    """Speaks to one API server."""

    def __init__(self, configuration: Any, client: Any, timeout: float) -> None:
        self._configuration = configuration
        self._client = client
        self._timeout = urllib3.Timeout(connect=timeout, read=timeout)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send one request; raises ApiError or ClusterError."""
        headers: dict[str, str] = {"Content-Type": content_type, "Accept": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._configuration.host + path
        if params:
            url += "?" + "&".join(f"{k}={v}" for k, v in params.items())
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
                headers=headers,
                timeout=self._timeout,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as bad:
            host = self._configuration.host
            raise errors.Unreachable(
                f"the API server at {host} does not answer: {bad}", hint="kubectl version"
            ) from bad
        return _checked(answer, method, path)


def _checked(answer: Any, method: str, path: str) -> Answer:
    try:
        parsed = json.loads(answer.data)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and answer.status < 300:
        date = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
        return Answer(parsed, date)
    words = parsed.get("message", "") if isinstance(parsed, dict) else "not the answer of a Kubernetes API server"
    sentence = f"{method} {path}: {answer.status} {words}"
    if answer.status in (401, 403):
        raise errors.Forbidden(sentence, hint="kubectl auth can-i --list")
    if answer.status in BY_STATUS:
        raise BY_STATUS[answer.status](sentence)
    raise errors.ServerFailed(sentence, hint="try again")


def connect(
    kubeconfig: str | None = None, context: str | None = None, *, request_timeout: float = 30.0
) -> KubeTransport:
    """A transport to the cluster that kubeconfig and context name; raises ClusterError."""
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_kube_config(kubeconfig, context, configuration)  # type: ignore[no-untyped-call] # it has no types
    except config.ConfigException as bad:
        raise ClusterError(f"no usable kubeconfig: {bad}", hint="set KUBECONFIG or --kubeconfig") from bad
    configuration.connection_pool_maxsize = 16
    return KubeTransport(configuration, client.ApiClient(configuration), request_timeout)
