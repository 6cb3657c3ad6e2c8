"""hyperfine: `--export-json` and `--export-csv`, seconds per start.

Each time is a start of its own, so they are independent. The CSV does not say how many there were: no error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.record.importers import table
from loadgate.record.importers.foreign import benchmark, foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result

_FIELDS: Final = ("mean", "median", "user", "system")
_PARAMETER: Final = "parameter_"


class _Command(msgspec.Struct):
    command: str
    mean: float
    median: float
    user: float
    system: float
    parameters: dict[str, str] = {}
    times: list[float] = []
    memory_usage_byte: list[int] = []


class _File(msgspec.Struct):
    results: list[_Command]


def _detect(source: Source) -> bool:
    found: Any = source.json.get("results") if isinstance(source.json, dict) else None
    return (
        isinstance(found, list)
        and bool(found)
        and isinstance(found[0], dict)
        and {"command", "mean"} <= found[0].keys()
    )


def _read(source: Source) -> list[Result]:
    return [_result(source, source.shaped(_File).results)]


def _result(source: Source, results: list[_Command]) -> Result:
    repeated = len({one.command for one in results}) < len(results)
    for one in results:
        if repeated and one.parameters:  # a command given with `-n`, or one that does not use them
            one.command += f" ({', '.join(f'{key}={value}' for key, value in one.parameters.items())})"
    return foreign_result(source, "hyperfine", [figure for one in results for figure in _figures(one)])


def _figures(one: _Command) -> Iterator[Figure]:
    if one.times:
        yield benchmark(one.command, "mean", "s", estimate.mean(one.times))
        yield benchmark(one.command, "median", "s", estimate.median(one.times))
    else:
        yield benchmark(one.command, "mean", "s", Estimate(one.mean))
        yield benchmark(one.command, "median", "s", Estimate(one.median))
    yield benchmark(one.command, "user", "s", Estimate(one.user, count=len(one.times)))
    yield benchmark(one.command, "system", "s", Estimate(one.system, count=len(one.times)))
    if one.memory_usage_byte:
        yield benchmark(one.command, "memory", "bytes", estimate.mean(one.memory_usage_byte))


def _detect_csv(source: Source) -> bool:
    return {"command", *_FIELDS, "stddev"} <= set(table.header(source))


def _read_csv(source: Source) -> list[Result]:
    commands = []
    for line, row in table.rows(source):
        mean, median, user, system = (table.number(source, line, field, row[field]) for field in _FIELDS)
        parameters = {key.removeprefix(_PARAMETER): row[key] for key in row if key.startswith(_PARAMETER)}
        commands.append(_Command(row["command"], mean, median, user, system, parameters))
    return [_result(source, commands)]


FORMATS: Final = (
    Format("hyperfine JSON", _detect, _read),
    Format("hyperfine CSV", _detect_csv, _read_csv),
)
