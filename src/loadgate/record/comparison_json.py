"""A comparison as JSON: in a run record, and what `loadgate compare --format json` prints. `docs/history.md` describes it.

Keys are stable: they may be added, never renamed. What is not known, and what is not finite, is null.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import msgspec

from loadgate.config.gate import Limit
from loadgate.measure.metric import Direction
from loadgate.record.comparison import Change, Comparison, Learned, Row, Side
from loadgate.record.result import SeriesName


class _RowForm(msgspec.Struct):
    step: str
    metric: str
    statistic: str
    unit: str
    direction: Direction
    word: Change
    gating: bool
    limit: float
    floor: float
    base: float | None
    head: float | None
    change: float | None
    interval: tuple[float | None, float | None]
    p: float | None
    detectable: float | None
    noise: Learned
    noise_runs: int
    base_counts: tuple[int, int] | None
    head_counts: tuple[int, int] | None
    missing_runs: int = 0


class ComparisonForm(msgspec.Struct):
    """What stands for a comparison in JSON."""

    base: Side
    head: Side
    rows: list[_RowForm]
    mismatches: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def comparison_form(comparison: Comparison) -> dict[str, Any]:
    """`comparison` as what msgspec encodes."""
    return {
        "base": asdict(comparison.base),
        "head": asdict(comparison.head),
        "mismatches": list(comparison.mismatches),
        "notes": list(comparison.notes),
        "rows": [_row_form(row) for row in comparison.rows],
    }


def read_comparison(form: ComparisonForm) -> Comparison:
    """What `comparison_form` was given."""
    return Comparison(form.base, form.head, tuple(_row(row) for row in form.rows), form.mismatches, form.notes)


def _row_form(row: Row) -> dict[str, Any]:
    return {
        "series": str(row.series),
        "step": row.series.step,
        "metric": row.series.metric,
        "statistic": row.series.statistic,
        "unit": row.unit,
        "direction": row.direction,
        "word": row.word,
        "gating": row.limit.gating,
        "limit": row.limit.change,
        "floor": row.limit.floor,
        "base": known(row.base),
        "head": known(row.head),
        "change": known(row.change),
        "interval": [known(row.low), known(row.high)],
        "p": known(row.p),
        "detectable": known(row.detectable),
        "noise": row.noise,
        "noise_runs": row.noise_runs,
        "base_counts": row.base_counts,
        "head_counts": row.head_counts,
        "missing_runs": row.missing_runs,
    }


def _row(form: _RowForm) -> Row:
    change, low, high = (_read(value) for value in (form.change, *form.interval))
    if form.change is None and form.base is not None and form.head is not None:
        change = low = high = math.copysign(math.inf, form.head - form.base)  # from zero
    return Row(
        series=SeriesName(form.step, form.metric, form.statistic),
        unit=form.unit,
        direction=form.direction,
        limit=Limit(form.limit, form.floor, form.gating),
        word=form.word,
        base=_read(form.base),
        head=_read(form.head),
        change=change,
        low=low,
        high=high,
        p=_read(form.p),
        detectable=_read(form.detectable),
        noise=form.noise,
        noise_runs=form.noise_runs,
        base_counts=form.base_counts,
        head_counts=form.head_counts,
        missing_runs=form.missing_runs,
    )


def known(value: float) -> float | None:
    """`value`, or None for what is not known or not finite."""
    return value if math.isfinite(value) else None


def _read(written: float | None) -> float:
    return math.nan if written is None else written
