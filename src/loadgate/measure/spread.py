"""How repeated measurements of one figure lie: median, its interval, and what was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `count` values, without the `outliers` which are counted but are part of nothing else here.

    `low` to `high` is the 95 % interval of the median, NaN with too few values; `mad` the median absolute deviation.
    """

    count: int
    median: float
    low: float = math.nan
    high: float = math.nan
    mad: float = math.nan
    minimum: float = math.nan
    maximum: float = math.nan
    outliers: int = 0
