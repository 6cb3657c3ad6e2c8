"""Where the level of a metric moved in a history of runs: change points of one series.

A change is looked for in the whole series with `search`, then in the pieces, until nothing stands out any more; as the first
scan decides, a series without change is cut with probability `alpha`, not `alpha` times the number of cuts. Places are
then set right on the values, and a change that does not hold up between its neighbours is taken out again.

Ranks do not tell a step of 5 sigma from one of 500, and in few runs either looks like correlated noise. So before each scan
`abrupt` looks at the values themselves: a step far wider than all that runs differ by on both sides of it is cut where it
is, and stays.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from loadgate.judge.drift import Drift, drift
from loadgate.judge.scan import LEAST, Floats, Stretch, abrupt, correlation_within, search, step_p

ALPHA: Final = 0.01
_PLACINGS: Final = 4
# Huber's bend, in sigma: 95 % as exact as squares where noise is normal, and a wild run counts as one of 1.345 sigma
_BEND: Final = 1.345
_MAD_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the level."""

    index: int
    """The first run after it: a place in the values that were given."""
    before: float
    """Median of the runs from the change before (or the beginning) to this one, in the metric's own unit."""
    after: float
    """Median of the runs from this one to the next change (or the end)."""
    change: float
    """`after` relative to `before`: 0.1 is 10 % more; infinite, with its sign, from 0."""
    interval: tuple[float, float]
    """95 % interval of `change`, the place taken as known; infinite on both sides from 0."""
    p: float
    """Probability of as large a step between the two neighbouring changes where there is none."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    changes: tuple[Change, ...]
    """In the order of the runs; of a drift, the steps that come closest to it."""
    drift: Drift | None
    """What the changes are instead, where a straight line explains the series better than steps do."""
    p: float
    """Probability that a series without change looks as if it had one; above `alpha` if there are no changes."""
    runs: int
    """Values that were there."""


# medians of two numbers near the largest are infinite inside here, which decides nothing
@np.errstate(over="ignore")
def find_changes(values: Sequence[float] | Floats, *, alpha: float = ALPHA, least: int = LEAST) -> Segmentation:
    """Find the changes of level in `values`, one a run in the order of the runs; NaN and infinities are missing runs.

    `alpha` is the probability of finding any change in a series that has none. No level lasts fewer than `least` runs: a
    wild run is no change, and a change is seen `least` runs after it happened. Fewer than `2 * least` values give no changes
    and p = 1. Raises ValueError for an `alpha` outside 0 to 1 and a `least` below 5, for which no null distribution is known.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha:g}")
    if least < LEAST:
        raise ValueError(f"least must be {LEAST} runs or more, not {least}")
    given = np.asarray(values, dtype=np.float64)
    there = np.flatnonzero(np.isfinite(given))
    series = given[there]
    # logarithms where there are any, so that a step is a factor: that is what a change of code mostly is
    scaled = np.log(series) if bool((series > 0.0).all()) else series
    whole = search(series, least, alpha)
    p = min(whole.p, abrupt(scaled, least)[1])
    if p > alpha:
        return Segmentation((), None, p, len(series))
    found, sure = _cuts(series, scaled, whole, alpha, least)
    cuts = _placed(scaled, found, sure, least)
    # before steps are weighed one by one: no step of a drift holds up where the level creeps on both sides of it
    creeping = drift(series, cuts, alpha)
    if creeping is None:
        cuts, weakest = _upheld(series, cuts, sure, alpha)
        if not cuts:
            return Segmentation((), None, max(p, weakest), len(series))
        cuts = _placed(scaled, cuts, sure, least)
        creeping = drift(series, cuts, alpha)
    levels = np.split(series, cuts)
    correlation = correlation_within(series, cuts)
    changes = tuple(
        _change(
            int(there[cut]),
            before,
            after,
            min(step_p(np.concatenate((before, after)), len(before), correlation), sure.get(cut, 1.0)),
            correlation,
        )
        for cut, (before, after) in zip(cuts, pairwise(levels), strict=True)
    )
    return Segmentation(changes, creeping, p, len(series))


def _cuts(
    series: Floats, scaled: Floats, whole: Stretch, alpha: float, least: int
) -> tuple[list[int], dict[int, float]]:
    """Where the level moved: at abrupt steps, and at the ends of stretches that stand out, in the series and its pieces.

    `whole` is the stretch of the series. Abrupt steps come a second time, with the p of each: they need no further proof.
    """
    found: list[int] = []
    sure: dict[int, float] = {}
    pieces: list[tuple[int, int, Stretch | None]] = [(0, len(series), whole)]
    while pieces:
        begin, end, stretch = pieces.pop()
        at, p = abrupt(scaled[begin:end], least)
        if p <= alpha:
            inner = [begin + at]
            sure[begin + at] = p
        else:
            stretch = stretch or search(series[begin:end], least, alpha)
            if stretch.p > alpha:
                continue
            inner = [cut for cut in (begin + stretch.start, begin + stretch.stop) if begin < cut < end]
        found += inner
        pieces += [(one, other, None) for one, other in pairwise([begin, *inner, end])]
    return sorted(found), sure


