"""A log-linear histogram: bounded relative error, exact merges, memory that does not grow with the number of samples.

The bucket of a value is read off its IEEE 754 bits: exponent and the top seven bits of the mantissa, so every power of two
is cut into 128 equal buckets and a bucket is at most 1/128 of its values wide. Reporting a point inside it is wrong by less
than that, half on average; the estimate interpolates by rank, and is clamped to the exact minimum and maximum.
Layout after HdrHistogram (Tene) and DDSketch (Masson et al., VLDB 2019); counts stand in one dense array over the range of
buckets in use, so that a merge is an addition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

SUB_BUCKETS: Final = 128
_SHIFT: Final = 45  # 52 mantissa bits, of which 7 are kept
_LOWEST: Final = -20
_HIGHEST: Final = 44
_BASE: Final = (1023 + _LOWEST) * SUB_BUCKETS - 1
TOP: Final = (_HIGHEST - _LOWEST) * SUB_BUCKETS
"""Index of the last bucket. Bucket 0 is zero and what is below 2**-20; values above 2**44 count in the last."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def bucket_of(values: Floats) -> Indices:
    """Bucket indices of `values`, shape kept; the buckets of negative values are those of their size, negated."""
    index: Indices = (np.abs(values).view(np.int64) >> _SHIFT) - _BASE
    np.clip(index, 0, TOP, out=index)
    negative = values < 0.0
    if negative.any():
        index[negative] *= -1
    return index


def lower_bound(index: int) -> float:
    """Least absolute value of a bucket."""
    if index == 0:
        return 0.0
    octave, part = divmod(abs(index) - 1, SUB_BUCKETS)
    return float(2.0 ** (_LOWEST + octave) * (1.0 + part / SUB_BUCKETS))


def _edges(index: int) -> tuple[float, float]:
    """The range of values a bucket stands for, in ascending order."""
    near = lower_bound(index)
    far = lower_bound(abs(index) + 1)
    return (near, far) if index >= 0 else (-far, -near)


