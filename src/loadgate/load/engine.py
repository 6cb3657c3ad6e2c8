"""One run on one event loop: users and their loads, the windows of measurement, and whoever may say stop.

The engine knows nothing of thresholds, records or screens. At the end of each window it hands what was measured to
`on_window`; a text that comes back stops the run with that text as its reason.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from loadgate.clock import Clock, Handle
from loadgate.config.load import LoadSpec
from loadgate.load import executors
from loadgate.load.busy import Busy
from loadgate.load.executors import LoadStats, Stop
from loadgate.load.users import Crowd
from loadgate.measure.health import HealthSample, late_shares
from loadgate.measure.health_log import HealthLog
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Closing, Recorder
from loadgate.measure.windows import Window

LAG_PERIOD = 0.02
"""Seconds between two looks at how late the loop is."""

GC_THRESHOLD = 50_000
"""Exchanges make no reference cycles, so Python's collector has nothing to find and would only stall the loop."""


SWITCH_INTERVAL = 0.0002
"""Seconds after which another thread (one that writes the record) has to hand Python back to the loop; usually 5 ms."""


class EndState(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run stands at the end of a window. `elapsed` in seconds since the start."""

    elapsed: float
    window: Window
    health: HealthSample
    stats: Mapping[str, LoadStats]


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What is left of a run beside what the recorder holds."""

    state: EndState
    duration: float
    reason: str
    health: tuple[HealthSample, ...]
    stats: Mapping[str, LoadStats]


OnWindow = Callable[[Progress], str | None]


@dataclass(slots=True)
class _Lag:
    """How late timed callbacks run, in seconds, since it was last taken.

    Looks are due at fixed times. A loop that stood still is late for every look that fell due meanwhile, not for one.
    """

    clock: Clock
    seen: list[float] = field(default_factory=list)
    _handle: Handle | None = None
    _due: float = 0.0

    def start(self) -> None:
        self._due = self.clock.now() + LAG_PERIOD
        self._handle = self.clock.call_at(self._due, self._look)

    def take(self) -> list[float]:
        seen, self.seen = self.seen, []
        return seen

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _look(self) -> None:
        now = self.clock.now()
        while self._due <= now:
            self.seen.append(now - self._due)
            self._due += LAG_PERIOD
        self._handle = self.clock.call_at(self._due, self._look)


class Engine:
    """Runs `loads` over users of `pools` (one pool for each load, by its name). Use once."""

    def __init__(
        self,
        loads: Sequence[LoadSpec],
        pools: Mapping[str, Crowd],
        recorder: Recorder,
        clock: Clock,
        *,
        window: float,
        warmup: float,
        on_window: OnWindow,
        before_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`before_end` is awaited between the end of the loads and that of the last window: what it records still counts."""
        self._loads = loads
        self._pools = pools
        self._recorder = recorder
        self._clock = clock
        self._width = window
        self._warmup = warmup
        self._on_window = on_window
        self._before_end = before_end
        self._busy = Busy()
        self._stats = {load.name: LoadStats(busy=self._busy) for load in loads}
        self._health = HealthLog()
        self._lag = _Lag(clock)
        self._stop = Stop()
        self._state = EndState.COMPLETE
        self._reason = ""
        self._tick: Handle | None = None
        self._ended: asyncio.Queue[tuple[Closing, HealthSample] | None] = asyncio.Queue()
        self._origin = 0.0
        self._cpu = 0.0
        self._at = 0.0
        self._counted: dict[str, tuple[int, int]] = {load.name: (0, 0) for load in loads}

    def interrupt(self) -> None:
        """Ctrl-C: once drains within the graceful stop, twice ends at once."""
        if self._state is EndState.COMPLETE:
            self._state = EndState.INTERRUPTED
            self._reason = "interrupted"
        self._stop.request()

    async def run(self, origin: float) -> RunEnd:
        """Run all loads from clock time `origin` on. Raises what a scenario's own setup or a bug raised."""
        raise_file_limit()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._origin = self._at = origin
        self._cpu = time.process_time()
        self._lag.start()
        self._schedule(origin)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                await self._run_loads()
                if self._before_end is not None:
                    await self._before_end()
                self._end_window(self._clock.now(), last=True)
                self._ended.put_nowait(None)
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return self.so_far()

    async def _run_loads(self) -> None:
        origin, clock = self._origin, self._clock
        try:
            async with asyncio.TaskGroup() as group:
                for load in self._loads:
                    stats = self._stats[load.name]
                    group.create_task(executors.run(load, self._pools[load.name], clock, stats, self._stop, origin))
        finally:
            if self._tick is not None:
                self._tick.cancel()
            self._lag.stop()
            for pool in self._pools.values():
                pool.close()

    def so_far(self) -> RunEnd:
        """What would be left if the run ended with the window that was closed last."""
        return RunEnd(self._state, self._at - self._origin, self._reason, tuple(self._health), self._stats)

    def _schedule(self, now: float) -> None:
        """The next window ends a whole number of widths from the origin, or where the warm-up does."""
        elapsed = now - self._origin
        end = (int(elapsed / self._width + 1e-6) + 1) * self._width
        if elapsed + 1e-6 < self._warmup < end:
            end = self._warmup
        self._tick = self._clock.call_at(self._origin + end, self._on_tick)

    def _on_tick(self) -> None:
        now = self._clock.now()
        self._schedule(now)
        self._end_window(now)

    def _end_window(self, now: float, *, last: bool = False) -> None:
        """End the window at clock time `now`; `_watch` does what has to be done with it.

        The `last` one may be the moment between the end of the loads and that of the run. That nobody was busy in it is
        not what `vus` should end with.
        """
        width = now - self._at
        if width <= 0.0:
            return
        started = dropped = 0
        add, series = self._recorder.add, self._recorder.series
        for load in self._loads:
            stats = self._stats[load.name]
            before_started, before_dropped = self._counted[load.name]
            lost = stats.dropped - before_dropped
            if load.executor.open_model:  # closed models plan no starts
                started += stats.started - before_started
                dropped += lost
            self._counted[load.name] = (stats.started, stats.dropped)
            if lost:
                add(series(BUILTIN["dropped_iterations"], {**load.tags, "scenario": load.name}), lost)
        busy = self._busy.take()
        if busy or not last:
            add(series(BUILTIN["vus"], {}), busy)
        add(series(BUILTIN["vus_max"], {}), sum(stats.allocated for stats in self._stats.values()))
        closing = self._recorder.closing(now)
        cpu = time.process_time()
        lag = self._lag.take()
        sample = HealthSample(
            at=now - self._origin,
            cpu_share=(cpu - self._cpu) / width,
            loop_lag_ms=max(lag, default=0.0) * 1e3,
            planned=started + dropped,
            started=started,
            dropped=dropped,
            late=late_shares(lag),
        )
        self._cpu, self._at = cpu, now
        self._ended.put_nowait((closing, sample))

    async def _watch(self) -> None:
        """Close the windows that ended and tell whoever watches, until the run is over.

        The loop turns between the pieces of this work: at once they would hold up every reply that comes meanwhile.
        """
        while (ended := await self._ended.get()) is not None:
            closing, sample = ended
            while closing.step():
                await asyncio.sleep(0)
            self._health.append(sample)
            reason = self._on_window(Progress(sample.at, closing.window, sample, self._stats))
            if reason is not None and not self._stop.requested:
                self._state = EndState.ABORTED
                self._reason = reason
                self._stop.request()


def _first(error: BaseException) -> BaseException:
    """The error itself in the first of groups within groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def raise_file_limit() -> None:
    """Every VU holds a socket: take as many open files as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        wanted = min(hard, 1_048_576) if sys.platform != "darwin" else min(hard, 10_240)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
