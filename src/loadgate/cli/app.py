"""The command line's root: which commands there are, and how an error reaches the user."""

from __future__ import annotations

import os
import sys

import typer

from loadgate.cli.check import check
from loadgate.cli.report import report
from loadgate.cli.run import run
from loadgate.cli.serve import serve
from loadgate.errors import LoadgateError

app = typer.Typer(
    name="loadgate",
    help="Load a service, measure it honestly, and say with an exit code whether it holds its limits.",
    epilog="Exit codes: 0 pass, 1 fail, 2 bad usage or configuration, 3 invalid run, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(serve)
app.command()(check)
app.command()(report)


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and leave."),
) -> None:
    if version:
        from loadgate._version import __version__

        typer.echo(f"loadgate {__version__}")
        raise typer.Exit


def start() -> int:
    """Run the command line; the exit code. Expected failures are one message on stderr, never a traceback."""
    try:
        code = app(standalone_mode=True)
    except LoadgateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # the reader of our output has gone (`| head`); Python would complain once more while shutting down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
