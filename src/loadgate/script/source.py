"""Where a `Script` comes from: a project's scenarios, one URL, or (in `loader`) a Python file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from loadgate.config.data import DataSpec
from loadgate.config.project import Project
from loadgate.config.scenarios import PythonSource, ScenarioSpec
from loadgate.config.steps import ExchangeStep, exchanges_of
from loadgate.errors import ConfigError, LoadgateError, Problem, nearest
from loadgate.measure.metric import Metric
from loadgate.script.calls import DeclaredCall, calls_of
from loadgate.script.compiler import compile_scenario
from loadgate.script.data import Feeder, read_csv, read_json
from loadgate.script.loader import load_script
from loadgate.script.methods import methods_of_files
from loadgate.script.queries import DeclaredQuery, check_queries, queries_of
from loadgate.script.request import fixed_request
from loadgate.script.scenario import Hook, Scenario, Script
from loadgate.script.steps import PlainRequestRun


def project_script(project: Project, env: Mapping[str, str]) -> Script:
    """The scenarios of `loadgate.yml`, declarative and Python ones. Raises ConfigError with all that is wrong."""
    problems: list[Problem] = []
    feeders = {spec.name: feeder for spec in project.data if (feeder := _feeder(spec, problems)) is not None}
    files = _Files(problems)
    scenarios: list[Scenario] = []
    for spec in project.scenarios:
        if spec.python is None:
            made = compile_scenario(spec, feeders=feeders, vars=project.vars, env=env, problems=problems)
            scenarios.append(made)
        elif (found := files.scenario(spec.python)) is not None:
            scenarios.append(_renamed(found, spec))
    setup, teardown = files.hook("setup"), files.hook("teardown")
    metrics = files.metrics()
    declared = [query for spec in project.scenarios for query in queries_of(exchanges_of(spec.steps))]
    queries = (*declared, *files.queries())
    if queries or project.target.graphql.span is not None:
        problems += check_queries(queries, project.target.graphql)
    written = [call for spec in project.scenarios for call in calls_of(exchanges_of(spec.steps))]
    calls = (*written, *files.calls())
    schema, unfit = methods_of_files(calls, project.target.grpc)
    problems += unfit
    if problems:
        raise ConfigError(problems)
    name = project.path.name
    return Script(name, tuple(scenarios), setup, teardown, metrics=metrics, queries=queries, calls=calls, schema=schema)


def url_script(
    url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Script:
    """One scenario that sends one request and checks its status: what `--url` runs."""
    plan = fixed_request(method, url, headers=headers or {}, body=body)
    step = PlainRequestRun(plan, name=f"{plan.method} {url}", status_check="status is 2xx or 3xx")
    return Script("--url", (Scenario("default", step),))


def step_script(step: ExchangeStep) -> Script:
    """One scenario of one step: what `--url grpc://...` and `--url ws://...` run."""
    problems: list[Problem] = []
    scenario = compile_scenario(
        ScenarioSpec("default", step.span, steps=(step,)), feeders={}, vars={}, env={}, problems=problems
    )
    assert not problems, "what the command line says has no templates"
    return Script("--url", (scenario,), calls=tuple(calls_of([step])))


class _Files:
    """The Python files a project names; each is loaded once."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._scripts: dict[Path, Script | None] = {}

    def scenario(self, source: PythonSource) -> Scenario | None:
        if source.path not in self._scripts:
            try:
                self._scripts[source.path] = load_script(source.path)
            except ConfigError as error:
                self._problems.extend(error.problems)
                self._scripts[source.path] = None
        script = self._scripts[source.path]
        if script is None:
            return None
        functions = {getattr(scenario.iterate, "__name__", ""): scenario for scenario in script.scenarios}
        found = functions.get(source.function)
        if found is None:
            like = nearest(source.function, functions)
            note = f"scenarios in it: {', '.join(functions)}"
            at = source.span.part(
                source.span.text, max(0, source.span.length - len(source.function)), len(source.function)
            )
            message = f"{source.path.name} has no scenario `{source.function}`"
            self._problems.append(Problem(message, at, f"did you mean `{like}`?" if like else "", note))
        return found

    def hook(self, kind: str) -> Hook | None:
        """The setup or teardown of the one file that has it; one value can reach the users, not two."""
        owners = [
            script for script in self._scripts.values() if script is not None and getattr(script, kind) is not None
        ]
        if len(owners) > 1:
            names = " and ".join(script.name for script in owners)
            self._problems.append(Problem(f"{names} both have a {kind}", note=f"a run has one {kind}"))
        return getattr(owners[0], kind) if owners else None

    def queries(self) -> list[DeclaredQuery]:
        return [query for script in self._scripts.values() if script is not None for query in script.queries]

    def calls(self) -> list[DeclaredCall]:
        return [call for script in self._scripts.values() if script is not None for call in script.calls]

    def metrics(self) -> dict[str, Metric]:
        merged: dict[str, Metric] = {}
        for script in self._scripts.values():
            for name, metric in script.metrics.items() if script is not None else ():
                if merged.setdefault(name, metric) != metric:
                    self._problems.append(
                        Problem(f"metric `{name}` has another kind in {script.name if script else ''}")
                    )
        return merged


def _renamed(scenario: Scenario, spec: ScenarioSpec) -> Scenario:
    """A Python scenario under the name, weight and tags the project gives it."""
    weight = scenario.weight if spec.weight is None else spec.weight
    return replace(scenario, name=spec.name, weight=weight, tags={**scenario.tags, **spec.tags})


def _feeder(spec: DataSpec, problems: list[Problem]) -> Feeder | None:
    try:
        rows = read_json(spec.path) if spec.path.suffix.lower() == ".json" else read_csv(spec.path)
        return Feeder(rows, name=spec.path.name, order=spec.order, share=spec.share)
    except ConfigError as error:
        problems.extend(error.problems)
    except LoadgateError as error:
        problems.append(Problem(error.message, spec.span))
    return None
