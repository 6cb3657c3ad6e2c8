"""Checks, groups, sessions and the metrics an author made: what a run measured besides its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadgate.measure.metric import BUILTIN, Kind
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally, merge_into
from loadgate.record.run import Run

_GROUPS: Final = "group_duration"
OF_SESSIONS: Final = frozenset(
    {"ws_sessions", "ws_connecting", "ws_session_duration", "ws_ping", "ws_msgs_sent", "ws_msgs_received"}
    | {"graphql_connection_init", "graphql_subscriptions", "graphql_events", "graphql_event_gap"}
)
"""What is measured of a WebSocket session and of no step in it; subscriptions of GraphQL are held over one."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check: `passes` of `total`."""

    name: str
    passes: int
    total: int

    @property
    def failed(self) -> int:
        return self.total - self.passes


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """One metric, `figures` as (statistic, value) in its `unit`; the statistic `rate` of a counter is per second."""

    name: str
    kind: Kind
    unit: str
    figures: tuple[tuple[str, float], ...]


def check_rows(run: Run) -> tuple[CheckRow, ...]:
    """Checks, the one that failed most often first; equals stay in the order they were met."""
    found: dict[str, RateTally] = {}
    for series in run.series:
        if series.metric.name == "checks" and isinstance(series.total, RateTally):
            found.setdefault(series.tags.get("check", ""), RateTally()).merge(series.total)
    rows = [CheckRow(name, tally.passes, tally.total) for name, tally in found.items()]
    return tuple(sorted(rows, key=lambda row: -row.failed))


def measure_rows(run: Run) -> tuple[MeasureRow, ...]:
    """Groups, then what is known of sessions, then the author's own metrics, in the order they were first met."""
    names: dict[tuple[int, str], int] = {}
    tallies: dict[int, Tally] = {}
    units: dict[tuple[int, str], str] = {}
    for series in run.series:
        metric = series.metric
        group, own = metric.name == _GROUPS, metric.name not in BUILTIN
        if series.total is None or not (own or group or metric.name in OF_SESSIONS):
            continue
        name = f"group {series.tags.get('group', '').removeprefix('::')}" if group else metric.name
        key = (0 if group else 2 if own else 1, name)
        units[key] = metric.unit
        merge_into(tallies, names.setdefault(key, len(names)), series.total)
    return tuple(
        MeasureRow(key[1], *_figures(tallies[number], units[key], run.measured_seconds))
        for key, number in sorted(names.items(), key=lambda item: (item[0][0], item[1]))
    )


def _figures(tally: Tally, unit: str, seconds: float) -> tuple[Kind, str, tuple[tuple[str, float], ...]]:
    if isinstance(tally, TrendTally):
        p50, p95, p99 = tally.histogram.percentiles((50.0, 95.0, 99.0))
        return Kind.TREND, unit, (("p50", p50), ("p95", p95), ("p99", p99), ("max", tally.histogram.maximum))
    if isinstance(tally, RateTally):
        return Kind.RATE, unit, (("share", tally.rate), ("passes", float(tally.passes)), ("total", float(tally.total)))
    if isinstance(tally, CounterTally):
        return Kind.COUNTER, unit, (("total", tally.total), *_per_second(tally.total, seconds))
    assert isinstance(tally, GaugeTally)
    return Kind.GAUGE, unit, (("last", tally.last), ("min", tally.minimum), ("max", tally.maximum))


def _per_second(total: float, seconds: float) -> Iterator[tuple[str, float]]:
    if seconds > 0.0:
        yield "rate", total / seconds
