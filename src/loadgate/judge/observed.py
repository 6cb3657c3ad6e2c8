"""What a run shows of the figure that a budget limits. Read from the record alone; percentiles from merged histograms. Pure.

Times of requests are service times, as the guide's k6 figures are. Everything counts from the end of the warm-up on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from loadgate.config.budgets import Budget
from loadgate.config.gate import TIMES
from loadgate.errors import nearest
from loadgate.judge.evidence import needed
from loadgate.measure.protocols import PROTOCOLS, Protocol
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, TrendTally
from loadgate.record.repeated import Repeated
from loadgate.record.run import Run

FEWEST_AVERAGED: Final = needed(0.5)
"""Samples of an average: as many as the median takes."""

MEGABYTE: Final = 1e6

_NAMES: Final[Mapping[str, Protocol]] = {protocol.name: protocol for protocol in PROTOCOLS}

_CONNECTING: Final = "ws_connecting"
_TYPICAL: Final = 95.0
"""The percentile of a key that names none (`connection_time_ms`)."""

_REPEATED: Final[Mapping[tuple[str, str], str]] = {
    ("startup", "max_time_ms"): "target_startup_time",
    ("startup", "port_open_ms"): "target_port_open",
    ("startup", "first_request_ms"): "target_first_request",
    ("startup", "max_memory_mb"): "target_startup_memory",
    ("shutdown", "max_time_ms"): "target_shutdown_time",
}
_MOST: Final[Mapping[str, tuple[str, float]]] = {
    "max_memory_mb": ("target_memory", MEGABYTE),
    "max_memory_pss_mb": ("target_memory_pss", MEGABYTE),
    "max_threads": ("target_threads", 1.0),
    "max_open_files": ("target_open_files", 1.0),
}
"""Gauges, and what one of the budget's units is in theirs."""

_PER_REQUEST: Final[Mapping[str, tuple[tuple[str, ...], float]]] = {
    "cpu_us_per_request": (("target_cpu",), 1e6),
    "network_bytes_per_request": (("data_sent", "data_received"), 1.0),
    "disk_bytes_per_request": (("target_disk_read", "target_disk_written"), 1.0),
}
"""Counters to add up, and what one of theirs is in the budget's unit."""


@dataclass(frozen=True, slots=True)
class Observed:
    """`value` in the budget's unit, of `samples`; NaN: never measured, for the reason `why`; `remedy` is what may help.

    `needed` samples would do. Where the limit is one on a share of the samples, `beyond` of them lie beyond it, and `share`
    (0 to 1) may.
    """

    value: float
    samples: int = 0
    needed: int = 1
    beyond: int = 0
    share: float | None = None
    why: str = ""
    remedy: str = ""
    step: str = ""
    """Which of the steps that have the budget's name it is of, where there are several."""


def observe(run: Run, budget: Budget) -> tuple[Observed, ...]:
    """What `run` shows of the figure of `budget`: several where steps of several protocols have its name."""
    match budget.group:
        case "startup" | "shutdown":
            return (_started(run, budget),)
        case "benchmarks":
            return (_benchmark(run, budget),)
        case "resources":
            return (_resource(run, budget),)
        case "steps":
            return _steps(run, budget)
    found = _exchanges(run, budget, _NAMES[budget.group], "")
    noun = "connection" if budget.key == "connection_time_ms" else "request"
    return (found or _never(f"no {budget.group} {noun} was made in this run", "let a scenario make one"),)


def _steps(run: Run, budget: Budget) -> tuple[Observed, ...]:
    """The steps of that name, or the one of that protocol and name: a summary of several protocols names both."""
    name = budget.step
    found = {each.name: seen for each in PROTOCOLS if (seen := _exchanges(run, budget, each, name)) is not None}
    if len(found) > 1:
        return tuple(replace(seen, step=f"{protocol} {name}") for protocol, seen in found.items())
    protocol, _, rest = name.partition(" ")
    if not found and rest and protocol in _NAMES:
        seen = _exchanges(run, budget, _NAMES[protocol], rest)
        found = {} if seen is None else {protocol: seen}
    return tuple(found.values()) or (_no_step(run, budget),)


def _no_step(run: Run, budget: Budget) -> Observed:
    counts = {protocol.count for protocol in _NAMES.values()}
    names = {series.tags["name"] for series in run.series if series.metric.name in counts and "name" in series.tags}
    likely = nearest(budget.step, names)
    hint = f" (did you mean `{likely}`?)" if likely else ""
    return _never(f"no step of this name was measured in this run{hint}", "give the name that the summary shows")


