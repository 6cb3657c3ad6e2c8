"""Whether the level of a series moved anywhere: a scan over all stretches of runs, and how often noise alone goes as far.

Values become the normal scores of their ranks, so that no run weighs more than its place in the order: tails and units
lose their teeth, and without dependence the null distribution is the same for every noise. The scan then holds against
each other every stretch of runs and the rest of the series: all prefixes (one step), and windows of lengths a fourth root
of two apart at all places (a level that came and went; the "epidemic" alternative of Olshen & Venkatraman 2004,
Biostatistics 5). Short windows are many, so each length pays its share of the maximum beforehand, sqrt(2 ln(e n/L))
(Dümbgen & Spokoiny 2001, Annals of Statistics 29): what is left is comparable across lengths, and nearly so across n.

Runs that follow each other are alike (one machine, one day), which looks like steps. Sums are therefore divided by what an
AR(1) series would give them, with the lag-1 correlation of what is left around the best stretch, and 6/n more for what
choosing that stretch took away. `NULL` holds the tail of the whole procedure, that estimate included, under white noise
and AR(1) 0.3, 0.6 and 0.75, whichever is worst: simulated by `python -m bench.changepoint --table`. A level that wanders
under white noise, as of a machine that is slow for some days, is not AR(1), and is found (`bench/RESULTS.md`).

Several changes look like correlation to a scan of all runs, and hide behind each other. So halves, quarters and so on of
the series, overlapping by half (seeded intervals: Kovács et al. 2023, Biometrika 110), are scanned each for itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LEAST: Final = 5
"""The shortest stretch that the null distribution was simulated for, in runs."""

# What a prefix pays: there are n of them, but they are nearly copies of each other, in the middle more than at the ends.
# Chosen so that prefixes and windows fail about equally often at 1 %.
_TOLL: Final = 1.3
_TOLL_OF_ENDS: Final = 0.25
# How much correlation goes with the best stretch, and with each further cut, times n: about what it is in AR(1) 0 to 0.3
_OPTIMISM: Final = 6.0
_OPTIMISM_OF_CUT: Final = 4.0
_FURTHER_CUTS: Final = 2
_HIGHEST_CORRELATION: Final = 0.95
# Squares a run that are rounding, in residuals of order 1
_NOTHING: Final = 1e-18
# Between the sides of an abrupt step, in standard deviations within them
_GAP: Final = 4.0
# Of alpha, to the scan of all runs; the parts share the rest. Fewer runs than this make no part.
_WHOLE: Final = 0.75
_SHORTEST_PART: Final = 50

TAILS: Final = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
# n: the values that the statistic exceeds with the probabilities of TAILS
NULL: Final[dict[int, tuple[float, ...]]] = {
    10: (-0.43, 0.31, 0.64, 0.90, 1.13, 1.26, 1.31, 1.33, 1.35),
    11: (-0.34, 0.38, 0.70, 0.93, 1.18, 1.33, 1.35, 1.37, 1.39),
    12: (-0.22, 0.48, 0.81, 1.06, 1.32, 1.41, 1.54, 1.56, 1.58),
    14: (-0.06, 0.59, 0.92, 1.18, 1.44, 1.59, 1.67, 1.76, 1.78),
    16: (0.13, 0.69, 1.00, 1.26, 1.55, 1.71, 1.83, 1.96, 1.98),
    20: (0.33, 0.86, 1.15, 1.41, 1.69, 1.88, 2.05, 2.17, 2.22),
    25: (0.47, 0.99, 1.28, 1.54, 1.84, 2.02, 2.18, 2.40, 2.55),
    35: (0.61, 1.15, 1.44, 1.70, 2.00, 2.21, 2.38, 2.61, 2.77),
    50: (0.71, 1.26, 1.58, 1.85, 2.18, 2.40, 2.60, 2.82, 2.97),
    70: (0.74, 1.29, 1.62, 1.89, 2.21, 2.44, 2.66, 2.90, 3.08),
    100: (0.73, 1.28, 1.61, 1.89, 2.22, 2.46, 2.69, 2.97, 3.17),
    150: (0.71, 1.23, 1.55, 1.83, 2.17, 2.39, 2.62, 2.90, 3.13),
    250: (0.70, 1.21, 1.51, 1.77, 2.09, 2.33, 2.54, 2.82, 3.02),
    500: (0.72, 1.19, 1.48, 1.73, 2.04, 2.26, 2.46, 2.71, 2.90),
    1000: (0.76, 1.21, 1.48, 1.72, 2.00, 2.22, 2.42, 2.64, 2.82),
    2000: (0.81, 1.24, 1.51, 1.75, 2.03, 2.23, 2.41, 2.67, 2.82),
    5000: (0.86, 1.28, 1.55, 1.79, 2.06, 2.27, 2.48, 2.73, 2.92),
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Runs `start` to `stop`, exclusive, that stand out from those around them."""

    start: int
    stop: int
    p: float
    """Probability that a series without any change has a stretch that stands out as much, anywhere."""


