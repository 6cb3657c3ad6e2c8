"""The record as JSON, versioned. `docs/record.md` describes it field by field for those who read it with other tools.

Layout: `schema`, then what `Run` holds, under the same names. `metrics` gives each metric's kind, unit and direction once;
a series is a metric, its tags and its total; a window's `tallies` map series numbers to what it holds of them. A tally is,
by the kind of its metric: a trend's histogram as sum, min, max, and the counts of used buckets with the gaps between their
indices (`buckets` says how values are cut into buckets); a rate's passes and total; a counter's total; a gauge's last, min,
max, and the order in which last was set.

Rules:
* What `encode_run` writes, `decode_run` reads, whatever was measured. JSON has no NaN and no infinity: what was not measured
  is null, an infinite number the largest one; text that is not Unicode gets a `?` where it is not.
* No secret is written: texts pass through `redact`.
* Keys that are not known are ignored, so keys may be added within a schema. Anything else is a new schema, with a migration
  from the one before: every version reads all earlier ones, and none reads a later one. 1: the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from loadgate.errors import LoadgateError
from loadgate.measure.errors import ErrorCount
from loadgate.measure.health import Health, HealthSample
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.tally import Tally
from loadgate.measure.windows import Window
from loadgate.record.comparison_json import ComparisonForm, comparison_form, read_comparison
from loadgate.record.encoding import encode_json
from loadgate.record.environment import Code, Environment
from loadgate.record.redact import without_secrets
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series
from loadgate.record.tallies import BUCKETS, finite, number_form, read_number, read_tally, tally_form
from loadgate.record.target_json import (
    BudgetForm,
    RepeatedForm,
    SubjectForm,
    budget_form,
    read_budget,
    read_repeated,
    read_subject,
    repeated_form,
    subject_form,
)
from loadgate.record.verdict import ThresholdResult, Verdict

SCHEMA: Final = 1

MIGRATIONS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From a schema to the next: takes and gives the decoded JSON."""


class BadRecord(LoadgateError):
    """Text that is not a run record, or one that this version cannot read. The message ends a sentence: "FILE is ..."."""


def encode_window(window: Window) -> bytes:
    """One window as JSON; kept by whoever writes a record several times."""
    return msgspec.json.encode(
        {
            "start": window.start,
            "end": window.end,
            "warmup": window.warmup,
            "tallies": {str(number): tally_form(tally) for number, tally in window.tallies.items()},
        }
    )


def encode_run(run: Run, window: Callable[[Window], bytes] = encode_window) -> bytes:
    """The record as JSON, one line, without secrets. `window` gives the JSON of one of its windows."""
    return encode_json(_tree(without_secrets(run), window))


