"""bombardier: its report, and JSON (`--print result --format json`). Times in JSON are microseconds.

Percentiles are there with `--latencies` only, and no 95th before version 1.2.5.
Source: https://github.com/codesenberg/bombardier (templates.go)
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from loadgate.record.digest import digest
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, path_of, run_id, statistic
from loadgate.record.importers.source import Source
from loadgate.record.importers.text import Report, runs
from loadgate.record.result import Result

# -- JSON


class _Spec(msgspec.Struct, rename="camel"):
    url: str = ""
    method: str = ""
    number_of_connections: int = 0


class _Latency(msgspec.Struct):
    mean: float
    percentiles: dict[str, float] = {}


class _Counts(msgspec.Struct, rename="camel"):
    time_taken_seconds: float
    req1xx: int
    req2xx: int
    req3xx: int
    req4xx: int
    req5xx: int
    others: int
    latency: _Latency | None = None


class _Whole(msgspec.Struct):
    result: _Counts
    spec: _Spec | None = None


def _detect(source: Source) -> bool:
    found = source.json
    result = found.get("result") if isinstance(found, dict) else None
    return isinstance(result, dict) and {"timeTakenSeconds", "req2xx", "others"} <= result.keys()


def _read(source: Source) -> list[Result]:
    found = source.shaped(_Whole)
    counts = found.result
    total = counts.req1xx + counts.req2xx + counts.req3xx + counts.req4xx + counts.req5xx + counts.others
    times: dict[str, float | None] = {}
    if counts.latency is not None:
        times["avg"] = counts.latency.mean / 1000.0
        for percent, us in counts.latency.percentiles.items():
            if not re.fullmatch(r"\s*\d{1,3}(\.\d+)?\s*", percent):
                raise source.bad(f"`{percent[:40]}` among the percentiles is not a number")
            times[statistic(float(percent))] = us / 1000.0
    length = counts.time_taken_seconds
    requests = Requests(
        times=times,
        total=total,
        failed=counts.req4xx + counts.req5xx + counts.others,
        rate=total / length if length > 0.0 else None,
    )
    spec = found.spec or _Spec()
    path = path_of(spec.url) if spec.url else ""
    name = f"{spec.method} {path}".strip()
    definition = digest({"name": name, "connections": spec.number_of_connections}) if found.spec is not None else ""
    return [foreign_result(source, "bombardier", requests.figures(), name=name, definition=definition)]


# -- the report

_START: Final = r"Statistics\s+Avg\s+Stdev\s+Max"


def _detect_text(source: Source) -> bool:
    return re.search(rf"^{_START}\s*$", source.head, re.MULTILINE) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, _START)
    return [
        foreign_result(source, "bombardier", _requests(report).figures(), id=run_id(source, part, len(found)))
        for part, report in enumerate(found, 1)
    ]


def _requests(report: Report) -> Requests:
    rate = report.find(r"\s+Reqs/sec\s+(\S+)")
    mean = report.find(r"\s+Latency\s+(?!Distribution)(\S+)")
    codes = report.need(
        r"\s+1xx - (\d+), 2xx - (\d+), 3xx - (\d+), 4xx - (\d+), 5xx - (\d+)", "line of HTTP codes (`1xx - ...`)"
    )
    others = report.need(r"\s+others - (\d+)", "line of `others`").count()
    times: dict[str, float | None] = {"avg": mean.ms() if mean is not None else None}
    for line in report.all(r"\s+(\d+(?:\.\d+)?)%\s+(\S+)"):
        percent = line.number(1)
        times[statistic(percent if percent is not None else 0.0)] = line.ms(2)
    return Requests(
        times=times,
        total=sum(codes.count(group) for group in range(1, 6)) + others,
        failed=codes.count(4) + codes.count(5) + others,
        rate=rate.number() if rate is not None else None,
    )


FORMATS: Final = (
    Format("bombardier JSON", _detect, _read),
    Format("a report of bombardier", _detect_text, _read_text),
)
