"""The one capability that raw frames need: what to say when it is missing, and how to give it up with all others."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from lbctl.errors import LbctlError

_VERSION_3 = 0x20080522  # linux/capability.h
_PR_SET_NO_NEW_PRIVS = 38
_CAP_NET_RAW = 13


class MissingCapability(LbctlError):
    """This process may not open raw sockets."""


def capable(status: Path = Path("/proc/self/status")) -> bool:
    """Whether this process may open raw sockets, by what the kernel says of it; a namespace may still refuse."""
    try:
        lines = status.read_text().splitlines()
        (effective,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
    except (OSError, ValueError):  # without Linux's /proc
        return False
    return bool(int(effective, 16) >> _CAP_NET_RAW & 1)


def missing() -> MissingCapability:
    """The error for a raw socket that was refused, with the three ways to be allowed one."""
    python = os.path.realpath(sys.executable)
    return MissingCapability(
        "this process may not send and receive ARP and Neighbor Discovery: it lacks CAP_NET_RAW",
        hint="run it as root, or grant that capability alone:\n"
        f"  on the command line: a copy of the interpreter in the virtual environment that has it:"
        f" cp {python} .venv/bin/python-raw && sudo setcap cap_net_raw=ep .venv/bin/python-raw,"
        " then .venv/bin/python-raw -m lbctl\n"
        "  in a systemd unit: AmbientCapabilities=CAP_NET_RAW\n"
        "  in a pod: securityContext: {capabilities: {drop: [ALL], add: [NET_RAW]}}, run as root",
    )


def drop() -> None:
    """Give up every capability of this process, and that of gaining any; open sockets stay as they are.

    Threads have capabilities of their own, so this is for before any are started. As root, files of other users can no
    longer be read. Raises OSError where the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
