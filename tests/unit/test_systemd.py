"""What systemd hears, at a real socket: the protocol of sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbctl.systemd import Notifier

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: abstract sockets are Linux's")


class Listener:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """The lines of each message that has come."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(65536).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Stop."""
        self._socket.close()


@pytest.fixture(params=["path", pytest.param("abstract", marks=LINUX)])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    """A socket of either sort."""
    name = f"@lbctl-test-{secrets.token_hex(8)}" if request.param == "abstract" else str(tmp_path / "notify")
    listener = Listener(name)
    yield listener
    listener.close()


def notifier(listener: Listener, **more: str) -> Notifier:
    """One that was started by that systemd."""
    return Notifier({"NOTIFY_SOCKET": listener.address, **more})


def test_each_state_is_a_message(systemd: Listener) -> None:
    """With a status or without."""
    tells = notifier(systemd)
    tells.ready("10 Services")
    tells.status("11 Services")
    tells.stopping()
    assert systemd.heard() == [["READY=1", "STATUS=10 Services"], ["STATUS=11 Services"], ["STOPPING=1"]]


def test_a_reload_says_when_it_began(systemd: Listener) -> None:
    """By CLOCK_MONOTONIC in microseconds, which systemd needs to tell this reload from the one before."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier(systemd).reloading("reading pools.yaml")
    ((state, when, status),) = systemd.heard()
    assert (state, status) == ("RELOADING=1", "STATUS=reading pools.yaml")
    assert before <= int(when.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_is_one_line(systemd: Listener) -> None:
    """Else whoever names a Service could say READY for us; and what is no text does no harm."""
    notifier(systemd).status("a\nREADY=1\r\n  b \udcff")
    assert systemd.heard() == [["STATUS=a READY=1 b ?"]]


def test_the_watchdog_hears_of_progress_but_not_of_each_step(systemd: Listener) -> None:
    """At most four times in the time it allows."""
    now = [0.0]
    tells = Notifier({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "20000000"}, lambda: now[0])
    assert tells.watchdog == 10
    for second in range(21):
        now[0] = float(second)
        tells.alive()
    assert systemd.heard() == [["WATCHDOG=1"]] * 5


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}]
)
def test_a_watchdog_that_is_not_ours_hears_nothing(systemd: Listener, environ: dict[str, str]) -> None:
    """None is set, or it is set for the process that started us."""
    tells = notifier(systemd, **environ)
    assert tells.watchdog is None
    tells.alive()
    assert systemd.heard() == []


def test_a_watchdog_for_this_process_is_ours(systemd: Listener) -> None:
    """WATCHDOG_PID says so."""
    tells = notifier(systemd, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(os.getpid()))
    tells.alive()
    assert (tells.watchdog, systemd.heard()) == (1.5, [["WATCHDOG=1"]])


@pytest.mark.parametrize(
    "address", ["", "vsock:2:9", "relative", "/no/such/socket", "@lbctl-test-nobody", "/" + "x" * 200]
)
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    """Unset, of a kind that is not ours, or gone."""
    tells = Notifier({"NOTIFY_SOCKET": address} if address else {})
    tells.ready()
    tells.reloading()
    tells.status("x")
    tells.stopping()
    assert bool(tells) == address.startswith(("/", "@"))


def test_a_systemd_that_does_not_read_is_not_waited_for_for_ever(systemd: Listener) -> None:
    """Its queue is full: the message is lost, and the caller goes on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        address = "\0" + systemd.address[1:] if systemd.address.startswith("@") else systemd.address
        with contextlib.suppress(BlockingIOError):
            for _ in range(100_000):
                flood.sendto(b"x", address)
    notifier(systemd).ready()
    assert ["READY=1"] not in systemd.heard()
