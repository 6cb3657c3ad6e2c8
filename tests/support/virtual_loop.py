"""An event loop whose time jumps: when nothing is ready it goes straight to the next deadline, to the bit.

Hours of schedule run in milliseconds and every wake-up is exact, so that tests may compare times with `==`.
A program that would wait for ever fails at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from loadgate.clock import VirtualClock

T = TypeVar("T")
EPOCH = 1024.0  # not 0, which stands for "no planned time"; a power of two, so that sums with 1/8 s are exact


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: tells the loop how long it was asked to wait."""

    asked: float | None = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        self.asked = timeout if not events else 0.0
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at `EPOCH` seconds."""

    def __init__(self) -> None:
        self._now = EPOCH
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._set(EPOCH)

    def time(self) -> float:
        return self._now

    def _process_events(self, events: list[Any]) -> None:
        super()._process_events(events)  # type: ignore[misc]
        asked = self._jumping.asked
        if asked is None:
            raise RuntimeError("everything waits and nothing is scheduled: this would hang for ever")
        if asked > 0:
            # Not `now + asked`: the sum would be off by a rounding.
            self._set(max(self._now, self._scheduled[0]._when))  # type: ignore[attr-defined]

    def jump(self, seconds: float) -> None:
        """Pretend that this very callback took `seconds`: how a late loop looks from inside."""
        self._set(self._now + seconds)

    def _set(self, now: float) -> None:
        self._now = now
        # asyncio runs timers that are due before `now` plus this: exactly those that are due by `now`.
        self._clock_resolution = math.ulp(now)


def run_virtual(main: Callable[[VirtualLoop, VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run `main(loop, clock)` on a fresh virtual loop, and check that it leaves no task behind."""
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(main(loop, VirtualClock(loop)))
        left = asyncio.all_tasks(loop)
        assert not left, f"left running: {left}"
        return result
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
