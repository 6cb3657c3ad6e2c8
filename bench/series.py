"""Made-up histories: what runs of a benchmark look like when nothing changes, and with a level of our choosing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Generator = np.random.Generator
SIGMA: Final = 0.05
"""Noise of one run: standard deviation of the logarithm of its value, about the coefficient of variation."""


def autoregressive(random: Generator, rows: int, n: int, correlation: float) -> Floats:
    """`rows` stationary AR(1) series of variance 1."""
    series = random.standard_normal((rows, n))
    if correlation:
        series[:, 1:] *= math.sqrt(1 - correlation * correlation)
        for at in range(1, n):
            series[:, at] += correlation * series[:, at - 1]
    return series


def _one(correlation: float) -> Callable[[Generator, int], Floats]:
    return lambda random, n: SIGMA * autoregressive(random, 1, n, correlation)[0]


def _heavy(random: Generator, n: int) -> Floats:
    noise: Floats = SIGMA * random.standard_t(3, n)
    return noise


def _contaminated(random: Generator, n: int) -> Floats:
    """Every twelfth run is slower, by 40 % as a rule and by a factor at times."""
    wild = np.where(random.random(n) < 0.08, np.abs(random.normal(0.0, 0.5, n)), 0.0)
    return _one(0.0)(random, n) + wild


def _two_machines(random: Generator, n: int) -> Floats:
    return _one(0.0)(random, n) + np.where(random.random(n) < 0.5, math.log(1.15), 0.0)


def _wandering(random: Generator, n: int) -> Floats:
    return math.sqrt(0.5) * (_one(0.0)(random, n) + _one(0.9)(random, n))


def _kept_machine(random: Generator, n: int) -> Floats:
    return _one(0.0)(random, n) + np.where(np.cumsum(random.random(n) < 0.05) % 2, math.log(1.15), 0.0)


NOISES: Final[dict[str, Callable[[Generator, int], Floats]]] = {
    "white": _one(0.0),
    "AR(1) 0.3": _one(0.3),
    "AR(1) 0.6": _one(0.6),
    "t, 3 degrees of freedom": _heavy,
    "8 % wild runs": _contaminated,
    "two machines, 15 % apart": _two_machines,
}
"""Logarithms of values by the name of their noise: those that the rate of false alarms is held for."""

BEYOND: Final[dict[str, Callable[[Generator, int], Floats]]] = {
    "AR(1) 0.9": _one(0.9),
    "white, on AR(1) 0.9 as large": _wandering,
    "one of two machines, kept for 20 runs": _kept_machine,
}
"""Noises whose level does move, for a while: what a lag-1 correlation says too little of."""


def history(noise: str, seed: tuple[int, ...], log_levels: Floats) -> Floats:
    """Values around 100 whose logarithm has `log_levels` added."""
    return np.asarray(
        100.0 * np.exp((NOISES | BEYOND)[noise](np.random.default_rng(seed), len(log_levels)) + log_levels)
    )


def step(n: int, at: int, change: float) -> Floats:
    return np.where(np.arange(n) < at, 0.0, math.log1p(change))


def bump(n: int, begin: int, end: int, change: float) -> Floats:
    return step(n, begin, change) - step(n, end, change)


def line(n: int, change: float) -> Floats:
    return math.log1p(change) * np.arange(n) / (n - 1)
