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
from loadgate.units import format_count, format_ms, format_number, format_share

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

_MILLISECONDS: Final = MappingProxyType({"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3})
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
    name = NAMES.get(series.metric, str(series._replace(step="")))
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
    lines = _labelled("repeated", _words(rows), width)
    lines += lay_out(
        [
            Column("figure", [row.name for row in rows], least=16),
            Column("value" if single else "median", [value_text(row.median, row.unit) for row in rows], Align.RIGHT),
            Column("95 % interval", [_range(row.low, row.high, row.unit) for row in rows], Align.RIGHT),
            Column("MAD", [_share(row.mad) for row in rows], Align.RIGHT, drop=2, ink=Ink.FAINT),
            Column("least to most", [_extremes(row) for row in rows], Align.RIGHT, drop=3, ink=Ink.FAINT),
            Column("n", [_count(row) for row in rows], Align.RIGHT, drop=1),
            Column("", ["" if row.settled else "? unsettled" for row in rows], drop=4, ink=Ink.DOUBT),
        ],
        width,
        indent=_MARGIN if width >= 120 else 4,
    )
    return lines + _doubts(rows, width)


def value_text(value: float, unit: str) -> str:
    """A value with the unit that fits: "12.0 ns", "250 ms", "52.1 MB", "3.10 jobs"."""
    if unit in _MILLISECONDS:
        return format_ms(value * _MILLISECONDS[unit])
    if unit in ("share", "bytes", "count"):
        return figure(value, unit)
    text = format_number(value)
    return f"{text}/s" if unit == "1/s" else f"{text} {unit}" if unit and math.isfinite(value) else text


def _words(rows: Sequence[RepeatedRow]) -> str:
    """How often things were done."""
    least, most = min(row.count for row in rows), max(row.count for row in rows)
    times = "once" if most == 1 else f"{format_count(most)} times"
    text = f"measured {times} each" if least == most and most > 1 else f"measured {times}"
    if least != most:
        text = f"measured {format_count(least)} to {format_count(most)} times"
    warmups = max(row.warmups for row in rows)
    return text + (f", after {format_count(warmups)} to warm up" if warmups else "")


def _range(low: float, high: float, unit: str) -> str:
    """Both ends, the unit once where it is the same."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    first, last = value_text(low, unit), value_text(high, unit)
    number, _, of = first.partition(" ")
    return f"{number if of == last.partition(' ')[2] else first} to {last}"


def _extremes(row: RepeatedRow) -> str:
    return "" if row.single else _range(row.minimum, row.maximum, row.unit)


def _share(mad: float) -> str:
    return format_share(mad) if math.isfinite(mad) else ""


def _count(row: RepeatedRow) -> str:
    if row.single:
        return ""
    return (
        f"{format_count(row.count)} ({format_count(row.outliers)} left out)"
        if row.outliers
        else format_count(row.count)
    )


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
        text = f"not settled when time was up: {which}"
        lines += [[("    " + row, Ink.DOUBT)] for row in wrap(text, width - 4)]
    for text, names in told.items():
        which = "" if len(names) == len(rows) else f"{', '.join(names)}: "
        rest = wrap(which + text, width - 6)
        lines += [[("    " + ("- " if not at else "  ") + row, Ink.FAINT)] for at, row in enumerate(rest)]
    return lines


def _labelled(label: str, text: str, width: int) -> list[Line]:
    return [
        [("  " + left(label if not at else "", _MARGIN - 2), Ink.FAINT), (row, Ink.PLAIN)]
        for at, row in enumerate(wrap(text, width - _MARGIN))
    ]