def _exchanges(run: Run, budget: Budget, protocol: Protocol, step: str) -> Observed | None:
    """A figure of the requests of `step` ("": of all); None where there were none."""
    tags = {"name": step} if step else {}
    match budget.key:
        case "min_throughput_rps":
            count = run.total(protocol.count, tags)
            seconds = run.measured_seconds
            if step:
                seconds = run.seconds_of(
                    {run.series[at].tags.get("scenario", "") for at in run.find(protocol.count, tags)}
                )
            if not isinstance(count, CounterTally) or not count.total or not seconds:
                return None
            return Observed(count.total / seconds, round(count.total))
        case "max_error_rate":
            failed = run.total(protocol.failed, tags)
            if not isinstance(failed, RateTally) or not failed.total:
                return None
            enough = needed(budget.limit)
            return Observed(failed.rate, failed.total, enough, beyond=failed.passes, share=budget.limit)
        case "connection_time_ms":
            times = run.total(_CONNECTING, tags)
        case _:
            times = run.total(protocol.service, tags)
    return _timed(budget, times) if isinstance(times, TrendTally) and times.histogram.count else None


def _timed(budget: Budget, times: TrendTally) -> Observed:
    histogram = times.histogram
    if budget.key == "avg_latency_ms":
        return Observed(histogram.mean, histogram.count, FEWEST_AVERAGED)
    if budget.key == "max_latency_ms":
        return Observed(histogram.maximum, histogram.count)
    percentile = _TYPICAL if budget.percentile is None else budget.percentile
    share = 1.0 - percentile / 100.0
    beyond = histogram.count * (1.0 - histogram.share_at_most(budget.limit))
    return Observed(
        histogram.percentile(percentile),
        histogram.count,
        needed(share),
        # A bucket that the limit lies in counts in part: rounded down, for the benefit of the doubt.
        beyond=math.floor(beyond + 1e-6),
        share=share,
    )


def _resource(run: Run, budget: Budget) -> Observed:
    if budget.key in _PER_REQUEST:
        metrics, scale = _PER_REQUEST[budget.key]
        requests = _counted(run, *(protocol.count for protocol in _NAMES.values()))
        amounts = [_counted(run, metric) for metric in metrics]
        if not requests:
            return _never("no request was made in this run", "let a scenario make one")
        if None not in amounts:
            total = sum(amount for amount in amounts if amount is not None)
            return Observed(total * scale / requests, round(requests))
        return _unwatched(run)
    if budget.key == "max_cpu_cores":
        cpu = _counted(run, "target_cpu")
        if cpu is None or not run.measured_seconds:
            return _unwatched(run)
        return Observed(cpu / run.measured_seconds, _readings(run, "target_cpu"))
    metric, scale = _MOST[budget.key]
    gauge = run.total(metric)
    if not isinstance(gauge, GaugeTally):
        return _unwatched(run)
    return Observed(gauge.maximum / scale, _readings(run, metric))


def _counted(run: Run, *metrics: str) -> float | None:
    """The sum of the counters `metrics`; None where none of them was counted."""
    found = [tally.total for metric in metrics if isinstance(tally := run.total(metric), CounterTally)]
    return sum(found) if found else None


def _readings(run: Run, metric: str) -> int:
    """Windows in which the target was read."""
    seen = zip(run.windows, run.over_time(run.find(metric)), strict=True)
    return sum(tally is not None and window.end > run.definition.warmup for window, tally in seen)


def _started(run: Run, budget: Budget) -> Observed:
    metric = _REPEATED[budget.group, budget.key]
    for repeated in run.repeated:
        if not repeated.series.step and repeated.series.metric == metric:
            return _median(repeated, budget.unit)
    if any(repeated.series.metric in _REPEATED.values() for repeated in run.repeated):
        what = metric.removeprefix("target_").replace("_", " ")
        remedy = "measure it with `loadgate bench`" if budget.key == "first_request_ms" else ""
        return _never(f"the target was started, and its {what} was not measured", remedy)
    return _never("the target was not started by Loadgate", "give `target.start`")


def _benchmark(run: Run, budget: Budget) -> Observed:
    names = []
    for repeated in run.repeated:
        series = repeated.series
        if budget.step in (series.step, series.metric) and repeated.unit in TIMES:
            return _median(repeated, budget.unit)
        names.append(series.step or series.metric)
    likely = nearest(budget.step, names)
    hint = f" (did you mean `{likely}`?)" if likely else ""
    return _never(f"no benchmark of this name was run{hint}", "run it with `loadgate bench`")


def _median(repeated: Repeated, unit: str) -> Observed:
    """The median in `unit`, whatever unit the values are in."""
    if unit in TIMES:
        scale = TIMES.get(repeated.unit, 1.0) / TIMES[unit]
    else:
        scale = 1.0 / MEGABYTE if repeated.unit == "bytes" else 1.0
    return Observed(repeated.spread.median * scale, repeated.spread.count)


def _unwatched(run: Run) -> Observed:
    if run.subject is None:
        return _never("the target was not watched", "give `target.start` or `target.watch`")
    unread = f": {run.subject.unread[0]}" if run.subject.unread else ""
    return _never(f"this could not be read of {run.subject.what}{unread}")


def _never(why: str, remedy: str = "") -> Observed:
    return Observed(math.nan, why=why, remedy=remedy)
