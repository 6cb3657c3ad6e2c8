"""The record as JSON, versioned.

Layout: `schema`, then what `Run` holds, under the same names. `metrics` gives each metric's kind, unit and direction once;
a series is a metric, its tags and its total; a window's `tallies` map series numbers to what it holds of them. A tally is
`{count, ...}` by the kind of its metric: a trend's histogram as sum, min, max, and the counts of used buckets with the gaps
between their indices (`measure.histogram` says what bucket a value falls into); a rate's passes and total; a counter's
total; a gauge's last, min, max.

Versions, and how older ones are read, stand in `MIGRATIONS`. 1: the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import msgspec

from loadgate.errors import LoadgateError
from loadgate.measure.errors import ErrorCount
from loadgate.measure.health import Health, HealthSample
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from loadgate.record.environment import Code, Environment
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series
from loadgate.record.verdict import ThresholdResult, Verdict, Word

SCHEMA: Final = 1

MIGRATIONS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From a schema to the next: takes and gives the decoded JSON."""


class BadRecord(LoadgateError):
    """Text that is not a run record, or one that this version cannot read."""


def encode_window(window: Window) -> bytes:
    """One window as JSON; kept by whoever writes a record several times."""
    return msgspec.json.encode(
        {
            "start": window.start,
            "end": window.end,
            "warmup": window.warmup,
            "tallies": {str(number): _tally(tally) for number, tally in window.tallies.items()},
        }
    )


def encode_run(run: Run, window: Callable[[Window], bytes] = encode_window) -> bytes:
    """The record as JSON, one line. `window` gives the JSON of one of its windows."""
    metrics = {series.metric.name: series.metric for series in run.series}
    return msgspec.json.encode(
        {
            "schema": SCHEMA,
            "id": run.id,
            "state": run.state,
            "started": run.started,
            "duration": run.duration,
            "verdict": asdict(run.verdict),
            "definition": asdict(run.definition),
            "environment": asdict(run.environment),
            "code": asdict(run.code),
            "loads": [asdict(load) for load in run.loads],
            "thresholds": [_threshold(result) for result in run.thresholds],
            "health": asdict(run.health),
            "health_samples": [asdict(sample) for sample in run.health_samples],
            "errors": [asdict(error) for error in run.errors],
            "notes": run.notes,
            "metrics": {
                name: {"kind": metric.kind, "unit": metric.unit, "direction": metric.direction}
                for name, metric in metrics.items()
            },
            "series": [
                {
                    "metric": series.metric.name,
                    "tags": dict(series.tags),
                    "total": None if series.total is None else _tally(series.total),
                }
                for series in run.series
            ],
            "windows": [msgspec.Raw(window(each)) for each in run.windows],
        }
    )


def decode_run(data: bytes) -> Run:
    """The record in `data`. Raises BadRecord with what is wrong and where."""
    try:
        tree = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise BadRecord(f"not JSON: {error}") from None
    schema = tree.get("schema") if isinstance(tree, dict) else None
    if not isinstance(schema, int):
        raise BadRecord("not a run record: it has no `schema`")
    if schema > SCHEMA:
        raise BadRecord(f"written by a newer version of Loadgate (schema {schema}, this one reads up to {SCHEMA})")
    while schema < SCHEMA:
        if schema not in MIGRATIONS:
            raise BadRecord(f"schema {schema} is not known")
        tree = MIGRATIONS[schema](tree)
        schema += 1
    try:
        return _run(msgspec.convert(tree, _File))
    except msgspec.ValidationError as error:
        raise BadRecord(f"not a run record: {error}") from None
    except (KeyError, ValueError, IndexError) as error:
        raise BadRecord(f"not a whole run record: {error}") from None


class _MetricFile(msgspec.Struct):
    kind: Kind
    unit: str
    direction: Direction


class _SeriesFile(msgspec.Struct):
    metric: str
    tags: dict[str, str]
    total: dict[str, Any] | None


class _WindowFile(msgspec.Struct):
    start: float
    end: float
    warmup: bool
    tallies: dict[str, dict[str, Any]]


class _ThresholdFile(msgspec.Struct):
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
    thresholds: list[_ThresholdFile]
    health: Health
    health_samples: tuple[HealthSample, ...]
    errors: tuple[ErrorCount, ...]
    notes: tuple[str, ...]
    metrics: dict[str, _MetricFile]
    series: list[_SeriesFile]
    windows: list[_WindowFile]


def _run(file: _File) -> Run:
    metrics = {name: Metric(name, metric.kind, metric.unit, metric.direction) for name, metric in file.metrics.items()}
    series = tuple(
        Series(
            metrics[each.metric],
            each.tags,
            None if each.total is None else _read_tally(metrics[each.metric].kind, each.total),
        )
        for each in file.series
    )
    windows = tuple(
        Window(
            each.start,
            each.end,
            each.warmup,
            {
                int(number): _read_tally(series[int(number)].metric.kind, tally)
                for number, tally in each.tallies.items()
            },
        )
        for each in file.windows
    )
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
        windows=windows,
        errors=file.errors,
        health=file.health,
        health_samples=file.health_samples,
        thresholds=tuple(_read_threshold(result) for result in file.thresholds),
        verdict=file.verdict,
        notes=file.notes,
    )


def _tally(tally: Tally) -> dict[str, Any]:
    if isinstance(tally, TrendTally):
        return tally.histogram.to_sparse()
    return asdict(tally)


def _read_tally(kind: Kind, data: dict[str, Any]) -> Tally:
    if kind is Kind.TREND:
        return TrendTally(Histogram.from_sparse(data))
    if kind is Kind.RATE:
        return msgspec.convert(data, RateTally)
    if kind is Kind.COUNTER:
        return msgspec.convert(data, CounterTally)
    return msgspec.convert(data, GaugeTally)


def _threshold(result: ThresholdResult) -> dict[str, Any]:
    """JSON has no NaN: what was not measured is null. An infinite bound (k6 allows `<Inf`) becomes the largest number."""
    return {**asdict(result), "observed": result.observed if result.measured else None, "bound": _finite(result.bound)}


def _read_threshold(file: _ThresholdFile) -> ThresholdResult:
    observed = math.nan if file.observed is None else file.observed
    return ThresholdResult(**{**msgspec.structs.asdict(file), "observed": observed})


def _finite(value: float) -> float:
    return max(-1.7976931348623157e308, min(value, 1.7976931348623157e308))


__all__ = ["SCHEMA", "BadRecord", "Word", "decode_run", "encode_run", "encode_window"]
