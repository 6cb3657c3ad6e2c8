"""The summaries of k6: what `--summary-export` writes, and what a script's `handleSummary` is handed.

The first has a metric's values beside each other and calls a share `value`; a threshold is true there when it was crossed.
The second nests them under `values`, calls a share `rate`, and a threshold that holds is `ok`. In both, `passes` of
`http_req_failed` are the requests that failed. Percentiles are those of `summaryTrendStats`, by default without p(99).
Source: https://grafana.com/docs/k6/latest/results-output/end-of-test/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import BUILTIN, Direction
from loadgate.measure.protocols import PROTOCOLS
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import STATISTICS
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word

OF_REQUESTS: Final = frozenset(
    name for each in PROTOCOLS for name in (each.count, each.failed, each.service, each.latency)
)
UNITS: Final = {"time": "ms", "data": "bytes"}
"""By what a metric `contains`, as k6 says."""

_STATISTICS: Final = {"avg": "avg", "med": "p50"} | {f"p({name[1:]})": name for name in STATISTICS if name != "avg"}
_SUBMETRIC: Final = re.compile(r"([^{]+)\{(?:name:)?(.*)\}")
_NOT_FOLLOWED: Final = "expected_response:true"
"""k6 makes this submetric of every run."""


def followed(metric: str) -> bool:
    """Whether a metric is worth following: of k6's own those of requests and checks, and all of a script's."""
    return metric in OF_REQUESTS or metric == "checks" or metric not in BUILTIN


def direction_of(metric: str) -> Direction:
    """Which way is better. A script's author cannot tell k6, so that less counts as better there."""
    known = BUILTIN.get(metric)
    return known.direction if known is not None else Direction.LOWER


def _detect(source: Source) -> bool:
    found = source.json
    if not isinstance(found, dict) or not isinstance(found.get("metrics"), dict):
        return False
    return "root_group" in found or isinstance(found.get("state"), dict)


def _read(source: Source) -> list[Result]:
    metrics: dict[str, Any] = source.json["metrics"]
    for name, metric in metrics.items():
        if not isinstance(metric, dict):
            raise source.bad(f"the metric `{name}` is {type(metric).__name__}, not an object")
    figures = [figure for name, metric in metrics.items() for figure in _figures(source, name, metric, metrics)]
    crossed = [crossed for metric in metrics.values() for crossed in _crossed(metric)]
    word = None if not crossed else Word.FAIL if any(crossed) else Word.PASS
    return [foreign_result(source, "k6", figures, word=word)]


def _figures(source: Source, full: str, metric: dict[str, Any], metrics: Mapping[str, Any]) -> Iterator[Figure]:
    sub = _SUBMETRIC.fullmatch(full)
    name, step = (sub[1], sub[2]) if sub is not None else (full, "")
    if not followed(name) or step == _NOT_FOLLOWED:
        return
    values = metric["values"] if isinstance(metric.get("values"), dict) else metric
    direction = direction_of(name)

    def number(key: str) -> float | None:
        value = values.get(key)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise source.bad(f"`{key}` of the metric `{full}` is `{str(value)[:40]}`, not a number")

    def figure(statistic: str, unit: str, value: float | None, count: float | None) -> Iterator[Figure]:
        if value is not None:
            whole = round(count) if count is not None and 0.0 <= count < 2.0**53 else 0
            yield Figure(SeriesName(step, name, statistic), unit, direction, Estimate(value, count=whole))

    if "passes" in values or "fails" in values:
        share = number("rate") if "rate" in values else number("value")
        yield from figure("share", "share", share, (number("passes") or 0) + (number("fails") or 0))
    elif "rate" in values:
        known = BUILTIN.get(name)
        unit = known.unit if known is not None else UNITS.get(str(metric.get("contains")), "count")
        yield from figure("rate", "1/s" if unit == "count" else f"{unit}/s", number("rate"), number("count"))
    elif any(key in values for key in _STATISTICS):
        requests = metrics.get("http_reqs", {}) if name == "http_req_duration" and not step else {}
        count = number("count") if "count" in values else _count(requests)
        unit = "ms" if name in OF_REQUESTS else UNITS.get(str(metric.get("contains")), "")
        for key, statistic in _STATISTICS.items():
            yield from figure(statistic, unit, number(key), count)
    elif "value" in values:
        yield from figure("", UNITS.get(str(metric.get("contains")), ""), number("value"), 1)


def _count(metric: Mapping[str, Any]) -> float | None:
    values = metric["values"] if isinstance(metric.get("values"), dict) else metric
    count = values.get("count")
    return count if isinstance(count, int | float) else None


def _crossed(metric: dict[str, Any]) -> Iterator[bool]:
    """Whether each of the metric's thresholds was crossed."""
    thresholds = metric.get("thresholds")
    for state in thresholds.values() if isinstance(thresholds, dict) else ():
        yield state.get("ok") is False if isinstance(state, dict) else state is True


FORMAT: Final = Format("a k6 summary", _detect, _read)
