"""asv (airspeed velocity): a file of its results, or the folder, one result per commit and environment.

`started` is the date of the commit, not that of the measurement: asv measures old commits late and in any order. Where the
folder's benchmarks.json says that a benchmark has been changed since, its older values are left out, as asv does itself.
Format: asv's developer documentation, "File format", version 2 of it (asv 0.4.2 and later).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.record.importers.foreign import benchmark, cpus, foreign_result, in_words
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_Z: Final = NormalDist().inv_cdf(0.995)
"""Of `stats_ci_99_a` and `_b`."""
_UNITS: Final = {"seconds": "s"}
_MINE: Final = ("machine.json", "benchmarks.json")


class _Machine(msgspec.Struct):
    machine: str = ""
    os: str | None = ""
    arch: str | None = ""
    cpu: str | None = ""
    num_cpu: str | int | None = ""


class _Results(msgspec.Struct):
    commit_hash: str
    date: float
    params: _Machine
    result_columns: list[str]
    results: dict[str, list[Any]]
    env_name: str | None = ""


class _Benchmark(msgspec.Struct):
    unit: str | None = None
    version: str | None = None


class _Row(msgspec.Struct):
    """One benchmark: a value per combination of parameters, null where it failed, NaN where it was not to run."""

    result: list[float | None] | None = None
    params: list[list[str]] = []
    version: str | None = None
    stats_ci_99_a: list[float | None] | None = None
    stats_ci_99_b: list[float | None] | None = None
    stats_repeat: list[float | None] | None = None
    samples: list[list[float] | None] | None = None


def _detect(source: Source) -> bool:
    if source.is_folder:
        return source.holds("machine.json") and any(_is_results(file) for file in source.inside("*.json"))
    return _is_results(source)


def _is_results(source: Source) -> bool:
    return isinstance(source.json, dict) and {"commit_hash", "result_columns", "results"} <= source.json.keys()


def _read(source: Source) -> list[Result]:
    files = [file for file in source.inside("*.json") if file.path.name not in _MINE] if source.is_folder else [source]
    found = [_result(file, checked=source.is_folder) for file in files]
    return sorted(found, key=lambda result: result.started)


def _result(source: Source, *, checked: bool) -> Result:
    if not _is_results(source):
        raise source.broken or source.bad("is no result of asv, and the folder holds nothing else")
    file = source.shaped(_Results)
    known = _benchmarks(source.path.parent.parent)
    if not known and not checked:
        known = _benchmarks(source.path.parent)
    figures: list[Figure] = []
    for name, values in file.results.items():
        row = _row(source, name, file.result_columns, values)
        current = known.get(name, _Benchmark())
        if checked and known and None not in (row.version, current.version) and row.version != current.version:
            continue
        figures += _figures(name, row, current.unit or _unit(name))
    return foreign_result(
        source,
        "asv",
        figures,
        name=file.env_name or "",
        started=file.date / 1000.0,
        commit=file.commit_hash,
        machine=_machine(file.params),
    )


def _benchmarks(folder: Path) -> Mapping[str, _Benchmark]:
    path = folder / "benchmarks.json"
    if not path.is_file():
        return {}
    source = Source(path)
    found = source.shaped(dict[str, _Benchmark | int])
    return {name: one for name, one in found.items() if isinstance(one, _Benchmark)}


def _row(source: Source, name: str, columns: list[str], values: list[Any]) -> _Row:
    try:
        row = msgspec.convert(
            {key: value for key, value in zip(columns, values, strict=False) if value is not None}, _Row
        )
    except (msgspec.ValidationError, OverflowError) as error:
        raise source.bad(f"`{name}`: {error}") from None
    count = math.prod(len(choices) for choices in row.params)
    if row.result is not None and len(row.result) != count:
        raise source.bad(f"`{name}` has {len(row.result)} values for {count} combinations of parameters")
    return row


def _figures(name: str, row: _Row, unit: str) -> Iterator[Figure]:
    for at, choice in enumerate(itertools.product(*row.params)):
        value = row.result[at] if row.result is not None else None
        if value is not None and math.isfinite(value):
            label = f"{name}({', '.join(choice)})" if choice else name
            yield benchmark(label, "", _UNITS.get(unit, unit), _estimate(value, row, at))


def _estimate(value: float, row: _Row, at: int) -> Estimate:
    """The median, with the error of its samples where asv kept them, else that of its interval."""
    samples = _at(row.samples, at)
    if samples:
        return estimate.median(samples)
    low, high, repeat = (_at(column, at) for column in (row.stats_ci_99_a, row.stats_ci_99_b, row.stats_repeat))
    if low is None or high is None or not repeat or repeat < 2:
        return Estimate(value)
    found = estimate.interval(value, low, high, z=_Z, freedom=repeat - 1.0)
    return Estimate(value, found.error, found.freedom, round(repeat))


def _at(column: list[Any] | None, at: int) -> Any:
    return column[at] if column is not None and at < len(column) else None


def _unit(name: str) -> str:
    """As the name of the function tells: `time_...`, `timeraw_...`, `mem_...`, `peakmem_...`; "" for `track_...`."""
    kind = name.rpartition(".")[2].partition("_")[0]
    return {"time": "s", "timeraw": "s", "mem": "bytes", "peakmem": "bytes"}.get(kind, "")


def _machine(params: _Machine) -> str:
    try:
        count = float(params.num_cpu or 0)
    except ValueError:
        count = 0.0
    return in_words(params.machine, f"{params.os or ''} {params.arch or ''}", cpus(count), params.cpu or "")


FORMAT: Final = Format("asv results", _detect, _read)
