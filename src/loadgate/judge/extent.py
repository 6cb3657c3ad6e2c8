"""Over how much of the run a threshold is judged: all of it, all since a warm-up of its own, or a window that slides."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from loadgate.config.thresholds import Threshold
from loadgate.judge.statistic import NO_DATA, statistic, worse
from loadgate.measure.recorder import Recorder
from loadgate.measure.select import Selection
from loadgate.measure.tally import CounterTally, Tally, merge_into
from loadgate.measure.windows import Window

MOST_SLICES: Final = 60
"""Parts a sliding window is kept in, however narrow the windows of the run are: memory stays bounded."""

_ROUNDING: Final = 1e-6
"""Seconds by which the edges of windows may be off."""


class Extent(Protocol):
    """What one threshold has seen."""

    def observe(self, window: Window) -> None:
        """Take the next window of the run, once its tallies are final."""

    def now(self) -> float:
        """The statistic as it stands, for ending a run early; NaN: no data yet."""

    def final(self, seconds: float | None) -> float:
        """The statistic if the run ended here. `seconds` of measured time, None: the width of the windows seen."""


class WholeRun:
    """Everything since the end of the profile's warm-up: k6's way. The recorder keeps the sum already."""

    def __init__(self, threshold: Threshold, selection: Selection, recorder: Recorder) -> None:
        self._threshold = threshold
        self._selection = selection
        self._recorder = recorder
        self._seconds = 0.0

    def observe(self, window: Window) -> None:
        if not window.warmup:
            self._seconds += window.width

    def now(self) -> float:
        return self.final(None)

    def final(self, seconds: float | None) -> float:
        tally = self._selection.tally(self._recorder.totals())
        return statistic(self._threshold, tally, self._seconds if seconds is None else seconds)


class SinceWarmup:
    """Everything since a warm-up of the threshold's own, which may be shorter or longer than the profile's."""

    def __init__(self, threshold: Threshold, selection: Selection, warmup: float) -> None:
        self._threshold = threshold
        self._selection = selection
        self._warmup = warmup
        self._sum: dict[int, Tally] = {}
        self._seconds = 0.0

    def observe(self, window: Window) -> None:
        if window.start < self._warmup - _ROUNDING:
            return
        self._seconds += window.width
        tally = self._selection.tally(window.tallies)
        if tally is not None:
            merge_into(self._sum, 0, tally)

    def now(self) -> float:
        return self.final(None)

    def final(self, seconds: float | None) -> float:
        return statistic(self._threshold, self._sum.get(0), self._seconds)


@dataclass(slots=True)
class _Slice:
    """A part of the sliding window. `tally` is None where it holds no sample."""

    start: float
    end: float
    tally: Tally | None


class Sliding:
    """The last `over` seconds, again and again; the worst is kept.

    Windows of the run are put together to slices of at least over/60. Each time a slice is full, the latest slices that
    cover `over` seconds are judged as one (they may cover up to a slice more). A run that never covers `over` seconds is
    judged once, at its end, on all there is.

    A stretch without any sample has no percentile, no share and no value, and is passed over; a counter has counted zero in
    it, if it ever counts anything in the run.
    """

    def __init__(self, threshold: Threshold, selection: Selection, warmup: float, over: float) -> None:
        self._threshold = threshold
        self._selection = selection
        self._warmup = warmup
        self._over = over
        self._slices: deque[_Slice] = deque()
        self._open: _Slice | None = None
        self._worst = NO_DATA
        self._covered = False
        self._counts = False
        self._idle = False

    def observe(self, window: Window) -> None:
        if window.start < self._warmup - _ROUNDING:
            return
        tally = self._selection.tally(window.tallies)
        self._counts = self._counts or isinstance(tally, CounterTally)
        part = _Slice(window.start, window.end, tally)
        part = self._open = part if self._open is None else _joined(self._open, part)
        if part.end - part.start < self._over / MOST_SLICES - _ROUNDING:
            return
        self._slices.append(part)
        self._open = None
        self._trim(self._slices)
        if part.end - self._slices[0].start >= self._over - _ROUNDING:
            self._covered = True
            value = self._judge(self._slices)
            self._idle = self._idle or value != value
            self._worst = worse(self._threshold, self._worst, value)

    def now(self) -> float:
        return worse(self._threshold, self._worst, 0.0) if self._idle and self._counts else self._worst

    def final(self, seconds: float | None) -> float:
        rest = deque(self._slices)
        if self._open is not None:
            rest.append(self._open)
            self._trim(rest)
        elif self._covered:
            return self.now()
        value = self._judge(rest)
        if value != value and self._counts:
            value = 0.0
        return worse(self._threshold, self.now(), value)

    def _trim(self, slices: deque[_Slice]) -> None:
        """Drop from the left what is not needed to cover `over`."""
        while len(slices) > 1 and slices[-1].end - slices[1].start >= self._over - _ROUNDING:
            slices.popleft()

    def _judge(self, slices: Sequence[_Slice]) -> float:
        if not slices:
            return NO_DATA
        merged: dict[int, Tally] = {}
        for part in slices:
            if part.tally is not None:
                merge_into(merged, 0, part.tally)
        return statistic(self._threshold, merged.get(0), slices[-1].end - slices[0].start)


def _joined(earlier: _Slice, later: _Slice) -> _Slice:
    if earlier.tally is None or later.tally is None:
        return _Slice(earlier.start, later.end, later.tally if earlier.tally is None else earlier.tally)
    merged: dict[int, Tally] = {0: earlier.tally}
    merge_into(merged, 0, later.tally)
    return _Slice(earlier.start, later.end, merged[0])
