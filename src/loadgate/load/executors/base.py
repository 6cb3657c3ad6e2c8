"""What all executors share: the start, the end, the grace, and that no task outlives them.

An executor is a state machine moved by clock callbacks, not a task: `advance` does what is due and says when to be
called next. VUs are tasks. Rules:
* New iterations start only while `running`. At the planned end, and at a stop request, `running` is cleared, and what
  runs may finish within its grace. Then it is cancelled, which counts as interrupted.
* An error out of a VU, the pool or the executor itself ends the load at once and is raised by `run`.
* A VU that swallows its cancellation is cancelled again every `PATIENCE` seconds, and abandoned after `ATTEMPTS` times, so
  that it cannot keep the run alive. Python has no way to end such a task: it goes on, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Protocol

from loadgate.clock import Clock, Handle
from loadgate.config.load import Executor, LoadSpec
from loadgate.errors import InvalidRun
from loadgate.load.busy import Busy
from loadgate.load.stop import Stop
from loadgate.script.role import Outcome, abandon, interrupt, is_interrupted

INF = float("inf")
STOPPED = Outcome.STOPPED  # a name of its own: looking into an enum costs more than the comparison
PATIENCE = 1.0  # seconds between two cancellations of one task
ATTEMPTS = 5
_ADVICE = "raise StopUser to end a user; cancel only tasks that the script has made"

# A closed-model VU gives way to the event loop each time the load has started so many iterations. A scenario that waits
# for nothing (an empty one, say) would otherwise keep the loop, and with it the clock and Ctrl-C, for ever.
TURN = 64


class Vu(Protocol):
    """A virtual user."""

    def iterate(self, planned: float) -> Awaitable[Outcome]:
        """One iteration. `planned` is the clock time at which it was due, 0.0 in a closed model.

        After STOPPED it must not be asked again. Raises nothing but CancelledError, and that only when cancelled:
        anything else ends the run.
        """

    def drop(self) -> None:
        """Give up what is under way after an interruption: the VU is gone, and so must its requests be."""

    def abandon(self, attempts: int) -> None:
        """Tell that its iteration went on though it was cancelled `attempts` times: nobody will wait for it."""


class Pool(Protocol):
    """Where VUs come from: one pool for each load."""

    def acquire_new(self) -> Vu:
        """A new VU. Cheap: it may be called at full rate in the middle of the load."""


@dataclass(slots=True)
class LoadStats:
    """Running counts of one load, which the engine reads whenever it likes."""

    started: int = 0
    completed: int = 0
    interrupted: int = 0  # cancelled when their grace was over
    stopped: int = 0  # the scenario said that its user has nothing more to do
    dropped: int = 0  # due, but without a free VU, or cut off by `max_duration`
    allocated: int = 0  # VUs that exist
    max_allocated: int = 0  # VUs that may exist
    busy: Busy = field(default_factory=Busy, repr=False, compare=False)  # one for all loads of a run

    def __post_init__(self) -> None:
        self.busy.join(self)

    @property
    def planned(self) -> int:
        """Iterations due so far. None is ever lost: each was started or dropped."""
        return self.started + self.dropped

    @property
    def active(self) -> int:
        """VUs in the middle of an iteration."""
        return self.started - self.completed - self.stopped - self.interrupted


class BaseExecutor(ABC):
    """One load on one event loop. Use once."""

    ends_when_idle: ClassVar[bool] = False  # whether the load is over once no VU has a task

    def __init__(self, spec: LoadSpec, pool: Pool, clock: Clock, stats: LoadStats, stop: Stop) -> None:
        self.spec = spec
        self.clock = clock
        self.stats = stats
        self.stats.max_allocated = _most_vus(spec)
        self.running = False
        self.start = 0.0
        self._pool = pool
        self._stop = stop
        self._tasks: dict[asyncio.Task[None], Vu] = {}
        self._attempts = 0
        self._empty = asyncio.Event()
        self._error: BaseException | None = None
        self._begin_handle: Handle | None = None
        self._next_handle: Handle | None = None
        self._end_handle: Handle | None = None
        self._deadline = INF
        self._deadline_handle: Handle | None = None

    @abstractmethod
    def advance(self, now: float) -> float:
        """Do what is due at `now`; return the next time at which something is due, or infinity."""

    @abstractmethod
    def wind_down(self, *, early: bool) -> None:
        """Called once, when no iteration may start any more, `early` if by a stop request: let waiting VUs go."""

    async def run(self, origin: float) -> None:
        """See `loadgate.load.executors.run`."""
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self.start = origin + self.spec.start_time
        self._begin_handle = self.at(self.start, self._begin)
        self._stop.watch(self._on_stop)
        try:
            await self._over
        finally:
            self._stop.unwatch(self._on_stop)
            await self._clean_up()
            # Counted here, because a task may be cancelled between being given an iteration and beginning it.
            self.stats.interrupted = self.stats.started - self.stats.completed - self.stats.stopped
        if self._error is not None:
            raise self._error

    def at(self, t: float, callback: Callable[[], None]) -> Handle:
        """Call at clock time `t`; an error in `callback` ends the load."""
        return self.clock.call_at(t, partial(self.guarded, callback))

    def guarded(self, callback: Callable[[], None]) -> None:
        """Call back; an error ends the load."""
        try:
            callback()
        except Exception as error:
            self._fail(error)

    def acquire(self) -> Vu:
        """One more VU."""
        vu = self._pool.acquire_new()
        self.stats.allocated += 1
        return vu

    def spawn(self, work: Coroutine[None, None, None], vu: Vu) -> asyncio.Task[None]:
        """Run `work` of `vu` as a task that this executor answers for."""
        task = self._loop.create_task(work)
        self._tasks[task] = vu
        task.add_done_callback(self._on_task_done)
        return task

    def _begin(self) -> None:
        self._begin_handle = None
        self.running = True
        self._end_handle = self.at(self.start + self.spec.length, self._end)
        self._advance()

    def _advance(self) -> None:
        if not self.running:
            return
        due = self.advance(self.clock.now())
        if due < INF and self.running:
            self._next_handle = self.at(due, self._advance)

    def _end(self) -> None:
        # What is due at the very end still belongs to the load, and so does what a late loop has not started yet.
        if self.running:
            self.advance(self.clock.now())
        self._halt(self.start + self.spec.length + self.spec.graceful_stop, early=False)

    def _on_stop(self, grace: float) -> None:
        self.guarded(partial(self._halt, self.clock.now() + min(grace, self.spec.graceful_stop), early=True))

    def _halt(self, deadline: float, *, early: bool) -> None:
        """Start nothing new; interrupt what still runs at `deadline`."""
        _cancel(self._begin_handle, self._next_handle, self._end_handle)
        if self.running:
            self.running = False
            self.wind_down(early=early)
        if not self._tasks:
            self._finish()
        elif deadline < self._deadline:
            self._deadline = deadline
            _cancel(self._deadline_handle)
            if deadline <= self.clock.now():
                self._interrupt_all()
            else:
                self._deadline_handle = self.at(deadline, self._interrupt_all)

    def _interrupt_all(self) -> None:
        if self._attempts == ATTEMPTS:
            self._abandon_all()
            return
        self._attempts += 1
        for task in tuple(self._tasks):
            interrupt(task)
        self._deadline_handle = self.at(self.clock.now() + PATIENCE, self._interrupt_all)

    def _abandon_all(self) -> None:
        for task, vu in self._tasks.items():
            task.remove_done_callback(self._on_task_done)
            abandon(task)
            vu.abandon(self._attempts)
        self._tasks.clear()
        self._empty.set()
        self._finish()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not self._tasks:
            self._empty.set()
        if task.cancelled():
            if not is_interrupted(task):
                self._fail(InvalidRun("the script cancelled the task of its user between two iterations", _ADVICE))
        else:
            error = task.exception()
            if error is not None:
                self._fail(error)
        if not self._tasks and (self.ends_when_idle or not self.running):
            if self.running:  # nobody is left to do what was asked for
                self.running = False
                self.wind_down(early=False)
            self._finish()

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self.running = False
        self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    async def _clean_up(self) -> None:
        """Leave nothing behind, even when `run` itself is cancelled: no callback, and no task that still runs."""
        self.running = False
        _cancel(self._begin_handle, self._next_handle, self._end_handle, self._deadline_handle)
        if self._tasks:
            self._empty.clear()
            self._interrupt_all()
            await self._empty.wait()
        _cancel(self._deadline_handle)


def _most_vus(spec: LoadSpec) -> int:
    if spec.executor.open_model:
        return max(spec.pre_allocated_vus, spec.max_vus)
    if spec.executor is Executor.RAMPING_VUS:
        return max(spec.start_vus, *(round(stage.target) for stage in spec.stages))
    return spec.vus


def _cancel(*handles: Handle | None) -> None:
    for handle in handles:
        if handle is not None:
            handle.cancel()