def search(values: Floats, least: int = LEAST, enough: float = 0.0) -> Stretch:
    """The stretch of at least `least` runs of `values` (finite, in the order of the runs) that is least likely to be noise.

    Looks at parts of the series only if the whole has not p <= `enough` already. Fewer than `2 * least` values, or values
    that are all the same, give p = 1. Takes n log n.
    """
    n = len(values)
    if n < 2 * least or bool((values == values[0]).all()):
        return Stretch(0, n, 1.0)
    start, stop, statistic, _ = scan(values[np.newaxis], least)
    levels = max(0, math.floor(math.log2(n / max(_SHORTEST_PART, 4 * least))))
    best = _stretch(0, int(start[0]), int(stop[0]), float(statistic[0]), n, 1 / _WHOLE if levels else 1.0)
    for level in range(1, levels + 1):
        if best.p <= enough:
            break
        size = n >> level
        begins = np.linspace(0, n - size, 2 ** (level + 1) - 1).astype(np.int64)
        start, stop, statistic, _ = scan(values[begins[:, np.newaxis] + np.arange(size)], least)
        at = int(statistic.argmax())
        tests = len(begins) * levels / (1 - _WHOLE)
        part = _stretch(int(begins[at]), int(start[at]), int(stop[at]), float(statistic[at]), size, tests)
        if part.p < best.p:
            best = part
    return best


def _stretch(begin: int, start: int, stop: int, statistic: float, n: int, tests: float) -> Stretch:
    p = max(tail(statistic, n), _luckiest(n, stop - start))
    return Stretch(begin + start, begin + stop, min(1.0, p * tests))


