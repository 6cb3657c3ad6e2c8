"""The formats for what no tool writes: rows of `timestamp,commit,series,value,unit,direction`, as CSV or JSON.

Described in docs/importing.md. Rows of one timestamp and commit are one run, wherever in the file they stand. A history of
1,000,000 rows is read in about the time Python takes to split it: what is the same in many rows is looked at once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from operator import itemgetter, methodcaller
from typing import Any, Final

import msgspec
import numpy as np

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.importers import table
from loadgate.record.importers.foreign import moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.redact import redact_name
from loadgate.record.result import Figure, Result, SeriesName

COLUMNS: Final = ("timestamp", "commit", "series", "value", "unit", "direction")
_LATEST: Final = 1e11
"""Unix seconds of the year 5138: more are milliseconds."""
_LARGEST: Final = 1.7e308
_SPLIT: Final = methodcaller("split", ",")
_SHARE: Final = "share"
_PERCENT: Final = "divide percentages by 100, or give them the unit `%`"
_DIRECTIONS: Final = {"lower": Direction.LOWER, "higher": Direction.HIGHER}

Run = dict[str, Figure]
Key = tuple[str | float, str]
"""Timestamp as written, and commit."""
Runs = dict[tuple[float, str], Run]
"""By the instant, which may be written in several ways, and commit; in the order of the file."""


class _Row(msgspec.Struct):
    """A row of the JSON. `samples` are repeated measurements, independent of each other, in place of `value`."""

    timestamp: str | float
    series: str
    direction: str
    commit: str = ""
    unit: str = ""
    value: float | None = None
    samples: list[float] | None = None


class _Rows(msgspec.Struct):
    results: list[_Row]


# -- CSV


def _detect_csv(source: Source) -> bool:
    return {"timestamp", "series", "value"} <= set(table.header(source))


def _read_csv(source: Source) -> list[Result]:
    names = table.header(source)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise source.bad(
            f"the column `{missing[0]}` is missing", line=1, hint=f"the columns are {','.join(COLUMNS)}, in any order"
        )
    pick, width = itemgetter(*(names.index(column) for column in COLUMNS)), len(names)
    runs: Runs = {}
    written: dict[Key, Run] = {}
    kinds: dict[tuple[str, str, str], tuple[SeriesName, str, Direction]] = {}
    at: str | None = None
    of: str | None = None
    run: Run = {}
    for line, row in _csv_rows(source):
        if len(row) != width:
            if row in ([], [""]):
                continue
            raise source.bad(f"{len(row)} fields where the header names {width}", line=line)
        timestamp, commit, series, text, unit, direction = pick(row)
        if timestamp != at or commit != of:
            at, of = timestamp, commit
            run = _run(source, runs, written, (at, of), line)
        kind = kinds.get((series, unit, direction))
        if kind is None:
            kind = kinds[series, unit, direction] = _kind(source, line, series, unit, direction)
        try:
            value = float(text)
        except ValueError:
            raise source.bad(f"`value` must be a number, is `{text[:40]}`", line=line) from None
        if not -_LARGEST < value < _LARGEST:
            raise source.bad(f"`value` must be a finite number, is `{text[:40]}`: leave the row out", line=line)
        if unit == _SHARE and not 0.0 <= value <= 1.0:
            raise source.bad(f"a share lies between 0 and 1, `value` is `{text[:40]}`", line=line, hint=_PERCENT)
        name = kind[0].metric
        if name in run:
            raise source.bad(f"`{name}` is given a second time for the same timestamp and commit", line=line)
        run[name] = Figure(*kind, Estimate(value))
    return _results(runs)


def _csv_rows(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row after the header."""
    text = source.text
    if '"' not in text:
        lines = text.replace("\r\n", "\n").split("\n")
        del lines[0]
        return enumerate(map(_SPLIT, lines), 2)
    return _quoted_rows(source, text)


