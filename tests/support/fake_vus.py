"""VUs that only wait: what an executor did is read from what they noted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace

from loadgate.clock import VirtualClock
from loadgate.config.load import Executor, LoadSpec, Stage
from loadgate.load.executors import LoadStats, Stop, run
from loadgate.script.role import Outcome as IterationOutcome
from tests.support.virtual_loop import EPOCH, VirtualLoop, run_virtual


@dataclass
class Iteration:
    """Times in seconds since the origin of the run. `end` and `cut` (interrupted) are None while not reached."""

    vu: int
    planned: float
    start: float
    end: float | None = None
    cut: float | None = None


@dataclass
class FakePool:
    """Makes VUs whose iterations take `seconds(vu, nth)`, both counted from 0."""

    clock: VirtualClock
    seconds: Callable[[int, int], float]
    log: list[Iteration] = field(default_factory=list)
    made: list[float] = field(default_factory=list)
    stop_after: int = 1_000_000_000
    """Iterations after which a VU has nothing more to do."""

    def acquire_new(self) -> FakeVu:
        self.made.append(self.clock.now() - EPOCH)
        return FakeVu(self, len(self.made) - 1)


@dataclass
class FakeVu:
    pool: FakePool
    number: int
    count: int = 0

    async def iterate(self, planned: float) -> IterationOutcome:
        now = self.pool.clock.now
        entry = Iteration(self.number, planned - EPOCH if planned else 0.0, now() - EPOCH)
        self.pool.log.append(entry)
        self.count += 1
        try:
            await asyncio.sleep(self.pool.seconds(self.number, self.count - 1))
        except asyncio.CancelledError:
            entry.cut = now() - EPOCH
            raise
        entry.end = now() - EPOCH
        return IterationOutcome.DONE if self.count < self.pool.stop_after else IterationOutcome.STOPPED

    def drop(self) -> None:
        """There is nothing under way."""

    def abandon(self, attempts: int) -> None:
        """It ends when it is cancelled."""


@dataclass
class Outcome:
    log: list[Iteration]
    stats: LoadStats
    made: list[float]
    ended: float  # when `run` returned

    @property
    def starts(self) -> list[float]:
        return [entry.start for entry in self.log]

    @property
    def cuts(self) -> list[tuple[int, float]]:
        return [(entry.vu, entry.cut) for entry in self.log if entry.cut is not None]


Meanwhile = Callable[[VirtualLoop, Stop, LoadStats], Awaitable[None]]


def spec(executor: str, stages: Iterable[tuple[float, float]] = (), **fields: float) -> LoadSpec:
    base = LoadSpec("load", Executor(executor), stages=tuple(Stage(*stage) for stage in stages))
    return replace(base, **fields)  # type: ignore[arg-type]


def play(
    load: LoadSpec,
    seconds: Callable[[int, int], float] | float = 0.1,
    meanwhile: Meanwhile | None = None,
    stop_after: int = 1_000_000_000,
) -> Outcome:
    """Run `load` on a virtual loop, `meanwhile` beside it."""

    async def main(loop: VirtualLoop, clock: VirtualClock) -> Outcome:
        stop, stats = Stop(), LoadStats()
        pool = FakePool(clock, seconds if callable(seconds) else lambda vu, nth: seconds, stop_after=stop_after)
        beside = asyncio.ensure_future(meanwhile(loop, stop, stats)) if meanwhile else None
        try:
            await run(load, pool, clock, stats, stop)
        finally:
            ended = clock.now() - EPOCH
            if beside is not None:
                await beside
        assert stats.started == stats.completed + stats.stopped + stats.interrupted
        assert stats.active == 0
        return Outcome(pool.log, stats, pool.made, ended)

    return run_virtual(main)


async def until(t: float) -> None:
    """Sleep until `t` seconds since the origin."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(EPOCH + t - loop.time())
