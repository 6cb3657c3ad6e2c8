"""Where frames go while a run lasts: drawn in place on a terminal, or as a line now and then for a pipe or a CI log.

Neither the run nor the terminal suffers: nothing here waits for the stream (see `outlet`), the alternate screen is not used,
the cursor is not hidden, and a process that is killed leaves its last frame standing and nothing else behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TextIO

from loadgate.report.figures import figure, length
from loadgate.report.frame import Frame, render_frame
from loadgate.report.outlet import Outlet
from loadgate.report.style import cells, clean, glyphs_fit
from loadgate.units import format_clock, format_count

_ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*m")

DEFAULT_SIZE: Final = (80, 24)
LOG_EVERY: Final = 10.0
LOG_AT_MOST: Final = 60.0
LOG_SHARE: Final = 1.0 / 6.0
"""A line every 10 s at first; later, every sixth of the time gone by, at most a minute."""


class Watcher(Protocol):
    """Whoever is shown a run."""

    def update(self, frame: Frame) -> None:
        """Show `frame`, or leave it. Never waits and never raises because of the stream."""

    def close(self) -> None:
        """The run is over: leave the stream as others expect it."""


class Silent:
    """Shows nothing."""

    def update(self, frame: Frame) -> None:
        """Leave it."""

    def close(self) -> None:
        """Nothing was begun."""


class Screen:
    """Draws each frame over the one before. `size` gives (columns, lines) and is asked at every draw."""

    def __init__(self, stream: TextIO, *, color: bool, size: Callable[[], tuple[int, int]] | None = None) -> None:
        self._outlet = Outlet(stream)
        self._color = color
        self._unicode = glyphs_fit(getattr(stream, "encoding", None))
        self._size = size or (lambda: _size_of(stream))
        self._lengths: list[int] = []
        """Cells of each line that stands on the screen."""

    def update(self, frame: Frame) -> None:
        outlet = self._outlet
        if outlet.broken or outlet.busy:
            return
        columns, rows = self._size()
        lines = render_frame(frame, width=columns, color=self._color, unicode=self._unicode, height=max(1, rows - 1))
        drawn = "".join(f"{line}\x1b[K\n" for line in lines)
        if outlet.offer(f"{self._back(columns, rows)}{drawn}\x1b[J"):
            self._lengths = [_visible(line) for line in lines]

    def close(self) -> None:
        """Remove the view, so that what follows stands in its place."""
        if self._lengths and self._outlet.drain():
            columns, rows = self._size()
            self._outlet.offer(f"{self._back(columns, rows)}\x1b[J")
            self._lengths = []
        self._outlet.close()

    def _back(self, columns: int, rows: int) -> str:
        """To the first line of what was drawn. In a window that became narrower its lines take several rows each."""
        taken = sum(max(1, -(-length // max(1, columns))) for length in self._lengths)
        up = min(taken, max(0, rows - 1))
        return f"\r\x1b[{up}A" if up else "\r"


class PlainLog:
    """A line that says what is run, one at each change of stage, and one every 10 s growing to a minute.

    Eight hours make about 60 kB.
    """

    def __init__(self, stream: TextIO) -> None:
        self._outlet = Outlet(stream)
        self._unicode = glyphs_fit(getattr(stream, "encoding", None))
        self._last: float | None = None
        self._stage: tuple[int, str] | None = None

    def update(self, frame: Frame) -> None:
        stage = (frame.stage, frame.phase)
        every = min(LOG_AT_MOST, max(LOG_EVERY, frame.elapsed * LOG_SHARE))
        # a window may end a little early or late
        due = self._last is None or frame.elapsed >= self._last + every - 0.05
        if not due and stage == self._stage:
            return
        lines = [_pieces(frame)] if self._last is not None else [_opening(frame), _pieces(frame)]
        if self._outlet.offer("".join(self._line(pieces) + "\n" for pieces in lines)):
            self._last, self._stage = frame.elapsed, stage

    def close(self) -> None:
        self._outlet.close()

    def _line(self, pieces: Sequence[str]) -> str:
        text = clean("  ".join(pieces))
        return text if self._unicode else text.encode("ascii", "replace").decode("ascii")


def _opening(frame: Frame) -> list[str]:
    planned = f"{format_count(frame.goal)} iterations" if frame.goal is not None else length(frame.planned)
    return [frame.profile, *([f"-> {frame.target}"] if frame.target else []), f"{planned} planned"]


def _pieces(frame: Frame) -> list[str]:
    """What one line of the log says, what is wrong last."""
    at = f"{format_clock(frame.elapsed)}/{format_clock(frame.planned)}"
    if frame.goal is not None:
        at = f"{format_clock(frame.elapsed)}  {format_count(frame.done)}/{format_count(frame.goal)} iterations"
    stage = f"stage {frame.stage}/{frame.stages} " if frame.stages > 1 else ""
    rows = {row.label: figure(row.now, row.unit, row.statistic) for row in frame.rows}
    pieces = [
        at,
        frame.phase or f"{stage}{frame.stage_text}",
        rows["rate"],
        f"p95 {rows['p95']}",
        f"p99 {rows['p99']}",
        f"errors {rows['errors']}",
        f"{format_count(frame.active)} in flight",
    ]
    if frame.judged:
        pieces.append(f"thresholds {frame.holding}/{frame.judged}")
    if frame.dropped:
        pieces.append(f"{format_count(frame.dropped)} dropped")
    if frame.errors is not None:
        glance = frame.errors
        pieces.append(f"{format_count(glance.total)} errors, most {glance.kind} in {glance.step}")
    if not frame.healthy:
        pieces.append(f"generator late: {frame.health_text}")
    return pieces


def _visible(line: str) -> int:
    """Cells of a painted line: its escape codes take none."""
    return cells(_ESCAPE.sub("", line))


def _size_of(stream: TextIO) -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return DEFAULT_SIZE
    return (columns, rows) if columns and rows else DEFAULT_SIZE
