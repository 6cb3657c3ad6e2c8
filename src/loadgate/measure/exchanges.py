"""Rows of exchanges, turned in bulk into the metrics an exchange stands for.

A chunk of rows is counted with one pass a trend (`measure.cells`). Trends that are equal throughout a chunk
(latency and service time in a closed model, service time and waiting where replies come in one piece) are counted once,
under a set of trends; they part at the end of the window.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadgate.measure.cells import Cells
from loadgate.measure.groups import Groups
from loadgate.measure.histogram import Floats, Histogram, Indices
from loadgate.measure.metric import BUILTIN, Metric
from loadgate.measure.protocols import GRAPHQL, GRPC, WEBSOCKET
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally, put

ROW: Final = struct.Struct("@i4xqqddddd")
"""series, bytes sent, bytes received, sending (s), planned, start, first byte, end (clock s): 64 bytes. Native order packs
faster than a stated one."""

ROW_TYPE: Final = np.dtype(
    [
        ("series", np.int32),
        ("", np.int32),
        ("sent", np.int64),
        ("received", np.int64),
        ("sending", np.float64),
        ("planned", np.float64),
        ("start", np.float64),
        ("first", np.float64),
        ("end", np.float64),
    ]
)

_SLACK: Final = 1e-3
"""Milliseconds by which time may run backwards: sums of clock values are rounded."""

DURATION, LATENCY, WAITING, RECEIVING, SENDING = TRENDS = 1, 2, 4, 8, 16
PHASES: Final = ("blocked", "connecting", "tls_handshaking")

Phases = dict[tuple[int, str], list[float]]
"""Milliseconds by exchange series and phase."""


@dataclass(frozen=True, slots=True)
class _Names:
    """The metrics one exchange of a protocol stands for."""

    count: Metric
    failed: Metric
    trends: Mapping[int, Metric]
    phases: Mapping[str, Metric]


_PROTOCOLS: Final = {
    "http": _Names(
        BUILTIN["http_reqs"],
        BUILTIN["http_req_failed"],
        {
            DURATION: BUILTIN["http_req_duration"],
            LATENCY: BUILTIN["http_req_latency"],
            WAITING: BUILTIN["http_req_waiting"],
            RECEIVING: BUILTIN["http_req_receiving"],
            SENDING: BUILTIN["http_req_sending"],
        },
        {phase: BUILTIN[f"http_req_{phase}"] for phase in PHASES},
    ),
    **{
        protocol.name: _Names(
            BUILTIN[protocol.count],
            BUILTIN[protocol.failed],
            {DURATION: BUILTIN[protocol.service], LATENCY: BUILTIN[protocol.latency]},
            {},
        )
        for protocol in (GRPC, WEBSOCKET, GRAPHQL)
    },
}


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Series ids of the metrics of one exchange series."""

    count: int
    failed: int
    sent: int
    received: int
    failing: bool
    trends: Mapping[int, int]
    phases: Mapping[str, int]


