"""`loadgate ab`: two builds side by side, started afresh again and again."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgate.cli.ab_options import output_options, plan_options
from loadgate.cli.places import existing_store, store_option
from loadgate.errors import LoadgateError

if TYPE_CHECKING:
    from loadgate.ab.plan import AbPlan
    from loadgate.record.ab import AbRecord
    from loadgate.record.calibration import Calibration


@click.command()
@click.argument("what", required=False, metavar="[PROFILE | SCRIPT.py]")
@click.option("--base", metavar="COMMAND|URL", help="What is compared with: 'app --port {port}', or a URL.")
@click.option("--head", metavar="COMMAND|URL", help="What may be worse.")
@click.option(
    "--base-ref", metavar="REF", help="Instead: build both from Git, the base from where REF and the head part."
)
@click.option("--head-ref", metavar="REF", help="The head's commit, with --base-ref. [default: HEAD]")
@click.option("--build", metavar="COMMAND", help="How they are built, in a worktree of each: 'make build'.")
@click.option(
    "--start", metavar="COMMAND", help="How a build is started. [default: as `start` in `target` of loadgate.yml says]"
)
@plan_options
@click.option("--time", metavar="TIME", help="About how long all pairs may take. [default: 90s]")
@click.option("--all", "every", is_flag=True, help="Show every figure, those that stayed the same too.")
@click.option("--strict", is_flag=True, help="Leave with 4 where the answer is not sure.")
@click.option(
    "--explain", is_flag=True, help="Where HEAD is worse, list the functions that take longer: by py-spy or perf."
)
@click.option("--markdown", type=Path, metavar="FILE", help="Write the result for a comment on a pull request.")
@output_options("ab.json")
@store_option
def ab(
    out: Path,
    every: bool,
    strict: bool,
    explain: bool,
    markdown: Path | None,
    quiet: bool,
    form: str,
    place: str | None,
    **said: Any,
) -> int:
    """Say whether HEAD is worse than BASE, on this one machine, and how sure that is.

    Both are started afresh for each pair, in an order drawn by lot, and loaded side by side by one schedule that takes turns
    between them. A pair of starts is one piece of evidence. What looks worse is measured again with fresh pairs before it
    fails a build. What is not given here, `gate: ab` in loadgate.yml may say.
    """
    from loadgate.ab.job import NAME, Job
    from loadgate.ab.plan import AbFlags, make_ab_plan
    from loadgate.ab.worktrees import built
    from loadgate.cli.ab_view import AbView
    from loadgate.cli.output import check_summary, recorded_command
    from loadgate.plan import working_folder
    from loadgate.record.file import RecordFile

    home = working_folder()  # a script may change it
    plan = make_ab_plan(AbFlags(**said), os.environ)
    if markdown is not None:
        check_summary(markdown, home, option="--markdown")
        if os.path.realpath(home / markdown) == os.path.realpath(home / out / NAME):
            raise LoadgateError(f"--markdown {markdown} is where the record goes", "give it another name")
    view = AbView(sys.stderr, quiet=quiet)
    try:
        file = RecordFile(home / out, NAME)
        with built(plan, out=home / out, env=os.environ, say=view.say) as ready_plan:
            job = Job(ready_plan, file, os.environ, recorded_command(), view.say, view.watch, strict, explain)
            job.calibration = _calibration(plan, place, view.say)
            record = job.run()
    finally:
        view.close()
    if markdown is not None:
        record = _written(record, home / markdown)
    _print(record, form, every=every, quiet=quiet)
    return record.exit_code


def _calibration(plan: AbPlan, place: str | None, say: Callable[[str], None]) -> Calibration | None:
    """What is known of this machine. A history that cannot be read costs a line and not the test: no verdict rests on it."""
    from loadgate.record.environment import read_environment
    from loadgate.record.figures import machine_of

    try:
        store = existing_store(place, plan.gate)
        if store is None:
            return None
        with store:
            return store.calibration(machine_of(read_environment(os.environ)), plan.definition)
    except LoadgateError as error:
        say(f"no calibration is known: {error.message}")
        return None


def _written(record: AbRecord, path: Path) -> AbRecord:
    """`record`, once it is in Markdown at `path`; where that cannot be, as one that says so."""
    from loadgate.record.file import write_atomically
    from loadgate.report.ab import ab_page
    from loadgate.report.ab_markdown import ab_markdown

    try:
        write_atomically(path, ab_markdown(record, ab_page(record)).encode("utf-8", "replace"))
    except LoadgateError as error:
        return replace(record, verdict=record.verdict.lacking(error.message))
    return record


def _print(record: AbRecord, form: str, *, every: bool, quiet: bool) -> None:
    from loadgate.cli.page import page_width, print_json, print_lines
    from loadgate.record.ab import ab_form
    from loadgate.report.ab import ab_lines, ab_page, ab_verdict_lines

    if form == "json":
        print_json(ab_form(record))
        return
    page, width = ab_page(record), page_width(sys.stdout)
    print_lines(ab_verdict_lines(page, width) if quiet else ab_lines(page, width, every=every))
