"""`loadgate check`: validate files exactly as `run` would, and send nothing."""

from __future__ import annotations

import os
from pathlib import Path

import click

from loadgate.errors import ConfigError, Problem


@click.command()
@click.argument("files", metavar="[FILE ...]", nargs=-1, type=Path)
def check(files: tuple[Path, ...]) -> None:
    """Validate project files and scripts exactly as run would, and say what is in them.

    Without FILE: loadgate.yml. Nothing is sent.
    """
    from loadgate.config.project import CONFIG_NAME
    from loadgate.plan import every_plan

    problems: list[Problem] = []
    for path in files or [Path(CONFIG_NAME)]:
        try:
            plans = every_plan(path, os.environ)
        except ConfigError as error:
            problems += error.problems
            continue
        scenarios = ", ".join(scenario.name for scenario in plans[0].script.scenarios)
        click.echo(f"ok  {path}  scenarios: {scenarios}")
        for plan in plans:
            loads = "; ".join(load.words for load in plan.profile.loads)
            limits, budgets = len(plan.profile.thresholds), len(plan.budgets.of(plan.profile.name))
            told = f"{limits} threshold{'' if limits == 1 else 's'}"
            if budgets:
                told += f", {budgets} budget{'' if budgets == 1 else 's'}"
            click.echo(f"    {plan.profile.name}: {loads}; {told}")
        if path.suffix != ".py":
            problems += _bench(path)
    if problems:
        raise ConfigError(problems)


def _bench(path: Path) -> list[Problem]:
    """What is wrong with the `bench` of the project at `path`; what it measures is told, where there is one."""
    from loadgate.bench.plan import BenchFlags, make_bench_plan
    from loadgate.config.project import load_project
    from loadgate.script.benchmark import load_benchmarks

    bench = load_project(path, os.environ).bench
    if not (bench.sizes or bench.script or bench.commands):
        return []
    try:
        plan = make_bench_plan(BenchFlags(config=path), os.environ)
        if plan.spec.script is not None:
            load_benchmarks(plan.spec.script)
    except ConfigError as error:
        return list(error.problems)
    click.echo(f"    bench: {'; '.join(plan.words)}")
    return []
