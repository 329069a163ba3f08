"""The one tree of errors.

Every error a user can meet carries a sentence, a hint of what to do, and the exit code of the command line (0 to 130,
see docs/exit-codes). Errors are mapped where the outside world ends, so that no layer above sees a socket's or a
parser's own exceptions.
"""

from __future__ import annotations

from typing import ClassVar

from lbctl.reasons import Reason


class LbctlError(Exception):
    """The root: one sentence, one hint, perhaps the Reason that the sentence explains."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", reason: Reason | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = reason


def as_error(failure: Exception) -> LbctlError:
    """It, or the bug that it is, as what a user can be told: for threads that outlive whatever fails."""
    return failure if isinstance(failure, LbctlError) else LbctlError(f"a bug: {failure!r}")


class UsageError(LbctlError):
    """The command line asks for something that does not fit together."""

    exit_code: ClassVar[int] = 2


class PoolFileError(LbctlError):
    """The pool file is invalid or was not found."""

    exit_code: ClassVar[int] = 3


class ClusterError(LbctlError):
    """The cluster is out of reach or forbids what lbctl needs."""

    exit_code: ClassVar[int] = 4


class TimedOut(LbctlError):
    """What was waited for did not come in time."""

    exit_code: ClassVar[int] = 124


class Interrupted(LbctlError):
    """Somebody pressed Ctrl-C; the message says what is done by then."""

    exit_code: ClassVar[int] = 130
