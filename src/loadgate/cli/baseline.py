"""`loadgate baseline`: named runs to compare others with."""

from __future__ import annotations

import time
from pathlib import Path

import click

from loadgate.cli.places import (
    config_option,
    existing_store,
    format_option,
    gate_spec,
    need_store,
    open_store,
    store_option,
)


@click.group()
def baseline() -> None:
    """Keep named runs to compare others with. A baseline is never changed, only removed."""


_reason = click.option("--reason", metavar="TEXT", default="", help="Why it is one; kept with it.")
_force = click.option(
    "--force", is_flag=True, help="Take a run that failed, was invalid or unsure. Needs --reason, which is kept."
)


@baseline.command()
@click.argument("name")
@click.argument("run", default="latest")
@_reason
@_force
@click.option(
    "--file", type=Path, metavar="FILE", help="Write it as one reviewable JSON file, too: for the repository."
)
@store_option
@config_option
def save(
    name: str, run: str, reason: str, force: bool, file: Path | None, place: str | None, config: Path | None
) -> None:
    """Name RUN (an id, a run's folder or file; the newest without it) as a baseline.

    A run that failed, was invalid or unsure is refused.
    """
    from loadgate.baselines import save_baseline
    from loadgate.store.baseline_file import check_place, write_baseline

    if file is not None:
        check_place(file)
    with open_store(place, gate_spec(config)) as store:
        saved = save_baseline(store, name, run, reason=reason, force=force)
        if file is not None:
            try:
                write_baseline(file, store.baseline(name))
            except BaseException:  # the disk is full: all that was asked for, or nothing, so that it can be tried again
                store.remove_baseline(name)
                raise
    forced = ", forced" if saved.forced else ""
    click.echo(f"saved  {name}: run {saved.run.id}{forced}")
    if file is not None:
        click.echo(f"wrote  {file}")


@baseline.command()
@click.argument("new")
@click.option("--from", "old", metavar="OLD", required=True, help="The baseline that it takes the place of.")
@click.option("--run", "reference", metavar="RUN", default="latest", show_default=True, help="The run to name.")
@_reason
@_force
@store_option
@config_option
def update(new: str, old: str, reference: str, reason: str, force: bool, place: str | None, config: Path | None) -> int:
    """Make NEW from a newer run, after comparing it with the baseline OLD, which stays.

    A run that is worse than OLD is refused, unless forced with a reason.
    """
    from loadgate.baselines import update_baseline
    from loadgate.cli.listing import print_comparison

    spec = gate_spec(config)
    with need_store(place, spec) as store:
        outcome = update_baseline(store, spec, new, old, reference, reason=reason, force=force)
    print_comparison(outcome.comparison, outcome.verdict, form="text", every=False)
    click.echo(f"saved  {new}: run {outcome.saved.run.id}{', forced' if outcome.saved.forced else ''}")
    return 0


@baseline.command("list")
@format_option
@store_option
@config_option
def list_(form: str, place: str | None, config: Path | None) -> None:
    """List the baselines."""
    from loadgate.cli.listing import print_baselines

    with need_store(place, gate_spec(config)) as store:
        print_baselines(store.baselines(), form=form)


@baseline.command()
@click.argument("name")
@format_option
@store_option
@config_option
def show(name: str, form: str, place: str | None, config: Path | None) -> None:
    """Show a baseline (or the file of one): where it comes from, and its figures."""
    from loadgate.baselines import find_baseline
    from loadgate.cli.listing import print_baseline

    spec = gate_spec(config)
    store = existing_store(place, spec)
    try:
        found = find_baseline(name, store)
    finally:
        if store is not None:
            store.close()
    print_baseline(found, form=form)


@baseline.command()
@click.argument("name")
@store_option
@config_option
def remove(name: str, place: str | None, config: Path | None) -> None:
    """Take a name from its run, which stays in the history."""
    with need_store(place, gate_spec(config)) as store:
        store.remove_baseline(name)
    click.echo(f"removed  {name}")


@baseline.command()
@click.argument("name", required=False)
@click.option(
    "--max-age", metavar="DAYS", type=click.IntRange(1, 36500), default=90, show_default=True, help="In days."
)
@format_option
@store_option
@config_option
def doctor(name: str | None, max_age: int, form: str, place: str | None, config: Path | None) -> int:
    """Say what is wrong with the baselines, against the newest run of the same kind.

    Looked at are age, steps that are missing on either side, another machine, a changed scenario, and a run that did not
    pass. Leaves with 1 where something is wrong.
    """
    from loadgate.baselines import examine
    from loadgate.cli.listing import print_findings

    with need_store(place, gate_spec(config)) as store:
        findings = examine(store, name, max_age=max_age * 86_400.0, now=time.time())
    print_findings(findings, form=form)
    return 1 if any(each.problems for each in findings) else 0
