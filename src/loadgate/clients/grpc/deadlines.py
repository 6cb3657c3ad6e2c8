"""One timer for the deadlines of all calls of a connection: it is set anew only by a call that is due before all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from time import perf_counter
from typing import Final

from loadgate.clients.grpc.call import Call

SLACK: Final = 0.001
"""uvloop's timers are whole milliseconds, so one may fire this many seconds before its deadline."""
_NEVER: Final = float("inf")


class Deadlines:
    """`late(call, now)` is told of each of `calls()` whose deadline has come, and takes it out of them."""

    __slots__ = ("_calls", "_late", "_loop", "_timer", "next")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        calls: Callable[[], Collection[Call]],
        late: Callable[[Call, float], None],
    ) -> None:
        self._loop = loop
        self._calls = calls
        self._late = late
        self._timer: asyncio.TimerHandle | None = None
        self.next = _NEVER
        """Clock seconds at which it is looked next. A call that is due before must be told by `set`."""

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
        for call in [call for call in self._calls() if call.deadline - SLACK <= now]:
            self._late(call, now)
        if left := self._calls():
            self.set(min(call.deadline for call in left))
