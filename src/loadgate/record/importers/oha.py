"""oha: its report, JSON (`--output-format json`, before `--json`) and CSV. Times in JSON and CSV are seconds.

A request that the end of a run cut off ("aborted due to deadline") is none that failed, as oha itself has it.
Source: https://github.com/hatoo/oha (schema.json, src/printer.rs)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from loadgate.record.importers import summary_report
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, failures, run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.text import runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

_DEADLINE: Final = "aborted due to deadline"


def _requests(
    times: Mapping[str, float | None], statuses: Mapping[str, int], errors: Mapping[str, int], rate: float | None
) -> Requests:
    lost = sum(count for error, count in errors.items() if error != _DEADLINE)
    return Requests(times=times, total=sum(statuses.values()) + lost, failed=failures(statuses) + lost, rate=rate)


# -- the report

_BEGINNING: Final = re.compile(r"^Summary:\s*\n\s+Success rate:", re.MULTILINE)


def _detect_text(source: Source) -> bool:
    return _BEGINNING.search(source.head) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, summary_report.START)
    results = []
    for part, report in enumerate(found, 1):
        requests = _requests(
            summary_report.times(report),
            summary_report.statuses(report),
            summary_report.errors(report),
            summary_report.rate(report),
        )
        results.append(foreign_result(source, "oha", requests.figures(), id=run_id(source, part, len(found))))
    return results


# -- JSON


class _Summary(msgspec.Struct, rename="camel"):
    average: float | None
    requests_per_sec: float | None


class _Report(msgspec.Struct, rename="camel"):
    summary: _Summary
    latency_percentiles: dict[str, float | None]
    status_code_distribution: dict[str, int]
    error_distribution: dict[str, int] = {}


def _detect(source: Source) -> bool:
    found = source.json
    return isinstance(found, dict) and {"summary", "latencyPercentiles", "statusCodeDistribution"} <= found.keys()


def _read(source: Source) -> list[Result]:
    found = source.shaped(_Report)
    seconds = {**found.latency_percentiles, "avg": found.summary.average}
    times = {name: value * 1000.0 if value is not None else None for name, value in seconds.items()}
    requests = _requests(
        times, found.status_code_distribution, found.error_distribution, found.summary.requests_per_sec
    )
    return [foreign_result(source, "oha", requests.figures())]


# -- CSV: requests that got no reply are not in it

_COLUMNS: Final = ("request-start", "DNS", "DNS+dialup", "Response-delay", "request-duration")


def _detect_csv(source: Source) -> bool:
    return tuple(header(source)[:5]) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    status_at = table.index("status")
    timeline = Timeline()
    for row in table.rows():
        try:
            start, seconds, status = float(row[0]), float(row[4]), int(row[status_at])
            timeline.add(start + seconds, timeline.requests("") + (not 100 <= status < 400), seconds * 1000.0)
        except ValueError as error:
            raise table.bad(f"no request of oha: {error}") from None
    return [foreign_result(source, "oha", timeline.figures())]


FORMATS: Final = (
    Format("a report of oha", _detect_text, _read_text),
    Format("oha JSON", _detect, _read),
    Format("oha CSV", _detect_csv, _read_csv),
)
