"""The command line: one file a command, thin: parse, call, render.

Errors become one `error:` line and one `hint:` line on stderr and an exit code; no traceback ever reaches a user.
Imports that cost time stand inside the commands, so that `--help` and `--version` stay quick.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import typer
from typer._click.exceptions import ClickException

from lbctl.cli import (
    adopt,
    arp_announce,
    assign,
    claims,
    demo,
    explain,
    list_,
    pools,
    release,
    sandbox,
    serve,
    shells,
    status,
)
from lbctl.cli.output import Talk
from lbctl.errors import LbctlError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # why a file does not take what is written
COMPLETE = "_LBCTL_COMPLETE"  # the environment variable by which a shell's script asks for completions

app = typer.Typer(
    name="lbctl",
    help="Addresses for Services of type LoadBalancer on clusters you built yourself.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("list")(list_.list_)
app.command("assign")(assign.assign)
app.command("release")(release.release)
app.command("adopt")(adopt.adopt)
app.command("explain")(explain.explain)
app.add_typer(pools.app, name="pools")
app.add_typer(claims.app, name="claims")
app.command("serve")(serve.serve)
app.command("arp-announce")(arp_announce.arp_announce)
app.command("status")(status.status)
app.command("demo")(demo.demo)
app.command("sandbox")(sandbox.sandbox)
app.command("completion")(shells.completion)


def _version(wanted: bool) -> None:
    if wanted:
        from lbctl import __version__

        typer.echo(f"lbctl {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="print it")) -> None:
    pass


def run(words: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    if COMPLETE in os.environ:
        shells.prepare(os.environ)
    try:
        code = app(args=with_dry_run(words), prog_name=program(), complete_var=COMPLETE, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as end:
        # typer ends so, with 1, when whoever read stdout has read enough: `lbctl list | head -1`.
        return 0 if end.code == 1 else int(end.code or 0)
    except LbctlError as error:
        Talk().error(error.message, error.hint)
        return error.exit_code
    except ClickException as error:
        return _usage(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _mute()
        return 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        _mute()
        Talk().error(f"standard output cannot be written: {error.strerror}", "make room where it goes to")
        return 1
    return int(code or 0)


def _mute() -> None:
    """What is still to be flushed to stdout must not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def program() -> str:
    """What the user called: lbctl, or kubectl's plugin of that name."""
    return "kubectl lbctl" if os.path.basename(sys.argv[0]) == "kubectl-lbctl" else "lbctl"


def _usage(error: ClickException) -> int:
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return 2
    command = context.command_path if context is not None else "lbctl"
    # The words of typer's checks of a choice come with the name of the exception they were raised as.
    Talk().error(error.format_message().rstrip(".").replace(": Value error, ", ": "), f"{command} -h")
    return 2


def with_dry_run(words: Sequence[str]) -> list[str]:
    """A bare --dry-run means --dry-run=client, and never takes the next word for its value."""
    end = words.index("--") if "--" in words else len(words)
    return ["--dry-run=client" if word == "--dry-run" else word for word in words[:end]] + list(words[end:])