class Histogram:
    """Counts by bucket, with exact `count`, `total` (sum), `minimum` and `maximum` in the metric's unit."""

    __slots__ = ("_counts", "_first", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._first = 0
        self._counts: NDArray[np.integer[Any]] = np.zeros(0, np.int64)
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")

    @classmethod
    def of(cls, values: Sequence[float] | Floats) -> Self:
        """The histogram of `values`, a one-dimensional array or sequence."""
        histogram = cls()
        histogram.record_many(np.asarray(values, np.float64))
        return histogram

    @classmethod
    def of_counts(
        cls, first: int, counts: NDArray[np.integer[Any]], total: float, minimum: float, maximum: float
    ) -> Self:
        """A histogram from counts of the buckets `first`, `first + 1`, ... and the exact figures beside them."""
        histogram = cls()
        histogram._first = first
        histogram._counts = counts.astype(np.int64)
        histogram.count = int(histogram._counts.sum())
        histogram.total, histogram.minimum, histogram.maximum = total, minimum, maximum
        return histogram

    def record_many(self, values: Floats) -> None:
        """Count every one of `values` (float64, one dimension). Values that are not finite are left out."""
        if not np.isfinite(values).all():
            values = values[np.isfinite(values)]
        if not len(values):
            return
        index = bucket_of(values)
        first, last = int(index.min()), int(index.max())
        self._cover(first, last)
        counts = np.bincount(index - first)
        at = first - self._first
        self._counts[at : at + len(counts)] += counts
        self.count += len(values)
        self.total += float(values.sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))

    def record_zeros(self, count: int) -> None:
        """Count `count` values of zero."""
        if count <= 0:
            return
        self._cover(0, 0)
        self._counts[-self._first] += count
        self.count += count
        self.minimum = min(self.minimum, 0.0)
        self.maximum = max(self.maximum, 0.0)

    def merge(self, other: Histogram) -> None:
        """Take in all samples of `other`: the same as if they had been recorded here."""
        if not other.count:
            return
        self._cover(other._first, other._first + len(other._counts) - 1)
        at = other._first - self._first
        self._counts[at : at + len(other._counts)] += other._counts
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def shrink(self) -> None:
        """Give back what memory the counts do not need; a later change takes it again."""
        used = np.flatnonzero(self._counts)
        if len(used):
            self._first += int(used[0])
            kept = self._counts[used[0] : used[-1] + 1]
            self._counts = kept.astype(np.min_scalar_type(int(kept.max())))

    @property
    def nbytes(self) -> int:
        """Bytes the counts take."""
        return self._counts.nbytes

    def copy(self) -> Histogram:
        """An independent histogram of the same samples."""
        return Histogram.of_counts(self._first, self._counts, self.total, self.minimum, self.maximum)

    @property
    def mean(self) -> float:
        """Exact mean; NaN without samples."""
        return self.total / self.count if self.count else float("nan")

    def percentile(self, p: float) -> float:
        """The value below which `p` percent (0 to 100) of the samples lie; NaN without samples."""
        return self.percentiles((p,))[0]

    def percentiles(self, ps: Iterable[float]) -> list[float]:
        """Several percentiles in one pass.

        The rank is p/100 of the count; inside the bucket that holds it, samples count as evenly spread. 0 is the exact
        minimum, 100 the exact maximum.
        """
        wanted = list(ps)
        if not self.count:
            return [float("nan")] * len(wanted)
        reached = np.cumsum(self._counts)
        return [self._at_rank(p / 100.0 * self.count, reached) for p in wanted]

    def _at_rank(self, rank: float, reached: Indices) -> float:
        if rank <= 0.0:
            return self.minimum
        if rank >= self.count:
            return self.maximum
        at = int(np.searchsorted(reached, rank, side="left"))
        inside = int(self._counts[at])
        before = int(reached[at]) - inside
        low, high = _edges(self._first + at)
        low, high = max(low, self.minimum), min(high, self.maximum)
        # the mean rank of the k-th of n evenly spread samples is (k - 1/2) / n
        share = min(1.0, max(0.0, (rank - before - 0.5) / inside)) if inside > 1 else 0.5
        return low + (high - low) * share

    def share_at_most(self, value: float) -> float:
        """Share of samples that are at most `value`, by the same even spread inside a bucket; NaN without samples."""
        if not self.count:
            return float("nan")
        if value >= self.maximum:
            return 1.0
        if value < self.minimum:
            return 0.0
        index = int(bucket_of(np.array([value]))[0])
        at = index - self._first
        low, high = _edges(index)
        inside = int(self._counts[at]) * (value - low) / (high - low)
        return (int(self._counts[:at].sum()) + inside) / self.count

    def buckets(self) -> list[tuple[float, float, int]]:
        """(lower edge, upper edge, count) of every bucket with samples, ascending."""
        return [(*_edges(self._first + int(at)), int(self._counts[at])) for at in np.flatnonzero(self._counts)]

    def to_sparse(self) -> dict[str, Any]:
        """A lossless, JSON-able form: gaps between used buckets and their counts, with the exact figures."""
        used = np.flatnonzero(self._counts)
        index = used + self._first
        return {
            "sum": self.total,
            "min": self.minimum if self.count else None,
            "max": self.maximum if self.count else None,
            "gaps": np.diff(index, prepend=0).tolist(),
            "counts": self._counts[used].tolist(),
        }

    @classmethod
    def from_sparse(cls, data: dict[str, Any]) -> Self:
        """Read what `to_sparse` wrote. Raises ValueError or KeyError for what it did not."""
        index = np.cumsum(np.asarray(data["gaps"], np.int64))
        counts = np.asarray(data["counts"], np.int64)
        if index.shape != counts.shape:
            raise ValueError("a histogram needs as many counts as gaps")
        if not len(index):
            return cls()
        if (counts < 0).any() or abs(index).max() > TOP or (np.diff(index) <= 0).any():
            raise ValueError("a histogram's buckets ascend and its counts are not negative")
        dense = np.zeros(int(index[-1] - index[0]) + 1, np.int64)
        dense[index - index[0]] = counts
        return cls.of_counts(int(index[0]), dense, float(data["sum"]), float(data["min"]), float(data["max"]))

    def __eq__(self, other: object) -> bool:
        """Equal counts in every bucket and equal extremes; the sum may differ by rounding."""
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = self.to_sparse(), other.to_sparse()
        return all(mine[key] == theirs[key] for key in ("gaps", "counts", "min", "max"))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Histogram of {self.count:,}, {self.minimum:g} to {self.maximum:g}>"

    def _cover(self, first: int, last: int) -> None:
        """Make room for the buckets from `first` to `last`."""
        if not len(self._counts):
            self._first = first
            self._counts = np.zeros(last - first + 1, np.int64)
            return
        end = self._first + len(self._counts) - 1
        if first >= self._first and last <= end and self._counts.dtype == np.int64:
            return
        low, high = min(first, self._first), max(last, end)
        wider = np.zeros(high - low + 1, np.int64)
        wider[self._first - low : self._first - low + len(self._counts)] = self._counts
        self._first, self._counts = low, wider
