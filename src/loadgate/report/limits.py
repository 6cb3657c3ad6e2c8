"""Thresholds as a reader sees them: what was seen, and how much of the limit it used up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from loadgate.record.verdict import ThresholdResult
from loadgate.report.figures import figure
from loadgate.units import format_duration


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One threshold. `observed` is in the metric's `unit` (NaN: no data); `used` is 1.0 at the limit, above it broken."""

    key: str
    expression: str
    statistic: str
    unit: str
    observed: float
    used: float | None
    """None where a share of the limit means nothing: equality, a limit of zero, no data."""
    passed: bool
    measured: bool
    aborted: bool

    @property
    def seen(self) -> str:
        """The observed value with its unit."""
        return figure(self.observed, self.unit, self.statistic)


def limit_rows(results: Iterable[ThresholdResult]) -> tuple[LimitRow, ...]:
    """Broken ones first, then by how much of the limit was used, the most first."""
    rows = [
        LimitRow(
            key=result.key,
            expression=result.expression
            if result.over is None
            else f"{result.expression} over {format_duration(result.over)}",
            statistic=result.statistic,
            unit=result.unit,
            observed=result.observed,
            used=limit_used(result),
            passed=result.passed,
            measured=result.measured,
            aborted=result.aborted,
        )
        for result in results
    ]
    return tuple(sorted(rows, key=lambda row: (row.passed, 1.0 if row.used is None else -row.used)))


def limit_used(result: ThresholdResult) -> float | None:
    """How much of what the limit allows was used: 0 to 1 while it holds.

    An upper limit is used up to observed / limit. A lower limit on a share (`checks: rate>95%`) allows the rest to fail:
    (1 - observed) / (1 - limit). Any other lower limit: limit / observed.
    """
    observed, bound = result.observed, result.bound
    if not result.measured or result.operator not in ("<", "<=", ">", ">="):
        return None
    if result.operator.startswith("<"):
        return observed / bound if bound > 0.0 and observed >= 0.0 else None
    if result.unit == "share":
        return (1.0 - observed) / (1.0 - bound) if bound < 1.0 else None
    if bound <= 0.0 or observed < 0.0:
        return None
    return bound / observed if observed > 0.0 else math.inf
