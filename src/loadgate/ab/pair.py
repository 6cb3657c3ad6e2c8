"""One pair: both arms started afresh, loaded side by side by one schedule, read and stopped."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from loadgate.ab import faults
from loadgate.ab.capacity import Capacities, measure_capacities
from loadgate.ab.duet import DuetPool
from loadgate.ab.order import ARMS, Arm, PairOrder, Turns, capacity_order, pair_order
from loadgate.ab.plan import AbPlan
from loadgate.clients.http.stack import stack_for
from loadgate.clock import Clock
from loadgate.config.load import Executor, LoadSpec
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Signals
from loadgate.load.engine import EndState, Engine, RunEnd
from loadgate.load.preflight import reach_target
from loadgate.load.users import UserPool
from loadgate.measure.health import judge_health
from loadgate.measure.histogram import Histogram
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, RateTally, TrendTally
from loadgate.measure.windows import Window
from loadgate.probe.host import HostShares, between, read_host
from loadgate.probe.ports import free_ports
from loadgate.program import Program
from loadgate.record.figures import figures_in
from loadgate.record.result import Figure, Result
from loadgate.record.run import Series
from loadgate.script.performance import Performance

TAG: Final = "arm"
"""The tag by which the samples of one recorder are told apart."""
_GRACE: Final = 5.0
_WINDOW: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` starts a second over both arms for `length` seconds, after `warmup` seconds of the same that do not count."""

    rate: float
    length: float
    warmup: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one pair left. `faults` are whole sentences: why it is no evidence; `requests` are the arms' that counted.

    Of the `planned` starts that count, `dropped` had no free user. `limit`: why the capacity is not known, as a phrase.
    `interrupted`: by Ctrl-C, so that it is not whole.
    """

    number: int
    order: PairOrder
    results: Mapping[Arm, Result]
    requests: Mapping[Arm, int]
    faults: tuple[str, ...] = ()
    planned: int = 0
    dropped: int = 0
    limit: str = ""
    interrupted: bool = False
    service: Mapping[Arm, Histogram] = field(default_factory=dict)
    """Service times (ms) of all requests of an arm that count: for who compares other rules on the same pairs."""


async def measure_pair(
    plan: AbPlan,
    number: int,
    pace: Pace,
    *,
    seed: int,
    clock: Clock,
    env: Mapping[str, str],
    agent: str,
    signals: Signals,
    beside: Callable[[Mapping[Arm, Program]], Coroutine[Any, Any, None]] | None = None,
) -> Measured:
    """Measure pair `number`. Raises LoadgateError where an arm cannot be started or set up, with its name.

    `beside` is what else is done with the programs under load: the load ends with it at the latest, and counts as interrupted.
    """
    order = pair_order(seed, number)
    ports = dict(zip(order.ports, free_ports(len(ARMS)), strict=True))
    targets = {arm: plan.arms[arm].at(ports[arm]) for arm in ARMS}
    recorder = Recorder(start=clock.now(), warmup=pace.warmup)
    programs = {arm: Program(target, clock, agent, plan.arm_cores) for arm, target in targets.items()}
    stacks = {arm: stack_for(target, recorder, agent) for arm, target in targets.items()}
    load = LoadSpec(
        name="ab",
        executor=Executor.CONSTANT_ARRIVAL_RATE,
        rate=pace.rate,
        duration=pace.warmup + pace.length,
        graceful_stop=_GRACE,
        max_vus=max(50, int(pace.rate * _GRACE)),
    )
    async with AsyncExitStack() as stack:
        for arm in order.started:
            with named(arm):
                await stack.enter_async_context(programs[arm])
                await programs[arm].start()
                await reach_target(targets[arm], stacks[arm])
        performances = {
            arm: Performance(
                plan.script,
                recorder=recorder,
                http=stacks[arm],
                clock=clock,
                env={**env, **plan.env, "LOADGATE_ARM": arm.value},
                seed=seed + number,
            )
            for arm in ARMS
        }
        turns = Turns(seed, number, pace.rate, load.length)
        ids = itertools.count(1)
        for arm, performance in performances.items():
            with named(arm):
                await performance.prepare()
        pools = {arm: UserPool(each.role(load="ab", tags={TAG: arm.value}), ids) for arm, each in performances.items()}
        engine = Engine(
            [load],
            {load.name: DuetPool(pools, turns)},
            recorder,
            clock,
            window=_WINDOW,
            warmup=pace.warmup,
            on_window=lambda _: next((program.died for program in programs.values() if program.died), None),
            before_end=lambda: _each(program.settle() for program in programs.values()),
        )
        signals.then(engine.interrupt)
        for arm in ARMS:
            await programs[arm].begin(recorder, pace.warmup, {TAG: arm.value})
        before = read_host()
        origin = clock.now()
        recorder.begin(origin)
        turns.begin(origin)
        end = await (engine.run(origin) if beside is None else _run_beside(engine, origin, beside(programs)))
        duet = {arm: _of_duet(recorder, arm) for arm in ARMS}  # before there are samples of another load
        capacities = Capacities({})
        if plan.capacity and end.state is EndState.COMPLETE:
            capacities = await measure_capacities(
                performances,
                programs,
                recorder,
                clock,
                seconds=plan.capacity,
                order=capacity_order(seed, number),
                ids=ids,
                signals=signals,
            )
        host = between(before, read_host())
        signals.then_end()
        problems = [f"{arm}: {problem}" for arm in ARMS if (problem := await performances[arm].finish())]
        for arm in order.started:
            await programs[arm].stop()
    measured = _measured(plan, number, order, duet, capacities, programs, end, pace, host)
    return replace(measured, faults=(*measured.faults, *problems))


@contextmanager
def named(arm: Arm) -> Iterator[None]:
    """Errors within say which arm they are of."""
    try:
        yield
    except LoadgateError as error:
        kind = InvalidRun if error.exit_code == InvalidRun.exit_code else LoadgateError
        raise kind(f"{arm}: {error}") from None


async def _run_beside(engine: Engine, origin: float, work: Coroutine[Any, Any, None]) -> RunEnd:
    """Run the load while `work` is done, and end either with the other. Raises what `work` raises."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda _: engine.interrupt())
    try:
        return await engine.run(origin)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _each(works: Iterable[Awaitable[None]]) -> None:
    for work in works:
        await work


