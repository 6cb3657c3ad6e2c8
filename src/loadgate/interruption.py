"""Ctrl-C and SIGTERM while the event loop runs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

from loadgate.errors import LoadgateError

PATIENCE: Final = 1.0
"""Seconds the loop has to attend to a signal before the next one does without it."""


class Interrupted(LoadgateError):
    """Ctrl-C before there was anything to record."""

    exit_code = 130


class Unyielding(BaseException):
    """Raised in whatever has the thread, where a signal could not be attended to: a script that never awaits."""


class Signals:
    """Ctrl-C and SIGTERM: call whatever is right at the moment, at first the end of the task that entered this.

    The loop makes the call at its next turn. A script that never awaits gives it none: after `PATIENCE` another signal makes
    the call itself and throws the script out of the line it is in, which is told as that iteration's error.

    Afterwards they end the process at once; with `restores`, where something is to be tidied up then, they do what they did.
    """

    def __init__(self, *, restores: bool = False) -> None:
        self._restores = restores
        self._call: Callable[[], object] = lambda: None
        self._end: Callable[[], object] = self._call
        self._waiting_since: float | None = None

    def then(self, call: Callable[[], object]) -> None:
        self._call = call

    def then_end(self) -> None:
        """What it was at first: a signal ends the task that entered this."""
        self._call = self._end

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._call = self._end = task.cancel
        self._loop = asyncio.get_running_loop()
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in self._before:
            signal.signal(number, self._heed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, (before if self._restores else None) or signal.SIG_DFL)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._waiting_since is not None and now - self._waiting_since > PATIENCE:
            self._call()
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "somewhere"
            raise Unyielding(f"interrupted at {place}, which let nothing else run: it awaits nothing")
        if self._waiting_since is None:
            self._waiting_since = now
        self._loop.call_soon_threadsafe(self._attend)

    def _attend(self) -> None:
        self._waiting_since = None
        self._call()
