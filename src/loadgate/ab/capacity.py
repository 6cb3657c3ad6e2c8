"""How much an arm does when it is asked as fast as it answers: by a few users, each of whom waits for nothing but replies.

Rules:
* Arms are asked one at a time, in slices whose order is drawn by lot (`order.py`): what the other does is no part of it.
* Requests that failed do not count: an arm must not look faster for refusing.
* From `CPU_WARNING` of a core on, or where its loop was late, the generator is part of what is measured: the figure of that
  pair is left out, on both sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadgate.ab.order import ARMS, Arm
from loadgate.clock import Clock
from loadgate.config.load import Executor, LoadSpec
from loadgate.interruption import Signals
from loadgate.load.engine import EndState, Engine, Progress, RunEnd
from loadgate.load.users import UserPool
from loadgate.measure.estimate import Estimate
from loadgate.measure.health import CPU_WARNING, judge_health
from loadgate.measure.metric import Direction
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import RateTally
from loadgate.program import Program
from loadgate.record.result import Figure, SeriesName
from loadgate.script.performance import Performance
from loadgate.units import format_share

CAPACITY: Final = SeriesName("", "capacity", "")
USERS: Final = 8
_GRACE: Final = 1.5
"""Seconds for what is under way at the end."""
_NAME: Final = "capacity"
_FAILED: Final = frozenset(protocol.failed for protocol in PROTOCOLS)


@dataclass(slots=True)
class Burst:
    """One arm asked for a while by users without pause. `succeeded` are requests."""

    program: Program
    recorder: Recorder
    succeeded: int = 0
    end: RunEnd = field(init=False)

    async def run(
        self,
        performance: Performance,
        clock: Clock,
        seconds: float,
        *,
        ids: Iterator[int],
        signals: Signals | None = None,
    ) -> RunEnd:
        """Ask for `seconds`, and wait for what is under way then. It ends early where the program dies."""
        load = LoadSpec(name=_NAME, executor=Executor.CONSTANT_VUS, vus=USERS, duration=seconds, graceful_stop=_GRACE)
        pools = {load.name: UserPool(performance.role(load=load.name), ids)}
        engine = Engine([load], pools, self.recorder, clock, window=seconds, warmup=0.0, on_window=self._on_window)
        if signals is not None:
            signals.then(engine.interrupt)
        self.end = await engine.run(clock.now())
        return self.end

    @property
    def limit(self) -> str:
        """Why it says more of the generator than of the arm, as a phrase; "" where it does not."""
        share, health = self._cpu_share, judge_health(self.end.health)
        if share >= CPU_WARNING:
            return f"the generator took {format_share(share)} of one core (at most {format_share(CPU_WARNING)})"
        return "" if health.healthy else health.reasons[0]

    @property
    def _cpu_share(self) -> float:
        """Of one core, over all the time: the last window may be a moment, and a median of windows would count it as much."""
        samples = self.end.health
        starts = (0.0, *(sample.at for sample in samples))
        used = sum(each.cpu_share * (each.at - start) for start, each in zip(starts, samples, strict=False))
        return used / self.end.duration

    def _on_window(self, progress: Progress) -> str | None:
        for series, tally in progress.window.tallies.items():
            if isinstance(tally, RateTally) and self.recorder.describe(series).metric.name in _FAILED:
                self.succeeded += tally.total - tally.passes
        return self.program.died or None


@dataclass(frozen=True, slots=True)
class Capacities:
    """Requests a second of each arm; none where the generator was the limit, which `limit` says as a phrase.

    `interrupted`: by Ctrl-C.
    """

    rates: Mapping[Arm, float]
    limit: str = ""
    interrupted: bool = False

    def figures(self, arm: Arm) -> tuple[Figure, ...]:
        """That of `arm`, if there is one."""
        if arm not in self.rates:
            return ()
        return (Figure(CAPACITY, "1/s", Direction.HIGHER, Estimate(self.rates[arm], count=1)),)


async def measure_capacities(
    performances: Mapping[Arm, Performance],
    programs: Mapping[Arm, Program],
    recorder: Recorder,
    clock: Clock,
    *,
    seconds: float,
    order: Sequence[Arm],
    ids: Iterator[int],
    signals: Signals,
) -> Capacities:
    """Ask the arms in `order`, `seconds` in all. `recorder` is the one that `performances` write to."""
    done: dict[Arm, list[Burst]] = {arm: [] for arm in ARMS}
    for arm in order:
        burst = Burst(programs[arm], recorder)
        done[arm].append(burst)
        await burst.run(performances[arm], clock, seconds / len(order), ids=ids, signals=signals)
        if burst.end.state is not EndState.COMPLETE:
            return Capacities({}, interrupted=burst.end.state is EndState.INTERRUPTED)
    limit = next(filter(None, (burst.limit for burst in itertools.chain(*done.values()))), "")
    if limit:
        return Capacities({}, limit)
    return Capacities({arm: _rate(bursts) for arm, bursts in done.items()})


def _rate(bursts: Sequence[Burst]) -> float:
    return sum(burst.succeeded for burst in bursts) / sum(burst.end.duration for burst in bursts)
