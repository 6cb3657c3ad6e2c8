"""How far two runs of the same thing on the same machine lie apart, learned from runs that were made before.

Two starts of one program differ in memory layout, hashing and neighbours for as long as they live, which nothing within a
run shows. The runs of one stretch of history without a change (`judge.changepoint`) do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadgate.measure.histogram import Floats

FEWEST_RUNS = 5
"""Runs it takes before their spread says more than an assumption."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Spread between runs: the standard deviation of the logarithm (of a share: of the share itself) of a figure.

    `freedom`: degrees of freedom behind it, one less than the runs it was learned from.
    """

    spread: float
    freedom: float

    @property
    def runs(self) -> int:
        return round(self.freedom) + 1


def learn(stretches: Sequence[Sequence[float] | Floats], *, share: bool) -> Noise | None:
    """The noise of a figure from its values in stretches of history without a change; None where they are too few."""
    squares = freedom = 0.0
    for stretch in stretches:
        values = np.asarray(stretch, np.float64)
        values = values[np.isfinite(values)] if share else np.log(values[np.isfinite(values) & (values > 0.0)])
        if len(values) >= 2:
            squares += float(((values - values.mean()) ** 2).sum())
            freedom += len(values) - 1
    if freedom + 1 < FEWEST_RUNS:
        return None
    return Noise(math.sqrt(squares / freedom), freedom)
