"""The run as a row of windows, in fixed memory however long it lasts.

When the log is full, neighbours are merged in pairs, so that the windows get twice as wide and half as many. Histograms
merge exactly, so nothing is lost but resolution in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.measure.tally import Tally, TrendTally, merge_into

MOST_WINDOWS: Final = 120
"""More than a chart can show, and few enough that a run of an hour and one of a minute weigh the same."""


@dataclass(slots=True)
class Window:
    """A slice of the run, from `start` to `end` in seconds since its beginning.

    A sample belongs to the window in which its exchange ended. `warmup` windows are not part of the run's totals.
    """

    start: float
    end: float
    warmup: bool = False
    tallies: dict[int, Tally] = field(default_factory=dict)

    @property
    def width(self) -> float:
        return self.end - self.start

    def joined(self, later: Window) -> Window:
        """This window and the next as one."""
        tallies: dict[int, Tally] = {}
        for source in (self.tallies, later.tallies):
            for series, tally in source.items():
                merge_into(tallies, series, tally)
        window = Window(self.start, later.end, self.warmup, tallies)
        window.shrink()
        return window

    def shrink(self) -> None:
        for tally in self.tallies.values():
            if isinstance(tally, TrendTally):
                tally.histogram.shrink()


class WindowLog:
    """All windows of a run so far, oldest first, at most `MOST_WINDOWS` of them."""

    def __init__(self) -> None:
        self._windows: list[Window] = []

    def append(self, window: Window) -> None:
        self._windows.append(window)
        if len(self._windows) > MOST_WINDOWS:
            self._halve()

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Window:
        return self._windows[index]

    def _halve(self) -> None:
        """Join neighbours in pairs; warm-up is never joined with what counts."""
        joined: list[Window] = []
        waiting: Window | None = None
        for window in self._windows:
            if waiting is None:
                waiting = window
            elif waiting.warmup == window.warmup:
                joined.append(waiting.joined(window))
                waiting = None
            else:
                joined.append(waiting)
                waiting = window
        if waiting is not None:
            joined.append(waiting)
        self._windows = joined


def merged(tallies: Mapping[int, Tally], series: Iterator[int] | list[int]) -> Tally | None:
    """The tallies of several series of one metric as one, or None if none of them has any."""
    result: dict[int, Tally] = {}
    for key in series:
        tally = tallies.get(key)
        if tally is not None:
            merge_into(result, 0, tally)
    return result.get(0)
