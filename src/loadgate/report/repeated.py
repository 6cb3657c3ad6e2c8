"""Figures that were measured again and again, as a table: median, its interval, and how far the values lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from loadgate.record.repeated import Repeated
from loadgate.record.run import Run
from loadgate.report.figures import figure
from loadgate.report.style import Ink, Line, left, wrap
from loadgate.report.table import Align, Column, lay_out
from loadgate.units import format_count, format_number, format_share

NAMES: Final = MappingProxyType(
    {
        "target_port_open": "port open",
        "target_startup_time": "start-up to first good reply",
        "target_first_request": "first request",
        "target_warm_request": "warm request",
        "target_startup_memory": "memory when ready",
        "target_loaded_memory": "memory after load",
        "target_shutdown_time": "shutdown",
    }
)
"""Of what is measured of every start, in the order in which it happens."""

_OF_BENCHMARKS: Final = MappingProxyType(
    {
        "benchmark_time": "",
        "benchmark_memory": "peak memory",
        "command_time": "",
        "command_cpu": "CPU time",
        "command_memory": "peak memory",
    }
)
"""Beside a benchmark's own name: its time is what it is for."""

_MILLISECONDS: Final = MappingProxyType({"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3})
_TIMES: Final = ((1e3, "s"), (1.0, "ms"), (1e-3, "us"), (1e-6, "ns"))
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_MARGIN: Final = 14


@dataclass(frozen=True, slots=True)
class RepeatedRow:
    """One figure. Values are in `unit`, `mad` is relative to the median; NaN: too few values to say."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    mad: float
    minimum: float
    maximum: float
    count: int
    outliers: int
    warmups: int
    settled: bool
    advice: tuple[str, ...]

    @property
    def single(self) -> bool:
        """Whether there is one value, of which nothing more can be said."""
        return self.count == 1


def repeated_rows(run: Run) -> tuple[RepeatedRow, ...]:
    """Starts first, in the order in which things happen, then benchmarks as they were run."""
    places = {name: place for place, name in enumerate(NAMES)}
    return tuple(
        _row(each) for each in sorted(run.repeated, key=lambda each: places.get(each.series.metric, len(places)))
    )


def _row(repeated: Repeated) -> RepeatedRow:
    spread, series = repeated.spread, repeated.series
    names = {**NAMES, **_OF_BENCHMARKS} if series.step else NAMES
    name = names.get(series.metric, str(series._replace(step="")))
    middle = abs(spread.median)
    return RepeatedRow(
        name=f"{series.step}: {name}" if series.step and name else name or series.step,
        unit=repeated.unit,
        median=spread.median,
        low=spread.low,
        high=spread.high,
        mad=spread.mad / middle if middle else math.nan,
        minimum=spread.minimum,
        maximum=spread.maximum,
        count=spread.count,
        outliers=spread.outliers,
        warmups=repeated.warmups,
        settled=repeated.settled,
        advice=repeated.advice,
    )


def repeated_lines(rows: Sequence[RepeatedRow], width: int) -> list[Line]:
    """The section "repeated"; those that did not settle are named beneath, with what can be done."""
    if not rows:
        return []
    single = all(row.single for row in rows)
    inks = [Ink.PLAIN if row.settled else Ink.DOUBT for row in rows]
    texts = [_Texts(row) for row in rows]
    lines = _labelled("repeated", _words(rows), width)
    lines += lay_out(
        [
            Column("figure", [row.name for row in rows], least=28),
            Column("value" if single else "median", [each.median for each in texts], Align.RIGHT, inks=inks),
            Column("95 % interval", [each.interval for each in texts], Align.RIGHT),
            Column("MAD", [each.mad for each in texts], Align.RIGHT, drop=2, ink=Ink.FAINT),
            Column("least to most", [each.extremes for each in texts], Align.RIGHT, drop=3, ink=Ink.FAINT),
            Column("n (outliers)", [each.count for each in texts], Align.RIGHT, drop=1),
        ],
        width,
    )
    return lines + _doubts(rows, width)


class _Texts:
    """The cells of one row, all values in the unit that fits their median."""

    def __init__(self, row: RepeatedRow) -> None:
        self._scale, self._unit = _scale(row.median, row.unit)
        self._written = row.unit
        spread = not row.single
        self.median = self._value(row.median)
        self.interval = self._range(row.low, row.high) if spread else ""
        self.extremes = self._range(row.minimum, row.maximum) if spread else ""
        self.mad = format_share(row.mad) if spread and math.isfinite(row.mad) else ""
        outliers = f" ({format_count(row.outliers)})" if row.outliers else ""
        self.count = f"{format_count(row.count)}{outliers}" if spread else ""

    def _value(self, value: float) -> str:
        return f"{self._number(value)}{self._unit}" if math.isfinite(value) else figure(value, "")

    def _range(self, low: float, high: float) -> str:
        known = math.isfinite(low) and math.isfinite(high)
        return f"{self._number(low)} to {self._value(high)}" if known else ""

    def _number(self, value: float) -> str:
        return (
            format_count(value)
            if self._written == "count" and value.is_integer()
            else format_number(value / self._scale)
        )


def _scale(median: float, unit: str) -> tuple[float, str]:
    """What values are divided by, and what stands behind them."""
    if unit == "share":
        return 0.01, " %"
    steps = _TIMES if unit in _MILLISECONDS else _SIZES if unit == "bytes" else ()
    if not steps:
        return 1.0, "/s" if unit == "1/s" else "" if unit == "count" else f" {unit}".rstrip()
    own = _MILLISECONDS.get(unit, 1.0)
    size = abs(median) * own * (1.0 + 5e-4)  # 999.9 is rounded to the next unit's 1.00
    found = next(((step, name) for step, name in steps if size >= step), steps[-1])
    return found[0] / own, f" {found[1]}"


def _words(rows: Sequence[RepeatedRow]) -> str:
    """How often things were done."""
    least, most = min(row.count for row in rows), max(row.count for row in rows)
    times = "once" if most == 1 else f"{format_count(most)} times"
    text = f"measured {times} each" if least == most and most > 1 else f"measured {times}"
    if least != most:
        text = f"measured {format_count(least)} to {format_count(most)} times"
    warmups = max(row.warmups for row in rows)
    text += f", after {format_count(warmups)} to warm up" if warmups else ""
    out = sum(row.outliers for row in rows)
    return text + (f"; {format_count(out)} far {'outlier' if out == 1 else 'outliers'} left out" if out else "")


def _doubts(rows: Sequence[RepeatedRow], width: int) -> list[Line]:
    """What is to be said of those that are not to be trusted, the same thing once."""
    told: dict[str, list[str]] = {}
    for row in rows:
        for text in row.advice:
            told.setdefault(text, []).append(row.name)
    lines: list[Line] = []
    unsettled = [row.name for row in rows if not row.settled]
    if unsettled:
        which = "all figures" if len(unsettled) == len(rows) > 1 else ", ".join(unsettled)
        text = f"not settled at the end: {which}"
        lines += [[("  " + row, Ink.DOUBT)] for row in wrap(text, width - 2)]
    for text, names in told.items():
        which = "" if len(names) == len(rows) else f"{', '.join(names)}: "
        rest = wrap(which + text, width - 4)
        lines += [[("  " + ("- " if not at else "  ") + row, Ink.FAINT)] for at, row in enumerate(rest)]
    return lines


def _labelled(label: str, text: str, width: int) -> list[Line]:
    return [
        [("  " + left(label if not at else "", _MARGIN - 2), Ink.FAINT), (row, Ink.PLAIN)]
        for at, row in enumerate(wrap(text, width - _MARGIN))
    ]
