"""python pod.py NODE FD: a pod's web server on a listening socket that was made in the pod's namespace.

It answers every request, whatever it asks, with one line: its node's name, and the client's address as it saw it.
A process of its own without imports, so that what a benchmark measures is the network.
"""

import contextlib
import socket
import sys
import threading


def answer(connection: socket.socket, node: str) -> None:
    """Read one request, answer it, hang up."""
    with connection, contextlib.suppress(OSError):
        connection.settimeout(30)
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = connection.recv(4096)
            if not more:
                return
            asked += more
        client = connection.getpeername()[0].removeprefix("::ffff:")
        line = f"{node} {client}\n"
        connection.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(line)}\r\nConnection: close\r\n\r\n{line}".encode()
        )


def main() -> None:
    """Serve until killed."""
    listener = socket.socket(fileno=int(sys.argv[2]))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, sys.argv[1]), daemon=True).start()


if __name__ == "__main__":
    main()
