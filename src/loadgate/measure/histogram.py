"""A log-linear histogram: bounded relative error, exact merges, memory that does not grow with the number of samples.

The bucket of a value is read off its IEEE 754 bits: exponent and the top eight bits of the mantissa, so every power of two
is cut into 256 equal buckets and a bucket is at most 1/256 of its values wide. A point reported inside one is wrong by less
than that, whatever the distribution: at most 0.4 %, for sizes from 2**-20 (below: at most 2**-20) to 2**64.
Layout after HdrHistogram (Tene) and DDSketch (Masson et al., VLDB 2019). Counts stand in one dense array over the range of
buckets in use while samples come in, so that a merge is an addition. At rest they are narrower, and where that is smaller,
those of used buckets alone; such arrays are never written to and may be shared. Zero has a counter of its own, because it
is common and lies far from everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

SUB_BUCKETS: Final = 256
SHIFT: Final = 44
"""Bits of a float64 below the bucket: 52 of the mantissa, of which 8 are kept."""
_LOWEST: Final = -20
_HIGHEST: Final = 64
BASE: Final = (1023 + _LOWEST) * SUB_BUCKETS - 1
"""What the bits that are kept hold beyond the index."""
TOP: Final = (_HIGHEST - _LOWEST) * SUB_BUCKETS
"""Index of the last bucket. Bucket 0 is zero and what is below 2**-20; values from 2**64 up count in the last."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Counts = NDArray[np.integer[Any]]

_NO_COUNTS: Final[Counts] = np.zeros(0, np.int64)


