"""What a record keeps of the target beside its series, as JSON: what was watched, repeated, budgeted.

The codec puts it in place. Numbers are written as `tallies` has it: what was not measured is null, an infinite number the
largest one.
"""

from __future__ import annotations

from dataclasses import asdict

import msgspec

from loadgate.measure.metric import Direction
from loadgate.measure.spread import Spread
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import SubjectRecord
from loadgate.record.tallies import finite, number_form, read_number
from loadgate.record.verdict import BudgetResult, Word


class SubjectForm(msgspec.Struct):
    """What was watched."""

    what: str
    unread: tuple[str, ...]
    probe_cpu_share: float | None
    every: float | None
    output: tuple[str, ...] = ()


class _SpreadForm(msgspec.Struct):
    count: int
    median: float | None
    low: float | None
    high: float | None
    mad: float | None
    minimum: float | None
    maximum: float | None
    outliers: int


class RepeatedForm(msgspec.Struct):
    """A figure that was measured again and again."""

    step: str
    metric: str
    statistic: str
    unit: str
    direction: Direction
    values: list[float | None]
    spread: _SpreadForm
    warmups: int
    settled: bool
    advice: tuple[str, ...]


class BudgetForm(msgspec.Struct):
    """A budget and what was seen."""

    group: str
    step: str
    key: str
    limit: float
    observed: float | None
    unit: str
    word: Word
    samples: int
    needed: int
    least: bool
    why: str


def subject_form(subject: SubjectRecord) -> SubjectForm:
    """`subject` as the record holds it."""
    share, every = number_form(subject.probe_cpu_share), number_form(subject.every)
    return SubjectForm(subject.what, subject.unread, share, every, subject.output)


def repeated_form(repeated: Repeated) -> RepeatedForm:
    """`repeated` as the record holds it."""
    spread = repeated.spread
    return RepeatedForm(
        *repeated.series,
        repeated.unit,
        repeated.direction,
        [number_form(value) for value in repeated.values],
        _SpreadForm(
            spread.count,
            number_form(spread.median),
            number_form(spread.low),
            number_form(spread.high),
            number_form(spread.mad),
            number_form(spread.minimum),
            number_form(spread.maximum),
            spread.outliers,
        ),
        repeated.warmups,
        repeated.settled,
        repeated.advice,
    )


def budget_form(result: BudgetResult) -> BudgetForm:
    """`result` as the record holds it."""
    values = asdict(result)
    return BudgetForm(**{**values, "limit": finite(result.limit), "observed": number_form(result.observed)})


def read_subject(form: SubjectForm) -> SubjectRecord:
    """What `subject_form` was given."""
    share, every = read_number(form.probe_cpu_share), read_number(form.every)
    return SubjectRecord(form.what, form.unread, share, every, form.output)


def read_repeated(form: RepeatedForm) -> Repeated:
    """What `repeated_form` was given."""
    of = form.spread
    spread = Spread(
        count=of.count,
        median=read_number(of.median),
        low=read_number(of.low),
        high=read_number(of.high),
        mad=read_number(of.mad),
        minimum=read_number(of.minimum),
        maximum=read_number(of.maximum),
        outliers=of.outliers,
    )
    return Repeated(
        SeriesName(form.step, form.metric, form.statistic),
        form.unit,
        form.direction,
        tuple(map(read_number, form.values)),
        spread,
        form.warmups,
        form.settled,
        form.advice,
    )


def read_budget(form: BudgetForm) -> BudgetResult:
    """What `budget_form` was given."""
    values = msgspec.structs.asdict(form)
    return BudgetResult(**{**values, "limit": read_number(form.limit), "observed": read_number(form.observed)})
