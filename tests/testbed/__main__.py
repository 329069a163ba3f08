"""python -m tests.testbed -- CMD…: run a command beside a real control plane; only CMD writes to stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.testbed.build import binary
from tests.testbed.driver import Bed


def main() -> int:
    """Build, start, run, tear down; CMD's exit status."""
    words = sys.argv[1:]
    if words == ["--build"]:
        binary()
        return 0
    if words[:1] != ["--"] or len(words) < 2:
        print("usage: python -m tests.testbed --build | -- CMD...", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Bed() as bed:
        path = f"{bed.bin}:{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        env = {**os.environ, "KUBECONFIG": str(bed.kubeconfig), "PATH": path}
        code = subprocess.run(words[1:], env=env, check=False).returncode
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
