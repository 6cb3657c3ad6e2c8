"""Rows grouped by series, so that NumPy can work on whole groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loadgate.measure.histogram import Floats

_RADIX: int = 65536
"""NumPy sorts 16-bit keys by radix, several times faster than wider ones."""


class Groups:
    """The groups of rows whose series are `series` (not empty, not negative).

    `distinct` are the series, ascending; a group of each begins at `starts` and is `lengths` long, once values have been
    put into order with `ordered`. Rows of a series keep their order.
    """

    __slots__ = ("_sorting", "distinct", "lengths", "starts")

    def __init__(self, series: NDArray[np.int32]) -> None:
        first = series[0]
        self._sorting: NDArray[np.intp] | None = None
        if (series == first).all():
            self.starts = np.zeros(1, np.intp)
            self.distinct = [int(first)]
            self.lengths = np.array([len(series)])
            return
        keys = series.astype(np.uint16) if series.max() < _RADIX else series
        self._sorting = np.argsort(keys, kind="stable")
        ordered = series[self._sorting]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.distinct = ordered[self.starts].tolist()
        self.lengths = np.diff(self.starts, append=len(series))

    def ordered(self, values: Floats) -> Floats:
        """`values`, one a row, group after group; in memory of its own or in that of `values`."""
        return values if self._sorting is None else values[self._sorting]
