"""JMH: `-rf json` and `-rf csv`. The statistic is the mode: `thrpt` (higher is better), `avgt`, `sample`, `ss`.

A fork is a process, so with two or more the forks are what is repeated; within one fork the iterations are, and the error is
that of one process. The CSV has neither: no error. Of profilers, what does not merely follow the speed becomes a figure.
Fields: JMH's JSONResultFormat and XSVResultFormat.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from loadgate.measure import estimate
from loadgate.measure.estimate import EXCEEDANCES, FEWEST_BLOCKS, Estimate
from loadgate.measure.histogram import Histogram, bucket_of
from loadgate.measure.metric import Direction
from loadgate.record.figures import PERCENTILES
from loadgate.record.importers import table
from loadgate.record.importers.foreign import benchmark, foreign_result, in_words
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_PROFILERS: Final = {"gc.alloc.rate.norm": "bytes", "gc.count": "count", "gc.time": "ms"}
"""Figures of `-prof gc` worth following; its rates rise when the code gets faster."""

_Number = float | Literal["NaN", "+INF", "-INF"]
"""JMH writes "NaN", "+INF" and "-INF" as texts."""


_Time = Annotated[float, msgspec.Meta(ge=0.0, lt=1e18)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class _Metric(msgspec.Struct):
    score: _Number
    scoreUnit: str
    scorePercentiles: dict[str, _Number] = {}
    rawData: list[list[_Number]] = []
    rawDataHistogram: list[list[list[tuple[_Time, _Count]]]] = []


class _Benchmark(msgspec.Struct):
    benchmark: str
    mode: str
    primaryMetric: _Metric
    secondaryMetrics: dict[str, _Metric] = {}
    params: dict[str, str] = {}
    vmName: str = ""
    vmVersion: str = ""


def _detect(source: Source) -> bool:
    found: Any = source.json
    return isinstance(found, list) and bool(found) and isinstance(found[0], dict) and "primaryMetric" in found[0]


def _read(source: Source) -> list[Result]:
    found = source.shaped(list[_Benchmark])
    machine = in_words(f"{found[0].vmName} {found[0].vmVersion}")
    return [foreign_result(source, "jmh", [figure for one in found for figure in _figures(one)], machine=machine)]


def _figures(one: _Benchmark) -> Iterator[Figure]:
    name, primary = _name(one.benchmark, one.params), one.primaryMetric
    higher = Direction.HIGHER if one.mode == "thrpt" else Direction.LOWER
    yield benchmark(name, one.mode, _unit(primary), _score(primary), higher)
    for statistic, found in _percentiles(primary):
        yield benchmark(name, f"{one.mode} {statistic}", _unit(primary), found)
    for label, metric in one.secondaryMetrics.items():
        plain = label.lstrip("·+")
        if plain in _PROFILERS:
            yield benchmark(name, f"{one.mode} {plain}", _PROFILERS[plain], _score(metric))
        elif metric.scoreUnit == primary.scoreUnit:  # a method of a group
            yield benchmark(name, f"{one.mode} {plain}", _unit(metric), _score(metric), higher)


def _unit(metric: _Metric) -> str:
    """ "us" for "us/op": a time like any other; "ops/s" as it is."""
    return metric.scoreUnit.removesuffix("/op")


def _score(metric: _Metric) -> Estimate:
    """JMH's score, with the error of its forks, or of the iterations of the only one."""
    value = float(metric.score)
    if metric.rawDataHistogram:
        return replace(estimate.average(_blocks(metric)), value=value)
    forks = [[float(each) for each in fork] for fork in metric.rawData if fork]
    samples = [float(np.mean(fork)) for fork in forks] if len(forks) > 1 else list(chain(*forks))
    found = estimate.mean(samples)
    # a score that is a sum of its samples has no such error
    if found.error is None or abs(found.value - value) > 1e-3 * abs(value):
        return Estimate(value)
    return replace(found, value=value, count=sum(len(fork) for fork in forks))


def _percentiles(metric: _Metric) -> Iterator[tuple[str, Estimate]]:
    """Of the mode `sample`: as JMH says, with the error that the spread between its blocks gives them."""
    blocks = _blocks(metric)
    for p, found in zip(PERCENTILES, estimate.percentiles(blocks, PERCENTILES), strict=True):
        value = metric.scorePercentiles.get(f"{p:.1f}")
        if value is not None and found.count * (1.0 - p / 100.0) >= EXCEEDANCES:
            yield f"p{p:g}", replace(found, value=float(value))


def _blocks(metric: _Metric) -> list[Histogram]:
    """The samples of each fork, or of each iteration where the forks are too few."""
    forks = [[pair for iteration in fork for pair in iteration] for fork in metric.rawDataHistogram]
    if sum(1 for fork in forks if fork) < FEWEST_BLOCKS:
        forks = [iteration for fork in metric.rawDataHistogram for iteration in fork]
    return [_histogram(pairs) for pairs in forks if pairs]


def _histogram(pairs: list[tuple[float, int]]) -> Histogram:
    values, counts = np.array([value for value, _ in pairs]), np.array([count for _, count in pairs], np.int64)
    buckets, place = np.unique(bucket_of(values), return_inverse=True)
    sizes = np.bincount(place, weights=counts).astype(np.int64)
    return Histogram.of_used(buckets, sizes, float(values @ counts), float(values.min()), float(values.max()))


def _name(method: str, params: dict[str, str]) -> str:
    return f"{method}({', '.join(f'{key}={value}' for key, value in params.items())})" if params else method


# -- CSV

_COLUMNS: Final = ("Benchmark", "Mode", "Threads", "Samples", "Score")
_PARAM: Final = "Param: "


def _detect_csv(source: Source) -> bool:
    return tuple(table.header(source)[:5]) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    return [foreign_result(source, "jmh", [figure for found in _csv_figures(source) for figure in found])]


def _csv_figures(source: Source) -> Iterator[Iterator[Figure]]:
    primary: _Metric | None = None
    for line, row in table.rows(source, needed=("Unit",)):
        method, _, label = row["Benchmark"].partition(":")
        params = {key.removeprefix(_PARAM): value for key, value in row.items() if key.startswith(_PARAM) and value}
        metric = _Metric(table.number(source, line, "Score", row["Score"]), row["Unit"])
        if primary is None or not label:  # its profilers and the methods of its group come in the rows below it
            primary = metric
        one = _Benchmark(method, row["Mode"], primary, {label: metric} if label else {}, params)
        yield (figure for figure in _figures(one) if not label or figure.series.statistic != one.mode)


FORMATS: Final = (
    Format("JMH JSON", _detect, _read),
    Format("JMH CSV", _detect_csv, _read_csv),
)
