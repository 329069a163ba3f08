"""lbctl arp-announce where it cannot be: what it says, and how it ends."""

from __future__ import annotations

from unittest import mock

from lbctl.l2.privileges import missing
from tests.stage import stage


def test_elsewhere_than_on_linux() -> None:
    """One sentence; what a drain would move can be asked anywhere."""
    with stage() as here, mock.patch("lbctl.cli.arp_announce.sys", mock.Mock(platform="darwin")):
        said = here.run("arp-announce", "192.0.2.240")
        assert (said.out, said.code) == ("", 1)
        assert said.err == (
            "error: lbctl arp-announce needs Linux\nhint: run it on a node, or on another Linux box of the LAN\n"
        )
        here.node("n1", "192.0.2.11")
        assert here.run("arp-announce", "--simulate-drain", "n1").code == 0


def test_without_the_capability() -> None:
    """The three ways to be given it, and nothing is left running."""
    with stage() as here, mock.patch("lbctl.l2.linux.Link._made", side_effect=missing()):
        said = here.run("arp-announce", "192.0.2.240")
        assert (said.out, said.code) == ("", 1)
        assert said.err.startswith("error: this process may not send and receive ARP and Neighbor Discovery")
        for way in ("setcap cap_net_raw", "AmbientCapabilities=CAP_NET_RAW", "add: [NET_RAW]"):
            assert way in said.err
