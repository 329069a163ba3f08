"""python delay_line.py SECONDS FD FD: carries Ethernet frames between two packet sockets, each way SECONDS late.

The sockets speak virtio headers (PACKET_VNET_HDR), so that what kernels leave to the hardware, checksums and the
cutting of large segments, goes through as it is. A process of its own, so that the test's work makes no frame later.
"""

import collections
import contextlib
import select
import socket
import sys
import time


def main() -> None:
    """Carry frames until killed."""
    delay = float(sys.argv[1])
    one, other = (socket.socket(fileno=int(number)) for number in sys.argv[2:4])
    across = {one: other, other: one}
    waiting: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
    while True:
        rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for sock in select.select([one, other], [], [], rest)[0]:
            with contextlib.suppress(OSError):  # as when the link goes down
                waiting.append((time.monotonic() + delay, across[sock], sock.recv(70_000)))
        while waiting and waiting[0][0] <= time.monotonic():
            _, sock, frame = waiting.popleft()
            with contextlib.suppress(OSError):  # while that link is down, the frame is lost
                sock.send(frame)


if __name__ == "__main__":
    main()
