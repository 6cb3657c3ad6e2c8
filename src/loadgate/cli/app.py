"""The command line's root: which commands there are, and how an error reaches the user.

Click rather than Typer: Typer 0.29 imports pydantic when it reads options, 150 ms of CPU and 12 MB that every run would pay.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import click

from loadgate._version import __version__
from loadgate.cli.ab import ab
from loadgate.cli.baseline import baseline
from loadgate.cli.bench import bench
from loadgate.cli.calibrate import calibrate
from loadgate.cli.check import check
from loadgate.cli.compare import compare
from loadgate.cli.history import history
from loadgate.cli.report import report
from loadgate.cli.run import run
from loadgate.cli.serve import serve
from loadgate.cli.signals import Interruption, heed_signals
from loadgate.cli.streams import make_lenient
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.masks import redact_text
from loadgate.record.verdict import INTERRUPTED_EXIT

_FORESEEN: Final = (LoadgateError, click.ClickException, click.exceptions.Exit, click.Abort, Interruption)


class _App(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What nobody foresaw must not look like a verdict: Python would leave with 1, which is FAIL.

        It is caught here and not in `start`, because Click takes a broken pipe and an end of file for its own affair.
        """
        try:
            return super().invoke(ctx)
        except _FORESEEN:
            raise
        except BaseException as error:
            return report_defect(error)


@click.group(
    cls=_App,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 pass, 1 fail, 2 bad usage or configuration, 3 invalid run, "
    "4 unsure or no baseline (with --strict), 130 interrupted.",
)
@click.version_option(__version__, "--version", "-V", message="loadgate %(version)s")
def app() -> None:
    """Load a service, measure it honestly, and say with an exit code whether it holds its limits."""


for command in (run, ab, calibrate, bench, serve, compare, baseline, history, check, report):
    app.add_command(command)


def start() -> int:
    """Run the command line; the exit code. Expected failures are one message on stderr, never a traceback."""
    make_lenient()
    heed_signals()
    try:
        code = app.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        advice = "" if context is None else f"\n  = see {context.command_path} --help"
        print(f"error: {redact_text(error.format_message())}{advice}", file=sys.stderr)
        return error.exit_code
    except (click.Abort, Interruption):
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED_EXIT
    except LoadgateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return code if isinstance(code, int) else 0


def report_defect(error: BaseException) -> int:
    """Say what happened and where; the exit code."""
    import traceback

    what = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error))
    said = f"this is a defect of Loadgate: {what}\n  = please report it with the lines below\n\n{trace}"
    print(f"error: {redact_text(said)}", end="", file=sys.stderr)
    return InvalidRun.exit_code
