"""The run as a row of windows, in fixed memory however long it lasts.

When the log is full, neighbours are joined in pairs, so that its windows get twice as wide and half as many. Histograms
merge exactly, so nothing is lost but resolution in time. The event loop waits for whatever happens here, so the pairs are
joined one at a time, oldest first, each when its place is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.measure.tally import Tally, TrendTally, merge_into

MOST_WINDOWS: Final = 120
"""More than a chart can show, and few enough that a run of an hour and one of a minute weigh the same."""
FEWEST_WINDOWS: Final = 24
MOST_BYTES: Final = 128_000_000
"""A run with so many series that its windows would take more than this gets fewer and wider ones, down to the fewest."""
_TALLY_BYTES: Final = 400
"""What a tally takes beside the counts of its histogram."""


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

    @property
    def nbytes(self) -> int:
        """About what the tallies take in memory."""
        counts = (tally.histogram.nbytes for tally in self.tallies.values() if isinstance(tally, TrendTally))
        return _TALLY_BYTES * len(self.tallies) + sum(counts)

    def shrink(self) -> None:
        """Give back what memory the histograms do not need."""
        for tally in self.tallies.values():
            if isinstance(tally, TrendTally):
                tally.histogram.shrink()


class WindowLog:
    """All windows of a run so far, oldest first, at most `MOST_WINDOWS` of them; times meet without a gap.

    While the log has room, a window is one that was appended. Later ones have two widths at most times: the older part has
    been joined to the present `doubling`, the rest still has half of it. The newest one grows to that width as windows are
    appended. A few are narrower: where the warm-up ends, which is never joined with what counts, and one for each time the
    pairs did not come out even.
    """

    def __init__(self) -> None:
        self._windows: list[Window] = []
        self._parts: list[int] = []
        self._sizes: list[int] = []
        self._next = 0
        self.doubling = 1
        """How many appended windows make one of the log now."""

    def append(self, window: Window) -> None:
        """Add the window that follows. Costs one join of windows at most, or three while it takes too much memory."""
        if not self._join(len(self._windows) - 1, window):
            self._windows.append(window)
            self._parts.append(1)
            self._sizes.append(window.nbytes)
        for _ in range(2):
            if len(self._windows) > (MOST_WINDOWS if sum(self._sizes) <= MOST_BYTES else FEWEST_WINDOWS):
                self._make_room()

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Window:
        return self._windows[index]

    def _join(self, at: int, later: Window, parts: int = 1) -> bool:
        """Join window `at` with the `later` one, which is made of `parts`, unless that would be too wide."""
        if at < 0 or self._parts[at] + parts > self.doubling or self._windows[at].warmup != later.warmup:
            return False
        self._windows[at] = self._windows[at].joined(later)
        self._parts[at] += parts
        self._sizes[at] = self._windows[at].nbytes
        return True

    def _make_room(self) -> None:
        """Join the oldest pair that is narrower than the present doubling; with none left, the doubling goes on."""
        while self.doubling < 2 * sum(self._parts):
            while self._next + 1 < len(self._windows):
                following = self._next + 1
                if self._join(self._next, self._windows[following], self._parts[following]):
                    del self._windows[following], self._parts[following], self._sizes[following]
                    return
                self._next += 1
            self.doubling *= 2
            self._next = 0


def merged(tallies: Mapping[int, Tally], series: Iterator[int] | list[int]) -> Tally | None:
    """The tallies of several series of one metric as one, or None if none of them has any."""
    result: dict[int, Tally] = {}
    for key in series:
        tally = tallies.get(key)
        if tally is not None:
            merge_into(result, 0, tally)
    return result.get(0)
