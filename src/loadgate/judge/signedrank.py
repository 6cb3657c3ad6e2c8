"""Wilcoxon's signed-rank test of paired differences, and the estimate and interval that belong to it (Hodges and Lehmann 1963).

The differences are ranked by their size, and their signs are what chance is about. Where it was drawn by lot which of two arms
came first, on which port, in which order of starts, the sign of each difference is a fair coin if the arms do not differ,
whatever the noise: nothing is assumed of its distribution, its drift or its memory. Shares are exact, counted over all
patterns of signs, for any number of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def walsh(differences: Sequence[float]) -> Floats:
    """The averages of all pairs of differences, each with itself too, in ascending order: k(k+1)/2 of them."""
    values = np.asarray(differences, np.float64)
    first, second = np.triu_indices(len(values))
    return np.sort((values[first] + values[second]) / 2.0)


def hodges_lehmann(differences: Sequence[float]) -> float:
    """The median of the Walsh averages: a location that one wild pair hardly moves. NaN without differences."""
    return float(np.median(walsh(differences))) if len(differences) else math.nan


def p_greater(differences: Sequence[float]) -> float:
    """Share of all patterns of signs with which the positive ones of `differences` would weigh as much or more.

    The p-value of "they are not above 0". Equal sizes share their ranks; a difference of 0 has its rank and no sign (Pratt
    1959). 1 without differences.
    """
    values = np.asarray(differences, np.float64)
    sizes = np.abs(values)
    order = np.sort(sizes)
    doubled = np.searchsorted(order, sizes, "left") + np.searchsorted(order, sizes, "right") + 1  # twice the mid-ranks
    weight = int(doubled[values > 0.0].sum())
    patterns = _patterns(tuple(sorted(doubled[values != 0.0].tolist())))
    return float(patterns[weight:].sum())


def interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """All shifts that the two-sided test at 1 - `level` does not refuse: two of the Walsh averages.

    Infinite on both sides where there are too few differences to refuse anything: fewer than 6 at 95 %.
    """
    count = len(differences)
    below = np.cumsum(_patterns(tuple(range(2, 2 * count + 1, 2)))[::2])
    cut = int(np.searchsorted(below, (1.0 - level) / 2.0 + 1e-12, "right"))
    if not cut:
        return -math.inf, math.inf
    averages = walsh(differences)
    return float(averages[cut - 1]), float(averages[-cut])


@lru_cache(maxsize=256)
def _patterns(weights: tuple[int, ...]) -> Floats:
    """The share of the subsets of `weights` that has each sum, from 0 to all of them."""
    shares = np.zeros(sum(weights) + 1)
    shares[0] = 1.0
    for weight in weights:
        shares[weight:] = (shares[weight:] + shares[:-weight]) / 2.0
        shares[:weight] /= 2.0
    return shares
