"""Rows of single values (checks, iterations, custom metrics), turned in bulk into tallies."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from loadgate.measure.histogram import Floats, Histogram
from loadgate.measure.metric import Kind
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally, merge_into

POINT: Final = struct.Struct("<i4xd")
"""series, value: 16 bytes."""

_DTYPE: Final = np.dtype({"names": ["series", "value"], "formats": ["<i4", "<f8"], "offsets": [0, 8], "itemsize": 16})


class PointRows:
    """Accumulates one window of points."""

    def __init__(self) -> None:
        self._kinds: dict[int, Kind] = {}
        self._tallies: dict[int, Tally] = {}

    def declare(self, series: int, kind: Kind) -> None:
        self._kinds[series] = kind

    def take_rows(self, buffer: bytearray, count: int) -> None:
        """Count the first `count` rows of `buffer`, in the order they were written."""
        rows = np.frombuffer(buffer, _DTYPE, count)
        series = rows["series"]
        keys = series.astype(np.uint16) if series.max() < 65536 else series
        sorting = np.argsort(keys, kind="stable")
        ordered, values = series[sorting], rows["value"][sorting]
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        ends = np.append(starts[1:], count)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            found = int(ordered[start])
            merge_into(self._tallies, found, _tally(self._kinds[found], values[start:end]))

    def take(self, tallies: dict[int, Tally]) -> None:
        """Put the window's tallies into `tallies` and begin the next window."""
        tallies.update(self._tallies)
        self._tallies = {}


def _tally(kind: Kind, values: Floats) -> Tally:
    if kind is Kind.TREND:
        return TrendTally(Histogram.of(values))
    if kind is Kind.RATE:
        return RateTally(int(np.count_nonzero(values)), len(values))
    if kind is Kind.COUNTER:
        return CounterTally(float(values.sum()))
    return GaugeTally(float(values[-1]), float(values.min()), float(values.max()))
