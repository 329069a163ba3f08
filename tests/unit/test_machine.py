"""What is read of the machine that lbctl runs on."""

from __future__ import annotations

import sys
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from lbctl import machine
from lbctl.poollint import Machine

little = pytest.mark.skipif(sys.byteorder != "little", reason="the tables here were written by a little-endian machine")

ROUTE = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
eth1\t000064C6\tFE0200C0\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
eth2\t00000000\t020200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0
"""
NONE = "0" * 32
ROUTE6 = f"""\
20010db8000000000000000000000000 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001     eth0
{NONE} 00 {NONE} 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo
"""


class Entry(NamedTuple):
    """What psutil says of one address."""

    family: int
    address: str
    netmask: str | None


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Entry]]:
    """The machine's interfaces, for a test to fill."""
    found: dict[str, list[Entry]] = {}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    return found


def _proc(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (folder / name).write_text(text)
    return folder


@little
def test_gateways_are_those_of_default_routes_that_are_up(tmp_path: Path, interfaces: dict[str, Any]) -> None:
    """Neither routes to networks nor those without a gateway."""
    del interfaces
    assert machine.read(_proc(tmp_path, route=ROUTE, ipv6_route=ROUTE6)) == Machine(
        gateways=(ip_address("192.0.2.1"), ip_address("fe80::1"))
    )


@little
def test_ipv6_may_be_switched_off(tmp_path: Path, interfaces: dict[str, Any]) -> None:
    """Its table is missing then."""
    del interfaces
    assert machine.read(_proc(tmp_path, route=ROUTE)).gateways == (ip_address("192.0.2.1"),)


def test_addresses_come_with_their_subnets(tmp_path: Path, interfaces: dict[str, list[Entry]]) -> None:
    """Without zones, links' own addresses, and what kube-proxy parks on its interface."""
    interfaces["eth0"] = [
        Entry(psutil.AF_LINK, "02:00:00:00:00:01", None),
        Entry(2, "192.0.2.5", "255.255.255.0"),
        Entry(10 if sys.platform == "linux" else 30, "fe80::1%eth0", "ffff:ffff:ffff:ffff::"),
    ]
    interfaces["tun0"] = [Entry(2, "198.51.100.1", None)]
    interfaces["kube-ipvs0"] = [Entry(2, "192.0.2.200", "255.255.255.255")]
    assert machine.read(_proc(tmp_path, route="")).addresses == tuple(
        map(ip_interface, ("192.0.2.5/24", "fe80::1/64", "198.51.100.1/32"))
    )


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, which has no /proc, and in a sandbox that hides the interfaces."""

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(psutil, "net_if_addrs", refuse)
    assert machine.read(tmp_path) == Machine(
        unread=(
            "this machine's addresses cannot be read (Permission denied)",
            "this machine's default gateway is not known here: only Linux tells it",
        )
    )


def test_this_machine_can_be_read() -> None:
    """The real thing: loopback is everywhere."""
    assert ip_interface("127.0.0.1/8") in machine.read().addresses
