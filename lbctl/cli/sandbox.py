"""lbctl sandbox: a small API server in the foreground, to try lbctl and kubectl on without a cluster."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Optional

import typer

from lbctl.cli.output import say


def sandbox(
    port: Annotated[int, typer.Option("--port", help="the port on 127.0.0.1; 0 is a free one", min=0, max=65535)] = 0,
    kubeconfig: Annotated[
        Optional[Path],  # noqa: UP045 because typer reads it
        typer.Option(
            "--kubeconfig", metavar="FILE", help="where to write its kubeconfig; one that is there is not overwritten"
        ),
    ] = None,
) -> None:
    """Run a small Kubernetes API on loopback until Ctrl-C.

    It has one node and no pods, and nobody has to log in.
    """
    import tempfile

    from lbctl.errors import UsageError
    from lbctl.sandbox import Sandbox

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if kubeconfig and kubeconfig.exists():
        raise UsageError(f"{kubeconfig} is there already", hint="name a file that is not, or remove it")
    with ExitStack() as stack:
        try:
            running = stack.enter_context(Sandbox(port=port))
            path = kubeconfig or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lbctl-"))) / "kubeconfig"
            stack.callback(path.unlink, missing_ok=True)
            running.kubeconfig(path)
        except OSError as fault:
            raise UsageError(f"the sandbox cannot start: {fault.strerror or fault}") from fault
        say(f"the sandbox listens at {running.url}; Ctrl-C ends it and everything in it")
        say(f"export KUBECONFIG={path}")
        threading.Event().wait()  # until a signal raises in it
