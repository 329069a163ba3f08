"""A bare client of an API server: what tests do as admin, and the floor that benchmarks measure against.

Nothing stands between it and http.client, and it shares no code with lbctl, so that neither hides the other's faults.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Request = tuple[str, str, bytes | None]  # method, path, body
Object = dict[str, Any]


class Client:
    """A client as one user; `certificate` is the file of the CA. An http URL (`kubectl proxy`) needs neither."""

    def __init__(self, url: str, certificate: str = "", token: str = "") -> None:
        self._address = urlsplit(url)
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self._headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Object]:
        """One request; the status and the object it is answered with."""
        data = None if body is None else json.dumps(body).encode()
        connection = self._connection()
        try:
            status, answer = self._exchange(connection, (method, path, data))
        finally:
            connection.close()
        return status, dict(json.loads(answer)) if answer.startswith(b"{") else {"message": answer.decode()}

    def get(self, path: str) -> Object:
        """One object or list; RuntimeError if it is refused."""
        status, item = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {item.get('message')}")
        return item

    def send(self, requests: Sequence[Request], workers: int = 8) -> float:
        """Send all of them, `workers` at once; the seconds it took. RuntimeError at the first refusal."""
        failed: list[str] = []
        shares = [requests[n::workers] for n in range(workers)]
        threads = [threading.Thread(target=self._send, args=(share, failed)) for share in shares if share]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        if failed:
            raise RuntimeError(failed[0])
        return took

    def _send(self, requests: Iterable[Request], failed: list[str]) -> None:
        connection = self._connection()
        for request in requests:
            status, data = self._exchange(connection, request)
            if status >= 300:
                failed.append(f"{request[0]} {request[1]}: {status} {data.decode()}")
                break
        connection.close()

    def session(self) -> Callable[[str, str, Mapping[str, Any] | None], int]:
        """A function that sends requests over one connection of its own and returns their status."""
        connection = self._connection()

        def send(method: str, path: str, body: Mapping[str, Any] | None) -> int:
            data = None if body is None else json.dumps(body).encode()
            return self._exchange(connection, (method, path, data))[0]

        return send

    @contextlib.contextmanager
    def sender(self) -> Iterator[Callable[[str, str, Mapping[str, Any] | None], int]]:
        """As session(), closed in the end."""
        connection = self._connection()
        with contextlib.closing(connection):
            yield lambda method, path, body: self._exchange(
                connection, (method, path, None if body is None else json.dumps(body).encode())
            )[0]

    def stream(self, path: str, version: str = "") -> Events:
        """The events of what `path` lists, from now or from a version on, one by one as they come."""
        version = version or self.get(path)["metadata"]["resourceVersion"]
        connection = self._connection()
        connection.request("GET", f"{path}?watch=true&resourceVersion={version}", headers=self._headers)
        return Events(connection, connection.getresponse())

    def watch(self, path: str) -> Watch:
        """Everything that happens to what `path` lists, from now on."""
        version = self.get(path)["metadata"]["resourceVersion"]

        def begin(resource_version: str) -> Stream:
            connection = self._connection()
            query = f"?watch=true&resourceVersion={resource_version}"
            try:
                connection.request("GET", path + query, headers=self._headers)
                return connection, connection.getresponse()
            except BaseException:
                connection.close()
                raise

        return Watch(begin, version)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=120)
        return http.client.HTTPSConnection(host, port, context=self._tls, timeout=120)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> tuple[int, bytes]:
        method, path, body = request
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()


Stream = tuple[http.client.HTTPConnection, http.client.HTTPResponse]


class Events:
    """The events of one watch, parsed, until it is stopped by another thread."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer

    def __iter__(self) -> Iterator[Object]:
        try:
            while line := self._answer.readline():
                yield json.loads(line)
        except (OSError, ValueError, http.client.HTTPException):
            return  # because stop() shuts the socket down under it
        finally:
            self._answer.close()
            self._connection.close()

    def pieces(self) -> Iterator[bytes]:
        """The bytes instead, as they come."""
        try:
            while piece := self._answer.read1(65536):
                yield piece
        except (OSError, ValueError, http.client.HTTPException):
            return  # because stop() shuts the socket down under it
        finally:
            self._answer.close()
            self._connection.close()

    def stop(self) -> None:
        """End it."""
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watch:
    """The events of one watch, in the API server's order, gathered by a thread until it is stopped.

    The API server ends the watch of whoever reads too slowly, as a loaded machine does; it is then begun again from the
    last event, so that none is missed.
    """

    def __init__(self, begin: Callable[[str], Stream], version: str) -> None:
        self._begin = begin
        self._connection, self._answer = begin(version)
        self._lines: list[bytes] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        try:
            while not self._stopped:
                while line := self._answer.readline():
                    self._lines.append(line)
                if self._stopped or not self._lines:
                    return
                version = json.loads(self._lines[-1])["object"]["metadata"]["resourceVersion"]
                self._close()
                self._connection, self._answer = self._begin(version)
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return  # because stop() shuts the socket down under it, or the API server is gone

    def _close(self) -> None:
        self._answer.close()
        self._connection.close()

    def __len__(self) -> int:
        """How many events have come."""
        return len(self._lines)

    def until(self, resource_version: str) -> list[Object]:
        """Stop once an event of this resourceVersion or a later one has come; all events up to there, parsed."""
        deadline = time.monotonic() + 60
        seen = -1
        while seen < int(resource_version):
            if time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the watch has seen {seen}, not {resource_version}")
            time.sleep(0.05)
            seen = int(json.loads(self._lines[-1])["object"]["metadata"]["resourceVersion"]) if self._lines else -1
        self.stop()
        return [json.loads(line) for line in self._lines]

    def stop(self) -> None:
        """End the watch; its connection is closed."""
        self._stopped = True
        sock = self._connection.sock
        if sock is not None:  # shut down first, because close alone waits for the thread that reads from it
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._thread.join()
        self._close()