def bucket_of(values: Floats) -> Indices:
    """Bucket indices of `values`, shape kept; the buckets of negative values are those of their size, negated."""
    index: Indices = (np.abs(values).view(np.int64) >> SHIFT) - BASE
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

    __slots__ = ("_counts", "_first", "_packed", "_zeros", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._zeros = 0
        # counts of `_first`, `_first + 1`, ..., or of the buckets in `_packed` where there are any
        self._first = 0
        self._counts = _NO_COUNTS
        self._packed: NDArray[np.int16] | None = None
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
    def of_counts(cls, first: int, counts: Counts, total: float, minimum: float, maximum: float) -> Self:
        """A histogram from counts of the buckets `first`, `first + 1`, ... and the exact figures beside them."""
        used = np.flatnonzero(counts)
        return cls.of_used(used + first, counts[used], total, minimum, maximum)

    @classmethod
    def of_used(cls, index: Indices, counts: Counts, total: float, minimum: float, maximum: float) -> Self:
        """A histogram from the ascending indices of the buckets that hold samples, and their counts."""
        histogram = cls()
        histogram.count = int(counts.sum())
        histogram.total, histogram.minimum, histogram.maximum = total, minimum, maximum
        at = int(np.searchsorted(index, 0))
        if at < len(index) and index[at] == 0:
            histogram._zeros = int(counts[at])
            index, counts = np.delete(index, at), np.delete(counts, at)
        if len(index):
            histogram._pack(index, counts)
        return histogram

    def record_many(self, values: Floats) -> None:
        """Count every one of `values` (float64, one dimension). Values that are not finite are left out."""
        if not np.isfinite(values).all():
            values = values[np.isfinite(values)]
        if not len(values):
            return
        index = bucket_of(values)
        first = int(index.min())
        self._add_dense(first, np.bincount(index - first))
        self.count += len(values)
        self.total += float(values.sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))

    def record_zeros(self, count: int) -> None:
        """Count `count` values of zero."""
        if count <= 0:
            return
        self._zeros += count
        self.count += count
        self.minimum = min(self.minimum, 0.0)
        self.maximum = max(self.maximum, 0.0)

    def merge(self, other: Histogram) -> None:
        """Take in all samples of `other`: the same as if they had been recorded here."""
        if not other.count:
            return
        counts, packed = other._counts, other._packed
        if len(counts):
            if packed is None:
                self._cover(other._first, other._first + len(counts) - 1)
                at = other._first - self._first
                self._counts[at : at + len(counts)] += counts
            else:
                self._cover(int(packed[0]), int(packed[-1]))
                self._counts[packed.astype(np.intp) - self._first] += counts
        self._zeros += other._zeros
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def without(self, part: Histogram) -> Histogram:
        """The samples that are not in `part`, which holds some of these. The extremes stay, as they cannot be known."""
        rest = self.copy()
        if part.count:
            rest._counts = rest._counts.astype(np.int64) if rest._packed is None else rest._counts
            index, counts = part._used()
            inner = index != 0
            index, counts = index[inner], counts[inner]
            if len(index):
                rest._cover(int(index[0]), int(index[-1]))
                rest._counts[index - rest._first] -= counts
            rest._zeros -= part._zeros
            rest.count -= part.count
            rest.total -= part.total
        return rest

    def shrink(self) -> None:
        """Give back what memory the counts do not need; a later change takes it again."""
        if self._at_rest or not len(self._counts):
            return
        used = self._counts.nonzero()[0]
        self._pack(used + self._first, self._counts[used])

    @property
    def nbytes(self) -> int:
        """Bytes the counts take."""
        return self._counts.nbytes + (self._packed.nbytes if self._packed is not None else 0)

    def copy(self) -> Histogram:
        """An independent histogram of the same samples."""
        histogram = Histogram()
        histogram._first, histogram._zeros = self._first, self._zeros
        histogram._packed = self._packed
        histogram._counts = self._counts if self._at_rest else self._counts.copy()
        histogram.count, histogram.total = self.count, self.total
        histogram.minimum, histogram.maximum = self.minimum, self.maximum
        return histogram

    @property
    def mean(self) -> float:
        """Exact mean; NaN without samples."""
        return self.total / self.count if self.count else float("nan")

    def percentile(self, p: float) -> float:
        """The value below which `p` percent (0 to 100) of the samples lie; NaN without samples."""
        return self.percentiles((p,))[0]

    def percentiles(self, ps: Iterable[float]) -> list[float]:
        """Several percentiles in one pass.

        As k6 and `numpy.percentile` have it (R-7: Hyndman and Fan 1996, "Sample Quantiles", definition 7): p/100 of the
        way from the first sample to the last, between two neighbours in proportion. Each neighbour is known to its bucket,
        where samples count as evenly spread; the first and the last are exact.
        """
        wanted = list(ps)
        if not self.count:
            return [float("nan")] * len(wanted)
        index, counts = self._used()
        reached = np.cumsum(counts)

        def sample(rank: int) -> float:
            """The sample that `rank` others come before."""
            if rank <= 0:
                return self.minimum
            if rank >= self.count - 1:
                return self.maximum
            at = int(np.searchsorted(reached, rank, side="right"))
            inside = int(counts[at])
            low, high = self._within(int(index[at]))
            return low + (high - low) * ((rank - (int(reached[at]) - inside) + 0.5) / inside)

        def at(p: float) -> float:
            place = min(max(p / 100.0, 0.0), 1.0) * (self.count - 1)
            below = math.floor(place)
            share = place - below
            low = sample(below)
            if not share:
                return low
            high = sample(below + 1)
            return min(high, low + (high - low) * share)

        return [at(p) for p in wanted]

    def share_at_most(self, value: float) -> float:
        """Share of samples that are at most `value`, by the same even spread inside a bucket; NaN without samples."""
        if not self.count:
            return float("nan")
        if value >= self.maximum:
            return 1.0
        if value < self.minimum:
            return 0.0
        own = int(bucket_of(np.array([value]))[0])
        index, counts = self._used()
        at = int(np.searchsorted(index, own))
        below = float(counts[:at].sum())
        if at < len(index) and index[at] == own:
            low, high = self._within(own)
            share = 1.0 if value >= high else (value - low) / (high - low)
            below += int(counts[at]) * max(0.0, share)
        return below / self.count

    def buckets(self) -> list[tuple[float, float, int]]:
        """(lower edge, upper edge, count) of every bucket with samples, ascending."""
        index, counts = self._used()
        return [(*_edges(at), count) for at, count in zip(index.tolist(), counts.tolist(), strict=True)]

    def to_sparse(self) -> dict[str, Any]:
        """A lossless, JSON-able form: gaps between used buckets and their counts, with the exact figures."""
        index, counts = self._used()
        return {
            "sum": self.total,
            "min": self.minimum if self.count else None,
            "max": self.maximum if self.count else None,
            "gaps": np.diff(index, prepend=0).tolist(),
            "counts": counts.tolist(),
        }

    @classmethod
    def from_sparse(cls, data: dict[str, Any]) -> Self:
        """Read what `to_sparse` wrote. Raises ValueError or KeyError for what it did not."""
        try:
            index = np.cumsum(np.asarray(data["gaps"], np.int64))
            counts = np.asarray(data["counts"], np.int64)
            if index.ndim != 1 or index.shape != counts.shape:
                raise ValueError("a histogram needs as many counts as gaps")
            if not len(index):
                return cls()
            total, minimum, maximum = float(data["sum"]), float(data["min"]), float(data["max"])
        except (TypeError, OverflowError) as error:
            raise ValueError(f"a histogram holds numbers: {error}") from None
        if (counts <= 0).any() or (np.diff(index) <= 0).any() or index[0] < -TOP or index[-1] > TOP:
            raise ValueError("a histogram's buckets ascend and each has samples")
        if not -math.inf < minimum <= maximum < math.inf:
            raise ValueError("a histogram's extremes are finite, and min is not above max")
        return cls.of_used(index, counts, total, minimum, maximum)

    def __eq__(self, other: object) -> bool:
        """Equal counts in every bucket and equal extremes; the sum may differ by rounding."""
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = self.to_sparse(), other.to_sparse()
        return all(mine[key] == theirs[key] for key in ("gaps", "counts", "min", "max"))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Histogram of {self.count:,}, {self.minimum:g} to {self.maximum:g}>"

    def _used(self) -> tuple[Indices, Indices]:
        """Indices of the buckets that hold samples, ascending, and their counts."""
        if self._packed is not None:
            index, counts = self._packed.astype(np.int64), self._counts.astype(np.int64)
        else:
            used = np.flatnonzero(self._counts)
            index, counts = used + self._first, self._counts[used].astype(np.int64)
        if self._zeros:
            at = int(np.searchsorted(index, 0))
            index, counts = np.insert(index, at, 0), np.insert(counts, at, self._zeros)
        return index, counts

    def _within(self, index: int) -> tuple[float, float]:
        """The range in which a bucket's samples lie. What counts as zero is taken for zero."""
        low, high = _edges(index) if index else (0.0, 0.0)
        if abs(index) == TOP:
            low, high = (low, math.inf) if index > 0 else (-math.inf, high)
        return min(max(low, self.minimum), self.maximum), max(min(high, self.maximum), self.minimum)

    def _pack(self, index: Indices, counts: Counts) -> None:
        """Hold these used buckets, zero not among them, in little memory.

        Never in 8 bits: memory would double when a window is joined with the next.
        """
        most = int(counts.max())
        width: type[np.integer[Any]] = np.uint16 if most < 2**16 else np.uint32 if most < 2**32 else np.int64
        first = int(index[0])
        room = int(index[-1]) - first + 1
        size = np.dtype(width).itemsize
        if room * size <= len(index) * (size + 2):
            self._first, self._packed = first, None
            self._counts = np.zeros(room, width)
            self._counts[index - first] = counts
        else:
            self._packed, self._counts = index.astype(np.int16), counts.astype(width)

    @property
    def _at_rest(self) -> bool:
        return self._packed is not None or self._counts.dtype != np.int64

    def _add_dense(self, first: int, counts: Counts) -> None:
        """Add counts of the buckets `first`, `first + 1`, ... to the counts alone; `counts` is used up."""
        if first <= 0 < first + len(counts):
            self._zeros += int(counts[-first])
            counts[-first] = 0
        used = np.flatnonzero(counts)
        if not len(used):
            return
        low, high = int(used[0]), int(used[-1])
        self._cover(first + low, first + high)
        at = first + low - self._first
        self._counts[at : at + high - low + 1] += counts[low : high + 1]

    def _cover(self, first: int, last: int) -> None:
        """Make room for the buckets from `first` to `last`, in dense form."""
        held, packed = self._counts, self._packed
        if packed is not None:
            low, high = min(first, int(packed[0])), max(last, int(packed[-1]))
            self._counts = np.zeros(high - low + 1, np.int64)
            self._counts[packed.astype(np.intp) - low] = held
            self._first, self._packed = low, None
        elif not len(held):
            self._first, self._counts = first, np.zeros(last - first + 1, np.int64)
        elif first < self._first or last >= self._first + len(held) or held.dtype != np.int64:
            low, high = min(first, self._first), max(last, self._first + len(held) - 1)
            self._counts = np.zeros(high - low + 1, np.int64)
            self._counts[self._first - low : self._first - low + len(held)] = held
            self._first = low
