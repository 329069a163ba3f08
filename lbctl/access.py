"""From a kubeconfig to a Cluster at hand: what the command line and the Python API share.

It knows who we are in the claims (`by`) and that the API server's own address is in use; nothing here asks the cluster
anything yet but authentication.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from lbctl.addresses import Address, AddressError, parse_address
from lbctl.kube.api import Kube
from lbctl.kube.transport import connect
from lbctl.rounds import Cluster

REQUEST_TIMEOUT = 30.0  # seconds; kubectl has none, and then an API server that hangs is waited for without end
LONGEST = 63  # characters of a name in `by`: a claim stays under 1 KiB (DESIGN 5)


def reach(
    kubeconfig: str | None,
    context: str | None,
    command: str,
    *,
    pools_digest: str = "",
    request_timeout: float = REQUEST_TIMEOUT,
    as_user: str | None = None,
    log: Callable[[str], None] | None = None,
    dry_run: bool = False,
) -> Cluster:
    """The cluster that these name, or KUBECONFIG, ~/.kube/config or the pod; raises ClusterError.

    `command` and `pools_digest` go into the claims; with `dry_run` the API server keeps nothing of what is written.
    """
    transport = connect(kubeconfig, context, request_timeout=request_timeout, as_user=as_user, log=log)
    by = f"{user()}@{socket.gethostname()[:LONGEST]} {command[:LONGEST]}"
    by += f" {pools_digest}" if pools_digest else ""
    by = by.encode(errors="replace").decode()  # a name out of the environment need not be text
    return Cluster(Kube(transport, dry_run=dry_run), by, transport.namespace, own_address(transport.server))


def user() -> str:
    """Who runs this; in a container that knows no name for its user, the number."""
    try:
        return getpass.getuser()[:LONGEST]
    except (KeyError, OSError):  # KeyError until Python 3.12
        return f"uid-{os.getuid()}"


def own_address(server: str) -> Mapping[Address, str]:
    """The API server's address, if its URL bears one: in use, though no object of the API need show it."""
    try:
        return {parse_address(urlsplit(server).hostname or ""): f"the API server at {server} has it"}
    except AddressError:
        return {}  # because it is a name; what stands behind it need not be an address of the LAN
