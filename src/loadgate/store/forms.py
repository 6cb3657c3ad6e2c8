"""Results, baselines and acknowledgements as JSON, for files that leave a store.

JSON has no NaN and no infinity: such numbers are texts, "nan", "inf", "-inf". What is empty, or not known, is left out.
Texts are those of `database.safe_text`. Keys that are not known are ignored.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word
from loadgate.store.acknowledgement import Acknowledgement
from loadgate.store.database import raw_text, safe_text
from loadgate.store.packed import MOST
from loadgate.store.selection import can_be_shown

_Number = float | str


class FigureForm(msgspec.Struct, omit_defaults=True, kw_only=True):
    step: str = ""
    metric: str
    statistic: str = ""
    value: _Number
    error: _Number | None = None
    unit: str
    direction: Direction
    freedom: _Number = 0.0
    count: int = 0


class RunForm(msgspec.Struct, omit_defaults=True):
    id: str
    tool: str
    name: str = ""
    started: float = 0.0
    commit: str = ""
    branch: str = ""
    machine: str = ""
    definition: str = ""
    word: Word | None = None
    added: float = 0.0
    figures: list[FigureForm] = []
    record: str = ""
    """run.json as zstd, as base64."""


class BaselineForm(msgspec.Struct, omit_defaults=True):
    name: str
    run: str
    created: float
    reason: str = ""
    forced: bool = False


class AcknowledgementForm(msgspec.Struct, omit_defaults=True):
    tool: str
    metric: str
    run: str
    created: float
    name: str = ""
    step: str = ""
    statistic: str = ""
    commit: str = ""
    reason: str = ""
    author: str = ""
    expires: float | None = None


def figure_form(figure: Figure) -> FigureForm:
    found = figure.estimate
    return FigureForm(
        step=safe_text(figure.series.step),
        metric=safe_text(figure.series.metric),
        statistic=safe_text(figure.series.statistic),
        value=_written(found.value),
        error=None if found.error is None or math.isnan(found.error) else _written(found.error),
        unit=safe_text(figure.unit),
        direction=figure.direction,
        freedom=_written(found.freedom),
        count=min(found.count, MOST),
    )


def run_form(result: Result, *, added: float = 0.0, record: str = "") -> RunForm:
    return RunForm(
        id=safe_text(result.id),
        tool=safe_text(result.tool),
        name=safe_text(result.name),
        started=result.started,
        commit=safe_text(result.commit),
        branch=safe_text(result.branch),
        machine=safe_text(result.machine),
        definition=safe_text(result.definition),
        word=result.word,
        added=added,
        figures=[figure_form(figure) for figure in result.figures],
        record=record,
    )


def check_time(name: str, seconds: float) -> None:
    """Raises ValueError where the key `name` holds what can never be shown: every list with it would end there."""
    if not can_be_shown(seconds):
        raise ValueError(f"`{name}` is no time in the years 1 to 9999: {seconds:g}")


def result_of(form: RunForm) -> Result:
    """Raises ValueError where a number is none, or can be none of a run."""
    if not form.id:
        raise ValueError("a run needs an `id`")
    check_time("started", form.started)
    return Result(
        id=raw_text(form.id),
        tool=raw_text(form.tool),
        name=raw_text(form.name),
        started=form.started,
        commit=raw_text(form.commit),
        branch=raw_text(form.branch),
        machine=raw_text(form.machine),
        definition=raw_text(form.definition),
        word=form.word,
        figures=tuple(_figure_of(figure) for figure in form.figures),
    )


def acknowledgement_form(a: Acknowledgement) -> AcknowledgementForm:
    return AcknowledgementForm(
        tool=safe_text(a.tool),
        metric=safe_text(a.series.metric),
        run=safe_text(a.run),
        created=a.created,
        name=safe_text(a.name),
        step=safe_text(a.series.step),
        statistic=safe_text(a.series.statistic),
        commit=safe_text(a.commit),
        reason=safe_text(a.reason),
        author=safe_text(a.author),
        expires=a.expires,
    )


def acknowledgement_of(form: AcknowledgementForm) -> Acknowledgement:
    """Raises ValueError where a time is none."""
    check_time("created", form.created)
    if form.expires is not None:
        check_time("expires", form.expires)
    return Acknowledgement(
        tool=raw_text(form.tool),
        name=raw_text(form.name),
        series=SeriesName(raw_text(form.step), raw_text(form.metric), raw_text(form.statistic)),
        run=raw_text(form.run),
        commit=raw_text(form.commit),
        reason=raw_text(form.reason),
        author=raw_text(form.author),
        created=form.created,
        expires=form.expires,
    )


def _figure_of(form: FigureForm) -> Figure:
    series = SeriesName(raw_text(form.step), raw_text(form.metric), raw_text(form.statistic))
    value, freedom = float(form.value), float(form.freedom)
    error = None if form.error is None else float(form.error)
    if math.isinf(value):  # NaN is the share of nothing
        raise ValueError(f"the value of `{series}` is not finite")
    if error is not None and not error >= 0.0:
        raise ValueError(f"the error of `{series}` is negative, or no number: {error:g}")
    if not freedom >= 0.0:
        raise ValueError(f"the degrees of freedom of `{series}` are negative, or no number: {freedom:g}")
    if not 0 <= form.count <= MOST:
        raise ValueError(f"the count of `{series}` is negative, or beyond {MOST}")
    found = Estimate(value, error, freedom, form.count)
    return Figure(series, raw_text(form.unit), form.direction, found)


def _written(value: float) -> Any:
    return value if math.isfinite(value) else str(value)
