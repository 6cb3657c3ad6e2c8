"""Flat reports: what `--summary` writes (the shape of a load test report in CI guides), and plain names with numbers.

Plain numbers say what they are by their name: `startup_time_ms`, `p95_latency_ms`, `throughput_rps`, `error_rate`. A name
that tells neither unit nor direction is refused, since a guess would turn improvements into regressions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import BUILTIN, Direction, Kind
from loadgate.measure.protocols import HTTP, PROTOCOLS
from loadgate.record.importers.foreign import foreign_result, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word

THROUGHPUT: Final = "throughput_rps"
STATISTICS: Final = ("p50", "p90", "p95", "p99", "p99.9", "avg")

SUFFIXES: Final[Mapping[str, tuple[str, Direction]]] = {
    "_rps": ("1/s", Direction.HIGHER),
    "_per_second": ("1/s", Direction.HIGHER),
    "_ns": ("ns", Direction.LOWER),
    "_us": ("us", Direction.LOWER),
    "_ms": ("ms", Direction.LOWER),
    "_seconds": ("s", Direction.LOWER),
    "_s": ("s", Direction.LOWER),
    "_bytes": ("bytes", Direction.LOWER),
    "_mb": ("MB", Direction.LOWER),
    "error_rate": ("share", Direction.LOWER),
    "_failed": ("share", Direction.LOWER),
}
"""How a name ends, and what it then is; the first that fits."""


def _detect(source: Source) -> bool:
    tree = source.json
    return isinstance(tree, dict) and isinstance(tree.get("metrics"), dict) and "test_type" in tree


def _read(source: Source) -> list[Result]:
    tree: dict[str, Any] = source.json
    metrics: dict[str, Any] = tree["metrics"]
    seconds = tree.get("duration_seconds")
    run = tree.get("run")
    facts: dict[str, Any] = run if isinstance(run, dict) else {}
    figures = [*_of_metrics("", metrics, seconds), *_rates(metrics, facts.get("measured_seconds"))]
    steps = tree.get("steps")
    for step, values in steps.items() if isinstance(steps, dict) else ():
        if isinstance(values, dict):
            figures += _of_metrics(step, values, seconds)
    thresholds = tree.get("thresholds")
    failed = isinstance(thresholds, dict) and thresholds.get("passed") is False
    verdict = tree.get("verdict")
    known = {word.value: word for word in Word}
    word = known.get(verdict) if isinstance(verdict, str) else Word.FAIL if failed else None
    return [
        foreign_result(
            source,
            "report",
            figures,
            name=str(tree["test_type"]),
            started=moment(str(tree.get("timestamp"))),
            commit=str(facts.get("commit", "")),
            definition=str(facts.get("digest", "")),
            word=word,
        )
    ]


def _of_metrics(step: str, metrics: Mapping[str, Any], seconds: Any) -> Iterator[Figure]:
    counts = {protocol.failed: _whole(metrics.get(protocol.count)) for protocol in PROTOCOLS}
    if HTTP.count not in metrics:  # it may follow from the rate, in reports of others
        rate = metrics.get(THROUGHPUT)
        counts[HTTP.failed] = _whole(rate * seconds) if _is_number(rate) and _is_number(seconds) else 0
    for name, value in metrics.items():
        yield from _of_metric(step, name, value, counts.get(name, 0))


def _rates(metrics: Mapping[str, Any], seconds: Any) -> Iterator[Figure]:
    """Requests per second of each protocol. Reports of others tell a rate alone, and that is of HTTP."""
    rates: dict[str, Any] = {HTTP.count: metrics.get(THROUGHPUT)}
    if _is_number(seconds) and seconds > 0:
        rates = {each.count: metrics[each.count] / seconds for each in PROTOCOLS if _is_number(metrics.get(each.count))}
    for name, rate in rates.items():
        if _is_number(rate):
            yield Figure(SeriesName("", name, "rate"), "1/s", Direction.HIGHER, Estimate(float(rate)))


def _whole(count: Any) -> int:
    """`count` as a count; 0, not known, for what is none: NaN and infinity are in reports of Python's own writer.

    Without it nothing could be said of a share's error, and no change of it would ever be certain.
    """
    return round(count) if _is_number(count) and 0 <= count < math.inf else 0


def _of_metric(step: str, name: str, value: Any, count: int) -> Iterator[Figure]:
    metric = BUILTIN.get(name)
    if isinstance(value, dict):
        samples = value.get("count")
        for statistic in STATISTICS:
            if _is_number(value.get(statistic)):
                found = Estimate(float(value[statistic]), count=_whole(samples))
                unit = metric.unit if metric is not None else "ms"
                yield Figure(SeriesName(step, name, statistic), unit, Direction.LOWER, found)
    elif not _is_number(value):
        return
    elif metric is not None and metric.kind is Kind.RATE:
        yield Figure(SeriesName(step, name, "share"), "share", metric.direction, Estimate(float(value), count=count))


def _detect_flat(source: Source) -> bool:
    tree = source.json
    return isinstance(tree, dict) and bool(tree) and all(_is_number(value) for value in tree.values())


def _read_flat(source: Source) -> list[Result]:
    figures = []
    for name, value in source.json.items():
        kind = next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)
        if kind is None:
            raise source.bad(
                f"`{name}` tells neither its unit nor which way is better",
                hint=f"end the name with one of {', '.join(SUFFIXES)}, or give rows with `unit` and `direction`",
            )
        figures.append(Figure(SeriesName("", name, ""), *kind, Estimate(float(value))))
    return [foreign_result(source, "figures", figures)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FORMATS: Final = (
    Format("a load test report (`--summary`)", _detect, _read),
    Format("names with numbers, as JSON", _detect_flat, _read_flat),
)