@dataclass(frozen=True, slots=True)
class _OfDuet:
    """What the one schedule left of an arm: `requests`, the share of them that `failed`, seconds it was `throttled`."""

    figures: tuple[Figure, ...]
    requests: int
    failed: float
    throttled: float
    service: Histogram


def _of_duet(recorder: Recorder, arm: Arm) -> _OfDuet:
    totals = recorder.totals()
    series = [Series(key.metric, key.tags, totals.get(at)) for at, key in enumerate(recorder.described())]
    own, windows = of_arm(series, recorder.windows, arm)
    return _OfDuet(
        figures=tuple(figures_in(own, windows, ())),
        requests=round(_total(own, {protocol.count for protocol in PROTOCOLS})),
        failed=_share(own, {protocol.failed for protocol in PROTOCOLS}),
        throttled=_total(own, {"target_throttled"}),
        service=_times(own, {protocol.service for protocol in PROTOCOLS}),
    )


def _measured(
    plan: AbPlan,
    number: int,
    order: PairOrder,
    duet: Mapping[Arm, _OfDuet],
    capacities: Capacities,
    programs: Mapping[Arm, Program],
    end: RunEnd,
    pace: Pace,
    host: HostShares,
) -> Measured:
    results = {
        arm: Result(
            id=f"{number}-{arm}",
            tool="loadgate",
            name=plan.profile.name,
            started=0.0,
            commit="",
            branch="",
            machine="",
            definition="",
            word=None,
            figures=(*duet[arm].figures, *capacities.figures(arm), *figures_in((), (), programs[arm].figures())),
        )
        for arm in ARMS
    }
    requests = {arm: duet[arm].requests for arm in ARMS}
    nothing = duet[Arm.BASE].failed == 1.0
    health = judge_health(end.health, warmup=pace.warmup, service_ms=0.0)
    found = (
        *faults.died(programs),
        *(() if health.healthy else health.reasons),
        *faults.stolen(host),
        *faults.throttled({arm: duet[arm].throttled for arm in ARMS}, pace.length),
        *faults.uneven(requests),
        *(["not one request of base succeeded: there is nothing to compare with"] if nothing else ()),
    )
    return Measured(
        number=number,
        order=order,
        results=results,
        requests=requests,
        faults=found,
        planned=health.planned,
        dropped=health.dropped,
        limit=capacities.limit,
        interrupted=EndState.INTERRUPTED is end.state or capacities.interrupted,
        service={arm: duet[arm].service for arm in ARMS},
    )


def of_arm(series: Sequence[Series], windows: Iterable[Window], arm: Arm) -> tuple[list[Series], list[Window]]:
    """The series of one arm, numbered anew, and the windows with their tallies alone."""
    at = {number: new for new, number in enumerate(n for n, one in enumerate(series) if one.tags.get(TAG) == arm.value)}
    own = [replace(series[number], tags={**series[number].tags, TAG: ""}) for number in at]
    cut = [
        Window(
            one.start, one.end, one.warmup, {at[number]: tally for number, tally in one.tallies.items() if number in at}
        )
        for one in windows
    ]
    return own, cut


def _total(series: Iterable[Series], metrics: AbstractSet[str]) -> float:
    totals = [one.total for one in series if one.metric.name in metrics]
    return sum(total.total for total in totals if isinstance(total, CounterTally))


def _share(series: Iterable[Series], metrics: AbstractSet[str]) -> float:
    """Of all samples of some rates, the share that are hits; 0 without any."""
    totals = [one.total for one in series if one.metric.name in metrics and isinstance(one.total, RateTally)]
    count = sum(total.total for total in totals)
    return sum(total.passes for total in totals) / count if count else 0.0


def _times(series: Iterable[Series], metrics: AbstractSet[str]) -> Histogram:
    """All samples of some distributions together."""
    times = Histogram()
    for one in series:
        if one.metric.name in metrics and isinstance(one.total, TrendTally):
            times.merge(one.total.histogram)
    return times
