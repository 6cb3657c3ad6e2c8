"""k6's full form of a load: `scenarios: {a: {executor: ramping-vus, startVUs: 5, stages: [...]}}`.

Names, units and defaults are k6's: camelCase keys, a bare number of a duration is milliseconds, a rate counts
iterations per `timeUnit`. One difference: `preAllocatedVUs` may be left out, since a VU costs next to nothing here;
then `maxVUs` defaults to MOST_VUS.
Source: https://grafana.com/docs/k6/latest/using-k6/scenarios/
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.load import (
    GRACEFUL_RAMP_DOWN,
    GRACEFUL_STOP,
    ITERATION_LIMIT,
    MAX_DURATION,
    MOST_VUS,
    VU_LIMIT,
    Executor,
    LoadSpec,
    Stage,
    StageText,
    parse_stage,
    stage_text,
)
from loadgate.config.source import Node, Scalar, Table
from loadgate.errors import Problem, nearest
from loadgate.units import RATE_LIMIT, UnitError


def read_k6_load(name: str, node: Node, place: Place, scenarios: Collection[str]) -> LoadSpec:
    """The load called `name`; `scenarios` are the names `exec` may take. Raises Refusal if it is no mapping."""
    own = Fields(node, place, f"in load `{name}`")
    executor = own.need("executor", fields.choice(Executor), None)
    if executor is None:
        # Which other keys belong here is not known: naming them unknown would mislead.
        return LoadSpec(name, Executor.CONSTANT_VUS)
    own.where = f"in load `{name}` ({executor})"
    vus = iterations = start_vus = 1
    duration = rate = start_rate = 0.0
    max_duration, graceful_ramp_down = MAX_DURATION, GRACEFUL_RAMP_DOWN
    pre_allocated, max_vus = 0, MOST_VUS
    stages: tuple[Stage, ...] = ()
    length = fields.positive(fields.k6_duration)
    if executor.counted:
        vus = own.take("vus", fields.whole(1, VU_LIMIT), 1)
        iterations = own.take("iterations", fields.whole(1, ITERATION_LIMIT), 1)
        max_duration = own.take("maxDuration", length, MAX_DURATION)
        if executor is Executor.SHARED_ITERATIONS and iterations < vus:
            key = "iterations" if "iterations" in own else "vus"
            own.report(f"`iterations` must not be less than `vus` {own.where}", key, f"{iterations} for {vus} VUs")
    elif executor is Executor.CONSTANT_VUS:
        vus = own.take("vus", fields.whole(1, VU_LIMIT), 1)
        duration = own.need("duration", length, 1.0)
    elif executor is Executor.RAMPING_VUS:
        start_vus = own.take("startVUs", fields.whole(0, VU_LIMIT), 1)
        stages = _stages(own, per_second=None)
        graceful_ramp_down = own.take("gracefulRampDown", fields.k6_duration, GRACEFUL_RAMP_DOWN)
    else:
        unit = own.take("timeUnit", length, 1.0)
        if executor is Executor.CONSTANT_ARRIVAL_RATE:
            rate = own.need("rate", fields.positive(fields.number), 1.0) / unit
            duration = own.need("duration", length, 1.0)
        else:
            start_rate = own.take("startRate", fields.number, 0.0) / unit
            stages = _stages(own, per_second=unit)
        for key, highest in (("rate", rate), ("startRate", start_rate), ("stages", _highest(stages))):
            if highest > RATE_LIMIT:
                own.report(f"`{key}` {own.where} is more than any machine can start", key, f"most: {RATE_LIMIT:,}/s")
        pre_allocated, max_vus = _vu_limits(own)
    load = LoadSpec(
        name=name,
        executor=executor,
        vus=vus,
        iterations=iterations,
        duration=duration,
        max_duration=max_duration,
        stages=stages,
        start_rate=start_rate,
        rate=rate,
        start_vus=start_vus,
        pre_allocated_vus=pre_allocated,
        max_vus=max_vus,
        start_time=own.take("startTime", fields.k6_duration, 0.0),
        graceful_stop=own.take("gracefulStop", fields.k6_duration, GRACEFUL_STOP),
        graceful_ramp_down=graceful_ramp_down,
        exec=own.take("exec", scenario_among(scenarios), None),
        tags=own.take("tags", fields.mapping(fields.plain), {}),
        env=own.take("env", fields.mapping(fields.plain), {}),
    )
    own.done()
    if load.exec is None and name in scenarios and len(scenarios) > 1:
        message = f"load `{name}` has the name of a scenario and runs the weighted mix of all of them"
        note = "as in k6, a load's name says nothing about what it runs; for the mix, give it another name"
        own.report(message, None, f"write `exec: {name}`", note)
    return load


def scenario_among(scenarios: Collection[str]) -> fields.Reader[str | None]:
    """A reader of names of scenarios."""

    def read(node: Node, place: Place) -> str:
        name = fields.text(node, place)
        if name not in scenarios:
            likely = nearest(name, scenarios)
            raise fields.Refusal(
                Problem(
                    f"there is no scenario `{name}`",
                    node.span,
                    f"did you mean `{likely}`?" if likely else "",
                    f"scenarios: {', '.join(sorted(scenarios)) or 'none'}",
                )
            )
        return name

    return read


def read_stage(length: fields.Reader[float]) -> fields.Reader[StageText]:
    """A reader of stages, "1m:100" or {duration, target}; `length` reads the duration of the latter."""

    def read(node: Node, place: Place) -> StageText:
        try:
            if isinstance(node, Scalar):
                return parse_stage(node.text)
            if isinstance(node, Table):
                own = Fields(node, place, "in a stage")
                duration = own.need("duration", length, 0.0)
                stage = own.need("target", _target(duration), StageText(duration, 0.0, False))
                own.done()
                return stage
        except UnitError as error:
            raise fields.Refusal(Problem(error.message, node.span, error.hint or "")) from None
        raise place.refuse(node, "stages such as 1m:100 or {duration: 1m, target: 100}")

    return read


def _target(duration: float) -> fields.Reader[StageText]:
    def read(node: Node, place: Place) -> StageText:
        try:
            return stage_text(duration, fields.text(node, place))
        except UnitError as error:
            raise fields.Refusal(Problem(f"{place.what}: {error.message}", node.span, error.hint or "")) from None

    return read


def _highest(stages: Sequence[Stage]) -> float:
    return max((stage.target for stage in stages), default=0.0)


def _stages(own: Fields, per_second: float | None) -> tuple[Stage, ...]:
    """The stages of a ramp; `per_second` is the time unit of bare targets, None if targets are VUs."""

    def level(node: Node, place: Place) -> Stage:
        stage = read_stage(fields.k6_duration)(node, place)
        if per_second is not None:
            return Stage(stage.duration, stage.target if stage.per_second else stage.target / per_second)
        if stage.per_second or not stage.target.is_integer() or stage.target > VU_LIMIT:
            problem = Problem(f"a stage {own.where} must go to a whole number of VUs", node.span)
            raise fields.Refusal(problem)
        return Stage(stage.duration, stage.target)

    problems = len(own.context.problems)
    stages: tuple[Stage, ...] = own.need("stages", fields.items(level), (Stage(1.0, 1.0),))
    if len(own.context.problems) == problems and sum(stage.duration for stage in stages) <= 0.0:
        own.report(f"`stages` {own.where} take no time", "stages")
    return stages


def _vu_limits(own: Fields) -> tuple[int, int]:
    """How many VUs a rate starts with, and how many it may have."""
    pre_allocated = own.take("preAllocatedVUs", fields.whole(0, VU_LIMIT), 0)
    max_vus = own.take("maxVUs", fields.whole(1, VU_LIMIT), pre_allocated or MOST_VUS)
    if max_vus < pre_allocated:
        message = f"`maxVUs` must not be less than `preAllocatedVUs` {own.where}"
        own.report(message, "maxVUs", f"{max_vus} for {pre_allocated}")
    return pre_allocated, max_vus
