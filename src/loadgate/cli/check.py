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
    if problems:
        raise ConfigError(problems)