def decode_run(data: bytes) -> Run:
    """The record in `data`. Raises BadRecord with what is wrong and where."""
    if not data.strip():
        raise BadRecord("empty, not a run record")
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if type(schema) is not int:
            raise BadRecord(
                "not a run record: it has no `schema`"
                if schema is None
                else "not a run record: its `schema` is no number"
            )
        if schema > SCHEMA:
            raise BadRecord(
                f"written by a newer version of Loadgate (schema {schema}, this one reads up to {SCHEMA})",
                "read it with that version, or install it here",
            )
        if schema != SCHEMA:
            data = _migrated(schema, data)
        return _run(msgspec.json.decode(data, type=_File))
    except msgspec.ValidationError as error:
        raise BadRecord(f"not a run record: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(f"not a run record, or one that was cut short: {error}") from None


class _Schema(msgspec.Struct):
    schema: Any = None


class _MetricForm(msgspec.Struct):
    kind: Kind
    unit: str
    direction: Direction


class _SeriesForm(msgspec.Struct):
    metric: str
    tags: dict[str, str]
    total: msgspec.Raw


class _WindowForm(msgspec.Struct):
    start: float
    end: float
    warmup: bool
    tallies: dict[str, msgspec.Raw]


class _ThresholdForm(msgspec.Struct):
    key: str
    expression: str
    statistic: str
    operator: str
    bound: float
    unit: str
    observed: float | None
    passed: bool
    over: float | None
    aborted: bool


class _File(msgspec.Struct):
    id: str
    state: RunState
    started: float
    duration: float
    verdict: Verdict
    definition: Definition
    environment: Environment
    code: Code
    loads: tuple[LoadRecord, ...]
    thresholds: list[_ThresholdForm]
    health: Health
    health_samples: tuple[HealthSample, ...]
    errors: tuple[ErrorCount, ...]
    notes: tuple[str, ...]
    buckets: dict[str, float]
    metrics: dict[str, _MetricForm]
    series: list[_SeriesForm]
    windows: list[_WindowForm]
    comparison: ComparisonForm | None = None
    subject: SubjectForm | None = None
    repeated: list[RepeatedForm] = []
    budgets: list[BudgetForm] = []


# -- writing


def _tree(run: Run, window: Callable[[Window], bytes]) -> dict[str, Any]:
    metrics = {series.metric.name: series.metric for series in run.series}
    return {
        "schema": SCHEMA,
        "id": run.id,
        "state": run.state,
        "started": run.started,
        "duration": run.duration,
        "verdict": run.verdict,
        "definition": run.definition,
        "environment": run.environment,
        "code": run.code,
        "loads": run.loads,
        "thresholds": [
            _ThresholdForm(
                result.key,
                result.expression,
                result.statistic,
                result.operator,
                finite(result.bound),
                result.unit,
                number_form(result.observed),
                result.passed,
                result.over,
                result.aborted,
            )
            for result in run.thresholds
        ],
        "health": run.health,
        "health_samples": run.health_samples,
        "errors": run.errors,
        "notes": run.notes,
        **({} if run.comparison is None else {"comparison": comparison_form(run.comparison)}),
        **({} if run.subject is None else {"subject": subject_form(run.subject)}),
        **({"repeated": [repeated_form(each) for each in run.repeated]} if run.repeated else {}),
        **({"budgets": [budget_form(result) for result in run.budgets]} if run.budgets else {}),
        "buckets": BUCKETS,
        "metrics": {
            name: {"kind": metric.kind, "unit": metric.unit, "direction": metric.direction}
            for name, metric in metrics.items()
        },
        "series": [
            {
                "metric": series.metric.name,
                "tags": dict(series.tags),
                "total": None if series.total is None else tally_form(series.total),
            }
            for series in run.series
        ],
        "windows": [msgspec.Raw(window(each)) for each in run.windows],
    }


# -- reading


def _migrated(schema: int, data: bytes) -> bytes:
    """`data` as a record of `SCHEMA`."""
    tree = msgspec.json.decode(data)
    while schema < SCHEMA:
        if schema not in MIGRATIONS:
            raise BadRecord(f"not a run record: there is no schema {schema}")
        try:
            tree = MIGRATIONS[schema](tree)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(f"not a whole run record of schema {schema}: {error!r}") from None
        schema += 1
    return msgspec.json.encode(tree)


def _run(file: _File) -> Run:
    if file.buckets != BUCKETS:
        raise BadRecord(f"cut into other buckets than this version's: {file.buckets} instead of {dict(BUCKETS)}")
    metrics = {name: Metric(name, form.kind, form.unit, form.direction) for name, form in file.metrics.items()}
    series = tuple(_series(number, form, metrics) for number, form in enumerate(file.series))
    return Run(
        id=file.id,
        state=file.state,
        started=file.started,
        duration=file.duration,
        definition=file.definition,
        environment=file.environment,
        code=file.code,
        loads=file.loads,
        series=series,
        windows=tuple(_window(number, form, series) for number, form in enumerate(file.windows)),
        errors=file.errors,
        health=file.health,
        health_samples=file.health_samples,
        thresholds=tuple(_threshold(form) for form in file.thresholds),
        verdict=file.verdict,
        notes=file.notes,
        comparison=None if file.comparison is None else read_comparison(file.comparison),
        subject=None if file.subject is None else read_subject(file.subject),
        repeated=tuple(read_repeated(form) for form in file.repeated),
        budgets=tuple(read_budget(form) for form in file.budgets),
    )


def _series(number: int, form: _SeriesForm, metrics: Mapping[str, Metric]) -> Series:
    metric = metrics.get(form.metric)
    if metric is None:
        raise BadRecord(
            f"not a whole run record: `$.series[{number}]` is of `{form.metric}`, which `metrics` does not have"
        )
    total = None if bytes(form.total) == b"null" else _read_tally(metric.kind, form.total, f"$.series[{number}].total")
    return Series(metric, form.tags, total)


def _window(number: int, form: _WindowForm, series: tuple[Series, ...]) -> Window:
    tallies: dict[int, Tally] = {}
    for key, raw in form.tallies.items():
        where = f"$.windows[{number}].tallies[{key!r}]"
        if not (key.isascii() and key.isdecimal() and int(key) < len(series)):
            raise BadRecord(f"not a whole run record: `{where}` is of no series")
        tallies[int(key)] = _read_tally(series[int(key)].metric.kind, raw, where)
    return Window(form.start, form.end, form.warmup, tallies)


def _read_tally(kind: Kind, raw: msgspec.Raw, where: str) -> Tally:
    try:
        return read_tally(kind, raw)
    except (ValueError, OverflowError) as error:
        raise BadRecord(f"not a whole run record: `{where}`: {error}") from None


def _threshold(form: _ThresholdForm) -> ThresholdResult:
    values = msgspec.structs.asdict(form)
    return ThresholdResult(**{**values, "bound": read_number(form.bound), "observed": read_number(form.observed)})


__all__ = ["SCHEMA", "BadRecord", "decode_run", "encode_run", "encode_window"]