def _quoted_rows(source: Source, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        next(reader, None)
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise source.bad(f"is no CSV from here on: {error}", line=reader.line_num) from None


# -- JSON


def _detect_json(source: Source) -> bool:
    found: Any = source.json
    rows = found.get("results") if isinstance(found, dict) else found
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and {"timestamp", "series"} <= first.keys()


def _read_json(source: Source) -> list[Result]:
    rows = source.shaped(_Rows).results if isinstance(source.json, dict) else source.shaped(list[_Row])
    runs: Runs = {}
    written: dict[Key, Run] = {}
    for at, row in enumerate(rows):
        where = f"row {at + 1}: "
        kind = _kind(source, 0, row.series, row.unit, row.direction, where)
        if (row.value is None) == (not row.samples):
            raise source.bad(f"{where}either `value` or `samples` was expected")
        found = Estimate(row.value) if row.value is not None else estimate.median(row.samples or [])
        if not -_LARGEST < found.value < _LARGEST:
            raise source.bad(f"{where}the value must be a finite number: leave the row out")
        for each in row.samples or [found.value] if row.unit == _SHARE else ():
            if not 0.0 <= each <= 1.0:
                raise source.bad(f"{where}a share lies between 0 and 1, this is {each:g}", hint=_PERCENT)
        run = _run(source, runs, written, (row.timestamp, row.commit), 0, where)
        name = kind[0].metric
        if name in run:
            raise source.bad(f"{where}`{name}` is given a second time for the same timestamp and commit")
        run[name] = Figure(*kind, found)
    return _results(runs)


# -- both


def _kind(
    source: Source, line: int, series: str, unit: str, direction: str, where: str = ""
) -> tuple[SeriesName, str, Direction]:
    known = _DIRECTIONS.get(direction.strip().lower())
    if known is None:
        raise source.bad(f"{where}`direction` must be `lower` or `higher`, is `{direction[:40]}`", line=line)
    if not series.strip():
        raise source.bad(f"{where}`series` must be a name, is empty", line=line)
    return SeriesName("", redact_name(series), ""), unit, known


def _run(source: Source, runs: Runs, written: dict[Key, Run], key: Key, line: int, where: str = "") -> Run:
    """The run in `runs` that a row with `key` belongs to, made where it is the first; `written` is what was found before."""
    run = written.get(key)
    if run is None:
        timestamp, commit = key
        run = written[key] = runs.setdefault((_seconds(source, timestamp, line, where), commit), {})
    return run


def _results(runs: Runs) -> list[Result]:
    """A result per run, oldest first; of one instant in the order of the file, in which commits followed each other."""
    return [
        Result(
            id=_id(started, commit, run),
            tool="generic",
            name="",
            started=started,
            commit=commit,
            branch="",
            machine="",
            definition="",
            word=None,
            figures=tuple(run.values()),
        )
        for (started, commit), run in sorted(runs.items(), key=lambda item: item[0][0])
    ]


def _seconds(source: Source, timestamp: str | float, line: int, where: str) -> float:
    found: float | None
    try:
        found = float(timestamp)
    except ValueError:
        found = moment(str(timestamp))
    if found is None or not 0.0 <= found < _LATEST:
        what = f"{where}`timestamp` must be ISO 8601 or Unix seconds, is `{str(timestamp)[:40]}`"
        raise source.bad(what, line=line)
    return found


def _id(started: float, commit: str, run: Run) -> str:
    """From the run's own rows, so that it stays the same run when a file has grown, and is another when one is corrected."""
    digest = hashlib.sha256(f"{started!r} {commit}\n".encode("utf-8", "replace"))
    rows = (f"{name}\t{figure.unit}\t{figure.direction.value}" for name, figure in run.items())
    digest.update("\n".join(rows).encode("utf-8", "replace"))
    digest.update(np.array([figure.estimate.value for figure in run.values()]).tobytes())
    return digest.hexdigest()[:16]


FORMATS: Final = (
    Format("CSV of timestamp,commit,series,value,unit,direction", _detect_csv, _read_csv),
    Format("JSON of timestamp, commit, series, value, unit, direction", _detect_json, _read_json),
)
