"""A program the keeper started: its output, its end, and how it is stopped with all it left behind.

Stopping, as a supervisor does it:
1. SIGTERM to the program itself, not to its group: it knows best how its own processes end.
2. SIGKILL to it and to every descendant, whatever session or group they have, when `patience` is over.
3. When the program has gone, whatever is still below gets a moment to go by itself, then SIGTERM, then SIGKILL, again and again
   until nothing is left: a process may start another one while it is killed.

Nothing here blocks: `step` does what is due, and says when it wants to be called again.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from dataclasses import dataclass
from typing import Final

from loadgate.probe.launch import LINUX, CannotStart, launch
from loadgate.probe.subject import ProcessTree
from loadgate.probe.tail import Tail
from loadgate.probe.tree import descendants

_CHUNK: Final = 65_536
_DRAINED: Final = 32
"""Reads for what is left in the pipe once the program has ended: a daemon may go on printing."""
_TURN: Final = 0.01
_SETTLE: Final = 0.05
_GRACE: Final = 0.5
_GIVE_UP: Final = 5.0
"""Seconds after which a process that not even SIGKILL ends (it waits for a device) is left alone."""


@dataclass(frozen=True, slots=True)
class End:
    """`at` in clock seconds; either an exit code or a signal."""

    code: int | None
    signal: int | None
    at: float


@dataclass(slots=True)
class Stopping:
    """What stopping came to so far."""

    asked: float
    deadline: float
    killed: bool = False
    gone_at: float | None = None
    settled: bool = False
    done: bool = False


class Program:
    """Raises CannotStart where it cannot be started; a pipe that is full never holds it up as long as `drain` is called."""

    def __init__(self, argv: list[str], folder: str | None, env: dict[str, str], cores: list[int]) -> None:
        self.tail = Tail()
        self.end: End | None = None
        self.last: tuple[str, ...] = ()
        """The last lines that were there at its end."""
        self.stopping: Stopping | None = None
        self.leftovers: set[int] = set()
        reader, writer = os.pipe()
        try:
            self.pid, self.at = launch(argv, folder, env, writer, cores)
        except CannotStart:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        self.output: int | None = reader
        self.tree = ProcessTree(os.getpid(), without_root=True)

    def drain(self) -> bool:
        """Take what was printed. False once nobody can print any more."""
        if self.output is None:
            return False
        try:
            part = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return True
        self.tail.add(part)
        return bool(part)

    def drain_rest(self) -> None:
        """Take what is in the pipe already."""
        for _ in range(_DRAINED):
            if self.output is None or not self._more():
                break

    def close_output(self) -> None:
        if self.output is not None:
            os.close(self.output)
            self.output = None

    def reaped(self, pid: int, status: int, used: resource.struct_rusage) -> bool:
        """A process below was waited for; True where it was the program itself, which now has an end."""
        at = time.perf_counter()
        self.tree.members.ended(pid, used)
        if pid != self.pid:
            return False
        code = os.waitstatus_to_exitcode(status)
        self.end = End(code if code >= 0 else None, -code if code < 0 else None, at)
        self.drain_rest()
        self.last = self.tail.lines()
        return True

    def stop(self, patience: float) -> None:
        """Begin to stop it, or hurry where that has begun: no more than `patience` seconds from now."""
        now = time.perf_counter()
        if self.stopping is not None and not self.stopping.done:
            self.stopping.deadline = min(self.stopping.deadline, now + patience)
            return
        self.stopping = Stopping(now, now + patience)
        if self.end is None:
            _signal(self.pid, signal.SIGTERM)

    def step(self) -> float | None:
        """Go on stopping. Seconds until the next call is wanted; None when it is not being stopped (any more)."""
        stopping = self.stopping
        if stopping is None or stopping.done:
            return None
        now = time.perf_counter()
        if self.end is None:
            if now < stopping.deadline:
                return stopping.deadline - now
            if now > stopping.deadline + _GIVE_UP:
                stopping.done = True
                return None
            stopping.killed = True
            _signal(self.pid, signal.SIGKILL)
            self._end_rest(signal.SIGKILL)
            return _TURN
        if not LINUX:
            _end_group(self.pid)
        left = descendants(os.getpid())
        if stopping.gone_at is None:
            stopping.gone_at = now
        since = now - stopping.gone_at
        if not left or since > _GRACE + _GIVE_UP:
            stopping.done = True
            return None
        if stopping.killed or since >= _GRACE or now >= stopping.deadline:
            self._end_rest(signal.SIGKILL, left)
        elif since >= _SETTLE and not stopping.settled:
            stopping.settled = True
            self._end_rest(signal.SIGTERM, left)
        return _TURN

    def _end_rest(self, number: signal.Signals, left: list[int] | None = None) -> None:
        for pid in descendants(os.getpid()) if left is None else left:
            if pid != self.pid:
                self.leftovers.add(pid)
                _signal(pid, number)

    def _more(self) -> bool:
        assert self.output is not None
        try:
            part = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return False
        self.tail.add(part)
        return bool(part)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):  # it went by itself, or runs as another user by now
        return


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
