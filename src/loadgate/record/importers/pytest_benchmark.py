"""pytest-benchmark: the file of `--benchmark-json`, or a saved run. Seconds per iteration.

The rounds are of one process, and so is the error: how far two starts lie apart does not show in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.record.importers.foreign import benchmark, cpus, foreign_result, in_words, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result


class _Stats(msgspec.Struct):
    mean: float
    median: float
    stddev: float
    rounds: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    data: list[float] = []


class _Benchmark(msgspec.Struct):
    fullname: str
    stats: _Stats


class _Cpu(msgspec.Struct):
    brand_raw: str = ""
    count: float | None = None


class _Machine(msgspec.Struct):
    system: str = ""
    machine: str = ""
    cpu: _Cpu | str | None = None


class _Commit(msgspec.Struct):
    id: str | None = ""
    branch: str | None = ""


class _File(msgspec.Struct):
    benchmarks: list[_Benchmark]
    machine_info: _Machine
    commit_info: _Commit | None = None
    datetime: str = ""


def _detect(source: Source) -> bool:
    found: Any = source.json
    return isinstance(found, dict) and "machine_info" in found and "benchmarks" in found


def _read(source: Source) -> list[Result]:
    file = source.shaped(_File)
    cpu = file.machine_info.cpu if isinstance(file.machine_info.cpu, _Cpu) else _Cpu()
    commit = file.commit_info or _Commit()
    system = f"{file.machine_info.system} {file.machine_info.machine}"
    return [
        foreign_result(
            source,
            "pytest-benchmark",
            [figure for one in file.benchmarks for figure in _figures(one)],
            started=moment(file.datetime),
            commit=commit.id or "",
            branch=commit.branch or "",
            machine=in_words(system, cpus(cpu.count), cpu.brand_raw),
        )
    ]


def _figures(one: _Benchmark) -> Iterator[Figure]:
    stats = one.stats
    kept = len(stats.data) == stats.rounds
    median = estimate.median(stats.data) if kept else Estimate(stats.median, count=stats.rounds)
    yield benchmark(one.fullname, "mean", "s", estimate.spread(stats.mean, stats.stddev, stats.rounds))
    yield benchmark(one.fullname, "median", "s", median)


FORMAT: Final = Format("pytest-benchmark JSON", _detect, _read)
