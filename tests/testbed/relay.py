"""python relay.py PORT FD...: the way from hosts of the lab to the API server on 127.0.0.1:PORT.

Each FD is a socket that listens on the same address and port in another namespace, so one kubeconfig holds everywhere.
Bytes go through as they are, and a connection ends on one side when it ends on the other.
"""

import contextlib
import socket
import sys
import threading


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until either end is gone, then end both."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def join(near: socket.socket, port: int) -> None:
    """One connection, from its first byte to its last. While the API server is away it ends at once."""
    with near:
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return
        with far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()


def listen(listener: socket.socket, port: int) -> None:
    """Take connections until killed."""
    while True:
        near, _ = listener.accept()
        threading.Thread(target=join, args=(near, port), daemon=True).start()


def main() -> None:
    """All namespaces side by side."""
    for number in sys.argv[2:]:
        listener = socket.socket(fileno=int(number))
        threading.Thread(target=listen, args=(listener, int(sys.argv[1])), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
