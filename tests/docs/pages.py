"""Every page in docs/ that is made from the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lbctl
from lbctl import errors
from lbctl.errors import LbctlError
from lbctl.reasons import Reason
from tests.docs.commands import commands_page
from tests.docs.markdown import page, table
from tests.docs.metrics import metrics_page
from tests.docs.poolfile import pool_file_page
from tests.docs.python import python_page


def pages() -> dict[str, str]:
    """The pages by their names in docs/."""
    return {
        "commands.md": commands_page(),
        "pool-file.md": pool_file_page(),
        "reasons.md": reasons_page(),
        "exit-codes.md": exit_codes_page(),
        "metrics.md": metrics_page(),
        "python.md": python_page(),
    }


def reasons_page() -> str:
    """docs/reasons.md."""
    rows = [(f"`{reason.name}`", reason.sentence, reason.hint) for reason in Reason if reason not in reserved()]
    words = ", ".join(f"`{reason.name}`" for reason in reserved())
    kept = f"Reserved for later versions; this one never gives them: {words}." if words else ""
    return page("Reasons", REASONS, table(("reason", "what it says of a Service", "what to do"), rows), kept)


def reserved() -> list[Reason]:
    """Reasons that no rule gives yet."""
    sources = "".join(path.read_text() for path in Path(lbctl.__file__).parent.rglob("*.py"))
    return [reason for reason in Reason if f"Reason.{reason.name}" not in sources]


def exit_codes_page() -> str:
    """docs/exit-codes.md."""
    classes = dict(_classes())
    missing = {code for code in classes if code not in CODES}
    assert not missing, f"say in tests/docs/pages.py what exit code {missing} means"
    rows = [(str(code), words, f"`{classes[code]}`" if code in classes else "") for code, words in CODES.items()]
    return page("Exit codes", EXIT, table(("code", "when", "error in Python"), rows), AFTER)


def _classes() -> Iterator[tuple[int, str]]:
    """Each exit code and the class of error that ends with it."""
    for name, thing in vars(errors).items():
        if isinstance(thing, type) and issubclass(thing, LbctlError):
            yield thing.exit_code, name


REASONS = """\
Why a Service has its address, or has none. The word is the same in `lbctl list`, `lbctl explain`, JSON, and the
condition `lbctl/AddressAssigned` in the Service's status, and it is never renamed. `lbctl explain SVC` gives the
particulars of one Service. Where the hint says NAMESPACE/NAME, lbctl puts in the Service's own."""

EXIT = "Every command ends with one of these; what went wrong is said on stderr, with what to do about it."

CODES = {
    0: "Done. `list`, `explain`, `claims` and `pools show` end so whatever they find; so does a no to a question.",
    1: "It failed, or a Service that was selected is left without what it asks for; or `pools check --strict` has "
    "warnings, or `pools diff` a difference.",
    2: "The command line is wrong.",
    3: "The pool file is wrong, or there is none. Only where pools are needed, and before any cluster is asked.",
    4: "The cluster is out of reach, or forbids what lbctl needs: the message names verb, resource and namespace.",
    124: "What was waited for did not come within `--wait`: another run is at the same Service.",
    130: "Ctrl-C. What is done by then is said, and the next run does the rest.",
}

AFTER = """\
A dry run ends as the run itself would. When whoever reads the output stops reading (`lbctl list | head -1`), that is no
error."""
