"""One timer for all deadlines of a connection: it is set anew only by an exchange that is due before all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from time import perf_counter
from typing import Final, Generic, Protocol, TypeVar

SLACK: Final = 0.001
"""uvloop's timers are whole milliseconds, so one may fire this many seconds before its deadline."""
_NEVER: Final = float("inf")


class Due(Protocol):
    """Something that is waited for, until `deadline` (clock seconds)."""

    @property
    def deadline(self) -> float: ...


D = TypeVar("D", bound=Due)


class Deadlines(Generic[D]):
    """`late(each, now)` is told of each of `waiting()` whose deadline has come, and takes it out of them."""

    __slots__ = ("_late", "_loop", "_timer", "_waiting", "next")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Callable[[], Collection[D]],
        late: Callable[[D, float], None],
    ) -> None:
        self._loop = loop
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = waiting
        self.next = _NEVER
        """Clock seconds at which it is looked next. What is due before must be told by `set`."""

    def set(self, deadline: float) -> None:
        """Look at `deadline`, and not before."""
        self.stop()
        self.next = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - perf_counter()), self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        self.next = _NEVER
        now = perf_counter()
        for each in [each for each in self._waiting() if each.deadline - SLACK <= now]:
            self._late(each, now)
        if left := self._waiting():
            self.set(min(each.deadline for each in left))
