"""The command line's root: which commands there are, and how an error reaches the user.

Click rather than Typer: Typer 0.29 imports pydantic when it reads options, 150 ms of CPU and 12 MB that every run would pay.
"""

from __future__ import annotations

import os
import sys

import click

from loadgate._version import __version__
from loadgate.cli.check import check
from loadgate.cli.report import report
from loadgate.cli.run import run
from loadgate.cli.serve import serve
from loadgate.errors import LoadgateError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 pass, 1 fail, 2 bad usage or configuration, 3 invalid run, 130 interrupted.",
)
@click.version_option(__version__, "--version", "-V", message="loadgate %(version)s")
def app() -> None:
    """Load a service, measure it honestly, and say with an exit code whether it holds its limits."""


for command in (run, serve, check, report):
    app.add_command(command)


def start() -> int:
    """Run the command line; the exit code. Expected failures are one message on stderr, never a traceback."""
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        advice = "" if context is None else f"\n  = see {context.command_path} --help"
        print(f"error: {error.format_message()}{advice}", file=sys.stderr)
        return error.exit_code
    except click.Abort:
        return 130
    except LoadgateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # the reader of our output has gone (`| head`); Python would complain once more while shutting down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