class ExchangeRows:
    """Accumulates one window of exchanges. `intern` gives the id of a metric's series."""

    def __init__(self, intern: Callable[[Metric, Mapping[str, str]], int]) -> None:
        self._intern = intern
        self._exchanges: list[_Exchange] = []
        self.anomalies = 0
        self._backwards: NDArray[np.bool_] | None = None
        self._cells = Cells()
        self._numbers: dict[tuple[int, int], int] = {}
        self._counts: Indices = np.zeros(0, np.int64)
        self._sent: Indices = np.zeros(0, np.int64)
        self._received: Indices = np.zeros(0, np.int64)
        self._phases: Phases = {}

    def declare(self, protocol: str, tags: Mapping[str, str], *, failed: bool) -> int:
        """A new exchange series: ids count from 0."""
        names = _PROTOCOLS[protocol]
        intern = self._intern
        self._exchanges.append(
            _Exchange(
                count=intern(names.count, tags),
                failed=intern(names.failed, tags),
                sent=intern(BUILTIN["data_sent"], tags),
                received=intern(BUILTIN["data_received"], tags),
                failing=failed,
                trends={trend: intern(metric, tags) for trend, metric in names.trends.items()},
                phases={phase: intern(metric, tags) for phase, metric in names.phases.items()},
            )
        )
        return len(self._exchanges) - 1

    def phase(self, exchange: int, phase: str, seconds: float) -> None:
        self._phases.setdefault((exchange, phase), []).append(max(0.0, seconds) * 1e3)

    def take_rows(self, buffer: bytearray, count: int) -> None:
        """Count the first `count` rows of `buffer`."""
        rows = np.frombuffer(buffer, ROW_TYPE, count)
        series = rows["series"]
        planned, start, first, end = rows["planned"], rows["start"], rows["first"], rows["end"]
        sending = rows["sending"]
        most = len(self._exchanges)
        if most > len(self._counts):
            wider = np.zeros(most - len(self._counts), np.int64)
            self._counts = np.append(self._counts, wider)
            self._sent = np.append(self._sent, wider)
            self._received = np.append(self._received, wider)
        self._counts += np.bincount(series, minlength=most)
        self._sent += np.bincount(series, rows["sent"], most).astype(np.int64)
        self._received += np.bincount(series, rows["received"], most).astype(np.int64)
        groups = Groups(series)
        trends = DURATION
        on_plan = np.array_equal(planned, start)
        in_one_piece = np.array_equal(first, end) and not sending.any()
        if on_plan:
            trends |= LATENCY
        if in_one_piece:
            trends |= WAITING
        self._count(trends, groups, self._span(start, end))
        if not on_plan:
            self._count(LATENCY, groups, self._span(planned, end))
        if not in_one_piece:
            self._count(WAITING, groups, self._span(start + sending, first))
            self._count(RECEIVING, groups, self._span(first, end))
            if sending.any():
                self._count(SENDING, groups, sending * 1e3)
        if self._backwards is not None:
            self.anomalies += int(np.count_nonzero(self._backwards))
            self._backwards = None

    def part(self) -> Phases:
        """What `phase` was told so far; what it is told from now on belongs to the next window."""
        phases, self._phases = self._phases, {}
        return phases

    def taking(self, tallies: dict[int, Tally], phases: Phases) -> Iterator[None]:
        """Put the window's tallies into `tallies` piece by piece and begin the next window. No rows may come meanwhile."""
        trends: dict[tuple[int, int], Histogram] = {}
        histograms = self._cells.take()
        for (kinds, owner), cell in self._numbers.items():
            histogram = histograms[cell]
            for trend in TRENDS:
                if kinds & trend:
                    held = trends.get((trend, owner))
                    if held is None:
                        trends[trend, owner] = histogram.copy()
                    else:
                        held.merge(histogram)
        yield
        for number in np.flatnonzero(self._counts).tolist():
            exchange, count = self._exchanges[number], int(self._counts[number])
            put(tallies, exchange.count, CounterTally(float(count)))
            put(tallies, exchange.failed, RateTally(count if exchange.failing else 0, count))
            put(tallies, exchange.sent, CounterTally(float(self._sent[number])))
            put(tallies, exchange.received, CounterTally(float(self._received[number])))
            for trend, series in exchange.trends.items():
                put(tallies, series, _filled(trends.get((trend, number)), count))
            for phase, series in exchange.phases.items():
                taken = phases.pop((number, phase), None)
                put(tallies, series, _filled(None if taken is None else Histogram.of(taken), count))
            yield
        for key, early in phases.items():  # of exchanges that have not ended yet
            self._phases[key] = early + self._phases.get(key, [])
        self._numbers.clear()
        self._counts[:] = 0
        self._sent[:] = 0
        self._received[:] = 0

    def _span(self, begin: Floats, end: Floats) -> Floats:
        """Milliseconds from `begin` to `end`; time that runs backwards is noted and set to zero."""
        span: Floats = (end - begin) * 1e3
        if span.min() < 0.0:
            backwards = span < -_SLACK
            if backwards.any():
                self._backwards = backwards if self._backwards is None else self._backwards | backwards
            np.maximum(span, 0.0, out=span)
        return span

    def _count(self, trends: int, groups: Groups, values: Floats) -> None:
        """Count `values` (ms), one a row, for the set `trends`."""
        numbers = self._numbers
        cells = []
        for exchange in groups.distinct:
            key = (trends, exchange)
            cell = numbers.get(key)
            if cell is None:
                cell = numbers[key] = self._cells.new()
            cells.append(cell)
        self._cells.count(cells, groups, values)


def _filled(histogram: Histogram | None, count: int) -> TrendTally:
    """A trend in which exchanges without a value of their own count as zero."""
    histogram = histogram if histogram is not None else Histogram()
    histogram.record_zeros(count - histogram.count)
    return TrendTally(histogram)
