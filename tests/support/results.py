"""Results made of lone figures, for whatever compares them."""

from __future__ import annotations

from collections.abc import Mapping

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.result import Figure, Result, SeriesName

P95 = SeriesName("", "http_req_duration", "p95")
RATE = SeriesName("", "http_reqs", "rate")
FAILED = SeriesName("", "http_req_failed", "share")
DIRECTIONS = {"http_reqs": Direction.HIGHER, "checks": Direction.HIGHER}
UNITS = {"http_reqs": "1/s", "http_req_failed": "share", "checks": "share"}


def figure(series: SeriesName, value: float | Estimate) -> Figure:
    estimate = value if isinstance(value, Estimate) else Estimate(value)
    unit = UNITS.get(series.metric, "ms")
    return Figure(series, unit, DIRECTIONS.get(series.metric, Direction.LOWER), estimate)


def result(
    figures: Mapping[SeriesName, float | Estimate],
    *,
    id: str = "a",
    machine: str = "",
    definition: str = "",
    started: float = 0.0,
    commit: str = "",
    name: str = "standard",
) -> Result:
    made = tuple(figure(series, value) for series, value in figures.items())
    return Result(id, "loadgate", name, started, commit, "", machine, definition, None, made)
