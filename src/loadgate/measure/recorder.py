"""Where samples go. The hot path writes one fixed row a sample; NumPy turns rows into histograms in bulk.

A row costs one `pack_into` (90 ns, a fraction of extending an `array`). A full buffer of rows is flushed at once, a
fraction of a millisecond, and a window can be closed piece by piece, so that the event loop is never held up for long.
Tags are joined to small integers when a series is first met, never for a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from loadgate.measure.errors import ErrorLog
from loadgate.measure.exchanges import ROW, ExchangeRows, Phases
from loadgate.measure.metric import Metric
from loadgate.measure.names import MOST_SERIES, OTHER, Names
from loadgate.measure.points import POINT, PointRows
from loadgate.measure.tally import CounterTally, RateTally, Tally, merge_into
from loadgate.measure.windows import Window, WindowLog

_ROWS: Final = 4096
_PIECE: Final = 16
"""Series that are added to the totals in one piece of closing a window: a tenth of a millisecond."""
_pack_row = ROW.pack_into
_pack_point = POINT.pack_into
_ROW_SIZE: Final = ROW.size
_POINT_SIZE: Final = POINT.size
_LAST_ROW: Final = _ROW_SIZE * (_ROWS - 1)
_LAST_POINT: Final = _POINT_SIZE * (_ROWS - 1)


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """What a series is: a metric under a set of tags."""

    metric: Metric
    tags: Mapping[str, str]


class Closing:
    """A window that is being closed. The event loop may turn between two pieces of the work; samples that come meanwhile
    belong to the next window.
    """

    def __init__(self, window: Window, pieces: Iterator[None]) -> None:
        self.window = window
        """Whole when the work is done."""
        self._pieces = pieces

    def step(self) -> bool:
        """Do the next piece, some tenths of a millisecond; False when none was left."""
        return next(self._pieces, self) is not self

    def finish(self) -> Window:
        """Do all that is left."""
        while self.step():
            pass
        return self.window


class Recorder:
    """Collects the samples of one process. Timestamps are clock seconds; `start` is the run's beginning.

    Series are for ever, so their number is limited: past `MOST_NAMES` values of the tag `name` and `MOST_SERIES` series,
    new ones share `(other)`. Windows are closed by whoever owns the clock; one must be closed exactly where the warm-up
    ends, since a window belongs to the warm-up as a whole or not at all.
    """

    def __init__(self, *, start: float, warmup: float = 0.0) -> None:
        self.start = start
        self.warmup = warmup
        self.windows = WindowLog()
        self.errors = ErrorLog()
        self._at = start
        self._series: list[SeriesKey] = []
        self._ids: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._names = Names()
        self._totals: dict[int, Tally] = {}
        self._exchanges = ExchangeRows(self.series)
        self._exchange_ids: dict[tuple[str, bool, tuple[tuple[str, str], ...]], int] = {}
        self._points = PointRows()
        self._rates: dict[int, RateTally] = {}
        self._counters: dict[int, CounterTally] = {}
        self._rows, self._spare_rows = bytearray(_ROW_SIZE * _ROWS), bytearray(_ROW_SIZE * _ROWS)
        self._row = 0
        self._point_rows, self._spare_points = bytearray(_POINT_SIZE * _ROWS), bytearray(_POINT_SIZE * _ROWS)
        self._point = 0
        self._closing = Closing(Window(0.0, 0.0), iter(()))

    # -- series

    def series(self, metric: Metric, tags: Mapping[str, str]) -> int:
        """Id of the series of `metric` under `tags`; the same for the same."""
        tags = self._names.admit(tags)
        key = (metric.name, tuple(sorted(tags.items())))
        series = self._ids.get(key)
        if series is None and len(self._series) >= MOST_SERIES:
            key = (metric.name, tuple(sorted(self._names.blur(tags).items())))
            series = self._ids.get(key)
        if series is None:
            series = self._ids[key] = len(self._series)
            self._series.append(SeriesKey(metric, MappingProxyType(dict(key[1]))))
            self._points.declare(series, metric.kind)
        return series

    def exchange_series(self, protocol: str, tags: Mapping[str, str], *, failed: bool) -> int:
        """Id under which exchanges of `protocol` with these tags are recorded.

        An exchange stands for several metrics (for http: `http_reqs`, `http_req_duration`, ...); their series have the
        same tags. Ids of exchanges and of series are two different things.
        """
        tags = self._names.admit(tags)
        key = (protocol, failed, tuple(sorted(tags.items())))
        found = self._exchange_ids.get(key)
        if found is None and len(self._series) >= MOST_SERIES:
            key = (protocol, failed, tuple(sorted(self._names.blur(tags).items())))
            found = self._exchange_ids.get(key)
        if found is None:
            found = self._exchange_ids[key] = self._exchanges.declare(protocol, dict(key[2]), failed=failed)
        return found

    def rate(self, metric: Metric, tags: Mapping[str, str]) -> RateTally:
        """The tally of a rate's series in the present window, to be counted up in place: a third of what `add` costs.

        The same object in every window; it is read and set to zero when a window is closed.
        """
        series = self.series(metric, tags)
        return self._rates.setdefault(series, RateTally())

    def counter(self, metric: Metric, tags: Mapping[str, str]) -> CounterTally:
        """As `rate`, of a counter. One that is zero when a window is closed has no sample in it."""
        series = self.series(metric, tags)
        return self._counters.setdefault(series, CounterTally())

    def describe(self, series: int) -> SeriesKey:
        """Metric and tags of a series id."""
        return self._series[series]

    def described(self) -> Sequence[SeriesKey]:
        """Metric and tags of every series, in the order of their ids."""
        return self._series

    @property
    def series_count(self) -> int:
        """Series ids are 0 up to this."""
        return len(self._series)

    @property
    def overflowed_names(self) -> int:
        """How often a step or a metric was looked up and found to count under `(other)`, because there were too many."""
        return self._names.overflowed

    @property
    def clock_anomalies(self) -> int:
        """Exchanges whose times ran backwards, as far as they were turned into histograms; such a time counts as zero."""
        return self._exchanges.anomalies

    # -- samples (hot)

    def exchange(
        self,
        series: int,
        sent: int,
        received: int,
        planned: float,
        start: float,
        first: float,
        end: float,
        sending: float = 0.0,
    ) -> None:
        """Record one exchange: bytes on the wire both ways; times in clock seconds, `sending` in seconds.

        Service time is `end - start`, latency `end - planned`; `first` is when the first byte of the reply came.
        """
        at = self._row
        _pack_row(self._rows, at, series, sent, received, sending, planned, start, first, end)
        if at == _LAST_ROW:
            self._flush_rows()
        else:
            self._row = at + _ROW_SIZE

    def add(self, series: int, value: float) -> None:
        """Record one sample: a trend's value, a counter's increment, a gauge's value, a rate's 1 or 0."""
        at = self._point
        _pack_point(self._point_rows, at, series, value)
        if at == _LAST_POINT:
            self._flush_points()
        else:
            self._point = at + _POINT_SIZE

    # -- samples (rare)

    def phase(self, series: int, phase: str, seconds: float) -> None:
        """Record time an exchange spent `blocked`, `connecting` or in `tls_handshaking` before it started.

        Exchanges without one count as zero in that trend.
        """
        self._exchanges.phase(series, phase, seconds)

    def error(self, kind: str, step: str, text: str) -> None:
        """Count an error and keep a sample of it."""
        self.errors.add(kind, step, text, self._at - self.start)

    # -- bulk

    def begin(self, start: float) -> None:
        """Forget every sample so far (what setup did) and let the run begin at clock time `start`. Series ids stay."""
        self._part(Window(0.0, 0.0)).finish()
        self.errors = ErrorLog()
        self.start = self._at = start

    def closing(self, now: float) -> Closing:
        """End the current window at clock time `now`; the next one begins there. The work is left to who is given it.

        A window that is still being closed is finished first. It is in `windows` and `totals` when all the work is done.
        """
        start, self._at = self._at, now
        warmup = start - self.start < self.warmup - 1e-9
        return self._part(Window(start - self.start, now - self.start, warmup), keep=True)

    def close_window(self, now: float) -> Window:
        """As `closing`, at once."""
        return self.closing(now).finish()

    def _part(self, window: Window, *, keep: bool = False) -> Closing:
        """Part the samples so far, which are to be put into `window`, from those to come."""
        self._closing.finish()
        rows, points = self._row // _ROW_SIZE, self._point // _POINT_SIZE
        self._rows, self._spare_rows, self._row = self._spare_rows, self._rows, 0
        self._point_rows, self._spare_points, self._point = self._spare_points, self._point_rows, 0
        self._take_live(window.tallies)
        self._closing = Closing(window, self._pieces(window, rows, points, self._exchanges.part(), keep))
        return self._closing

    def _pieces(self, window: Window, rows: int, points: int, phases: Phases, keep: bool) -> Iterator[None]:
        """Fill `window` from the spare buffers; `keep` it in the log, and in the totals after the warm-up."""
        if rows:
            self._exchanges.take_rows(self._spare_rows, rows)
            yield
        if points:
            self._points.take_rows(self._spare_points, points)
            yield
        yield from self._exchanges.taking(window.tallies, phases)
        self._points.take(window.tallies)
        yield
        if not keep:
            return
        if not window.warmup:
            for number, (series, tally) in enumerate(window.tallies.items(), 1):
                merge_into(self._totals, series, tally)
                if number % _PIECE == 0:
                    yield
            yield
        window.shrink()
        yield
        self.windows.append(window)

    def totals(self) -> Mapping[int, Tally]:
        """Everything since the end of the warm-up up to the last closed window, by series id."""
        return self._totals

    def _take_live(self, tallies: dict[int, Tally]) -> None:
        """Take what was counted in place, and begin at zero again."""
        for series, rate in self._rates.items():
            if rate.total:
                merge_into(tallies, series, rate)
                rate.passes = rate.total = 0
        for series, counter in self._counters.items():
            if counter.total:
                merge_into(tallies, series, counter)
                counter.total = 0.0

    def _flush_rows(self) -> None:
        """Count the rows of a full buffer. What belongs to the window before has to be out of the way."""
        self._closing.finish()
        self._row = 0
        self._exchanges.take_rows(self._rows, _ROWS)

    def _flush_points(self) -> None:
        self._closing.finish()
        self._point = 0
        self._points.take_rows(self._point_rows, _ROWS)


__all__ = ["OTHER", "Closing", "Recorder", "SeriesKey"]
