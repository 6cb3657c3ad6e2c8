"""The flat summary of `--summary`: the report shape of the guide, with more in it. Pure. Described in `docs/record.md`.

Times are milliseconds, shares 0 to 1, rates per second of measured time. `metrics` has every trend under its name with its
percentiles, every rate and gauge as one number, every counter as its total; `steps` the same for each step, under the metrics
of its `protocol`. What was not measured is left out, never zero: only `dropped_iterations` is 0 where none was dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.record.encoding import encode_json
from loadgate.record.redact import without_secrets
from loadgate.record.repeated import Repeated
from loadgate.record.run import Run
from loadgate.record.tallies import number_form
from loadgate.record.verdict import BudgetResult, ThresholdResult, Word

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}

THROUGHPUT: Final = "throughput_rps"
"""Not a metric but a figure made of the requests of every protocol; the guide's scripts look for it among the metrics."""

STEP_METRICS: Final = tuple(
    metric for protocol in PROTOCOLS for metric in (protocol.count, protocol.service, protocol.latency, protocol.failed)
)


def encode_summary(run: Run) -> bytes:
    """The summary of `run` as indented JSON, with a final newline."""
    return msgspec.json.format(encode_json(summarise(run)), indent=2) + b"\n"


def summarise(run: Run) -> dict[str, Any]:
    """The summary of `run`, JSON-able and without secrets."""
    run = without_secrets(run)
    metrics = _metrics(run)
    notes = list(run.notes)
    if THROUGHPUT in metrics:
        del metrics[THROUGHPUT]
        notes.append(f"`{THROUGHPUT}` is requests per second; the metric of that name is in the run record only")
    counts = [metrics[protocol.count] for protocol in PROTOCOLS if protocol.count in metrics]
    seconds = run.measured_seconds
    if counts and seconds > 0.0:
        metrics[THROUGHPUT] = _rounded(sum(counts) / seconds)
    metrics.setdefault("dropped_iterations", 0)
    failed = [result for result in run.thresholds if not result.passed]
    return {
        "timestamp": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "test_type": _test_type(run.definition.profile),
        "duration_seconds": _rounded(run.duration),
        "metrics": metrics,
        "thresholds": {
            "passed": not failed,
            "failed": [f"{result.key}: {result.expression}" for result in failed],
            "results": [_threshold(result) for result in run.thresholds],
        },
        **({"budgets": _budgets(run.budgets)} if run.budgets else {}),
        **({"repeated": [_repeated(each) for each in run.repeated]} if run.repeated else {}),
        "steps": _steps(run),
        "verdict": run.verdict.word.value,
        "reasons": list(run.verdict.reasons),
        "notes": notes,
        "state": run.state.value,
        "generator": {
            "healthy": run.health.healthy,
            "cpu_share": _rounded(run.health.cpu_share),
            "loop_lag_p99_ms": _rounded(run.health.loop_lag_p99_ms),
            "planned_iterations": run.health.planned,
            "started_iterations": run.health.achieved,
            "warnings": list(run.health.warnings),
        },
        "run": {
            "id": run.id,
            "target": run.definition.target,
            "seed": run.definition.seed,
            "commit": run.code.commit,
            "digest": run.definition.digest,
            "measured_seconds": _rounded(seconds),
        },
    }


def _test_type(profile: str) -> str:
    """`standard_load` for the profile `standard`, and for one that is called so, as the guide's script is."""
    return profile if profile.endswith("_load") else f"{profile}_load".lstrip("_")


def _metrics(run: Run) -> dict[str, Any]:
    names = dict.fromkeys(series.metric.name for series in run.series)
    values = {name: _value(run.total(name)) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _steps(run: Run) -> dict[str, Any]:
    """By name: the protocol, of several of one name all of them, and what was measured."""
    counts = {protocol.count: protocol.name for protocol in PROTOCOLS}
    protocols: dict[str, dict[str, None]] = {}
    for series in run.series:
        if series.metric.name in counts and "name" in series.tags:
            protocols.setdefault(series.tags["name"], {})[counts[series.metric.name]] = None
    steps = {}
    for name, spoken in protocols.items():
        values = {metric: _value(run.total(metric, {"name": name})) for metric in STEP_METRICS}
        measured = {metric: value for metric, value in values.items() if value is not None}
        if measured:
            steps[name] = {"protocol": ", ".join(spoken), **measured}
    return steps


def _threshold(result: ThresholdResult) -> dict[str, Any]:
    return {
        "metric": result.key,
        "threshold": result.expression,
        "observed": _rounded(result.observed),
        "passed": result.passed,
    }


def _budgets(results: Sequence[BudgetResult]) -> dict[str, Any]:
    """`passed` only where all of them are: one that was never measured, or with too few samples, is in neither list."""
    return {
        "passed": all(result.word is Word.PASS for result in results),
        "failed": [_budget_name(result) for result in results if result.word is Word.FAIL],
        "results": [
            {
                "budget": _budget_name(result),
                "limit": _rounded(result.limit),
                "observed": _rounded(result.observed),
                "unit": result.unit,
                "minimum": result.least,
                "used": _rounded(result.used),
                "samples": result.samples,
                "needed": result.needed,
                "word": result.word.value,
                "why": result.why,
            }
            for result in results
        ],
    }


def _repeated(repeated: Repeated) -> dict[str, Any]:
    series, spread = repeated.series, repeated.spread
    return {
        "step": series.step,
        "metric": series.metric,
        "unit": repeated.unit,
        "median": _rounded(spread.median),
        "low": _rounded(spread.low),
        "high": _rounded(spread.high),
        "count": spread.count,
        "outliers": spread.outliers,
        "settled": repeated.settled,
    }


def _budget_name(result: BudgetResult) -> str:
    return f"{result.group}: {f'{result.step}: ' if result.step else ''}{result.key}"


def _value(tally: Tally | None) -> Any:
    """One number, or a trend's figures; None without samples."""
    if isinstance(tally, TrendTally):
        histogram = tally.histogram
        if not histogram.count:
            return None
        figures = dict(zip(PERCENTILES, histogram.percentiles(PERCENTILES.values()), strict=True))
        figures |= {"avg": histogram.mean, "min": histogram.minimum, "max": histogram.maximum}
        return {name: _rounded(value) for name, value in figures.items()} | {"count": histogram.count}
    if isinstance(tally, RateTally):
        return number_form(tally.rate)
    if isinstance(tally, GaugeTally):
        return number_form(tally.last)
    if isinstance(tally, CounterTally):
        return int(tally.total) if tally.total.is_integer() else number_form(tally.total)
    return None


def _rounded(value: float) -> float | None:
    """Six significant digits: finer than any histogram, and readable. None (null): not measured."""
    number = number_form(value)
    return None if number is None else float(f"{number:.6g}")
