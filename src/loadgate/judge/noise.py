"""How far two runs of the same thing on the same machine lie apart, learned from runs that were made before.

Two starts of one program differ in memory layout, hashing and neighbours for as long as they live, which nothing within a
run shows. The runs of one stretch of history without a change (`judge.changepoint`) do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loadgate.measure.histogram import Floats

FEWEST_RUNS: Final = 5
"""Runs it takes before their spread says more than an assumption."""


WILD: Final = 5.0
"""Robust standard deviations from the median of its stretch beyond which a run is no noise: two runs of a build that became
slower, and failed, must not widen the interval until the third one passes."""
FEWEST_TAMED: Final = 8
"""Runs of a stretch from which a wild one can be told: of five, the median deviation is too often small by chance."""
_MAD_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True)
class Noise:
    """Spread between runs: the standard deviation of the logarithm (of a share: of the share itself) of a figure.

    `freedom`: degrees of freedom behind it, one less than the runs it was learned from. `absolute` is the standard deviation
    of the figure itself, for those that have no logarithm; `spread` is NaN then.
    """

    spread: float
    freedom: float
    absolute: float = math.nan

    @property
    def runs(self) -> int:
        return round(self.freedom) + 1


def learn(stretches: Sequence[Sequence[float] | Floats], *, share: bool) -> Noise | None:
    """The noise of a figure from its values in stretches of history without a change; None where they are too few."""
    found = [np.asarray(stretch, np.float64) for stretch in stretches]
    found = [values[np.isfinite(values)] for values in found]
    freedom, absolute = _pooled(found)
    if freedom + 1 < FEWEST_RUNS:
        return None
    if share:
        return Noise(absolute, freedom, absolute)
    if any((values <= 0.0).any() for values in found):
        return Noise(math.nan, freedom, absolute)
    freedom, spread = _pooled([np.log(values) for values in found])
    return Noise(spread, freedom, absolute) if freedom + 1 >= FEWEST_RUNS else None


def _pooled(stretches: Sequence[Floats]) -> tuple[float, float]:
    """Degrees of freedom and standard deviation around the means of the stretches, without wild runs."""
    squares = freedom = 0.0
    for values in stretches:
        kept = _tame(values)
        if len(kept) >= 2:
            squares += float(((kept - kept.mean()) ** 2).sum())
            freedom += len(kept) - 1
    return freedom, math.sqrt(squares / freedom) if freedom else math.nan


def _tame(values: Floats) -> Floats:
    if len(values) < FEWEST_TAMED:
        return values
    off = np.abs(values - np.median(values))
    sigma = _MAD_SIGMA * float(np.median(off))
    return values[off <= WILD * sigma] if sigma > 0.0 else values
