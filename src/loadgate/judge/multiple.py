"""Many tests at once: p-values corrected for how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values, in order: below alpha with probability alpha at most if nothing is there (Holm 1979).

    Whatever depends on whatever.
    """
    values = np.asarray(ps, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    return _in_order(order, np.minimum(1.0, np.maximum.accumulate(steps)))


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values, in order: of those below q, a share of q at most is expected to be false (1995)."""
    values = np.asarray(ps, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _in_order(order, np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1]))


def _in_order(order: np.ndarray, values: np.ndarray) -> list[float]:
    adjusted = np.empty(len(values))
    adjusted[order] = values
    return [float(value) for value in adjusted]
