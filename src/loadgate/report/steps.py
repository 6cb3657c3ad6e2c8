"""One row for each step of a run, and one for all steps of a protocol together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from loadgate.measure.histogram import Histogram
from loadgate.measure.protocols import PROTOCOLS, Protocol
from loadgate.measure.tally import CounterTally, RateTally, TrendTally
from loadgate.record.run import Run
from loadgate.units import format_count

STATUS: Final = "status "
"""How a failure begins that is a reply of a status nobody expected."""
WAITING_SHARE = 1.2
WAITING_MS = 1.0
"""How far the p99 from the planned start must lie above the p99 from the send before it is worth a word."""


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds; NaN where nothing was timed."""

    p50: float
    p95: float
    p99: float
    p999: float
    max: float

    @classmethod
    def of(cls, histogram: Histogram) -> Times:
        p50, p95, p99, p999 = histogram.percentiles((50.0, 95.0, 99.0, 99.9))
        return cls(p50, p95, p99, p999, histogram.maximum if histogram.count else float("nan"))


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step, or `steps` of a protocol together, without a name. `rate` is per second of measured time in which loads that
    send it ran. `failed` of its `requests` had no usable or expected reply. `title` is what it is called among the others: a
    name of one protocol may be one of another too.

    `times` are from the planned start in an open model, else from the send; `service_p99` (ms) is always from the send.
    `commonest` is the failure met most: an error kind, or "status 503". `rank` 0 is the row most worth a look.
    """

    protocol: str
    name: str
    requests: int
    rate: float
    times: Times
    service_p99: float
    failed: int
    commonest: str
    title: str
    steps: int = 1
    rank: int = 0

    @property
    def waited(self) -> bool:
        """Whether a good part of the time was spent before the request was sent."""
        return self.times.p99 > max(WAITING_SHARE * self.service_p99, self.service_p99 + WAITING_MS)


@dataclass(slots=True)
class _Found:
    """What the series of one step (or of all) hold."""

    requests: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    service: Histogram = field(default_factory=Histogram)
    latency: Histogram = field(default_factory=Histogram)
    loads: set[str] = field(default_factory=set)

    def row(self, protocol: Protocol, name: str, seconds: float, *, open_model: bool) -> StepRow:
        service = Times.of(self.service)
        commonest = self.failures.most_common(1)
        return StepRow(
            protocol=protocol.name,
            name=name,
            requests=round(self.requests),
            rate=self.requests / seconds if seconds > 0.0 else float("nan"),
            times=Times.of(self.latency) if open_model else service,
            service_p99=service.p99,
            failed=self.failures.total(),
            commonest=commonest[0][0] if commonest else "",
            title=name,
        )


def step_rows(run: Run, *, open_model: bool) -> tuple[tuple[StepRow, ...], tuple[StepRow, ...]]:
    """Rows of the steps in the order they were first met, and one row for all steps of each protocol."""
    steps: list[StepRow] = []
    totals: list[StepRow] = []
    for protocol in PROTOCOLS:
        found, everything = _collect(run, protocol)
        own = [
            each.row(protocol, name, run.seconds_of(each.loads), open_model=open_model)
            for name, each in found.items()
            if each.requests
        ]
        steps += own
        if everything.requests:
            total = everything.row(protocol, "", run.measured_seconds, open_model=open_model)
            totals.append(replace(total, title=f"all {format_count(len(own))} steps", steps=len(own)))
    return _ranked(_titled(steps, totals)), tuple(_titled(totals, totals))


def _titled(rows: Iterable[StepRow], totals: Sequence[StepRow]) -> list[StepRow]:
    """`rows` with their protocols in their titles, where there are several."""
    if len(totals) < 2:
        return list(rows)
    return [replace(row, title=f"{row.protocol} {row.title}") for row in rows]


def failure_of(tags: Mapping[str, str]) -> str:
    """How an exchange with these tags failed: its error kind, or the status nobody expected."""
    return tags.get("error") or STATUS + tags.get("status", "unknown")


def _collect(run: Run, protocol: Protocol) -> tuple[dict[str, _Found], _Found]:
    found: dict[str, _Found] = {}
    everything = _Found()
    for series in run.series:
        metric, total = series.metric.name, series.total
        if total is None or metric not in (protocol.count, protocol.failed, protocol.service, protocol.latency):
            continue
        step = found.setdefault(series.tags.get("name", "(unnamed)"), _Found())
        step.loads.add(series.tags.get("scenario", ""))
        for each in (step, everything):
            if isinstance(total, CounterTally):
                each.requests += total.total
            elif isinstance(total, RateTally) and total.passes:
                each.failures[failure_of(series.tags)] += total.passes
            elif isinstance(total, TrendTally):
                (each.service if metric == protocol.service else each.latency).merge(total.histogram)
    return found, everything


def _ranked(steps: Iterable[StepRow]) -> tuple[StepRow, ...]:
    """Most failures first, then most requests: where a table must be cut, those stay."""
    rows = list(steps)
    order = sorted(range(len(rows)), key=lambda at: (-rows[at].failed, -rows[at].requests, rows[at].name))
    ranks = {at: rank for rank, at in enumerate(order)}
    return tuple(replace(row, rank=ranks[at]) for at, row in enumerate(rows))