def _placed(scaled: Floats, cuts: list[int], sure: Container[int], least: int) -> list[int]:
    """`cuts` where two levels with Huber's loss fit best, each between its neighbours; `sure` ones where they are."""
    for _ in range(_PLACINGS):
        edges = [0, *cuts, len(scaled)]
        moved = list(cuts)
        for place, (begin, cut, end) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
            if cut in sure:
                continue
            begin = moved[place - 1] if place else begin
            before, after = float(np.median(scaled[begin:cut])), float(np.median(scaled[cut:end]))
            away = np.concatenate((scaled[begin:cut] - before, scaled[cut:end] - after))
            sigma = _MAD_SIGMA * float(np.median(np.abs(away)))
            gain = _loss(scaled[begin:end] - before, sigma) - _loss(scaled[begin:end] - after, sigma)
            # total loss of a cut at c, less a constant: the sum of the gains before it
            total = np.cumsum(gain)[least - 1 : end - begin - least]
            moved[place] = begin + least + int(total.argmin())
        if moved == cuts:
            break
        cuts = moved
    return cuts


def _loss(away: Floats, sigma: float) -> Floats:
    size = np.abs(away)
    bend = _BEND * sigma
    return np.where(size <= bend, 0.5 * size * size, bend * (size - 0.5 * bend)) if sigma > 0.0 else size


def _upheld(series: Floats, cuts: list[int], sure: Container[int], alpha: float) -> tuple[list[int], float]:
    """`cuts` without those that are no step between their neighbours, the weakest out first; and the p of the last out.

    `sure` ones stay: a neighbour that was found later makes less of the runs that prove them, and nothing of the step.
    """
    cuts = list(cuts)
    weakest = 0.0
    correlation = correlation_within(series, cuts)
    known: dict[tuple[int, int, int], float] = {}
    while cuts:
        edges = [0, *cuts, len(series)]
        steps = list(zip(edges, edges[1:], edges[2:], strict=False))
        for begin, cut, end in steps:
            if (begin, cut, end) not in known:
                # two levels with one median are no change that could be shown
                level = np.median(series[begin:cut]) != np.median(series[cut:end])
                known[begin, cut, end] = step_p(series[begin:end], cut - begin, correlation) if level else 1.0
        ps = [0.0 if step[1] in sure else known[step] for step in steps]
        weakest = max(ps)
        if weakest <= alpha:
            break
        del cuts[ps.index(weakest)]
    return cuts, weakest


def _change(index: int, first: Floats, second: Floats, p: float, correlation: float) -> Change:
    # not np.median, which adds the middle two: they may be too large for it
    before, after = float(np.quantile(first, 0.5)), float(np.quantile(second, 0.5))
    low_before, high_before = _median_interval(first, correlation)
    low_after, high_after = _median_interval(second, correlation)
    if min(low_before, low_after) > 0.0:
        # two intervals make one of their ratio (Donner & Zou 2012, "MOVER": Statistical Methods in Medical Research 21);
        # differences of logarithms, as a ratio of the largest and the least number is none
        step = math.log(after) - math.log(before)
        fall_before, rise_before = _logs_around(low_before, before, high_before)
        fall_after, rise_after = _logs_around(low_after, after, high_after)
        low, high = step - math.hypot(fall_after, rise_before), step + math.hypot(rise_after, fall_before)
        return Change(index, before, after, _relative(step), (_relative(low), _relative(high)), p)
    step = after - before
    if before == 0.0:
        return Change(index, before, after, math.copysign(math.inf, step), (-math.inf, math.inf), p)
    size = abs(before)
    low = step - math.hypot(after - low_after, high_before - before)
    high = step + math.hypot(high_after - after, before - low_before)
    return Change(index, before, after, step / size, (low / size, high / size), p)


def _logs_around(low: float, level: float, high: float) -> tuple[float, float]:
    """How far below `level` `low` is, and `high` above it, in logarithms."""
    return math.log(level) - math.log(low), math.log(high) - math.log(level)


def _relative(step: float) -> float:
    """The change that a `step` of logarithms is; infinite where it is larger than any number."""
    try:
        return math.expm1(step)
    except OverflowError:
        return math.inf


def _median_interval(level: Floats, correlation: float) -> tuple[float, float]:
    """95 % interval of the median of `level`, by its order statistics, as many fewer as the correlation leaves."""
    independent = max(2.0, len(level) * (1 - correlation) / (1 + correlation))
    # Student's quantile from the normal one (Fisher & Cornish); few runs give the least and the largest of them anyway
    z = 1.96 + (1.96**3 + 1.96) / (4 * (independent - 1))
    half = min(0.5, z * 0.5 / math.sqrt(independent))
    low, high = np.quantile(level, (0.5 - half, 0.5 + half))
    return float(low), float(high)
