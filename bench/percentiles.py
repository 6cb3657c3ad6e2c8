"""Exact percentiles of few enough values to be sorted: what histograms are held against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

ALL: Final = (50.0, 95.0, 99.0, 99.9)


def percentile(values: Sequence[float], p: float) -> float:
    """The smallest value that `p` per cent of all do not exceed: a value that was there, nothing in between."""
    ordered = sorted(values)
    # 99.9 per cent of 8,000 is 7,992 and not the little more that floats make of it
    rank = math.ceil(Fraction(str(p)) * len(ordered) / 100)
    return ordered[max(1, rank) - 1]