def scan(series: Floats, least: int = LEAST) -> tuple[Integers, Integers, Floats, Floats]:
    """For each row of `series`, at least `2 * least` values: the stretch that stands out most, as start and stop, how much,
    and the lag-1 correlation that it took into account."""
    rows, n = series.shape
    scores = normal_scores(series)
    uneven = _unevenness(scores)
    sums = np.zeros((rows, n + 1))
    np.cumsum(scores, axis=1, out=sums[:, 1:])
    # a prefix and the suffix as long have the same variance: the larger of the two sums stands for both
    short = np.arange(least, n // 2 + 1)
    front, back = np.abs(sums[:, short]), np.abs(sums[:, n - short])
    ends = np.maximum(front, back)
    lengths = _lengths(n, least)
    # the largest sum of each length does not depend on the correlation, which is found afterwards
    firsts = np.empty((rows, len(lengths)), dtype=np.int64)
    tops = np.empty((rows, len(lengths)))
    row = np.arange(rows)
    for column, length in enumerate(lengths):
        # what is left on either side is a piece too
        inner = sums[:, least + length : n - least + 1] - sums[:, least : n - least - length + 1]
        np.abs(inner, out=inner)
        firsts[:, column] = at = inner.argmax(axis=1)
        tops[:, column] = inner[row, at]

    def highest(correlation: Floats) -> tuple[Integers, Integers, Floats]:
        rho = correlation[:, np.newaxis]
        z = _straightened(ends / np.sqrt(_variance(short, n, rho)), short, uneven) - _toll(short, n)
        at = z.argmax(axis=1)
        start, most = np.zeros(rows, dtype=np.int64), z[row, at]
        stop = np.where(front[row, at] >= back[row, at], short[at], n - short[at])
        if len(lengths):
            z = _straightened(tops / np.sqrt(_variance(lengths, n, rho)), lengths, uneven)
            z = z - np.sqrt(2.0 * np.log(math.e * n / lengths))
            at = z.argmax(axis=1)
            window = z[row, at] > most
            start = np.where(window, firsts[row, at] + least, start)
            stop = np.where(window, firsts[row, at] + least + lengths[at], stop)
            most = np.where(window, z[row, at], most)
        return start, stop, most

    start, stop, most = highest(np.zeros(rows))
    piece = _from(start, n) + _from(stop, n)
    correlation = _allowed(_correlation(_around_means(scores, piece)) + _OPTIMISM / n)
    # correlation only makes less of a stretch: where there is not much without, it need not be known better
    promising = most > _points(n)[TAILS.index(0.1)]
    if promising.any():
        correlation[promising] = _least_correlation(scores[promising], piece[promising], least)
    return *highest(correlation), correlation


def step_p(values: Floats, at: int, correlation: float) -> float:
    """p of one step at `at`, chosen as the best of its neighbourhood `values`: the scan's, with prefixes only.

    `correlation` is that of the whole series around its levels: a neighbourhood is too short to know its own.
    """
    n = len(values)
    scores = normal_scores(values[np.newaxis])
    short = np.array([min(at, n - at)])
    z = np.abs(scores[:, :at].sum(axis=1)) / np.sqrt(_variance(short, n, np.array([correlation])))
    statistic = float((_straightened(z, short, _unevenness(scores)) - _toll(short, n))[0, 0])
    return max(tail(statistic, n), _luckiest(n, at))


def abrupt(values: Floats, least: int) -> tuple[int, float]:
    """Where `values` step so far that no noise does, with at least `least` on both sides; and the p of it, 1 if nowhere.

    All values after the step lie beyond all before it, by a gap of 4 standard deviations within the two sides or more (of
    none, by any). Were runs exchangeable, one of the splits would part them so with the p that is returned, whatever the
    gap. AR(1) parts them more often, but not so far: a single innovation would have to cross the gap, and then the level to
    keep what by correlation fades, while neither side wanders. `test_changepoint_rates` has what comes of that. Takes O(n).
    """
    n = len(values)
    if n < 2 * least:
        return 0, 1.0
    # in shares of the largest, as a difference of the largest and the least number may be none
    shares = values / max(float(np.abs(values).max()), np.finfo(np.float64).tiny)
    lowest, highest = np.minimum.accumulate, np.maximum.accumulate
    rise = lowest(shares[::-1])[::-1][1:] - highest(shares)[:-1]
    fall = lowest(shares)[:-1] - highest(shares[::-1])[::-1][1:]
    gaps = np.maximum(rise, fall)[least - 1 : n - least]
    at = least + int(gaps.argmax())
    gap = float(gaps[at - least])
    if gap <= 0.0:
        return at, 1.0
    within = np.concatenate([side - side.mean() for side in np.split(shares, [at])])
    if gap < _GAP * math.sqrt(float(within @ within) / (n - 2)):
        return at, 1.0
    return at, min(1.0, len(gaps) * _luckiest(n, at))


def _luckiest(n: int, length: int) -> float:
    """Probability that `length` of `n` values in any order are the largest, or the smallest: no p is below it.

    The table knows no ties: without noise a level of five runs would look more certain than five runs can be.
    """
    return 2.0 * math.exp(math.lgamma(length + 1) + math.lgamma(n - length + 1) - math.lgamma(n + 1))


def normal_scores(series: Floats) -> Floats:
    """Normal scores of the ranks in each row, mean 0 and variance 1; ties share the mean of their scores.

    All 0 where the values of a row are all the same.
    """
    rows, n = series.shape
    order = np.argsort(series, axis=1)  # ties may stand in any order: they share their scores
    ordered = np.take_along_axis(series, order, axis=1)
    first = np.ones((rows, n), dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    scores = np.broadcast_to(_scores_of(n), (rows, n))
    if not first.all():
        group = np.cumsum(first) - 1
        scores = (np.bincount(group, weights=scores.ravel()) / np.bincount(group))[group].reshape(rows, n)
        spread = scores.std(axis=1, keepdims=True)
        # means of symmetric scores are 0 but for rounding
        scores = np.where(spread > 1e-9, scores / np.maximum(spread, 1e-9), 0.0)
    placed = np.empty((rows, n))
    np.put_along_axis(placed, order, scores, axis=1)
    return placed


def correlation_within(values: Floats, cuts: list[int]) -> float:
    """Lag-1 correlation around the means of the pieces between `cuts`, with an allowance for having cut; 0 to 0.95."""
    piece = np.zeros(len(values), dtype=np.int64)
    piece[cuts] = 1
    scores = normal_scores(values[np.newaxis])
    raw = _correlation(_around_means(scores, np.cumsum(piece)[np.newaxis]))
    allowance = _OPTIMISM + _OPTIMISM_OF_CUT * max(0, len(cuts) - 1)
    return float(_allowed(raw + allowance / len(values))[0])


def _least_correlation(scores: Floats, piece: Integers, least: int) -> Floats:
    """Lag-1 correlation of each row around what explains it best: its pieces, up to two cuts more, or a slow drift.

    What a further change or a drift leaves in the residuals looks like correlation until it is taken off.
    """
    rows, n = scores.shape
    row = np.arange(rows)
    left = _around_means(scores, piece)
    correlation = (
        np.minimum(_correlation(left), _correlation(scores - (scores @ _trend(n)) @ _trend(n).T)) + _OPTIMISM / n
    )
    for cut in range(1, _FURTHER_CUTS + 1):
        first = np.ones((rows, n), dtype=np.bool_)
        first[:, 1:] = piece[:, 1:] != piece[:, :-1]
        label = np.cumsum(first) - 1
        size = np.bincount(label)[label].reshape(rows, n)
        place = (np.arange(rows * n) - np.flatnonzero(first)[label] + 1).reshape(rows, n)
        inside = (place >= least) & (size - place >= least)
        # every piece adds up to 0, so that sums along the row start anew in each
        weight = np.where(inside, size / np.maximum(place * (size - place), 1), 0.0)
        at = (np.abs(np.cumsum(left, axis=1)) * np.sqrt(weight)).argmax(axis=1)
        first[row, np.minimum(at + 1, n - 1)] |= inside[row, at]
        piece = np.cumsum(first, axis=1) - 1
        left = _around_means(scores, piece)
        correlation = np.minimum(correlation, _correlation(left) + (_OPTIMISM + _OPTIMISM_OF_CUT * cut) / n)
    return _allowed(correlation)


def _from(places: Integers, n: int) -> Integers:
    """For each of `places` a row: 0 before it, 1 from it on."""
    return (np.arange(n) >= places[:, np.newaxis]).astype(np.int64)


def _around_means(series: Floats, piece: Integers) -> Floats:
    """Each row less the means of its pieces, which are numbered from 0 in `piece`."""
    rows, n = series.shape
    label = (piece + (piece.max() + 1) * np.arange(rows)[:, np.newaxis]).ravel()
    means = np.bincount(label, weights=series.ravel()) / np.maximum(np.bincount(label), 1)
    left: Floats = series - means[label].reshape(rows, n)
    return left


def _correlation(left: Floats) -> Floats:
    """Lag-1 correlation of each row of residuals; -1 where there is no noise that could be correlated."""
    squares = np.einsum("ij,ij->i", left, left)
    noisy = squares > _NOTHING * left.shape[1]
    products = np.einsum("ij,ij->i", left[:, 1:], left[:, :-1])
    correlation: Floats = np.where(noisy, products / np.where(noisy, squares, 1.0), -1.0)
    return correlation


def _allowed(correlation: Floats) -> Floats:
    allowed: Floats = np.clip(correlation, 0.0, _HIGHEST_CORRELATION)
    return allowed


def tail(statistic: float, n: int) -> float:
    """Probability that the scan of `n` runs without change exceeds `statistic`; beyond the table exponential, 1e-12 at least.

    The real tail falls faster than an exponential one, so that p is too large there rather than too small.
    """
    points = _points(n)
    if statistic <= points[0]:
        # the body of the distribution decides nothing: a straight line up to 1
        return min(1.0, TAILS[0] + 0.25 * (points[0] - statistic))
    logs = [math.log(p) for p in TAILS]
    if statistic >= points[-1]:
        slope = (logs[-1] - logs[-4]) / (points[-1] - points[-4])
        return max(1e-12, math.exp(logs[-1] + slope * (statistic - points[-1])))
    return math.exp(float(np.interp(statistic, points, logs)))


@lru_cache(maxsize=256)
def _points(n: int) -> list[float]:
    """What the scan of `n` runs without change exceeds with the probabilities of TAILS: `NULL`, linear in ln n."""
    lengths = sorted(NULL)
    size = min(max(n, lengths[0]), lengths[-1])
    above = next(length for length in lengths if length >= size)
    below = max(length for length in lengths if length <= size)
    share = 0.0 if above == below else math.log(size / below) / math.log(above / below)
    return [(1 - share) * low + share * high for low, high in zip(NULL[below], NULL[above], strict=True)]


def _variance(length: Integers, n: int, correlation: Floats) -> Floats:
    """Variance of the sum of `length` of `n` scores of an AR(1) series, of which the sum over all is 0."""
    if not correlation.any():  # powers are the dearest part of a scan
        uncorrelated: Floats = length * (1 - length / n) * np.ones_like(correlation)
        return uncorrelated
    alone = length * (1 + correlation) / (1 - correlation)
    alone = alone - 2 * correlation * (1 - correlation**length) / (1 - correlation) ** 2
    variance: Floats = alone * (1 - length / n)
    return variance


def _toll(short: Integers, n: int) -> Floats:
    toll: Floats = _TOLL + _TOLL_OF_ENDS * np.sqrt(np.log2(n / (2.0 * short)))
    return toll


def _unevenness(scores: Floats) -> Floats:
    """How far the scores of a row are from normal: the squared skewness or the excess of the fourth moment, 0 without ties."""
    squares = scores * scores
    skew, fourth = (squares * scores).mean(axis=1), (squares * squares).mean(axis=1)
    uneven: Floats = np.maximum(np.maximum(skew * skew, fourth - 3.0), 0.0)[:, np.newaxis]
    return uneven


def _straightened(z: Floats, length: Integers, uneven: Floats) -> Floats:
    """`z` of sums of `length` uneven scores as if they were normal (Wilson & Hilferty 1931, for a gamma of that skewness).

    A series of zeros with a rare error in it is nearly all ties: two errors close together are 6 sigma, and no surprise.
    """
    z = np.atleast_2d(z)
    if float(uneven.max()) < 1e-6:
        return z
    skew = np.sqrt(np.maximum(uneven, 1e-6) / length)
    normal: Floats = 6.0 / skew * (np.cbrt(0.5 * skew * z + 1.0) - 1.0) + skew / 6.0
    return normal


@lru_cache(maxsize=256)
def _scores_of(n: int) -> Floats:
    """Normal quantiles of (rank + 1/2) / n, with variance 1; within 1e-5 of the exact ones."""
    logs, quantiles = _normal_tail()
    half = np.arange(n // 2)
    upper = np.interp(np.log((half + 0.5) / n), logs, quantiles)
    scores = np.concatenate((-upper, np.zeros(n % 2), upper[::-1]))
    spread: Floats = scores / math.sqrt(float((scores * scores).mean()))
    return spread


@lru_cache(maxsize=256)
def _trend(n: int) -> Floats:
    """Two orthonormal columns: what a drift looks like in normal scores when noise is large, and when there is none."""
    line = np.arange(n) - 0.5 * (n - 1)
    columns: Floats = np.linalg.qr(np.column_stack((line, _scores_of(n))))[0]
    return columns


@lru_cache(maxsize=1)
def _normal_tail() -> tuple[Floats, Floats]:
    """Logarithms, rising, of the probability that a normal variate exceeds each quantile from 8 down to 0."""
    quantiles = np.linspace(8.0, 0.0, 4001)
    return np.array([math.log(0.5 * math.erfc(float(z) / math.sqrt(2.0))) for z in quantiles]), quantiles


@lru_cache(maxsize=256)
def _lengths(n: int, least: int) -> Integers:
    """Lengths of windows that leave pieces on both sides."""
    longest = min(n // 2, n - 2 * least)
    count = max(0, math.floor(4 * math.log2(max(longest / least, 0.5))) + 1)
    return np.array(sorted({round(least * 2 ** (step / 4)) for step in range(count)}), dtype=np.int64)
