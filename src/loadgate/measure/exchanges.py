"""Rows of exchanges, turned in bulk into the metrics an exchange stands for.

A chunk of rows is counted into a matrix of buckets with one scatter-add a trend. Trends that are equal throughout a chunk
(latency and service time in a closed model, service time and waiting where replies come in one piece) are counted once,
under a set of trends; they part at the end of the window.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadgate.measure.histogram import Floats, Histogram, Indices, bucket_of
from loadgate.measure.metric import BUILTIN, Metric
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally

ROW: Final = struct.Struct("<iiifdddd")
"""series, bytes sent, bytes received, sending (s), planned, start, first byte, end (clock s): 48 bytes."""

_DTYPE: Final = np.dtype(
    [
        ("series", "<i4"),
        ("sent", "<i4"),
        ("received", "<i4"),
        ("sending", "<f4"),
        ("planned", "<f8"),
        ("start", "<f8"),
        ("first", "<f8"),
        ("end", "<f8"),
    ]
)

DURATION, LATENCY, WAITING, RECEIVING, SENDING = 1, 2, 4, 8, 16
PHASES: Final = ("blocked", "connecting", "tls_handshaking")

_FIRST: Final = int(bucket_of(np.array([2.0**-10]))[0])
_LAST: Final = int(bucket_of(np.array([2.0**23]))[0])
_WIDTH: Final = _LAST - _FIRST + 2
"""Columns of the matrix: one for zero, the rest for 1 us to 2.3 h. Times outside count at the edges, extremes stay exact."""


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
    )
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
        self._cells: dict[tuple[int, int], int] = {}
        self._buckets = np.zeros((8, _WIDTH), np.uint32)
        self._sums = np.zeros(8)
        self._least = np.full(8, np.inf)
        self._most = np.full(8, -np.inf)
        self._counts: Indices = np.zeros(0, np.int64)
        self._sent: Indices = np.zeros(0, np.int64)
        self._received: Indices = np.zeros(0, np.int64)
        self._phases: dict[tuple[int, str], list[float]] = {}

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
        self._counts = np.append(self._counts, 0)
        self._sent = np.append(self._sent, 0)
        self._received = np.append(self._received, 0)
        return len(self._exchanges) - 1

    def phase(self, exchange: int, phase: str, seconds: float) -> None:
        self._phases.setdefault((exchange, phase), []).append(max(0.0, seconds) * 1e3)

    def take_rows(self, buffer: bytearray, count: int) -> None:
        """Count the first `count` rows of `buffer`."""
        rows = np.frombuffer(buffer, _DTYPE, count)
        series = rows["series"]
        planned, start, first, end = rows["planned"], rows["start"], rows["first"], rows["end"]
        sending = rows["sending"]
        most = len(self._exchanges)
        self._counts += np.bincount(series, minlength=most)
        self._sent += np.bincount(series, rows["sent"], most).astype(np.int64)
        self._received += np.bincount(series, rows["received"], most).astype(np.int64)
        order = _Order(series)
        trends = DURATION
        on_plan = np.array_equal(planned, start)
        in_one_piece = np.array_equal(first, end) and not sending.any()
        if on_plan:
            trends |= LATENCY
        if in_one_piece:
            trends |= WAITING
        self._count(trends, order, self._span(start, end))
        if not on_plan:
            self._count(LATENCY, order, self._span(planned, end))
        if not in_one_piece:
            slow = sending.astype(np.float64)
            self._count(WAITING, order, self._span(start + slow, first))
            self._count(RECEIVING, order, self._span(first, end))
            if slow.any():
                self._count(SENDING, order, slow * 1e3)

    def take(self, tallies: dict[int, Tally]) -> None:
        """Put the window's tallies into `tallies` and begin the next window."""
        trends: dict[tuple[int, int], Histogram] = {}
        for (kinds, owner), cell in self._cells.items():
            histogram = self._histogram(cell)
            for trend in (DURATION, LATENCY, WAITING, RECEIVING, SENDING):
                if kinds & trend:
                    held = trends.get((trend, owner))
                    if held is None:
                        trends[trend, owner] = histogram.copy()
                    else:
                        held.merge(histogram)
        for number in np.flatnonzero(self._counts).tolist():
            exchange, count = self._exchanges[number], int(self._counts[number])
            tallies[exchange.count] = CounterTally(float(count))
            tallies[exchange.failed] = RateTally(count if exchange.failing else 0, count)
            tallies[exchange.sent] = CounterTally(float(self._sent[number]))
            tallies[exchange.received] = CounterTally(float(self._received[number]))
            for trend, series in exchange.trends.items():
                tallies[series] = _filled(trends.get((trend, number)), count)
            for phase, series in exchange.phases.items():
                taken = self._phases.pop((number, phase), None)
                tallies[series] = _filled(None if taken is None else Histogram.of(taken), count)
        self._cells.clear()
        self._counts[:] = 0
        self._sent[:] = 0
        self._received[:] = 0

    def _span(self, begin: Floats, end: Floats) -> Floats:
        """Milliseconds from `begin` to `end`; time that runs backwards is counted and set to zero."""
        span: Floats = (end - begin) * 1e3
        if span.min() < 0.0:
            self.anomalies += int((span < 0.0).sum())
            np.maximum(span, 0.0, out=span)
        return span

    def _count(self, trends: int, order: _Order, values: Floats) -> None:
        """Count `values` (ms), one a row, for the set `trends`."""
        cells = np.array([self._cell(trends, number) for number in order.distinct])
        if order.sorting is not None:
            values = values[order.sorting]
        column = np.clip(bucket_of(values) - (_FIRST - 1), 0, _WIDTH - 1)
        flat = np.repeat(cells, order.lengths) * _WIDTH + column if len(cells) > 1 else cells[0] * _WIDTH + column
        np.add.at(self._buckets.reshape(-1), flat, np.uint32(1))
        self._sums[cells] += np.add.reduceat(values, order.starts)
        self._least[cells] = np.minimum(self._least[cells], np.minimum.reduceat(values, order.starts))
        self._most[cells] = np.maximum(self._most[cells], np.maximum.reduceat(values, order.starts))

    def _cell(self, trends: int, exchange: int) -> int:
        """The matrix row of an exchange series and a set of trends, made at its first sample of the window."""
        cell = self._cells.get((trends, exchange))
        if cell is None:
            cell = self._cells[trends, exchange] = len(self._cells)
            if cell >= len(self._sums):
                self._grow()
            self._buckets[cell] = 0
            self._sums[cell], self._least[cell], self._most[cell] = 0.0, np.inf, -np.inf
        return cell

    def _grow(self) -> None:
        size = len(self._sums)
        self._buckets = np.concatenate([self._buckets, np.zeros((size, _WIDTH), np.uint32)])
        self._sums = np.concatenate([self._sums, np.zeros(size)])
        self._least = np.concatenate([self._least, np.full(size, np.inf)])
        self._most = np.concatenate([self._most, np.full(size, -np.inf)])

    def _histogram(self, cell: int) -> Histogram:
        row = self._buckets[cell]
        used = np.flatnonzero(row)
        first, last = int(used[0]), int(used[-1])
        counts = row[first : last + 1].astype(np.int64)
        exact = float(self._sums[cell]), float(self._least[cell]), float(self._most[cell])
        if first > 0:
            return Histogram.of_counts(first + _FIRST - 1, counts, *exact)
        # column 0 is zero, which lies below the first column's bucket by more than one
        histogram = Histogram.of_counts(_FIRST, counts[1:], *exact) if last else Histogram()
        zeros = Histogram()
        zeros.record_zeros(int(counts[0]))
        histogram.merge(zeros)
        histogram.total, histogram.minimum, histogram.maximum = exact
        return histogram


class _Order:
    """Rows grouped by series: `sorting` permutes them (None: there is one series), groups begin at `starts`."""

    __slots__ = ("distinct", "lengths", "sorting", "starts")

    def __init__(self, series: NDArray[np.int32]) -> None:
        first = series[0]
        if (series == first).all():
            self.sorting: NDArray[np.intp] | None = None
            self.starts = np.zeros(1, np.intp)
            self.distinct = [int(first)]
            self.lengths = np.array([len(series)])
            return
        # NumPy sorts 16-bit keys by radix, several times faster than wider ones
        keys = series.astype(np.uint16) if series.max() < 65536 else series
        self.sorting = np.argsort(keys, kind="stable")
        ordered = series[self.sorting]
        self.starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        self.distinct = ordered[self.starts].tolist()
        self.lengths = np.diff(self.starts, append=len(series))


def _filled(histogram: Histogram | None, count: int) -> TrendTally:
    """A trend in which exchanges without a value of their own count as zero."""
    histogram = histogram if histogram is not None else Histogram()
    histogram.record_zeros(count - histogram.count)
    return TrendTally(histogram)
