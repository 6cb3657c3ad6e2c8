"""ghz, for gRPC: its report, JSON (`--format json` or `pretty`) and CSV. Times in JSON are nanoseconds, in CSV ms.

JSON has every call with its time, up to a million; the percentiles it prints are those of calls that went well.
Source: https://ghz.sh/docs/output (runner/reporter.go, printer/template.go)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.histogram import Histogram
from loadgate.measure.protocols import GRPC
from loadgate.record.digest import digest
from loadgate.record.importers import summary_report
from loadgate.record.importers.foreign import foreign_result, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import STATISTICS, Requests, run_id, statistic
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.text import Report, runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Figure, Result

_MS: Final = 1e6
"""Nanoseconds."""
_PERCENTS: Final = tuple(float(name[1:]) for name in STATISTICS if name != "avg")

# -- JSON


class _Options(msgspec.Struct):
    call: str = ""
    concurrency: int = 0
    rps: int = 0


class _Percentile(msgspec.Struct):
    percentage: float
    latency: int


class _Call(msgspec.Struct):
    timestamp: datetime
    latency: int
    error: str = ""
    status: str = ""


class _Whole(msgspec.Struct, rename="camel"):
    date: str
    count: int
    average: int
    rps: float
    name: str = ""
    options: _Options = msgspec.field(default_factory=_Options)
    error_distribution: dict[str, int] | None = None
    status_code_distribution: dict[str, int] | None = None
    latency_distribution: list[_Percentile] | None = None
    details: list[_Call] | None = None


def _detect(source: Source) -> bool:
    found = source.json
    return isinstance(found, dict) and {"latencyDistribution", "statusCodeDistribution", "rps", "date"} <= found.keys()


def _read(source: Source) -> list[Result]:
    found = source.shaped(_Whole)
    options = found.options
    figures = _of_calls(source, found.details) if found.details else list(_of_summary(found).figures())
    definition = digest({"call": options.call, "concurrency": options.concurrency, "rps": options.rps})
    name = found.name or options.call
    return [
        foreign_result(source, "ghz", figures, name=name, started=moment(found.date), definition=definition),
    ]


def _of_calls(source: Source, calls: Iterable[_Call]) -> list[Figure]:
    timeline = Timeline()
    key = timeline.requests("", GRPC)
    for call in calls:
        ms = call.latency / _MS
        try:
            timeline.add(call.timestamp.timestamp() + ms / 1000.0, key + _failed(call.status, call.error), ms)
        except (ValueError, OverflowError) as error:
            raise source.bad(f"no call of ghz in `details`: {error}") from None
    return timeline.figures()


def _of_summary(found: _Whole) -> Requests:
    statuses = found.status_code_distribution or {}
    times: dict[str, float | None] = {"avg": found.average / _MS}
    for each in found.latency_distribution or ():
        if each.percentage > 0:  # ghz leaves zeros where it has no time
            times[statistic(each.percentage)] = each.latency / _MS
    failed = sum(count for status, count in statuses.items() if _failed(status, ""))
    return Requests(times=times, total=found.count, failed=failed, rate=found.rps, protocol=GRPC)


def _failed(status: str, error: str) -> bool:
    return bool(error) or status.upper() != "OK"


# -- CSV, without the times of calls: no rate, and no errors of figures

_COLUMNS: Final = ("duration (ms)", "status", "error")


def _detect_csv(source: Source) -> bool:
    return tuple(header(source)) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    while not table.columns and table.line < 3:  # ghz begins with an empty line
        table.columns = next(table.raw(), [])
    whole, waiting, failed = Histogram(), [], 0
    for row in table.rows():
        try:
            ms = float(row[0])
            if not 0.0 <= ms < 1e15:
                raise ValueError(f"{row[0]} is no length of time")
        except ValueError as error:
            raise table.bad(f"no call of ghz: {error}") from None
        waiting.append(ms)
        failed += _failed(row[1], row[2])
        if len(waiting) >= 65_536:
            whole.merge(Histogram.of(waiting))
            waiting.clear()
    whole.merge(Histogram.of(waiting))
    times: dict[str, float | None] = {"avg": whole.mean if whole.count else None}
    times |= {
        statistic(p): found.value for p, found in zip(_PERCENTS, estimate.percentiles([whole], _PERCENTS), strict=True)
    }
    requests = Requests(times=times, total=whole.count, failed=failed, protocol=GRPC)
    return [foreign_result(source, "ghz", requests.figures())]


# -- the report

_BEGINNING: Final = re.compile(r"^Summary:\s*\n(?:\s+Name:.*\n)?\s+Count:\s", re.MULTILINE)


def _detect_text(source: Source) -> bool:
    return _BEGINNING.search(source.head) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, summary_report.START)
    results = []
    for part, report in enumerate(found, 1):
        name = report.find(r"\s+Name:\s+(\S.*)")
        results.append(
            foreign_result(
                source,
                "ghz",
                _requests(report).figures(),
                id=run_id(source, part, len(found)),
                name=name.text() if name is not None else "",
            )
        )
    return results


def _requests(report: Report) -> Requests:
    statuses = summary_report.statuses(report)
    return Requests(
        times=summary_report.times(report),
        total=report.need(r"\s+Count:\s+(\d+)", "`Count`").count(),
        failed=sum(count for status, count in statuses.items() if _failed(status, "")),
        rate=summary_report.rate(report),
        protocol=GRPC,
    )


FORMATS: Final = (
    Format("ghz JSON", _detect, _read),
    Format("ghz CSV", _detect_csv, _read_csv),
    Format("a report of ghz", _detect_text, _read_text),
)
