"""hey: its report, and a row for each request with `-o csv`. Times in both are seconds.

Source: https://github.com/rakyll/hey (requester/print.go)
"""

from __future__ import annotations

import re
from typing import Final

from loadgate.record.importers import summary_report
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, failures, run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.text import Report, runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

_BEGINNING: Final = re.compile(r"^Summary:\s*\n\s+Total:\s+\S+ secs\b", re.MULTILINE)


def _detect(source: Source) -> bool:
    return _BEGINNING.search(source.head) is not None


def _read(source: Source) -> list[Result]:
    found = runs(source, summary_report.START)
    return [
        foreign_result(source, "hey", _requests(report).figures(), id=run_id(source, part, len(found)))
        for part, report in enumerate(found, 1)
    ]


def _requests(report: Report) -> Requests:
    lost = sum(summary_report.errors(report).values())
    statuses = summary_report.statuses(report)
    return Requests(
        times=summary_report.times(report),
        total=sum(statuses.values()) + lost,
        failed=failures(statuses) + lost,
        rate=summary_report.rate(report),
    )


# -- CSV: requests that got no reply are not in it

_COLUMNS: Final = ("response-time", "DNS+dialup", "DNS", "Request-write", "Response-delay", "Response-read")
_GRAIN: Final = 0.1
"""Milliseconds: hey prints four decimals of a second."""


def _detect_csv(source: Source) -> bool:
    return tuple(header(source)[:6]) == _COLUMNS


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    status_at, offset_at = table.index("status-code"), table.index("offset")
    found = [Timeline(grain=_GRAIN)]
    for row in table.rows():
        if row[0] == _COLUMNS[0]:
            found.append(Timeline(grain=_GRAIN))
            continue
        try:
            seconds, offset, status = float(row[0]), float(row[offset_at]), int(row[status_at])
            found[-1].add(offset + seconds, found[-1].requests("") + (not 100 <= status < 400), seconds * 1000.0)
        except ValueError as error:
            raise table.bad(f"no request of hey: {error}") from None
    return [
        foreign_result(source, "hey", timeline.figures(), id=run_id(source, part, len(found)))
        for part, timeline in enumerate(found, 1)
    ]


FORMATS: Final = (
    Format("a report of hey", _detect, _read),
    Format("hey CSV", _detect_csv, _read_csv),
)
