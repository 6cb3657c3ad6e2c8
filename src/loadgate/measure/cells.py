"""The distributions of one window: many of them, each in a numbered cell, filled by whole groups of rows.

The first cells are rows of a matrix of buckets, into which a group is counted with one scatter-add. That is the fastest
there is for a few cells, and too much memory for hundreds; samples of cells beyond the matrix are kept as bucket numbers
and sorted now and then. So memory is bounded by the distinct buckets in use, however many series there are.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from loadgate.measure.groups import Groups
from loadgate.measure.histogram import BASE, SHIFT, Floats, Histogram, Indices, bucket_of

DENSE: Final = 64
"""Cells in the matrix: 2 MB, which a core's own cache holds."""

_FIRST: Final = int(bucket_of(np.array([2.0**-10]))[0])
_LAST: Final = int(bucket_of(np.array([2.0**23]))[0])
_WIDTH: Final = _LAST - _FIRST + 2
"""Columns of the matrix: one for zero, the rest for 1 us to 2.3 h. Shorter times count as zero, longer ones as 2.3 h;
extremes and sums stay exact."""

_ONE: Final = np.uint32(1)
_LOOSE: Final = 32768
"""Samples beyond the matrix that are sorted at once, in about a millisecond."""


class Cells:
    """Times in milliseconds, none negative, of one window."""

    def __init__(self) -> None:
        self._used = 0
        # fresh memory costs nothing until it is written to
        self._matrix = np.zeros((DENSE, _WIDTH), np.uint32)
        self._sums = np.zeros(DENSE)
        self._least = np.full(DENSE, np.inf)
        self._most = np.full(DENSE, -np.inf)
        self._loose: list[Indices] = []
        self._waiting = 0
        self._keys: Indices = np.zeros(0, np.int64)
        self._times: Indices = np.zeros(0, np.int64)

    def new(self) -> int:
        """The number of a cell that is empty: they count from 0 in each window."""
        cell = self._used
        self._used += 1
        if cell >= len(self._sums):
            size = len(self._sums)
            self._sums = np.append(self._sums, np.zeros(size))
            self._least = np.append(self._least, np.full(size, np.inf))
            self._most = np.append(self._most, np.full(size, -np.inf))
        return cell

    def count(self, cells: list[int], groups: Groups, values: Floats) -> None:
        """Count `values`, one a row, into `cells`, one a group. `values` must be contiguous."""
        values = groups.ordered(values)
        # what `bucket_of` does, for values that are not negative
        column = values.view(np.int64) >> SHIFT
        column -= BASE + _FIRST - 1
        np.clip(column, 0, _WIDTH - 1, out=column)
        if len(cells) == 1:
            cell = cells[0]
            if cell < DENSE:
                np.add.at(self._matrix[cell], column, _ONE)
            else:
                self._keep(column + cell * _WIDTH)
            self._sums[cell] += values.sum()
            self._least[cell] = min(self._least[cell], values.min())
            self._most[cell] = max(self._most[cell], values.max())
            return
        numbers = np.array(cells)
        column += np.repeat(numbers * _WIDTH, groups.lengths)
        if numbers.max() >= DENSE:
            beyond = np.repeat(numbers >= DENSE, groups.lengths)
            self._keep(column[beyond])
            column = column[~beyond]
        np.add.at(self._matrix.reshape(-1), column, _ONE)
        self._sums[cells] += np.add.reduceat(values, groups.starts)
        self._least[cells] = np.minimum(self._least[cells], np.minimum.reduceat(values, groups.starts))
        self._most[cells] = np.maximum(self._most[cells], np.maximum.reduceat(values, groups.starts))

    def take(self) -> list[Histogram]:
        """What the cells hold, by their numbers; all are empty and unnumbered afterwards."""
        self._settle()
        used = self._used
        ends = np.searchsorted(self._keys, np.arange(DENSE, max(used, DENSE) + 1) * _WIDTH).tolist()
        exact = zip(self._sums[:used].tolist(), self._least[:used].tolist(), self._most[:used].tolist(), strict=True)
        taken = []
        for cell, figures in enumerate(exact):
            if cell < DENSE:
                row = self._matrix[cell]
                columns = row.nonzero()[0]
                counts = row[columns]
                row[columns] = 0
            else:
                part = slice(ends[cell - DENSE], ends[cell - DENSE + 1])
                columns, counts = self._keys[part] - cell * _WIDTH, self._times[part]
            taken.append(Histogram.of_used(np.where(columns > 0, columns + (_FIRST - 1), 0), counts, *figures))
        self._sums[:used], self._least[:used], self._most[:used] = 0.0, np.inf, -np.inf
        self._keys = self._times = np.zeros(0, np.int64)
        self._used = 0
        return taken

    def _keep(self, keys: Indices) -> None:
        self._loose.append(keys)
        self._waiting += len(keys)
        if self._waiting >= _LOOSE:
            self._settle()

    def _settle(self) -> None:
        """Sort the loose samples and count those that are alike."""
        if not self._loose:
            return
        keys, times = np.unique(np.concatenate(self._loose), return_counts=True)
        self._loose.clear()
        self._waiting = 0
        if len(self._keys):
            both = np.concatenate([self._keys, keys])
            order = np.argsort(both, kind="stable")
            both, times = both[order], np.concatenate([self._times, times])[order]
            starts = np.flatnonzero(np.diff(both, prepend=-1))
            keys, times = both[starts], np.add.reduceat(times, starts)
        self._keys, self._times = keys, times
