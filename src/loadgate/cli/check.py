"""`loadgate check`: validate files exactly as `run` would, and send nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from loadgate.errors import ConfigError, LoadgateError


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE ...", help="Project files and scripts; loadgate.yml if none is named.", show_default=False
        ),
    ] = None,
) -> None:
    """Validate project files and scripts exactly as run would, and say what is in them."""
    from loadgate.plan import CONFIG_NAME, every_plan

    problems: list[LoadgateError] = []
    for path in files or [Path(CONFIG_NAME)]:
        try:
            plans = every_plan(path, os.environ)
        except ConfigError as error:
            problems.append(error)
            continue
        scenarios = ", ".join(scenario.name for scenario in plans[0].script.scenarios)
        typer.echo(f"ok  {path}  scenarios: {scenarios}")
        for plan in plans:
            loads = "; ".join(load.words for load in plan.profile.loads)
            limits = len(plan.profile.thresholds)
            typer.echo(f"    {plan.profile.name}: {loads}; {limits} threshold{'' if limits == 1 else 's'}")
    if problems:
        raise ConfigError([problem for error in problems for problem in getattr(error, "problems", ())])
