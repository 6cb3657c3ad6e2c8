"""The number a threshold asks of a tally. Semantics are k6's (metrics/sink.go; documentation, "Thresholds")."""

from __future__ import annotations

import math

from loadgate.config.thresholds import Aggregation, Threshold
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally

NO_DATA = math.nan


def statistic(threshold: Threshold, tally: Tally | None, seconds: float) -> float:
    """What `tally` has for the statistic of `threshold`, in the unit of its bound; NaN where it holds no sample.

    Trends: avg, min, med, max, p(N). Rates: the share. Gauges: the value set last. Counters: the sum, or the sum per second
    of `seconds` (NaN where no time has passed). Raises TypeError for a statistic that a metric of this kind has not, which
    `config.check_thresholds` refuses before a run.
    """
    aggregation = threshold.aggregation
    match tally:
        case None:
            return NO_DATA
        case TrendTally(histogram):
            match aggregation:
                case Aggregation.AVG:
                    return histogram.mean
                case Aggregation.MIN:
                    return histogram.minimum if histogram.count else NO_DATA
                case Aggregation.MAX:
                    return histogram.maximum if histogram.count else NO_DATA
                case Aggregation.MED:
                    return histogram.percentile(50.0)
                case Aggregation.PERCENTILE:
                    assert threshold.percentile is not None
                    return histogram.percentile(threshold.percentile)
        case RateTally():
            if aggregation is Aggregation.RATE:
                return tally.rate
        case CounterTally(total):
            if aggregation is Aggregation.COUNT:
                return total
            if aggregation is Aggregation.RATE:
                return total / seconds if seconds > 0.0 else NO_DATA
        case GaugeTally(last):
            if aggregation is Aggregation.VALUE:
                return last
    raise TypeError(f"{threshold.key}: a {type(tally).__name__} has no {threshold.statistic}")


def worse(threshold: Threshold, one: float, other: float) -> float:
    """Which of two observed values is worse for `threshold`; NaN is no value, and loses to any.

    For `<` the larger, for `>` the smaller, for `==` the farther from the bound, for `!=` the nearer.
    """
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    match threshold.operator:
        case "<" | "<=":
            return max(one, other)
        case ">" | ">=":
            return min(one, other)
        case "==":
            return max(one, other, key=lambda value: abs(value - threshold.bound))
        case _:
            return min(one, other, key=lambda value: abs(value - threshold.bound))
