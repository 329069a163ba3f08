"""The floor: requests made beforehand, sent over kept-alive connections with nothing between them and http.client."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Request = tuple[str, str, bytes | None]  # method, path, body


class Bare:
    """A client of one API server, as one user."""

    def __init__(self, url: str, certificate: str, token: str) -> None:
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=certificate)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def send(self, requests: Sequence[Request], workers: int) -> float:
        """Send all of them, `workers` at once; the seconds it took. Raises RuntimeError at the first refusal."""
        failed: list[str] = []
        shares = [requests[n::workers] for n in range(workers)]
        threads = [threading.Thread(target=self._worker, args=(share, failed)) for share in shares]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        if failed:
            raise RuntimeError(failed[0])
        return took

    def _worker(self, requests: Iterable[Request], failed: list[str]) -> None:
        connection = self._connection()
        for request in requests:
            status, data = self._exchange(connection, request)
            if status >= 300:
                failed.append(f"{request[0]} {request[1]}: {status} {data.decode()}")
                return

    def get(self, path: str) -> Mapping[str, Any]:
        """One object or list."""
        status, data = self._exchange(self._connection(), ("GET", path, None))
        if status != 200:
            raise RuntimeError(f"GET {path}: {status}")
        return dict(json.loads(data))

    def _connection(self) -> http.client.HTTPSConnection:
        host, port = self._address.hostname or "", self._address.port
        return http.client.HTTPSConnection(host, port, context=self._tls, timeout=60)

    def _exchange(self, connection: http.client.HTTPSConnection, request: Request) -> tuple[int, bytes]:
        method, path, body = request
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
