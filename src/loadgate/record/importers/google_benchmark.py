"""Google Benchmark: JSON and CSV. Times per iteration in the unit the benchmark was given, rates per second.

Repetitions are of one process, and so is the error. Counters of the user's own are left out: nothing says which way is better.
A benchmark that skipped itself has no figures. Fields: the library's "User Guide" and its JSON reporter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.importers import table
from loadgate.record.importers.foreign import benchmark, cpus, foreign_result, in_words, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_TIMES: Final = ("real_time", "cpu_time")
_RATES: Final = {"bytes_per_second": "bytes/s", "items_per_second": "1/s"}
_AGGREGATES: Final = ("mean", "median", "stddev", "cv")


class _Cache(msgspec.Struct):
    type: str
    level: int
    size: int


class _Context(msgspec.Struct):
    date: str = ""
    executable: str = ""
    num_cpus: int | None = None
    caches: list[_Cache] = []


class _Row(msgspec.Struct):
    """One repetition, or one statistic over all of them."""

    name: str
    run_name: str = ""
    run_type: str = "iteration"
    aggregate_name: str = ""
    repetitions: Annotated[int, msgspec.Meta(ge=0, le=10**12)] = 0
    time_unit: str = "ns"
    real_time: float | None = None
    cpu_time: float | None = None
    bytes_per_second: float | None = None
    items_per_second: float | None = None
    error_occurred: bool = False
    skipped: bool = False


class _File(msgspec.Struct):
    benchmarks: list[_Row]
    context: _Context = msgspec.field(default_factory=_Context)


def _detect(source: Source) -> bool:
    found: Any = source.json
    rows = found.get("benchmarks") if isinstance(found, dict) and "context" in found else None
    return isinstance(rows, list) and all(isinstance(row, dict) and "name" in row for row in rows[:1])


def _read(source: Source) -> list[Result]:
    file = source.shaped(_File)
    context = file.context
    caches = [
        f"L{cache.level}{'d' if cache.type == 'Data' else ''} {cache.size >> 10} KiB"
        for cache in context.caches
        if cache.type != "Instruction"
    ]
    return [
        foreign_result(
            source,
            "google benchmark",
            _figures(file.benchmarks),
            name=PurePosixPath(context.executable.replace("\\", "/")).name,
            started=moment(context.date),
            machine=in_words(cpus(context.num_cpus), *caches),
        )
    ]


def _figures(rows: Iterable[_Row]) -> Iterator[Figure]:
    repeated: dict[str, list[_Row]] = {}
    aggregates: dict[str, dict[str, _Row]] = {}
    for row in rows:
        name = row.run_name or row.name
        if row.error_occurred or row.skipped:  # its times are 0
            continue
        if row.run_type == "iteration":
            repeated.setdefault(name, []).append(row)
        elif row.aggregate_name in _AGGREGATES:  # the others are complexities and statistics of the user's own
            aggregates.setdefault(name, {})[row.aggregate_name] = row
    for name, found in repeated.items():
        for field in (*_TIMES, *_RATES):
            values = [float(value) for value in (getattr(row, field) for row in found) if value is not None]
            yield _figure(name, field, found[0].time_unit, estimate.mean(values))
    for name, statistics in aggregates.items():
        if name not in repeated and "mean" in statistics:
            for field in (*_TIMES, *_RATES):
                yield _figure(name, field, statistics["mean"].time_unit, _of_aggregates(statistics, field))


def _figure(name: str, field: str, time_unit: str, found: Estimate) -> Figure:
    direction = Direction.HIGHER if field in _RATES else Direction.LOWER
    return benchmark(name, field, _RATES.get(field, time_unit), found, direction)


def _of_aggregates(statistics: dict[str, _Row], field: str) -> Estimate:
    """The mean where the repetitions themselves were left out (`--benchmark_report_aggregates_only`)."""
    value, count = getattr(statistics["mean"], field), statistics["mean"].repetitions
    deviation = getattr(statistics["stddev"], field) if "stddev" in statistics else None
    return (
        Estimate(math.nan)
        if value is None
        else estimate.spread(value, math.nan if deviation is None else deviation, count)
    )


# -- CSV: no context, and aggregates are known by their names alone

_FEWEST: Final = 10
"""Columns of a benchmark that skipped itself: those of the user's counters are not there."""
_COLUMNS: Final = ("name", "iterations", "real_time", "cpu_time", "time_unit")


def _detect_csv(source: Source) -> bool:
    return tuple(table.header(source)[:5]) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    rows = [_csv_row(source, line, fields) for line, fields in table.rows(source, fewest=_FEWEST)]
    names = {row.name for row in rows}
    for row in rows:
        base, _, kind = row.name.rpartition("_")
        if kind in _AGGREGATES and all(f"{base}_{other}" in names for other in ("mean", "median", "stddev")):
            row.run_name, row.run_type, row.aggregate_name = base, "aggregate", kind
    return [foreign_result(source, "google benchmark", _figures(rows))]


def _csv_row(source: Source, line: int, fields: dict[str, str]) -> _Row:
    numbers = {
        field: table.number(source, line, field, fields[field]) if fields.get(field) else None
        for field in (*_TIMES, *_RATES)
    }
    skipped = bool(fields.get("error_message"))
    if not skipped and None in (numbers["real_time"], numbers["cpu_time"]):
        raise source.bad("a time is missing, and no error of the benchmark's own says why", line=line)
    # an aggregate's iterations are its repetitions; of plain rows they do not matter
    count = int(fields["iterations"]) if re.fullmatch("[0-9]{1,12}", fields["iterations"]) else 0
    row = _Row(fields["name"], repetitions=count, time_unit=fields["time_unit"] or "ns", skipped=skipped)
    for field, value in numbers.items():
        setattr(row, field, value)
    return row


FORMATS: Final = (
    Format("Google Benchmark JSON", _detect, _read),
    Format("Google Benchmark CSV", _detect_csv, _read_csv),
)
