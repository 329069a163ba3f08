"""`python -m tests.cluster.candidate`: a process that wants to lead, and writes down when it did.

Arguments: kubeconfig, Lease, identity, file, and the Timing's four numbers. Every few milliseconds in which it leads,
it appends the number of its term and the time by a clock that all processes of a machine share. SIGTERM is a clean
stop.
"""

from __future__ import annotations

import os
import sys

from lbctl.cli.signals import Signals
from lbctl.kube.api import Kube
from lbctl.kube.elector import Elector, clock
from lbctl.kube.lease import Timing
from lbctl.kube.transport import connect


def main(kubeconfig: str, name: str, identity: str, path: str, *numbers: str) -> None:
    """Run until SIGTERM."""
    lease, deadline, retry, look = numbers
    timing = Timing(int(lease), float(deadline), float(retry), float(look))
    terms = [0]

    def changed(leading: bool) -> None:
        terms[0] += leading

    kube = Kube(connect(kubeconfig, "lbctl", request_timeout=3))
    elector = Elector(kube, name, identity, on_change=changed, timing=timing)
    signals = Signals()
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    elector.start()
    while not signals.wait(0.003):
        before = clock()
        leading = elector.leading
        # Only what surely was so: between the two times the process may have been stopped.
        if leading and clock() - before < 0.002:
            os.write(out, f"{terms[0]} {before:.6f}\n".encode())
    elector.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
