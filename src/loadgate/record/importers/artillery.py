"""Artillery's JSON (`--output FILE`): version 2, whose figures have names, and version 1. Times are milliseconds.

Requests are told apart where the plugin metrics-by-endpoint runs, as it does by itself since 2.0. Artillery keeps times in
buckets about 1 % wide, and its percentiles are those of the buckets.
Source: https://www.artillery.io/docs/reference/reported-metrics
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, failures
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_ENDPOINT: Final = "plugins.metrics-by-endpoint."


class _Times(msgspec.Struct):
    count: int = 0
    mean: float | None = None
    median: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None

    def by_statistic(self) -> dict[str, float | None]:
        p50 = self.p50 if self.p50 is not None else self.median
        return {"avg": self.mean, "p50": p50, "p90": self.p90, "p95": self.p95, "p99": self.p99, "p99.9": self.p999}


class _Aggregate(msgspec.Struct, rename="camel"):
    counters: dict[str, int]
    summaries: dict[str, _Times]
    rates: dict[str, float | None] = {}
    first_metric_at: float | None = None
    last_metric_at: float | None = None


class _Whole(msgspec.Struct):
    aggregate: _Aggregate


def _detect(source: Source) -> bool:
    aggregate = _aggregate(source)
    return {"counters", "summaries"} <= aggregate.keys()


def _read(source: Source) -> list[Result]:
    aggregate = source.shaped(_Whole).aggregate
    begin, end = aggregate.first_metric_at, aggregate.last_metric_at
    length = (end - begin) / 1000.0 if begin is not None and end is not None else 0.0
    started = begin / 1000.0 if begin else None
    return [foreign_result(source, "artillery", _figures(aggregate, length), started=started)]


def _figures(aggregate: _Aggregate, length: float) -> Iterator[Figure]:
    counters = aggregate.counters
    lost = sum(count for name, count in counters.items() if name.startswith("errors."))
    total = counters.get("http.requests", 0)
    times = aggregate.summaries.get("http.response_time", _Times())
    rate = total / length if length > 0.0 and total else aggregate.rates.get("http.request_rate")
    yield from Requests(
        times=times.by_statistic(),
        total=total,
        failed=failures(_codes(counters, "http.codes.")) + lost,
        rate=rate,
    ).figures()
    prefix = f"{_ENDPOINT}response_time."
    for name, own in aggregate.summaries.items():
        if name.startswith(prefix):
            step = name.removeprefix(prefix)
            codes = _codes(counters, f"{_ENDPOINT}{step}.codes.")
            errors = sum(_codes(counters, f"{_ENDPOINT}{step}.errors.").values())
            count = sum(codes.values()) + errors
            yield from Requests(
                step=step,
                times=own.by_statistic(),
                total=count,
                failed=failures(codes) + errors,
                rate=count / length if length > 0.0 and count else None,
            ).figures()


def _codes(counters: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): count for name, count in counters.items() if name.startswith(prefix)}


def _aggregate(source: Source) -> dict[str, Any]:
    found = source.json
    aggregate = found.get("aggregate") if isinstance(found, dict) else None
    return aggregate if isinstance(aggregate, dict) else {}


# -- version 1


class _Rate(msgspec.Struct):
    mean: float | None = None


class _Old(msgspec.Struct, rename="camel"):
    latency: _Times
    requests_completed: int
    codes: dict[str, int] = {}
    errors: dict[str, int] = {}
    rps: _Rate = msgspec.field(default_factory=_Rate)


class _OldWhole(msgspec.Struct):
    aggregate: _Old


def _detect_old(source: Source) -> bool:
    return {"latency", "requestsCompleted"} <= _aggregate(source).keys()


def _read_old(source: Source) -> list[Result]:
    aggregate = source.shaped(_OldWhole).aggregate
    lost = sum(aggregate.errors.values())
    requests = Requests(
        times=aggregate.latency.by_statistic(),
        total=aggregate.requests_completed + lost,
        failed=failures(aggregate.codes) + lost,
        rate=aggregate.rps.mean,
    )
    return [foreign_result(source, "artillery", requests.figures())]


FORMATS: Final = (
    Format("Artillery JSON", _detect, _read),
    Format("Artillery 1 JSON", _detect_old, _read_old),
)
