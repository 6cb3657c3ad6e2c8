"""A figure of one run and how far it can be trusted: estimates from blocks, repeated samples, or somebody's interval.

Requests of one run share its machine, caches and queues, so they are no independent sample; stretches of time nearly are
(Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013). A run is therefore cut into blocks, and the
error of a figure is taken from what the blocks do to it: the delete-one-block jackknife with unequal blocks (Busing, Meijer
and van der Leeden 1999). The figure itself is that of all samples together; percentiles are never averaged.

How far two *starts* of one program lie apart cannot be seen within one run. `judge.comparison` adds that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from loadgate.measure.histogram import Floats, Histogram

BLOCKS: Final = 16
"""Blocks a run is cut into, at most: enough to see their spread, few enough that each outlasts a queue or a collection."""
FEWEST_BLOCKS: Final = 5
"""With fewer, an error would be a guess."""
EXCEEDANCES: Final = 20
"""Samples beyond a percentile that it takes before it means something."""
_NORMAL: Final = NormalDist()


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """A figure in its metric's unit. (A struct: a history has a million of them, and a dataclass costs ten times as much.)

    `error` is its standard error with `freedom` degrees of freedom: relative (that of the logarithm), for a share
    absolute; None where it is not known. `count` is the number of samples behind it.
    """

    value: float
    error: float | None = None
    freedom: float = 0.0
    count: int = 0


def percentiles(blocks: Sequence[Histogram], ps: Sequence[float]) -> list[Estimate]:
    """The percentiles `ps` (0 to 100) of all samples in `blocks`."""
    whole = Histogram()
    for block in blocks:
        whole.merge(block)
    values = whole.percentiles(ps)
    used = [block for block in blocks if block.count]
    errors: list[float | None] = [None] * len(values)
    if len(used) >= FEWEST_BLOCKS:
        left_out = np.array([whole.without(block).percentiles(ps) for block in used])
        sizes = np.array([block.count for block in used], np.float64)
        errors = [_jackknife(value, left_out[:, at], sizes) for at, value in enumerate(values)]
    freedom = max(0.0, len(used) - 1.0)
    return [Estimate(value, error, freedom, whole.count) for value, error in zip(values, errors, strict=True)]


def average(blocks: Sequence[Histogram]) -> Estimate:
    """The mean of all samples in `blocks`."""
    used = [block for block in blocks if block.count]
    found = rate([block.total for block in used], [float(block.count) for block in used])
    return replace(found, count=sum(block.count for block in used))


def rate(counts: Sequence[float], seconds: Sequence[float]) -> Estimate:
    """Events per second, from how many there were in each block and how long it was."""
    events, times = np.asarray(counts, np.float64), np.asarray(seconds, np.float64)
    total, length = float(events.sum()), float(times.sum())
    value = total / length if length > 0.0 else math.nan
    error = None
    if len(events) >= FEWEST_BLOCKS and (times > 0.0).all():
        error = _jackknife(value, (total - events) / (length - times), times)
    return Estimate(value, error, max(0.0, len(events) - 1.0), round(total))


def share(passes: Sequence[int], totals: Sequence[int]) -> Estimate:
    """The share of samples that pass, with its absolute error.

    That of independent samples, with infinite freedom, unless the blocks differ by more than such samples would: failures
    come in bursts.
    """
    passed, drawn = np.asarray(passes, np.float64), np.asarray(totals, np.float64)
    passed, drawn = passed[drawn > 0], drawn[drawn > 0]
    count = float(drawn.sum())
    if not count:
        return Estimate(math.nan)
    value = float(passed.sum()) / count
    variance, freedom = value * (1.0 - value) / count, math.inf
    blocks = len(drawn)
    if blocks >= FEWEST_BLOCKS:
        # ratio estimator (Cochran 1977, 6.4); of independent samples it varies by this much around the other
        spread = float(((passed - value * drawn) ** 2).sum()) * blocks / (blocks - 1) / count**2
        if spread > variance * (1.0 + math.sqrt(2.0 / (blocks - 1))):
            variance, freedom = spread, blocks - 1.0
    return Estimate(value, math.sqrt(variance), freedom, round(count))


def mean(samples: Sequence[float]) -> Estimate:
    """The mean of samples that were measured independently of each other, such as starts or processes."""
    values = _finite(samples)
    if not len(values):
        return Estimate(math.nan)
    with np.errstate(over="ignore", invalid="ignore"):  # values of somebody's file may be any
        value = float(values.mean())
        deviation = float(values.std(ddof=1)) if len(values) >= 2 else math.nan
    return spread(value, deviation, len(values))


def median(samples: Sequence[float]) -> Estimate:
    """As `mean`, of the median. A few wild samples move neither the figure nor its error.

    The error is that of Price and Bonett (2001, "Estimating the variance of the sample median"): half the distance of two
    order statistics, over the normal quantile of the chance that the median lies outside of them.
    """
    values = np.sort(_finite(samples))
    count = len(values)
    if not count:
        return Estimate(math.nan)
    at = max(1, round((count + 1) / 2.0 - math.sqrt(count)))
    # beyond a hundred samples `at` is two standard errors of a rank away, whatever their number
    outside = sum(math.comb(count, below) for below in range(at)) / 2.0**count if 2 <= count <= 100 else 0.0228
    with np.errstate(over="ignore", invalid="ignore"):
        value, reach = float(np.median(values)), float(values[-at] - values[at - 1]) / 2.0
    return _with_error(value, reach / _NORMAL.inv_cdf(1.0 - outside), count)


def spread(value: float, deviation: float, count: int) -> Estimate:
    """The mean of `count` samples that are known by their standard deviation alone."""
    return _with_error(value, deviation / math.sqrt(count) if count else math.nan, count)


def interval(value: float, low: float, high: float, *, z: float = 1.96, freedom: float = math.inf) -> Estimate:
    """What somebody else found: `value` with an interval that reaches `z` standard errors each way."""
    error = (high - low) / (2.0 * z) / value if 0.0 < value < math.inf else math.nan
    return Estimate(value, error if 0.0 <= error < math.inf else None, freedom)


def _finite(samples: Sequence[float]) -> Floats:
    values = np.asarray(samples, np.float64)
    return values[np.isfinite(values)]


def _with_error(value: float, error: float, count: int) -> Estimate:
    """`value` with the standard error `error` in its own unit, where it is one."""
    relative = error / value if 0.0 < value < math.inf else math.nan
    known = count >= 2 and 0.0 <= relative < math.inf
    return Estimate(value, relative if known else None, max(0.0, count - 1.0), count)


def _jackknife(value: float, left_out: Floats, sizes: Floats) -> float | None:
    """Relative standard error of `value` from the figures that leave one block out each; None where there is no ratio."""
    if not value > 0.0 or not (left_out > 0.0).all():
        return None
    share = sizes.sum() / sizes
    whole, others = math.log(value), np.log(left_out)
    pseudo = share * whole - (share - 1.0) * others
    centre = len(sizes) * whole - float(((1.0 - 1.0 / share) * others).sum())
    return math.sqrt(float(((pseudo - centre) ** 2 / (share - 1.0)).sum()) / len(sizes))
