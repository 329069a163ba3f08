"""lbctl completion: the script that makes a shell complete commands, flags, Services and pools."""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish")]) -> None:
    """Print the script for a shell's completion.

    For bash, say: lbctl completion bash > /etc/bash_completion.d/lbctl
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # because typer only re-exports it

    from lbctl.cli import COMPLETE

    print(get_completion_script(prog_name="lbctl", complete_var=COMPLETE, shell=shell.value))


def prepare(environ: MutableMapping[str, str]) -> None:
    """Make typer ready to complete what a shell's script has put into the environment."""
    from typer.completion import completion_init  # type: ignore[attr-defined] # because typer only re-exports it

    completion_init()
    for name in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        if name in environ:
            # As with_dry_run() has it, what follows a bare --dry-run is not its value. bash makes = a word of its own.
            environ[name] = re.sub(r"(?<!\S)--dry-run(?=\s(?!=))", "--dry-run=client", environ[name])


def kubectl() -> None:
    """Entry point of `kubectl_complete-lbctl`, which kubectl asks for completions of its plugin: a line each, then a
    directive (4: no file names)."""
    from typer._click.shell_completion import get_completion_class
    from typer.main import get_command

    from lbctl.cli import COMPLETE, app, with_dry_run

    prepare({})
    *before, last = sys.argv[1:] or [""]
    shell = get_completion_class("bash")
    assert shell is not None
    for item in shell(get_command(app), {}, "lbctl", COMPLETE).get_completions(with_dry_run(before), last):
        print(f"{item.value}\t{item.help}" if item.help else item.value)
    print(":4")
