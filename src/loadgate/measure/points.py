"""Rows of single values (checks, iterations, custom metrics), turned in bulk into tallies."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from loadgate.measure.groups import Groups
from loadgate.measure.histogram import Floats, Histogram
from loadgate.measure.metric import Kind
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally, merge_into, put

POINT: Final = struct.Struct("@id")
"""series, value: 16 bytes, of which 4 are padding."""

_DTYPE: Final = np.dtype(
    {"names": ["series", "value"], "formats": [np.int32, np.float64], "offsets": [0, 8], "itemsize": 16}
)


class PointRows:
    """Accumulates one window of points."""

    def __init__(self) -> None:
        self._kinds: dict[int, Kind] = {}
        self._tallies: dict[int, Tally] = {}
        self._seen = 0

    def declare(self, series: int, kind: Kind) -> None:
        self._kinds[series] = kind

    def take_rows(self, buffer: bytearray, count: int) -> None:
        """Count the first `count` rows of `buffer`, in the order they were written."""
        rows = np.frombuffer(buffer, _DTYPE, count)
        series_of = rows["series"]
        groups = Groups(series_of)
        values = groups.ordered(rows["value"])
        ends = (groups.starts + groups.lengths).tolist()
        for series, start, end in zip(groups.distinct, groups.starts.tolist(), ends, strict=True):
            tally = _tally(self._kinds[series], values[start:end])
            if isinstance(tally, GaugeTally):
                tally.order = self._seen + int(np.flatnonzero(series_of == series)[-1]) + 1
            merge_into(self._tallies, series, tally)
        self._seen += count

    def take(self, tallies: dict[int, Tally]) -> None:
        """Put the window's tallies into `tallies` and begin the next window."""
        for series, tally in self._tallies.items():
            put(tallies, series, tally)
        self._tallies = {}


def _tally(kind: Kind, values: Floats) -> Tally:
    if kind is Kind.TREND:
        return TrendTally(Histogram.of(values))
    if kind is Kind.RATE:
        return RateTally(int(np.count_nonzero(values)), len(values))
    if kind is Kind.COUNTER:
        return CounterTally(float(values.sum()))
    return GaugeTally(float(values[-1]), float(values.min()), float(values.max()))
