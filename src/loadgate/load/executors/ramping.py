"""ramping-vus: VUs come and go along a staircase.

A VU that has to go finishes its iteration, for up to `graceful_ramp_down`, then it is interrupted. The last to come is
the first to go, and VUs that went are the first to come back, with their connections; one that is still finishing just
stays. At the end of the stages those still wanted have `graceful_stop` (k6, lib/executor/vu_handle.go).
"""

from __future__ import annotations

import asyncio
from functools import partial

from loadgate.clock import Clock, Handle
from loadgate.config.load import LoadSpec
from loadgate.load.executors.base import INF, STOPPED, TURN, BaseExecutor, LoadStats, Pool, Vu
from loadgate.load.staircase import Step, staircase
from loadgate.load.stop import Stop
from loadgate.script.role import interrupt


class _Worker:
    """A VU and the task that it has while it iterates."""

    __slots__ = ("interruption", "stopped", "task", "vu", "wanted")

    def __init__(self, vu: Vu) -> None:
        self.vu = vu
        self.wanted = False
        self.stopped = False
        self.task: asyncio.Task[None] | None = None
        self.interruption: Handle | None = None

    def spare(self) -> None:
        """Take back the interruption that hangs over it."""
        if self.interruption is not None:
            self.interruption.cancel()
            self.interruption = None


class RampingVus(BaseExecutor):
    def __init__(self, spec: LoadSpec, pool: Pool, clock: Clock, stats: LoadStats, stop: Stop) -> None:
        super().__init__(spec, pool, clock, stats, stop)
        self._steps = staircase(spec.start_vus, ((stage.duration, round(stage.target)) for stage in spec.stages))
        self._step: Step | None = next(self._steps)
        self._workers: list[_Worker] = []  # the first `_wanted` of them are wanted
        self._wanted = 0

    def advance(self, now: float) -> float:
        while self._step is not None and self.start + self._step.at <= now:
            self._resize(self._step.vus, now)
            self._step = next(self._steps, None)
        return INF if self._step is None else self.start + self._step.at

    def wind_down(self, *, early: bool) -> None:
        for worker in self._workers[: self._wanted]:
            worker.wanted = False

    def _resize(self, vus: int, now: float) -> None:
        while self._wanted < vus:
            if self._wanted == len(self._workers):
                self._workers.append(_Worker(self.acquire()))
            self._start(self._workers[self._wanted])
            self._wanted += 1
        while self._wanted > vus:
            self._wanted -= 1
            self._dismiss(self._workers[self._wanted], now)

    def _start(self, worker: _Worker) -> None:
        worker.wanted = True
        worker.spare()
        if worker.task is None and not worker.stopped:
            self._employ(worker)

    def _dismiss(self, worker: _Worker, now: float) -> None:
        worker.wanted = False
        if worker.task is not None:
            worker.interruption = self.at(now + self.spec.graceful_ramp_down, partial(self._interrupt, worker))

    def _interrupt(self, worker: _Worker) -> None:
        worker.interruption = None
        if self.running:
            self.advance(self.clock.now())  # a VU wanted back at this very moment is spared
        if worker.task is not None and not worker.wanted:
            interrupt(worker.task)

    def _employ(self, worker: _Worker) -> None:
        worker.task = self.spawn(self._work(worker), worker.vu)
        worker.task.add_done_callback(lambda _: self.guarded(partial(self._on_ended, worker)))

    def _on_ended(self, worker: _Worker) -> None:
        worker.task = None
        worker.spare()
        if worker.wanted and self.running and not worker.stopped:  # wanted again while it was ending
            self._employ(worker)

    async def _work(self, worker: _Worker) -> None:
        stats, iterate = self.stats, worker.vu.iterate
        fresh = True  # as in the closed models
        while worker.wanted:
            stats.started += 1
            if fresh:
                stats.busy.look()
                fresh = False
            try:
                outcome = await iterate(0.0)
            except asyncio.CancelledError:
                stats.interrupted += 1
                worker.vu.drop()
                raise
            if outcome is STOPPED:
                stats.stopped += 1
                worker.stopped = True
                return
            stats.completed += 1
            if not stats.started % TURN:
                await asyncio.sleep(0)
                fresh = True
