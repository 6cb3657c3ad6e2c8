"""Raw samples of another tool, row by row, to figures with their errors: as a run of our own has them.

Time is cut into pieces, and the samples of each are counted into histograms, so that memory does not grow with the file.
How long the run was is known at its end only. So the pieces begin short, and whenever there are too many, neighbours are
joined; at the end they are joined to blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadgate.errors import redact_url
from loadgate.measure.estimate import BLOCKS
from loadgate.measure.groups import Groups
from loadgate.measure.histogram import Floats, Histogram
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.names import OTHER, Names
from loadgate.measure.protocols import HTTP, Protocol
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from loadgate.record.figures import figures_of, into_blocks
from loadgate.record.result import Figure
from loadgate.record.run import Series

PIECES: Final = 128
"""Pieces of time at most, half of that at least once the run is long enough: several for each block."""
_CELLS: Final = 16_384
"""Histograms at most while there are more pieces than blocks need: with thousands of names the pieces are longer."""
_SHORTEST: Final = 1.0 / 64.0
"""Seconds that a piece has at first."""
_ROWS: Final = 16_384
"""Rows that are counted at once."""

_LATEST: Final = 1e11
"""Seconds: times beyond the year 5000 are none, and no float is fine enough for them."""
_LARGEST: Final = 1e18
_GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0
"""The fractions of its multiples are spread the most evenly (Kronecker sequence; Niederreiter 1992)."""


_Maker = Callable[[Histogram, Histogram], list[tuple[int, Tally]]]
"""What the samples of a piece are worth to each series: of those that are not flagged, and of those that are."""
_Indices = NDArray[np.int64]


class Timeline:
    """One run's samples. Each belongs to a series, whose number comes from `requests` or `samples`.

    `resolution` is how fine the times are, in seconds, where they are cut off to it: a sample is taken to lie in the middle
    of its second, and no piece of time is shorter. `grain` is how fine lengths of time are, in ms, where they are rounded
    to it: they are spread evenly over what they stand for. Else half of all samples could have the median's value, its
    error would be next to nothing, and a run that is 1 % slower, or not at all, would show as one of 1 ms.
    """

    def __init__(self, resolution: float = 0.0, grain: float = 0.0) -> None:
        self._series: list[Series] = []
        self._makers: list[_Maker] = []
        self._timed: list[bool] = []
        self._numbers: dict[tuple[str, str], int] = {}
        self._names = Names()
        self._ends: list[float] = []
        self._keys: list[int] = []
        self._values: list[float] = []
        # the samples of a piece of time and of a key, which is twice the series' number, and one more if it is flagged
        self._cells: dict[tuple[int, int], Histogram] = {}
        self._width = max(_SHORTEST, resolution)
        self._resolution, self._grain = resolution, grain
        self._counted = 0
        self._origin = self._begin = math.inf
        self._finish = -math.inf

    def requests(self, step: str, protocol: Protocol = HTTP) -> int:
        """The key of the requests of `step`: how many, how long they took in ms, and how many failed. Add 1 for a failure."""
        return self._key(protocol.name, step, lambda name: self._requests(protocol, name), timed=True)

    def samples(self, metric: Metric, step: str = "") -> int:
        """The key of the samples of `metric`. Add 1 where a share's sample is not zero."""
        timed = metric.kind is Kind.TREND and metric.unit == "ms"
        return self._key(metric.name, step, lambda name: self._samples(metric, name), timed=timed)

    def add(self, end: float, key: int, value: float) -> None:
        """A sample that was taken at `end`, in seconds since any moment. Raises ValueError for what can be no sample."""
        if not 0.0 <= end < _LATEST or not -_LARGEST < value < _LARGEST:
            raise ValueError(f"{value:g} at the time {end:g} s can be no sample")
        if value < 0.0 and self._timed[key >> 1]:
            raise ValueError(f"a time of {value:g} ms is negative")
        self._ends.append(end)
        self._keys.append(key)
        self._values.append(value)
        if len(self._ends) >= _ROWS:
            self._count()

    @property
    def begin(self) -> float:
        """When the first sample began."""
        self._count()
        return self._begin

    def figures(self) -> list[Figure]:
        """All figures, those of requests first. Empty without samples."""
        self._count()
        if not self._cells:
            return []
        windows = self._windows()
        blocks = into_blocks(windows) if self._finish > self._begin else windows
        found: list[Figure] = []
        for metric in dict.fromkeys(series.metric.name for series in self._series):
            found += figures_of(self._series, blocks, metric, by_step=True, mean=True)
        return [figure for figure in found if math.isfinite(figure.estimate.value)]

    def _key(self, kind: str, step: str, make: Callable[[str], _Maker], *, timed: bool) -> int:
        known = self._numbers.get((kind, step))
        if known is None:
            name = self._names.admit({"name": redact_url(step)})["name"]
            known = self._numbers.get((kind, name))
            if known is None:
                known = 2 * len(self._makers)
                self._makers.append(make(name))
                self._timed.append(timed)
                self._numbers[kind, name] = known
            if name != OTHER:  # of those there may be any number
                self._numbers[kind, step] = known
        return known

    def _requests(self, protocol: Protocol, step: str) -> _Maker:
        count = self._add_series(Metric(protocol.count, Kind.COUNTER, "count", Direction.HIGHER), step)
        failed = self._add_series(Metric(protocol.failed, Kind.RATE, "share"), step)
        service = self._add_series(Metric(protocol.service, Kind.TREND, "ms"), step)

        def tallies(good: Histogram, bad: Histogram) -> list[tuple[int, Tally]]:
            total = good.count + bad.count
            rows: list[tuple[int, Tally]] = [(count, CounterTally(total)), (failed, RateTally(bad.count, total))]
            return [*rows, (service, _trend(good, bad))]

        return tallies

    def _samples(self, metric: Metric, step: str) -> _Maker:
        number = self._add_series(metric, step)
        tally = {Kind.TREND: _trend, Kind.RATE: _rate}.get(metric.kind, _counter)
        return lambda plain, flagged: [(number, tally(plain, flagged))]

    def _add_series(self, metric: Metric, step: str) -> int:
        self._series.append(Series(metric, {"name": step}, None))
        return len(self._series) - 1

    def _count(self) -> None:
        """Count the rows that wait."""
        if not self._ends:
            return
        ends, values = np.array(self._ends) + self._resolution / 2.0, np.array(self._values)
        keys = np.array(self._keys, np.int64)
        self._ends, self._keys, self._values = [], [], []
        timed = np.array(self._timed)[keys >> 1]
        begins = np.where(timed, ends - values / 1000.0, ends)
        self._begin = min(self._begin, float(begins.min()))
        self._finish = max(self._finish, float(ends.max()))
        if not self._cells:
            self._origin = self._begin
            if self._resolution > _SHORTEST:
                self._origin -= self._begin % self._resolution
        while self._place(self._finish) - self._place(self._begin) >= PIECES:
            self._widen()
        places = np.floor((ends - self._origin) / self._width).astype(np.int64)
        self._fill(places, keys, np.where(timed, self._spread(values), values) if self._grain else values)

    def _spread(self, values: Floats) -> Floats:
        """`values` less or more by half a grain at most, the same each time, and evenly whichever of them are picked."""
        parts = np.modf((np.arange(len(values)) + self._counted) * _GOLDEN)[0] - 0.5
        self._counted += len(values)
        spread: Floats = np.abs(values + self._grain * parts)
        return spread

    def _fill(self, places: _Indices, keys: _Indices, values: Floats) -> None:
        least, span = int(places.min()), 2 * len(self._makers)
        groups = Groups(((places - least) * span + keys).astype(np.int32))
        values = groups.ordered(values)
        for group, start, length in zip(groups.distinct, groups.starts, groups.lengths, strict=True):
            place, key = divmod(group, span)
            cell = self._cells.setdefault((place + least, key), Histogram())
            cell.record_many(values[start : start + length])
            cell.shrink()
        while len(self._cells) > _CELLS and self._place(self._finish) - self._place(self._begin) >= 2 * BLOCKS:
            self._widen()

    def _place(self, time: float) -> int:
        return math.floor((time - self._origin) / self._width)

    def _widen(self) -> None:
        """Make the pieces twice as long: two each become one."""
        self._width *= 2.0
        old, self._cells = self._cells, {}
        for (place, key), cell in old.items():
            held = self._cells.get((place >> 1, key))
            if held is None:
                self._cells[place >> 1, key] = cell
            else:
                held.merge(cell)
        for cell in self._cells.values():
            cell.shrink()

    def _windows(self) -> list[Window]:
        """The pieces of time from the first sample to the last, those without any among them."""
        first, last = self._place(self._begin), self._place(self._finish)
        edges = [(place * self._width + self._origin) - self._begin for place in range(first, last + 2)]
        edges[0], edges[-1] = 0.0, self._finish - self._begin
        windows = [Window(start, end) for start, end in pairwise(edges)]
        none = Histogram()
        for place, key in {(place, key & ~1) for place, key in self._cells}:
            plain, flagged = self._cells.get((place, key), none), self._cells.get((place, key + 1), none)
            windows[place - first].tallies.update(self._makers[key >> 1](plain, flagged))
        if len(windows) > 1 and windows[-1].width <= 0.0:  # the last sample ended where a piece would have begun
            end = windows.pop()
            windows[-1] = windows[-1].joined(end)
        return windows


def _trend(plain: Histogram, flagged: Histogram) -> Tally:
    both = plain.copy()
    both.merge(flagged)
    return TrendTally(both)


def _rate(plain: Histogram, flagged: Histogram) -> Tally:
    return RateTally(flagged.count, plain.count + flagged.count)


def _counter(plain: Histogram, flagged: Histogram) -> Tally:
    return CounterTally(plain.total + flagged.total)
