"""The pilot: a start of the base, asked as fast as it answers for a moment, says how fast, how long and how often to measure.

* Rate: both arms together get `SHARE` of what the base alone can do. More, and they wait for each other where they share a
  core; less, and there are fewer requests than there could be.
* Length: `PAIRS` pairs and those that confirm fill the time, each at least `LEAST` long, and long enough for p95.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadgate.ab.capacity import Burst
from loadgate.ab.order import Arm
from loadgate.ab.pair import Pace, free_ports, named
from loadgate.ab.plan import AbPlan
from loadgate.clients.http.stack import stack_for
from loadgate.clock import Clock
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun
from loadgate.judge.facts import facts
from loadgate.judge.looks import CONFIRMATION, FEWEST
from loadgate.judge.verdict import worthless
from loadgate.load.preflight import reach_target
from loadgate.measure.recorder import Recorder
from loadgate.program import Program
from loadgate.record.run import RunState
from loadgate.script.performance import Performance

SHARE: Final = 0.3
PAIRS: Final = 16
LEAST: Final = 2.0
MOST: Final = 15.0
"""Seconds under load of one pair."""
WARMUP: Final = 1.0
_FASTEST: Final = 4_000.0
_PROBE: Final = 1.5


@dataclass(frozen=True, slots=True)
class Chosen:
    """How each pair is measured, and how many there are at most. `start` is what starting and stopping one arm takes (s)."""

    pace: Pace
    pairs: int
    start: float


async def choose(plan: AbPlan, *, seed: int, clock: Clock, env: Mapping[str, str], agent: str) -> Chosen:
    """What `plan` says, and for the rest what a start of the base shows. Raises LoadgateError where it cannot be measured."""
    began = clock.now()
    target = plan.arms[Arm.BASE].at(free_ports(1)[0])
    async with Program(target, clock, agent) as program:
        with named(Arm.BASE):
            await program.start()
            ready = clock.now()
            capacity = 0.0 if plan.rate is not None else await _capacity(plan, target, program, seed, clock, env, agent)
        stopping = clock.now()
        await program.stop()
    return fitted(plan, capacity, (ready - began) + (clock.now() - stopping) if plan.restarts else 0.0)


def fitted(plan: AbPlan, capacity: float, start: float) -> Chosen:
    """What `plan` says, and for the rest what fits its time, where the base does `capacity` iterations a second and `start` is
    what starting and stopping an arm takes (s).
    """
    warmup = WARMUP if plan.warmup is None else plan.warmup
    rate = plan.rate or min(_FASTEST, max(1.0, SHARE * capacity))
    pairs = plan.pairs or PAIRS
    length = plan.length
    confirming = CONFIRMATION[-1].pairs
    if length is None:
        each = plan.time / (pairs + confirming) - 2.0 * start - warmup - plan.capacity
        length = min(MOST, max(LEAST, each))
    if plan.pairs is None:
        took = 2.0 * start + warmup + length + plan.capacity
        pairs = max(FEWEST, min(3 * PAIRS, int(plan.time / took) - confirming))
    return Chosen(Pace(rate, length, warmup), pairs, start)


async def _capacity(
    plan: AbPlan, target: TargetSpec, program: Program, seed: int, clock: Clock, env: Mapping[str, str], agent: str
) -> float:
    """Iterations a second of a few users without pause. Raises LoadgateError where nothing succeeds."""
    recorder = Recorder(start=clock.now())
    http = stack_for(target, recorder, agent)
    await reach_target(target, http)
    performance = Performance(plan.script, recorder=recorder, http=http, clock=clock, env=env, seed=seed)
    await performance.prepare()
    recorder.begin(clock.now())
    burst = Burst(program, recorder)
    end = await burst.run(performance, clock, _PROBE, ids=itertools.count(1))
    problem = await performance.finish()
    known = facts(recorder, state=RunState.COMPLETE, elapsed=end.duration, planned=_PROBE)
    wrong = [program.died, problem, *worthless(known)]
    if any(wrong):
        raise InvalidRun(
            next(filter(None, wrong)), "try it with `loadgate run`, or give --rate: then the pilot needs no load"
        )
    return max(1, sum(stats.completed for stats in end.stats.values())) / end.duration
