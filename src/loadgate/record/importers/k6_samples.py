"""Every sample of a k6 run: the JSON lines of `--out json=FILE` and the rows of `--out csv=FILE`.

A line is a metric's definition or one sample of it, which k6 dates at the end of what it measured. The CSV does not say
what kind of metric a script's own are, so that only k6's are read from it. Runs that were written one after the other are
told apart by their definitions, or headers.
Source: https://grafana.com/docs/k6/latest/results-output/real-time/json/ and .../csv/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import BUILTIN, Kind, Metric
from loadgate.measure.protocols import GRPC
from loadgate.record.importers.foreign import foreign_result, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.k6 import OF_REQUESTS, UNITS, direction_of, followed
from loadgate.record.importers.requests import run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Figure, Result, SeriesName


class _Tags(msgspec.Struct):
    name: str = ""


class _Data(msgspec.Struct):
    time: datetime | None = None
    value: float = 0.0
    tags: _Tags | None = None
    type: str = ""
    contains: str = ""


class _Line(msgspec.Struct):
    type: str
    metric: str
    data: _Data


class _Run:
    """The samples of one run by metric."""

    def __init__(self, resolution: float = 0.0) -> None:
        self.timeline = Timeline(resolution)
        self.gauges: dict[str, float] = {}
        self._metrics: dict[str, Metric] = {}
        self._keys: dict[tuple[str, str], int] = {}

    def defines(self, name: str) -> bool:
        return name in self._metrics

    def define(self, name: str, kind: str, contains: str) -> None:
        """Raises ValueError for a kind that is not known."""
        unit = "ms" if name == GRPC.service else UNITS.get(contains, "count" if kind == Kind.COUNTER else "")
        self._metrics[name] = BUILTIN.get(name) or Metric(name, Kind(kind), unit, direction_of(name))

    def add(self, name: str, step: str, end: float, value: float) -> None:
        """Raises KeyError for a metric that was not defined, ValueError for what can be no sample."""
        key = self._keys.get((name, step))
        if key is None:
            metric = self._metrics[name]
            if metric.kind is Kind.GAUGE:
                self.gauges[name] = value
                return
            key = -1
            if followed(name):
                key = self.timeline.samples(metric, step if name in OF_REQUESTS else "")
            if len(self._keys) < 100_000:
                self._keys[name, step] = key
        if key >= 0:
            self.timeline.add(end, key + (value != 0.0 and self._metrics[name].kind is Kind.RATE), value)

    def figures(self) -> Iterator[Figure]:
        yield from self.timeline.figures()
        for name, value in self.gauges.items():
            if followed(name):
                unit = self._metrics[name].unit
                yield Figure(SeriesName("", name, ""), unit, direction_of(name), Estimate(value, count=1))


def _results(source: Source, runs: list[_Run]) -> list[Result]:
    return [
        foreign_result(source, "k6", run.figures(), id=run_id(source, part, len(runs)), started=run.timeline.begin)
        for part, run in enumerate(runs, 1)
    ]


# -- JSON lines


def _detect(source: Source) -> bool:
    line = source.head.lstrip().partition("\n")[0]
    return line.startswith("{") and '"metric":"' in line and ('"type":"Metric"' in line or '"type":"Point"' in line)


def _read(source: Source) -> list[Result]:
    decode = msgspec.json.Decoder(_Line).decode
    runs: list[_Run] = []
    run = _Run()
    for number, text in enumerate(source.lines(), 1):
        if not text:
            continue
        try:
            line = decode(text)
            data = line.data
            if line.type == "Point":
                if data.time is None:
                    raise ValueError("a sample without its time")
                step = data.tags.name if data.tags is not None else ""
                run.add(line.metric, step, data.time.timestamp(), data.value)
            elif line.type == "Metric":
                if not runs or run.defines(line.metric):
                    run = _Run()
                    runs.append(run)
                run.define(line.metric, data.type, data.contains)
            else:
                raise ValueError(f"`{line.type}` is neither Metric nor Point")
        except KeyError:
            raise source.bad(f"the metric `{line.metric}` has not been defined before", line=number) from None
        except (ValueError, OverflowError) as error:  # of msgspec, too
            raise source.bad(f"no line of k6's JSON: {error}", line=number) from None
    return _results(source, runs)


# -- CSV

_COLUMNS: Final = ("metric_name", "timestamp", "metric_value")
_KINDS: Final = {GRPC.service: Kind.TREND}


def _detect_csv(source: Source) -> bool:
    return tuple(header(source)[:3]) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    step_at = table.find("name")
    runs: list[_Run] = []
    run: _Run | None = None
    for row in table.rows():
        name = row[0]
        if name == _COLUMNS[0]:
            run = None
        kind = BUILTIN[name].kind if name in BUILTIN else _KINDS.get(name)
        if kind is None:
            continue
        end, resolution = _when(table, row[1])
        if run is None:
            run = _Run(resolution)
            runs.append(run)
        if not run.defines(name):
            run.define(name, kind, "")
        try:
            run.add(name, row[step_at] if step_at is not None else "", end, float(row[2]))
        except ValueError as error:
            raise table.bad(f"no sample of k6: {error}") from None
    return _results(source, runs)


@lru_cache(maxsize=16)
def _digits(text: str) -> tuple[float, float]:
    """Unix time in seconds, milliseconds, ... by how long it is, and how fine that is."""
    unit = 1000.0 ** ((len(text) - 10) // 3)
    return int(text) / unit, 1.0 / unit


def _when(table: Table, text: str) -> tuple[float, float]:
    if text.isdecimal() and 9 <= len(text) <= 20:
        return _digits(text)
    at = moment(text)
    if at is None:
        raise table.bad(f"`{text[:40]}` is not a time")
    return at, 0.0 if "." in text else 1.0


FORMATS: Final = (
    Format("k6 JSON lines", _detect, _read),
    Format("k6 CSV", _detect_csv, _read_csv),
)
