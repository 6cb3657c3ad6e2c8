"""`loadgate check`: validate files exactly as `run` would, and send nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadgate.errors import ConfigError, Problem

if TYPE_CHECKING:
    from loadgate.config.project import Project
    from loadgate.plan import Plan


@click.command()
@click.argument("files", metavar="[FILE ...]", nargs=-1, type=Path)
def check(files: tuple[Path, ...]) -> None:
    """Validate project files and scripts exactly as run would, and say what is in them.

    Without FILE: loadgate.yml. Nothing is sent: what only the target can tell (gRPC methods by reflection, a GraphQL schema by
    introspection) is checked when a run begins, and said to be so here.
    """
    from loadgate.config.project import CONFIG_NAME
    from loadgate.plan import every_plan, project_plans, read_project

    problems: list[Problem] = []
    for path in files or [Path(CONFIG_NAME)]:
        try:
            project = None if path.suffix == ".py" else read_project(path, os.environ)
            plans = every_plan(path, os.environ) if project is None else project_plans(project, os.environ)
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
        for left in _left_to_run(plans[0]):
            click.echo(f"    not checked here: {left}, for which the target would have to be asked")
        if project is not None:
            problems += _bench(project)
    if problems:
        raise ConfigError(problems)


def _left_to_run(plan: Plan) -> Iterator[str]:
    """What is checked before load, but not without the target."""
    script, target = plan.script, plan.target
    if script.calls and script.schema is None and target.grpc is not None and target.grpc.reflection:
        yield "methods and messages of gRPC calls"
    if script.queries and target.graphql.introspect:
        yield "GraphQL queries against the schema"


def _bench(project: Project) -> list[Problem]:
    """What is wrong with the `bench` of `project`; what it measures is told, where it says so."""
    bench = project.bench
    if not (bench.sizes or bench.script or bench.commands):
        return []
    from loadgate.bench.plan import BenchFlags, bench_plan
    from loadgate.script.benchmark import load_benchmarks

    try:
        plan = bench_plan(project, BenchFlags(), os.environ)
        if plan.spec.script is not None:
            load_benchmarks(plan.spec.script)
    except ConfigError as error:
        return list(error.problems)
    click.echo(f"    bench: {'; '.join(plan.words)}")
    return []
