"""criterion.rs: `target/criterion`, or one `estimates.json` in it.

The estimates are of one process and in nanoseconds per iteration. A folder keeps what earlier runs left of benchmarks that
are no more; `new` is the last run of each. Layout and fields: the book of Criterion.rs, and its crate 0.3 to 0.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.record.importers.foreign import benchmark, foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result


class _Interval(msgspec.Struct):
    confidence_level: float
    lower_bound: float
    upper_bound: float


class _Statistic(msgspec.Struct):
    confidence_interval: _Interval
    point_estimate: float


class _Estimates(msgspec.Struct):
    mean: _Statistic
    median: _Statistic
    std_dev: _Statistic | None = None


class _Benchmark(msgspec.Struct):
    full_id: str


_FILES: Final = "new/estimates.json"


def _detect(source: Source) -> bool:
    if source.is_folder:
        return source.holds(_FILES)
    mean = source.json.get("mean") if isinstance(source.json, dict) else None
    return isinstance(mean, dict) and "confidence_interval" in mean and "point_estimate" in mean


def _read(source: Source) -> list[Result]:
    files = source.inside(_FILES) if source.is_folder else [source]
    figures = [figure for file in files for figure in _figures(file, source.path)]
    digest = hashlib.sha256("".join(file.digest for file in files).encode()).hexdigest()[:16]
    started = max(file.modified for file in files)
    return [foreign_result(source, "criterion", figures, id=digest, started=started)]


def _figures(file: Source, root: Path) -> Iterator[Figure]:
    found = file.shaped(_Estimates)
    if found.std_dev is None:
        raise file.bad("is what criterion found in comparing, not times", hint=f"give the folder, or `{_FILES}` in it")
    name = _name(file, root)
    yield benchmark(name, "mean", "ns", _estimate(found.mean))
    yield benchmark(name, "median", "ns", _estimate(found.median))


def _estimate(found: _Statistic) -> Estimate:
    bounds = found.confidence_interval
    if not 0.0 < bounds.confidence_level < 1.0:
        return Estimate(found.point_estimate)
    z = NormalDist().inv_cdf(0.5 + bounds.confidence_level / 2.0)
    return estimate.interval(found.point_estimate, bounds.lower_bound, bounds.upper_bound, z=z)


def _name(file: Source, root: Path) -> str:
    """As criterion printed it; in a folder without its note, from the path."""
    note = file.path.parent / "benchmark.json"
    if note.is_file():
        return Source(note).shaped(_Benchmark).full_id
    if file.path.parent.name not in ("new", "base"):
        return "benchmark"
    folders = file.path.resolve().parent.parent.parts
    above = root.resolve().parts
    if root != file.path and folders[: len(above)] == above and len(folders) > len(above):
        return "/".join(folders[len(above) :])
    after = [at for at, part in enumerate(folders) if part == "criterion"]
    return "/".join(folders[after[-1] + 1 :] if after else folders[-1:]) or "benchmark"


FORMAT: Final = Format("criterion.rs estimates", _detect, _read)
