"""Latency by payload size, as a load: each size in a closed loop, then at each fixed rate, one after the other.

Each of them is a step of its own ("POST /echo, 1,000 B, 50/s"), so all that holds for steps holds for sizes: percentiles,
budgets, history, comparison. What is sent is known whole before there is load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from loadgate.config.load import Executor, LoadSpec
from loadgate.config.payload import SizedStep, filled, holes
from loadgate.config.profile import Profile
from loadgate.config.scenarios import ScenarioSpec
from loadgate.config.sizes import BLANK, RequestText, SizesSpec
from loadgate.config.steps import GrpcStep
from loadgate.config.target import TargetSpec
from loadgate.errors import ConfigError, Problem
from loadgate.script.calls import DeclaredCall, calls_of
from loadgate.script.compiler import compile_scenario
from loadgate.script.expression import Names
from loadgate.script.methods import methods_of_files
from loadgate.script.queries import DeclaredQuery, check_queries, queries_of
from loadgate.script.request import fixed_request
from loadgate.script.scenario import Scenario, Script
from loadgate.script.steps import PlainRequestRun
from loadgate.units import format_count

NAME: Final = "bench"
PAUSE: Final = 0.2
"""Seconds between two loads, in which what is under way may end."""
SETTLE: Final = 1.0
"""Seconds for each of what is sent, at the start of the whole, that count in nothing: the program has just been started."""
_GRACE: Final = 5.0


def size_load(
    specs: Sequence[SizesSpec], target: TargetSpec, *, vars: Mapping[str, Any], env: Mapping[str, str]
) -> tuple[Profile, Script]:
    """The load and what its users do, first a warm-up of each with its first size. Sends nothing.

    `vars` and `env` are what templates may name. Raises ConfigError for what cannot be sent to `target`.
    """
    known = Names(vars=vars, env=env)
    script = _script(specs, target, known)
    scenarios: list[Scenario] = []
    loads: list[LoadSpec] = []
    at = 0.0

    def add(spec: SizesSpec, size: int, words: str, seconds: float, rate: float = 0.0) -> None:
        scenario = _scenario(spec, size, f"{spec.title}, {words}", known)
        scenarios.append(scenario)
        loads.append(_load(spec, scenario.name, at, seconds, rate))

    for spec in specs:
        add(spec, spec.sizes[0], "warm-up", SETTLE - PAUSE / 2.0)
        at += SETTLE
    warmup = at
    for spec in specs:
        for size in spec.sizes:
            for rate in (0.0, *spec.rates):
                words = f"{rate:g}/s" if rate else "closed loop"
                add(spec, size, f"{format_count(size)} B, {words}", spec.duration, rate)
                at += spec.duration + PAUSE
    return Profile(NAME, tuple(loads), warmup=warmup), replace(script, scenarios=tuple(scenarios))


def _script(specs: Sequence[SizesSpec], target: TargetSpec, known: Names) -> Script:
    """What must be known of the queries and calls of all `specs`, without scenarios. Raises ConfigError."""
    problems: list[Problem] = []
    queries: list[DeclaredQuery] = []
    calls: list[DeclaredCall] = []
    for spec in specs:
        if isinstance(spec.request, RequestText):
            continue
        largest = max(spec.sizes)
        step = filled(spec.request, largest)
        _compiled(step, known, problems)
        queries += queries_of([step])
        alone = isinstance(step, GrpcStep) and len(step.messages) == 1
        least = largest if alone and holes(spec.request) - {"size"} else 0
        calls += (replace(call, least=least) for call in calls_of([step]))
    if queries:
        problems += check_queries(queries, target.graphql)
    schema, unfit = methods_of_files(calls, target.grpc) if calls or target.grpc is not None else (None, [])
    problems += unfit
    if problems:
        raise ConfigError(problems)
    return Script(NAME, (), queries=tuple(queries), calls=tuple(calls), schema=schema)


def _scenario(spec: SizesSpec, size: int, name: str, known: Names) -> Scenario:
    """The scenario `name`, whose step of the same name sends `size` bytes."""
    if not isinstance(spec.request, RequestText):
        return _compiled(replace(filled(spec.request, size), name=name), known, [])
    path = spec.request.path.replace(BLANK, str(size))
    body = b"x" * size if spec.request.carries else None
    headers = {"content-type": "application/octet-stream"} if spec.request.carries else {}
    plan = replace(fixed_request(spec.request.method, path, headers=headers, body=body), name=name)
    return Scenario(name, PlainRequestRun(plan, name=name, status_check="status is 2xx or 3xx"))


def _compiled(step: SizedStep, known: Names, problems: list[Problem]) -> Scenario:
    declared = ScenarioSpec(step.name, step.span, steps=(step,))
    return compile_scenario(declared, feeders={}, vars=known.vars, env=known.env, problems=problems)


def _load(spec: SizesSpec, name: str, at: float, seconds: float, rate: float) -> LoadSpec:
    """A closed loop, or starts at `rate` (1/s) above 0."""
    executor = Executor.CONSTANT_ARRIVAL_RATE if rate else Executor.CONSTANT_VUS
    load = LoadSpec(name, executor, duration=seconds, start_time=at, graceful_stop=_GRACE, exec=name)
    return replace(load, rate=rate, pre_allocated_vus=1) if rate else replace(load, vus=spec.vus)
