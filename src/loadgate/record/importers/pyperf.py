"""pyperf: the file of one benchmark or of a suite.

A run is a process. Its values share its memory layout and hashing, so the runs are what is repeated: the figure is the mean
of all values, its error that of the means of the runs. Runs without values calibrate loops and are no measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace

from loadgate.measure import estimate
from loadgate.record.importers.foreign import benchmark, cpus, foreign_result, in_words, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_UNITS: Final = {"second": "s", "byte": "bytes", "integer": "count"}


class _Metadata(msgspec.Struct):
    name: str | None = None
    unit: str | None = None
    date: str | None = None
    cpu_model_name: str | None = None
    cpu_count: int | None = None
    platform: str | None = None
    commit_id: str | None = None
    commit_branch: str | None = None
    mem_max_rss: float | None = None


class _Run(msgspec.Struct):
    values: list[float] = []
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Benchmark(msgspec.Struct):
    runs: list[_Run]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Suite(msgspec.Struct):
    benchmarks: list[_Benchmark]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def _detect(source: Source) -> bool:
    found: Any = source.json
    first = (found.get("benchmarks") or [None]) if isinstance(found, dict) else [None]
    return isinstance(first, list) and isinstance(first[0], dict) and "runs" in first[0]


def _read(source: Source) -> list[Result]:
    suite = source.shaped(_Suite)
    common = suite.metadata
    dates = [common.date, *(run.metadata.date for one in suite.benchmarks for run in one.runs)]
    begun = [at for at in (moment(date) for date in dates if date) if at is not None]
    return [
        foreign_result(
            source,
            "pyperf",
            [figure for one in suite.benchmarks for figure in _figures(source, one, common)],
            started=min(begun, default=None),
            commit=common.commit_id or "",
            branch=common.commit_branch or "",
            machine=in_words(_system(common.platform or ""), cpus(common.cpu_count), common.cpu_model_name or ""),
        )
    ]


def _figures(source: Source, one: _Benchmark, common: _Metadata) -> Iterator[Figure]:
    name = one.metadata.name or common.name
    if not name:
        raise source.bad("a benchmark has no `name` in its metadata")
    runs = [run for run in one.runs if run.values]
    unit = one.metadata.unit or common.unit or "second"
    values = np.array([value for run in runs for value in run.values])
    if len(values):
        found = estimate.mean([float(np.mean(run.values)) for run in runs])
        yield benchmark(
            name, "mean", _UNITS.get(unit, unit), replace(found, value=float(values.mean()), count=len(values))
        )
    memory = [run.metadata.mem_max_rss for run in runs if run.metadata.mem_max_rss is not None]
    if memory:
        yield benchmark(name, "mem_max_rss", "bytes", estimate.mean(memory))


def _system(platform: str) -> str:
    """ "Linux-6.1.0-18-amd64-x86_64-with-glibc2.36" without the releases, which change every few weeks."""
    parts = platform.partition("-with-")[0].split("-")
    return f"{parts[0]} {parts[-1]}" if len(parts) > 1 else platform


FORMAT: Final = Format("pyperf JSON", _detect, _read)
