"""`python -m lbctl`, and the entry point of the `lbctl` command."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys


def main() -> None:
    """Run the command line and end with its exit code."""
    # What a command makes it needs to its end: looking for garbage takes 40 ms of a start and 7 % of a bulk assign, and
    # finds none. Set before the imports, for they are the start.
    gc.set_threshold(100_000)
    _open_all()
    # No plugin has a say in how a pool file is read, and to look for one takes 17 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    try:
        from lbctl.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130  # pressed before there was anything to say
    _end(code)


def _open_all() -> None:
    """A standard stream that the caller has closed (`>&-`) is there all the same, and goes nowhere."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 because it stays open to the end
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 because it stays open, too
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 because it stays open, too


def _end(code: int) -> None:
    """End at once, for to take the interpreter down module by module takes a third of a short command's time."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # because nobody may read it any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
