"""From the steps of `loadgate.yml` to a scenario that can run. Everything wrong with their templates is found here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from loadgate.config.scenarios import ScenarioSpec
from loadgate.config.steps import (
    ExchangeStep,
    GraphqlStep,
    GroupStep,
    GrpcStep,
    MessageStep,
    RequestStep,
    SessionStep,
    ThinkStep,
    exchanges_of,
)
from loadgate.config.steps import Step as StepSpec
from loadgate.errors import Problem
from loadgate.script.data import Feeder
from loadgate.script.exchange import ExchangeRules, Step
from loadgate.script.expression import Names
from loadgate.script.ledger import GROUP_SEPARATOR
from loadgate.script.reply import compile_captures, compile_expectations, status_text
from loadgate.script.request import compile_request
from loadgate.script.scenario import Scenario
from loadgate.script.steps import GroupRun, PlainRequestRun, RequestRun, StepScenario, ThinkRun
from loadgate.script.template import TemplateCompiler


def compile_scenario(
    spec: ScenarioSpec,
    *,
    feeders: Mapping[str, Feeder],
    vars: Mapping[str, Any],
    env: Mapping[str, str],
    problems: list[Problem],
) -> Scenario:
    """The scenario of declarative `spec`; what is wrong with it goes into `problems`."""
    compiler = _StepCompiler(spec, feeders, vars, env, problems)
    iterate = StepScenario(compiler.steps(spec.steps), feeders)
    return Scenario(spec.name, iterate, spec.weight or 1, spec.tags)


def _compile_http(spec: RequestStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]) -> Step:
    plan = compile_request(spec, compiler, problems)
    statuses = spec.expect.status
    status_check = None if statuses is None else f"{spec.name}: status is {status_text(statuses)}"
    if plan.fixed and status_check is not None and rules.plain:
        return PlainRequestRun(plan, name=spec.name, status_check=status_check)
    return RequestRun(plan, rules, status_check=status_check)


def _compile_graphql(
    spec: GraphqlStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]
) -> Step:
    from loadgate.script.graphql import compile_graphql  # most runs have none: they need not import its client

    return compile_graphql(spec, rules, compiler, problems)


def _compile_grpc(spec: GrpcStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]) -> Step:
    from loadgate.script.grpc import compile_grpc  # as above

    return compile_grpc(spec, rules, compiler, problems)


def _compile_message(
    spec: MessageStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]
) -> Step:
    from loadgate.script.websocket import compile_message  # as above

    return compile_message(spec, rules, compiler, problems)


COMPILERS: Final[Mapping[type[ExchangeStep], Callable[[Any, ExchangeRules, TemplateCompiler, list[Problem]], Step]]] = {
    RequestStep: _compile_http,
    GraphqlStep: _compile_graphql,
    GrpcStep: _compile_grpc,
    MessageStep: _compile_message,
}
"""By the spec of a kind of exchange: what makes it a step that can run, and puts into the list what is wrong with it. That of
a session has steps within it, for which `_StepCompiler` must go on."""


class _StepCompiler:
    """Goes through the steps in order, so that it knows at each one what the steps before it captured."""

    def __init__(
        self,
        spec: ScenarioSpec,
        feeders: Mapping[str, Feeder],
        vars: Mapping[str, Any],
        env: Mapping[str, str],
        problems: list[Problem],
    ) -> None:
        self._captured: set[str] = set()
        self._later = {
            capture.name: step.name for step in reversed(list(exchanges_of(spec.steps))) for capture in step.captures
        }
        self._data = {name: feeder.columns for name, feeder in feeders.items()}
        self._vars = vars
        self._env = env
        self._problems = problems

    def steps(self, specs: tuple[StepSpec, ...]) -> tuple[Step, ...]:
        return tuple(self._step(spec) for spec in specs)

    def _step(self, spec: StepSpec) -> Step:
        if isinstance(spec, ThinkStep):
            return ThinkRun(spec.think.low, spec.think.high)
        if isinstance(spec, GroupStep):
            if not spec.name or GROUP_SEPARATOR in spec.name:
                message = f"`{spec.name}` cannot be the name of a group"
                self._problems.append(Problem(message, spec.span, "", f"not empty, and no `{GROUP_SEPARATOR}` in it"))
            return GroupRun(spec.name, self.steps(spec.steps))
        return self._exchange(spec)

    def _exchange(self, spec: ExchangeStep) -> Step:
        send = self._compiler()  # what the step sends knows what came before it only
        within = self.steps(spec.steps) if isinstance(spec, SessionStep) else ()
        captures = compile_captures(spec.name, spec.captures, self._problems)
        # Captures are taken before expectations are looked at, so these may name what the same reply gave.
        self._captured.update(capture.name for capture in spec.captures)
        rules = ExchangeRules(
            name=spec.name,
            expectations=compile_expectations(spec.name, spec.expect, self._compiler(), self._problems),
            captures=captures,
            tags=spec.tags,
            think=None if spec.think is None else (spec.think.low, spec.think.high),
        )
        if isinstance(spec, SessionStep):
            from loadgate.script.websocket import compile_session  # as above

            return compile_session(spec, rules, within, send, self._problems)
        return COMPILERS[type(spec)](spec, rules, send, self._problems)

    def _compiler(self) -> TemplateCompiler:
        names = Names(
            captures=frozenset(self._captured), later=self._later, vars=self._vars, env=self._env, data=self._data
        )
        return TemplateCompiler(names, self._problems)
