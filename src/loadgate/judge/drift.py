"""A level that creeps: told from one that steps.

Steps are found in a slow drift too, each too small and in no place. A series whose changes all go one way is a drift if a
straight line explains it better than they do: by the Bayesian information criterion, for absolute deviations, so that
wild runs decide nothing, and for as many independent runs as the correlation leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from loadgate.judge.scan import Floats, correlation_within, normal_scores

_POINTS: Final = 400


@dataclass(frozen=True, slots=True)
class Drift:
    begin: float
    """Where the line begins and ends, in the metric's own unit."""
    end: float
    change: float
    """From the first run to the last, relative to where the line begins; infinite, with its sign, from 0."""
    p: float
    """Probability of as clear a trend in a series that has none (two-sided)."""


def drift(series: Floats, cuts: list[int], alpha: float) -> Drift | None:
    """The drift of `series` if a line explains it better than the levels between `cuts` do, else None."""
    steps = np.diff([float(np.median(piece)) for piece in np.split(series, cuts)])
    if not (bool((steps > 0).all()) or bool((steps < 0).all())):
        return None
    positive = bool((series > 0.0).all())
    scaled = np.log(series) if positive else series
    slope, middle = _line(scaled)
    n = len(series)
    times = np.arange(n, dtype=np.float64) - 0.5 * (n - 1)
    off_line = scaled - middle - slope * times
    off_steps = np.concatenate([part - np.median(part) for part in np.split(scaled, cuts)])
    # whichever explanation is the better one knows how much noise is correlated
    correlation = min(correlation_within(off_line, []), correlation_within(off_steps, []))
    independent = n * (1 - correlation) / (1 + correlation)
    if _criterion(off_line, 2, independent) >= _criterion(off_steps, 2 * len(cuts) + 1, independent):
        return None
    p = _trend_p(series, times, independent)
    if p > alpha:
        return None
    begin, end = middle + slope * times[0], middle + slope * times[-1]
    if positive:
        return Drift(math.exp(begin), math.exp(end), math.expm1(end - begin), p)
    change = (end - begin) / abs(begin) if begin else math.copysign(math.inf, end - begin)
    return Drift(float(begin), float(end), float(change), p)


def _line(scaled: Floats) -> tuple[float, float]:
    """Slope per run (Theil 1950, Sen 1968: the median of all slopes between two) and height in the middle of the series.

    More than 400 runs are taken as medians of 400 stretches: as exact, and not the square of the runs.
    """
    n = len(scaled)
    bounds = np.linspace(0, n, min(n, _POINTS) + 1).astype(np.int64)
    places = 0.5 * (bounds[:-1] + bounds[1:] - 1) - 0.5 * (n - 1)
    heights = scaled if n <= _POINTS else np.array([np.median(part) for part in np.split(scaled, bounds[1:-1])])
    one, other = np.triu_indices(len(places), 1)
    slope = float(np.median((heights[other] - heights[one]) / (places[other] - places[one])))
    return slope, float(np.median(heights - slope * places))


def _criterion(away: Floats, parameters: int, independent: float) -> float:
    """Schwarz's criterion for Laplace noise; less is better."""
    size = max(float(np.abs(away).mean()), 1e-12)
    return 2.0 * independent * math.log(size) + parameters * math.log(independent)


def _trend_p(series: Floats, times: Floats, independent: float) -> float:
    """p of the correlation between the normal scores of the values and time."""
    scores = normal_scores(series[np.newaxis])[0]
    share = float(scores @ times) / math.sqrt(float(scores @ scores) * float(times @ times))
    return 2.0 * NormalDist().cdf(-abs(share) * math.sqrt(max(independent, 2.0)))
