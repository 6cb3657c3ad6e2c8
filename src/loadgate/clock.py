"""Time: what the hour is, and waking up on the dot.

Times are float seconds on the scale of `time.perf_counter()` (CLOCK_MONOTONIC on Linux), never wall time.

Event loops keep coarse time: uvloop's timers count milliseconds and may even fire half a millisecond early. A schedule
of thousands of starts a second, or a mock that promises 2 ms, needs better. So all waiters of a `SystemClock` share one
heap of deadlines and one alarm, and the alarm is a timerfd watched by the loop: one system call per wake-up, however
many waiters are due, and none per waiter. Where there is no timerfd, the loop's own timer serves as the alarm.

Rules:
* A callback never runs before its time; how late it runs is up to the loop (bench/timer.py measures it).
* Callbacks due at the same time run in the order in which they were set.
* A clock belongs to one event loop at a time, and is used from that loop's thread only.
* NaN is no time. It is refused, for in a heap it would break the order of every other deadline.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import sys
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Protocol

_FAR = 2.0**32  # seconds; a deadline 136 years ahead is as good as none, and alarms count in whole numbers that end
_NO_TIME = "a clock cannot wake anybody at the time NaN"
_COMPACT_FROM = 64  # below this many cancelled entries the heap is not worth cleaning


class Handle(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None:
        """Forget the callback. Harmless when it has run or was cancelled already."""


class Clock(Protocol):
    """The seam between the program and time."""

    def now(self) -> float:
        """Seconds, monotonic, from an arbitrary origin."""

    async def sleep_until(self, t: float) -> None:
        """Return at time `t`, or after one turn of the loop where `t` is past."""

    def call_at(self, t: float, callback: Callable[[], object]) -> Handle:
        """Call `callback` at time `t` (at the next chance where `t` is past), unless the handle is cancelled.

        Raises ValueError where `t` is NaN.
        """


class VirtualClock:
    """The shipped fake: time is the event loop's own.

    On a loop whose time jumps to the next deadline instead of waiting, schedules of hours run in milliseconds and
    every wake-up is exact.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now = loop.time

    async def sleep_until(self, t: float) -> None:
        await _sleep_until(self, t)

    def call_at(self, t: float, callback: Callable[[], object]) -> Handle:
        if t != t:
            raise ValueError(_NO_TIME)
        return self._loop.call_at(t, callback)


class SystemClock:
    """Real time, precise to about 0.1 ms on Linux. Cheap to create; the alarm is opened at the first wait."""

    now = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self._timer: _Timer | None = None

    async def sleep_until(self, t: float) -> None:
        await _sleep_until(self, t)

    def call_at(self, t: float, callback: Callable[[], object]) -> Handle:
        timer = self._timer
        if timer is None or timer.loop is not asyncio.get_running_loop():
            self.close()
            timer = self._timer = _Timer(asyncio.get_running_loop())
        return timer.add(t, callback)

    def close(self) -> None:
        """Drop all waiters' deadlines and give the alarm back. A later wait opens a new one."""
        if self._timer is not None:
            self._timer.close()
            self._timer = None


async def _sleep_until(clock: Clock, t: float) -> None:
    if t <= clock.now():
        await asyncio.sleep(0)
        return
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    handle = clock.call_at(t, partial(_wake, woken))
    try:
        await woken
    finally:
        handle.cancel()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class _Entry:
    """One deadline. `callback` is None once it ran or was cancelled, `timer` is None once it left the heap."""

    __slots__ = ("callback", "timer")

    def __init__(self, callback: Callable[[], object], timer: _Timer) -> None:
        self.callback: Callable[[], object] | None = callback
        self.timer: _Timer | None = timer

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            if self.timer is not None:
                self.timer.forget()


class _Timer:
    """The heap of deadlines over one alarm of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._heap: list[tuple[float, int, _Entry]] = []
        self._alarm = _open_alarm(loop, self._fire)
        self._armed = float("inf")
        self._added = 0
        self._cancelled = 0

    def add(self, t: float, callback: Callable[[], object]) -> _Entry:
        if t != t:
            raise ValueError(_NO_TIME)
        entry = _Entry(callback, self)
        self._added += 1
        heapq.heappush(self._heap, (t, self._added, entry))
        if t < self._armed:
            self._arm(t)
        return entry

    def forget(self) -> None:
        """Count a cancelled entry; entries leave the heap when due, or all at once when they are the most of it."""
        self._cancelled += 1
        if self._cancelled > _COMPACT_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [item for item in self._heap if item[2].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def close(self) -> None:
        for _, _, entry in self._heap:
            entry.timer = None
        self._heap.clear()
        self._alarm.close()

    def _arm(self, t: float) -> None:
        self._armed = t
        self._alarm.set(max(t, 0.0) if t < _FAR else float("inf"))

    def _fire(self) -> None:
        """Run what is due and set the alarm for the next deadline.

        Callbacks set while this runs wait for the next turn of the loop, so that a callback which sets itself again
        in the past does not keep the loop from everything else.
        """
        now = time.perf_counter()
        due: list[_Entry] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)[2]
            entry.timer = None
            if entry.callback is None:
                self._cancelled -= 1
            else:
                due.append(entry)
        # Set first: setting the alarm is also what silences it, and callbacks may set an earlier one.
        self._arm(heap[0][0] if heap else float("inf"))
        for entry in due:
            callback, entry.callback = entry.callback, None
            if callback is None:  # cancelled by one that ran just before it
                continue
            try:
                callback()
            except Exception as error:
                self.loop.call_exception_handler({"message": "error in a timed callback", "exception": error})


class _Alarm(Protocol):
    """Calls `_Timer._fire` once, at or after the time last set. Infinity means never."""

    def set(self, t: float) -> None: ...

    def close(self) -> None: ...


def _open_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> _Alarm:
    if sys.platform == "linux":
        try:
            return _TimerFd(loop, ring)
        except (OSError, AttributeError, NotImplementedError):
            pass  # a sandbox without the system call, or a loop that cannot watch descriptors
    return _LoopAlarm(loop, ring)


class _LoopAlarm:
    """The loop's own timer. It may ring early; `_Timer` then finds nothing due and sets it anew."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, t: float) -> None:
        self.close()
        if t != float("inf"):
            self._handle = self._loop.call_later(max(0.0, t - time.perf_counter()), self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _TimerFd:
    """A timerfd watched by the loop. Setting it clears its readiness, so it is never read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._fd = _timerfd_create()
        self._finalizer = weakref.finalize(self, os.close, self._fd)
        loop.add_reader(self._fd, ring)

    def set(self, t: float) -> None:
        # Rounded up, so that it never rings early; zero would disarm it, as infinity must.
        _timerfd_settime(self._fd, 0 if t == float("inf") else max(1, int(t * 1e9) + 1))

    def close(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._finalizer()


if sys.version_info >= (3, 13) and sys.platform == "linux":

    def _timerfd_create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _timerfd_settime(fd: int, nanoseconds: int) -> None:
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=nanoseconds)

else:
    _TFD_TIMER_ABSTIME = 1
    _itimerspec = ctypes.c_long * 4  # interval s, interval ns, first s, first ns
    _libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None

    def _timerfd_create() -> int:
        assert _libc is not None
        fd: int = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        return fd

    def _timerfd_settime(fd: int, nanoseconds: int) -> None:
        assert _libc is not None
        when = _itimerspec(0, 0, *divmod(nanoseconds, 1_000_000_000))
        if _libc.timerfd_settime(fd, _TFD_TIMER_ABSTIME, when, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
