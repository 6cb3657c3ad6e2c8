"""The pilot: a start of the base, asked as fast as it answers until it is warm, says how fast, how long, how often to measure.

* Rate: both arms together get `SHARE` of what the base alone can do. More, and they wait for each other where they share a
  core; less, and there are fewer requests than there could be.
* Warm-up: until each arm had as much work as the base took to be as fast as it stays (`warming.py`), `WARMUP` at least.
* Length: `PAIRS` pairs and those that confirm fill the time, each at least `LEAST` long, and long enough for p95.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadgate.ab.capacity import Burst
from loadgate.ab.order import ARMS, Arm
from loadgate.ab.pair import Pace, named
from loadgate.ab.plan import AbPlan
from loadgate.ab.warming import cold_slices
from loadgate.clients.http.stack import stack_for
from loadgate.clock import Clock
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun
from loadgate.judge.facts import facts
from loadgate.judge.looks import CONFIRMATION, FEWEST
from loadgate.judge.verdict import worthless
from loadgate.load.preflight import reach_target
from loadgate.measure.recorder import Recorder
from loadgate.probe.ports import free_ports
from loadgate.program import Program
from loadgate.record.run import RunState
from loadgate.script.performance import Performance

SHARE: Final = 0.3
PAIRS: Final = 16
LEAST: Final = 2.0
MOST: Final = 15.0
"""Seconds under load of one pair."""
WARMUP: Final = 1.0
LONGEST_WARMUP: Final = 30.0
_FASTEST: Final = 4_000.0
_SLICE: Final = 0.25
_LONGEST: Final = 20.0
"""Seconds after which a base that still becomes faster is taken as it is."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What the base does when it is warm (iterations a second), and what it took to be warm (iterations)."""

    capacity: float
    cold: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """How each pair is measured, and how many there are at most.

    `start` is what starting and stopping one arm takes, `took` what a pair takes with all that (s).
    """

    pace: Pace
    pairs: int
    start: float
    took: float


async def choose(plan: AbPlan, *, seed: int, clock: Clock, env: Mapping[str, str], agent: str) -> Chosen:
    """What `plan` says, and for the rest what a start of the base shows. Raises LoadgateError where it cannot be measured."""
    began = clock.now()
    target = plan.arms[Arm.BASE].at(free_ports(1)[0])
    async with Program(target, clock, agent, plan.arm_cores) as program:
        with named(Arm.BASE):
            await program.start()
            ready = clock.now()
            speed = (
                Speed(0.0) if plan.rate is not None else await _speed(plan, target, program, seed, clock, env, agent)
            )
        stopping = clock.now()
        await program.stop()
    return fitted(plan, speed, (ready - began) + (clock.now() - stopping) if plan.restarts else 0.0)


def fitted(plan: AbPlan, speed: Speed, start: float) -> Chosen:
    """What `plan` says, and for the rest what fits its time, where the base has that `speed` and `start` is what starting and
    stopping an arm takes (s).
    """
    rate = plan.rate or min(_FASTEST, max(1.0, SHARE * speed.capacity))
    warmup = plan.warmup
    if warmup is None:
        warmup = min(LONGEST_WARMUP, max(WARMUP, speed.cold / (rate / len(ARMS))))
    pairs = plan.pairs or PAIRS
    length = plan.length
    confirming = CONFIRMATION[-1].pairs
    if length is None:
        each = plan.time / (pairs + confirming) - 2.0 * start - warmup - plan.capacity
        length = min(MOST, max(LEAST, each))
    took = 2.0 * start + warmup + length + plan.capacity
    if plan.pairs is None:
        pairs = max(FEWEST, min(3 * PAIRS, int(plan.time / took) - confirming))
    return Chosen(Pace(rate, length, warmup), pairs, start, took)


async def _speed(
    plan: AbPlan, target: TargetSpec, program: Program, seed: int, clock: Clock, env: Mapping[str, str], agent: str
) -> Speed:
    """How fast it serves a few users without pause. Raises LoadgateError where nothing succeeds."""
    recorder = Recorder(start=clock.now())
    http = stack_for(target, recorder, agent)
    await reach_target(target, http)
    performance = Performance(
        plan.script, recorder=recorder, http=http, clock=clock, env={**env, **plan.env}, seed=seed
    )
    await performance.prepare()
    began = clock.now()
    recorder.begin(began)
    ids = itertools.count(1)
    done: list[int] = []
    seconds: list[float] = []
    cold = None
    while cold is None and sum(seconds) < _LONGEST and not program.died:
        end = await Burst(program, recorder).run(performance, clock, _SLICE, ids=ids)
        done.append(sum(stats.completed for stats in end.stats.values()))
        seconds.append(end.duration)
        cold = cold_slices([count / took for count, took in zip(done, seconds, strict=True)])
    problem = await performance.finish()
    elapsed = clock.now() - began
    known = facts(recorder, state=RunState.COMPLETE, elapsed=elapsed, planned=elapsed)
    wrong = [program.died, problem, *worthless(known)]
    if any(wrong):
        raise InvalidRun(
            next(filter(None, wrong)), "try it with `loadgate run`, or give --rate: then the pilot needs no load"
        )
    if cold is None:
        cold = len(done) // 2
    return Speed(max(1, sum(done[cold:])) / sum(seconds[cold:]), sum(done[:cold]))
