"""`loadgate calibrate`: one build against itself, to know how far `ab` can be trusted on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgate.cli.ab_options import output_options, plan_options
from loadgate.cli.places import NOWHERE, open_store, store_option, store_place
from loadgate.errors import InvalidRun, LoadgateError

if TYPE_CHECKING:
    from loadgate.record.calibration import Calibration
    from loadgate.store.store import Store


@click.command()
@click.argument("what", required=False, metavar="[PROFILE | SCRIPT.py]")
@click.option("--base", required=True, metavar="COMMAND", help="The build: 'app --port {port}'.")
@click.option("--jobs", type=click.IntRange(1, 1000), default=20, show_default=True, help="Tests of it against itself.")
@click.option("--time", default="45s", show_default=True, metavar="TIME", help="About how long each may take.")
@plan_options
@output_options("calibration.json")
@store_option
def calibrate(base: str, jobs: int, out: Path, quiet: bool, form: str, place: str | None, **said: Any) -> int:
    """Test a build against itself, again and again: the noise of this machine, and what `ab` can find on it.

    Nothing differs, so every job that fails is a false alarm. The smallest change that is found follows from the noise, for
    tests of 1, 2, 5 and 10 minutes. It is kept in the history, and each later `ab` on this machine says so.
    """
    from loadgate.ab.asked import AbFlags
    from loadgate.ab.calibrating import NAME, Calibrating
    from loadgate.ab.plan import make_ab_plan
    from loadgate.cli.ab_view import AbView
    from loadgate.cli.output import recorded_command
    from loadgate.config.ab import given_from_flag
    from loadgate.plan import working_folder
    from loadgate.record.file import RecordFile

    if given_from_flag(base, "--base").url:
        raise LoadgateError(
            "--base is a URL, and `calibrate` starts the build again and again", "give its command: 'app --port {port}'"
        )
    folder = working_folder() / out  # a script may change it
    plan = make_ab_plan(AbFlags(base=base, head=base, **said), os.environ)
    view = AbView(sys.stderr, quiet=quiet)
    with ExitStack() as stack:
        # what is wrong with the history is said before there is load
        store = stack.enter_context(open_store(place, plan.gate)) if store_place(place, plan.gate) != NOWHERE else None
        stack.callback(view.close)
        work = Calibrating(
            plan, jobs, folder, RecordFile(folder, NAME), os.environ, recorded_command(), view.say, view.watch
        )
        found = work.run()
        lacking = [problem for problem in (work.unsaved, _kept(found, store)) if problem]
    _print(found, form, quiet=quiet)
    for problem in lacking:
        click.echo(f"error: {problem}", err=True)
    return InvalidRun.exit_code if lacking else found.exit_code


def _kept(found: Calibration, store: Store | None) -> str:
    """Put it into the history; why that could not be done, or ""."""
    if store is None:
        return ""
    try:
        store.add_calibration(found)
    except LoadgateError as error:
        return str(error)
    return ""


def _print(found: Calibration, form: str, *, quiet: bool) -> None:
    from loadgate.cli.page import page_width, print_json, print_lines
    from loadgate.record.calibration import calibration_form
    from loadgate.report.calibration import calibration_lines, calibration_verdict_lines

    if form == "json":
        print_json(calibration_form(found))
        return
    width = page_width(sys.stdout)
    print_lines(calibration_verdict_lines(found, width) if quiet else calibration_lines(found, width))
