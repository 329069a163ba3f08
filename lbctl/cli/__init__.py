"""The command line: one file a command, thin: parse, call, render.

Errors become one `error:` line and one `hint:` line on stderr and an exit code; no traceback ever reaches a user.
Imports that cost time stand inside the commands, so that `--help` and `--version` stay quick.
"""

from __future__ import annotations

import sys

import typer

from lbctl.cli import assign, claims, pools, release, sandbox
from lbctl.errors import LbctlError

app = typer.Typer(
    name="lbctl",
    help="Addresses for Services of type LoadBalancer on clusters you built yourself.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("assign")(assign.assign)
app.command("release")(release.release)
app.command("sandbox")(sandbox.sandbox)
app.add_typer(pools.app, name="pools")
app.add_typer(claims.app, name="claims")


def _version(wanted: bool) -> None:
    if wanted:
        from lbctl import __version__

        typer.echo(f"lbctl {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="print it")) -> None:
    pass


def main() -> None:
    """Entry point of the `lbctl` command."""
    try:
        app()
    except LbctlError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("interrupted; what is done stays done, the next run carries on", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()  # because the interpreter would flush to the closed pipe once more and complain
        raise SystemExit(0) from None
