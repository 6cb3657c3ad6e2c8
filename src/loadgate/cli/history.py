"""`loadgate history`: the runs that were kept, and the changes in them."""

from __future__ import annotations

import getpass
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from loadgate.cli.places import config_option, format_option, gate_spec, need_store, open_store, store_option
from loadgate.errors import LoadgateError

if TYPE_CHECKING:
    from loadgate.store.selection import Selection

F = TypeVar("F", bound=Callable[..., Any])

_MOST: Final = 1_000_000_000
"""Runs that can be asked for: databases take no number beyond 64 bits."""


@click.group()
def history() -> None:
    """Runs that were kept, and the changes in them."""


def _selecting(command: F) -> F:
    """Options that say which runs are looked at."""
    for option in (
        click.option("--limit", type=click.IntRange(1, _MOST), metavar="N", help="The newest N alone."),
        click.option("--branch", metavar="NAME", help="Runs of this branch alone."),
        click.option("--tool", metavar="NAME", help="Results of this tool alone."),
        click.option("--name", metavar="NAME", help="Runs of this profile, script or suite alone."),
    ):
        command = option(command)
    return command


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """`value`, unless it is NaN, which lies in every range as no comparison finds it outside."""
    if math.isnan(value):
        raise click.BadParameter("nan is not a number", context, parameter)
    return value


def _said(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is blank: say why, for whoever looks at the change later", context, parameter)
    return value


def _selection(name: str | None, tool: str | None, branch: str | None, limit: int | None) -> Selection:
    from loadgate.store.selection import Selection

    return Selection(name=name, tool=tool, branch=branch, limit=limit)


@history.command("list")
@_selecting
@format_option
@store_option
@config_option
def list_(
    name: str | None,
    tool: str | None,
    branch: str | None,
    limit: int | None,
    form: str,
    place: str | None,
    config: Path | None,
) -> None:
    """List the runs, newest first."""
    from loadgate.cli.listing import print_runs

    with need_store(place, gate_spec(config)) as store:
        print_runs(store.runs(_selection(name, tool, branch, limit)), store.baselines(), form=form)


@history.command()
@click.argument("run", default="latest")
@format_option
@store_option
@config_option
def show(run: str, form: str, place: str | None, config: Path | None) -> None:
    """Show a run: where it comes from, and its figures."""
    from loadgate.cli.listing import print_result

    with need_store(place, gate_spec(config)) as store:
        print_result(store.result(store.find(run)), form=form)


@history.command("import")
@click.argument("files", metavar="FILE ...", nargs=-1, required=True, type=Path)
@store_option
@config_option
def import_(files: tuple[Path, ...], place: str | None, config: Path | None) -> None:
    """Take over an export, run records, baselines, or result files of other tools.

    What a file is, is found out from its contents. What is there already is not taken twice.
    """
    from loadgate.importing import import_file

    with open_store(place, gate_spec(config)) as store:
        for path in files:
            taken = import_file(store, path)
            click.echo(f"{path}: {taken}")


@history.command()
@click.argument("file", type=Path)
@store_option
@config_option
def export(file: Path, place: str | None, config: Path | None) -> None:
    """Write all that was kept, runs and what belongs to them, to FILE (.gz or .zst: compressed), to be imported elsewhere."""
    with need_store(place, gate_spec(config)) as store:
        count = store.export(file)
    click.echo(f"wrote  {file}: {count:,} runs")


@history.command()
@click.option("--older-than", "days", metavar="DAYS", type=click.IntRange(1, 36500), help="Runs older than that go.")
@click.option("--keep", metavar="N", type=click.IntRange(0, _MOST), help="All but the newest N of each profile go.")
@store_option
@config_option
def prune(days: int | None, keep: int | None, place: str | None, config: Path | None) -> None:
    """Delete old runs, never those that are baselines."""
    if days is None and keep is None:
        raise LoadgateError("nothing says which runs are to go", "give --older-than DAYS or --keep N")
    before = None if days is None else time.time() - days * 86_400.0
    with need_store(place, gate_spec(config)) as store:
        count = store.prune(before=before, keep=keep)
    click.echo(f"deleted  {count:,} runs")


@history.command()
@_selecting
@click.option("--series", metavar="TEXT", multiple=True, help="Series with this in their name alone. Repeatable.")
@click.option(
    "--alpha",
    type=click.FloatRange(0.0, 0.5, min_open=True),
    default=0.01,
    show_default=True,
    callback=_number,
    help="Probability of a change being found where there is none.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["never", "new", "any"]),
    default="never",
    show_default=True,
    help="Leave with 1 for changes for the worse: those that are new, or any not acknowledged.",
)
@format_option
@store_option
@config_option
def changes(
    name: str | None,
    tool: str | None,
    branch: str | None,
    limit: int | None,
    series: tuple[str, ...],
    alpha: float,
    fail_on: str,
    form: str,
    place: str | None,
    config: Path | None,
) -> int:
    """Find where the level of a series changed, and with which commits.

    One wild run is no change: a level lasts at least five. Runs on another machine, or of a changed scenario, are a series
    of their own.
    """
    from loadgate.cli.listing import print_changes
    from loadgate.history import find_history_changes
    from loadgate.judge.changes import State

    with need_store(place, gate_spec(config)) as store:
        selection = _selection(name, tool, branch, limit)
        found = find_history_changes(store, selection, series=series, alpha=alpha, now=time.time())
    print_changes(found, form=form)
    failing = {"never": (), "new": (State.NEW,), "any": (State.NEW, State.CONFIRMED)}[fail_on]
    return 1 if any(change.worse and change.state in failing for change in found.changes) else 0


@history.command()
@click.argument("run")
@click.option("--reason", metavar="TEXT", required=True, callback=_said, help="Why the change is there and may stay.")
@click.option("--series", metavar="TEXT", default="", help="Of series with this in their name alone.")
@click.option(
    "--expires", "days", metavar="DAYS", type=click.IntRange(1, 36500), help="For so many days. [default: for ever]"
)
@click.option("--author", metavar="NAME", help="Who says so. [default: the user's name]")
@_selecting
@store_option
@config_option
def acknowledge(
    run: str,
    reason: str,
    series: str,
    days: int | None,
    author: str | None,
    name: str | None,
    tool: str | None,
    branch: str | None,
    limit: int | None,
    place: str | None,
    config: Path | None,
) -> None:
    """Say of the changes that begin with RUN why they are there, so that they are no longer news."""
    from loadgate.history import acknowledge as say

    now = time.time()
    with need_store(place, gate_spec(config)) as store:
        said = say(
            store,
            store.find(run),
            series=series,
            reason=reason,
            author=author or _user(),
            now=now,
            expires=None if days is None else now + days * 86_400.0,
            selection=_selection(name, tool, branch, limit),
        )
    for each in said:
        click.echo(f"acknowledged  {each.series}: {each.reason}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
