"""Which format of `units` a figure takes: by the unit of its metric and by its statistic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from loadgate.units import (
    format_bytes,
    format_count,
    format_duration,
    format_ms,
    format_number,
    format_rate,
    format_share,
)


def figure(value: float, unit: str, statistic: str = "") -> str:
    """`value` of a metric with `unit` (see `measure.metric.Metric`); NaN is "n/a".

    The `rate` of what is counted or sized is per second.
    """
    if unit == "ms":
        return format_ms(value)
    if unit == "share":
        return format_share(value)
    if unit == "bytes":
        return f"{format_bytes(value)}/s" if statistic == "rate" and math.isfinite(value) else format_bytes(value)
    if unit == "count":
        return format_rate(value) if statistic == "rate" else format_count(value)
    return format_number(value)


def length(seconds: float) -> str:
    """A measured length of time, to a tenth of a second below a minute: "4m", "12.3s"."""
    return format_duration(round(seconds, 1) if seconds < 59.95 else round(seconds))


@dataclass(frozen=True, slots=True)
class TimeScale:
    """One unit for a whole table of times."""

    unit: str
    milliseconds: float

    def text(self, milliseconds: float) -> str:
        """The bare number."""
        return format_number(milliseconds / self.milliseconds)


def time_scale(typical: Iterable[float]) -> TimeScale:
    """The scale in which all of the `typical` times (ms; NaN is passed over) have digits that say something."""
    times = [value for value in typical if value == value and value > 0.0]
    if times and max(times) < 1.0:
        return TimeScale("us", 0.001)
    if times and min(times) >= 10_000.0:
        return TimeScale("s", 1000.0)
    return TimeScale("ms", 1.0)
