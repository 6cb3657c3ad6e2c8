"""How repeated measurements of one figure lie: median, its interval, and what was left out.

Rules:
* Far outliers (Tukey, "Exploratory Data Analysis", 1977: beyond three interquartile ranges of the quartiles; criterion.rs
  calls them severe) are counted and left out. More than a tenth of the values are none: they are a second behaviour of what
  is measured, and belong to it.
* The interval is that of two order statistics, exact for whatever distribution (Thompson 1936; David and Nagaraja, "Order
  Statistics", 3rd ed., 7.1). Leaving values out on one side moves the median: the interval is as wide as it takes to cover
  the median of all values too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Final

LEVEL: Final = 0.95
FEWEST_WITH_INTERVAL: Final = 6
"""Least and greatest of five values enclose the median 93.75 times of 100."""

FEWEST_WITH_OUTLIERS: Final = 8
"""With fewer, quartiles are the values themselves."""

MOST_OUTLIERS: Final = 0.1
"""Share of the values, but one may always be an outlier."""

_FENCE: Final = 3.0
_BITS: Final = 53


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `count` values, without the `outliers` which are counted but are part of nothing else here.

    `low` to `high` is the 95 % interval of the median, NaN with too few values; `mad` the median absolute deviation.
    """

    count: int
    """All values, outliers among them."""
    median: float
    low: float = math.nan
    high: float = math.nan
    mad: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    outliers: int = 0

    @property
    def width(self) -> float:
        """The whole width of the interval, relative to the median; NaN without one, infinite around a median of 0."""
        reach = self.high - self.low
        if self.median:
            return reach / abs(self.median)
        return math.inf if reach > 0.0 else reach


def spread_of(values: Sequence[float], level: float = LEVEL) -> Spread:
    """How `values`, in any order, lie; their interval is one of `level` or more. Without any, the median is NaN.

    Raises ValueError for a value that is not finite: one that could not be measured is none.
    """
    ordered = sorted(values)
    if not all(map(math.isfinite, ordered)):
        raise ValueError("a value is not finite")
    count = len(ordered)
    if not count:
        return Spread(0, math.nan)
    below, above = _outliers(ordered)
    kept = ordered[below : count - above]
    middle = median(kept)
    low = high = math.nan
    if len(kept) >= FEWEST_WITH_INTERVAL and (rank := lower_rank(len(kept), level)):
        of_all = lower_rank(count, level)
        low = kept[max(0, min(rank, of_all - below) - 1)]
        high = kept[min(len(kept), max(len(kept) + 1 - rank, count + 1 - of_all - below)) - 1]
    mad = median(abs(value - middle) for value in kept)
    return Spread(count, middle, low, high, mad, kept[0], kept[-1], below + above)


@lru_cache(maxsize=4096)
def lower_rank(count: int, level: float) -> int:
    """The r for which the values of rank r and `count` + 1 - r, from 1, enclose the median at least `level` of the times.

    The greatest there is; 0 where even the least and the greatest of `count` values do so too seldom.
    """
    # in whole numbers: 2 ** -count is none from 1,075 values on
    allowed = round((1.0 - level) * 2**_BITS) << count >> _BITS + 1
    rank, ways, outside = 0, 1, 1
    while outside <= allowed and rank < count // 2:
        rank += 1
        ways = ways * (count + 1 - rank) // rank
        outside += ways
    return rank


def _outliers(ordered: Sequence[float]) -> tuple[int, int]:
    """How many of the least and of the greatest values are outliers. Of values that are mostly equal none is."""
    count = len(ordered)
    if count < FEWEST_WITH_OUTLIERS:
        return 0, 0
    first, third = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    fence = _FENCE * (third - first)
    if not fence:
        return 0, 0
    below = sum(value < first - fence for value in ordered)
    above = sum(value > third + fence for value in ordered)
    return (below, above) if below + above <= max(1, int(MOST_OUTLIERS * count)) else (0, 0)


def _quantile(ordered: Sequence[float], p: float) -> float:
    """Between two order statistics, linearly (Hyndman and Fan's type 7, as criterion.rs, NumPy and R have it)."""
    at = p * (len(ordered) - 1)
    left = int(at)
    right = min(left + 1, len(ordered) - 1)
    return ordered[left] + (at - left) * (ordered[right] - ordered[left])
