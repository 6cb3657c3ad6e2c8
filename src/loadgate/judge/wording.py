"""Thresholds, budgets, figures and changes in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadgate.config.gate import TIMES
from loadgate.measure.metric import BUILTIN
from loadgate.record.comparison import Row
from loadgate.record.verdict import ThresholdResult
from loadgate.units import (
    format_bytes,
    format_count,
    format_duration,
    format_ms,
    format_number,
    format_rate,
    format_share,
)


def threshold_text(result: ThresholdResult) -> str:
    """One line: "http_req_duration p(95)<500: 612 ms"."""
    over = f" over {format_duration(result.over)}" if result.over is not None else ""
    seen = observed_text(result) if result.measured else f"no data: {_missing(result)}"
    end = ", which ended the run" if result.aborted else ""
    return f"{result.key} {result.expression}{over}: {seen}{end}"


def observed_text(result: ThresholdResult) -> str:
    """The observed value with its unit; with as many digits as it takes to tell it from a bound it does not equal."""
    text = _formatted(result, result.observed)
    if result.observed == result.bound or text != _formatted(result, result.bound):
        return text
    scale, unit = (100.0, " %") if result.unit == "share" else (1.0, f" {result.unit}" if result.unit else "")
    per = "/s" if _per_second(result) else ""
    return f"{_enough_digits(result.observed * scale, result.bound * scale)}{unit}{per}"


def _formatted(result: ThresholdResult, value: float) -> str:
    match result.unit:
        case "ms":
            return format_ms(value)
        case "share":
            return format_share(value)
        case "bytes":
            return format_bytes(value) + ("/s" if _per_second(result) else "")
    if _per_second(result):
        return format_rate(value)
    return format_count(value) if result.unit == "count" and value.is_integer() else f"{value:,.6g}"


def _per_second(result: ThresholdResult) -> bool:
    return result.statistic == "rate" and result.unit != "share"


def _enough_digits(value: float, bound: float) -> str:
    for digits in range(4, 17):
        if f"{value:.{digits}g}" != f"{bound:.{digits}g}":
            return f"{value:.{digits}g}"
    return repr(value)


def _missing(result: ThresholdResult) -> str:
    metric, brace, _ = result.key.partition("{")
    text = f"nothing was measured under {'these tags' if brace else 'this name'}"
    if metric not in BUILTIN and (result.statistic == "count" or _per_second(result)):
        text += " (a counter that may stay at zero needs a zero added to it once)"
    return text


def amount_text(value: float, unit: str) -> str:
    """A figure with its unit; `unit` as in `record.result.Figure`."""
    if unit in TIMES:
        milliseconds = value * TIMES[unit]
        if 0.000995 <= abs(milliseconds) < 0.9995:  # three digits, of which two would be left in ms
            return f"{format_number(milliseconds * 1e3)} us"
        return format_ms(milliseconds)
    if unit == "share":
        return format_share(value)
    if unit == "1/s":
        return format_rate(value)
    if unit in ("bytes", "bytes/s"):
        return format_bytes(value) + unit.removeprefix("bytes")
    if unit == "count":
        return format_count(value) if value.is_integer() else format_number(value)
    return f"{format_number(value)} {unit}".rstrip()


def budget_amount(value: float, unit: str) -> str:
    """A figure of a budget, times in the unit that its key names; `unit` as in `record.verdict.BudgetResult`."""
    return f"{format_number(value)} {unit}" if unit in TIMES else amount_text(value, unit)


def against_text(value: float, limit: float, unit: str) -> str:
    """As `budget_amount`, with as many digits as it takes to tell `value` from a `limit` it does not equal."""
    text = budget_amount(value, unit)
    if value == limit or text != budget_amount(limit, unit) or not math.isfinite(value):
        return text
    if unit == "bytes":
        return f"{value:,.0f} B" if round(value) != round(limit) else f"{_enough_digits(value, limit)} B"
    scale, sign = (100.0, " %") if unit == "share" else (1.0, {"1/s": "/s", "count": ""}.get(unit, f" {unit}"))
    return f"{_enough_digits(value * scale, limit * scale)}{sign}"


def change_text(change: float, *, share: bool = False) -> str:
    """A change with its sign: "+12.3 %", of a share in points: "+0.40 pt"."""
    if not math.isfinite(change):
        return "n/a" if math.isnan(change) else f"{'+' if change > 0.0 else '-'}inf"
    change += 0.0  # -0.0 is no loss
    size = f"{change * 100.0:+.2f}" if abs(change) < 0.0995 else f"{change * 100.0:+,.1f}"
    return f"{size} pt" if share else f"{size} %"


def margin_text(row: Row) -> str:
    """From which change on a figure counts as worse: its relative limit, or its floor where that is more: "5 %", "100 us"."""
    limit = row.limit
    if row.share:
        return f"{max(limit.change, limit.floor) * 100.0:g} pt"
    if row.base > 0.0 and limit.floor > limit.change * row.base:
        return amount_text(limit.floor, row.unit)
    return f"{limit.change * 100.0:g} %"


def alarms_text(alarms: int, jobs: int, low: float, high: float) -> str:
    """How often a test of one build failed it: "0 false alarms in 20 jobs of one build (95 %: at most 16.8 %)"."""
    within = f"{format_share(low)} to {format_share(high)}" if low > 0.0 else f"at most {format_share(high)}"
    told = f"{alarms} false alarm{'' if alarms == 1 else 's'} in {jobs} job{'' if jobs == 1 else 's'}"
    return f"{told} of one build (95 %: {within})"


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` names, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
