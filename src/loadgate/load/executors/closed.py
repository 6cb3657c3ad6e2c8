"""constant-vus, per-vu-iterations and shared-iterations: all VUs start together and iterate without pause.

Each VU is one task for the whole load, and takes a ticket for each iteration: from an endless roll, from one of its
own, or from one that all share.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator
from itertools import repeat

from loadgate.load.executors.base import INF, STOPPED, TURN, BaseExecutor, Vu


class _ClosedExecutor(BaseExecutor):
    ends_when_idle = True

    @abstractmethod
    def tickets(self) -> Iterator[None]:
        """What one VU takes its tickets from."""

    @abstractmethod
    def total(self) -> int:
        """How many iterations were asked for; 0 if no number was."""

    def advance(self, now: float) -> float:
        if not self.stats.allocated:
            for _ in range(self.spec.vus):
                vu = self.acquire()
                self.spawn(self._work(vu, self.tickets()), vu)
        return INF

    def wind_down(self, *, early: bool) -> None:
        if not early:
            self.stats.dropped = max(0, self.total() - self.stats.started)

    async def _work(self, vu: Vu, tickets: Iterator[None]) -> None:
        stats, iterate = self.stats, vu.iterate
        fresh = True  # whoever goes from one iteration straight to the next makes no more busy than there were
        for _ in tickets:
            if not self.running:
                return
            stats.started += 1
            if fresh:
                stats.busy.look()
                fresh = False
            outcome = await iterate(0.0)
            if outcome is STOPPED:
                stats.stopped += 1
                return
            stats.completed += 1
            if not stats.started % TURN:
                await asyncio.sleep(0)
                fresh = True


class ConstantVus(_ClosedExecutor):
    """`vus` VUs iterate for `duration`."""

    def tickets(self) -> Iterator[None]:
        return repeat(None)

    def total(self) -> int:
        return 0


class PerVuIterations(_ClosedExecutor):
    """Each of `vus` VUs does `iterations`. What `max_duration` cuts off is dropped."""

    def tickets(self) -> Iterator[None]:
        return repeat(None, self.spec.iterations)

    def total(self) -> int:
        return self.spec.vus * self.spec.iterations


class SharedIterations(_ClosedExecutor):
    """`vus` VUs share `iterations`: whoever is free takes the next. What `max_duration` cuts off is dropped."""

    _roll: Iterator[None] | None = None

    def tickets(self) -> Iterator[None]:
        if self._roll is None:
            self._roll = repeat(None, self.total())
        return self._roll

    def total(self) -> int:
        return self.spec.iterations
