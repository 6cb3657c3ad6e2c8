"""The flat summary of `--summary`: the report shape of the guide, with more in it. Pure.

Times are milliseconds, shares 0 to 1, rates per second of measured time. `metrics` has every trend under its name with its
percentiles, every rate and gauge as one number, every counter as its total; `steps` the same for each step.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.record.run import Run

PERCENTILES: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}


def summarise(run: Run) -> dict[str, Any]:
    """The summary of `run`, JSON-able: what was not measured is left out, never zero."""
    reqs = run.total("http_reqs")
    seconds = run.measured_seconds
    metrics: dict[str, Any] = {}
    for name in dict.fromkeys(series.metric.name for series in run.series):
        total = run.total(name)
        if total is not None:
            metrics[name] = _value(total)
    if isinstance(reqs, CounterTally) and seconds > 0.0:
        metrics["throughput_rps"] = _rounded(reqs.total / seconds)
    metrics.setdefault("dropped_iterations", 0)
    failed = [result for result in run.thresholds if not result.passed]
    return {
        "timestamp": datetime.fromtimestamp(run.started, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "test_type": f"{run.definition.profile}_load",
        "duration_seconds": _rounded(run.duration),
        "metrics": metrics,
        "thresholds": {
            "passed": not failed,
            "failed": [f"{result.key}: {result.expression}" for result in failed],
            "results": [
                {
                    "metric": result.key,
                    "threshold": result.expression,
                    "observed": _rounded(result.observed) if result.measured else None,
                    "passed": result.passed,
                }
                for result in run.thresholds
            ],
        },
        "steps": _steps(run),
        "verdict": run.verdict.word.value,
        "reasons": list(run.verdict.reasons),
        "state": run.state.value,
        "generator": {
            "healthy": run.health.healthy,
            "cpu_share": _rounded(run.health.cpu_share),
            "loop_lag_p99_ms": _rounded(run.health.loop_lag_p99_ms),
            "planned_iterations": run.health.planned,
            "started_iterations": run.health.achieved,
        },
        "run": {"id": run.id, "target": run.definition.target, "seed": run.definition.seed, "commit": run.code.commit},
    }


def _steps(run: Run) -> dict[str, Any]:
    names = dict.fromkeys(
        series.tags["name"] for series in run.series if series.metric.name == "http_reqs" and "name" in series.tags
    )
    return {
        name: {
            metric: _value(total)
            for metric in ("http_reqs", "http_req_duration", "http_req_latency", "http_req_failed")
            if (total := run.total(metric, {"name": name})) is not None
        }
        for name in names
    }


def _value(tally: Tally) -> Any:
    if isinstance(tally, TrendTally):
        histogram = tally.histogram
        figures = dict(zip(PERCENTILES, histogram.percentiles(PERCENTILES.values()), strict=True))
        figures |= {"avg": histogram.mean, "min": histogram.minimum, "max": histogram.maximum}
        return {name: _rounded(value) for name, value in figures.items()} | {"count": histogram.count}
    if isinstance(tally, RateTally):
        return tally.rate
    if isinstance(tally, GaugeTally):
        return tally.last
    return int(tally.total) if tally.total.is_integer() else tally.total


def _rounded(value: float) -> float:
    """Six significant digits: finer than any histogram, and readable."""
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0
