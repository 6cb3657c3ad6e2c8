"""constant-arrival-rate and ramping-arrival-rate: iterations start by the clock, whoever is free takes them.

Free VUs wait in tasks of their own, each on a future that is given the planned time: measured (bench/executor.py), that
costs half of what a new task for each iteration does. The VU that was busy last is taken first, so that few warm
connections do most of the work. When all are busy a new VU is made on the spot, until there are `max_vus`; then the
iteration is dropped. A late loop starts all that is overdue at once, each with its own planned time.
"""

from __future__ import annotations

import asyncio

from loadgate.clock import Clock
from loadgate.config.load import Executor, LoadSpec
from loadgate.load.executors.base import INF, STOPPED, BaseExecutor, LoadStats, Pool, Vu
from loadgate.load.pacer import ConstantPacer, Pacer, RampingPacer
from loadgate.load.stop import Stop

_Turn = asyncio.Future[float | None]  # the planned time of the next iteration, or None to leave


class ArrivalRate(BaseExecutor):
    def __init__(self, spec: LoadSpec, pool: Pool, clock: Clock, stats: LoadStats, stop: Stop) -> None:
        super().__init__(spec, pool, clock, stats, stop)
        self._dues = pacer_of(spec).dues()
        self._due = next(self._dues, INF)
        self._spare: list[Vu] = []  # never busy yet, and without a task
        self._free: list[_Turn] = []

    def advance(self, now: float) -> float:
        if not self.stats.allocated:
            self._spare = [self.acquire() for _ in range(self.spec.pre_allocated_vus)][::-1]
        start, due, dues, free, stats = self.start, self._due, self._dues, self._free, self.stats
        while start + due <= now:
            if free:
                free.pop().set_result(start + due)
                stats.started += 1
            else:
                self._start_on_another(start + due)
            self._due = due = next(dues, INF)
        stats.busy.look()  # once for all that were overdue: no iteration ends in between
        return start + due

    def wind_down(self, *, early: bool) -> None:
        for turn in self._free:
            turn.set_result(None)
        self._free.clear()

    def _start_on_another(self, planned: float) -> None:
        """Start an iteration on a VU that was not busy before, or drop it."""
        if self._spare:
            vu = self._spare.pop()
        elif self.stats.allocated < self.stats.max_allocated:
            vu = self.acquire()
        else:
            self.stats.dropped += 1
            return
        self.stats.started += 1
        self.spawn(self._work(vu, planned), vu)

    async def _work(self, vu: Vu, planned: float | None) -> None:
        stats, free, iterate, new_turn = self.stats, self._free, vu.iterate, self._loop.create_future
        while planned is not None:
            outcome = await iterate(planned)
            if outcome is STOPPED:
                stats.stopped += 1
                return
            stats.completed += 1
            if not self.running:
                return
            turn: _Turn = new_turn()
            free.append(turn)
            planned = await turn


def pacer_of(spec: LoadSpec) -> Pacer:
    """The plan of an arrival-rate `spec`."""
    if spec.executor is Executor.CONSTANT_ARRIVAL_RATE:
        return ConstantPacer(spec.rate, spec.duration)
    return RampingPacer(spec.start_rate, ((stage.duration, stage.target) for stage in spec.stages))
