"""h2load: its report, and a row for each request with `--log-file`.

The report has a mean, and percentiles from version 1.65 on; the log has a start in microseconds since 1970, a status (-1
without a reply) and a length in microseconds.
Source: https://nghttp2.org/documentation/h2load.1.html
"""

from __future__ import annotations

import re
from typing import Final

from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.text import Report, runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

# -- the report

_START: Final = r"finished in \S+, \S+ req/s"
_STATISTIC: Final = {"mean": "avg", "median": "p50", "p95": "p95", "p99": "p99"}


def _detect_text(source: Source) -> bool:
    return re.search(rf"^(?:{_START}|starting benchmark\.\.\.\s*$)", source.head, re.MULTILINE) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, _START)
    if not found:
        raise source.bad("the report of h2load ends without its line `finished in`", hint="it may have been cut off")
    return [
        foreign_result(source, "h2load", _requests(report).figures(), id=run_id(source, part, len(found)))
        for part, report in enumerate(found, 1)
    ]


def _requests(report: Report) -> Requests:
    rate = report.need(r"finished in \S+, (\S+) req/s", "rate").number()
    counts = report.need(r"requests: (\d+) total, .*, (\d+) succeeded, (\d+) failed,", "line of `requests`")
    columns = report.need(r"\s+(min\s+max\s.*)", "table of times").text().replace("+/- sd", "").split()
    cells = r"\s+(\S+)" * len(columns)
    row = report.need(r"(?:time for request|request\s*):" + cells, "line of request times")
    return Requests(
        times={_STATISTIC[name]: row.ms(at) for at, name in enumerate(columns, 1) if name in _STATISTIC},
        total=counts.count(1),
        failed=counts.count(3),
        rate=rate,
    )


# -- the log

_ROW: Final = re.compile(r"(\d{14,17})\t(-1|\d{3})\t(\d{1,15})(?:\t|$)")


def _detect_log(source: Source) -> bool:
    return _ROW.match(source.head.partition("\n")[0].rstrip("\r")) is not None


def _read_log(source: Source) -> list[Result]:
    timeline = Timeline()
    for number, line in enumerate(source.lines(), 1):
        row = _ROW.match(line)
        if row is None:
            raise source.bad("no request of h2load: its start, status and length were expected", line=number)
        status, us = int(row[2]), int(row[3])
        try:
            timeline.add((int(row[1]) + us) / 1e6, timeline.requests("") + (not 100 <= status < 400), us / 1000.0)
        except ValueError as error:
            raise source.bad(f"no request of h2load: {error}", line=number) from None
    return [foreign_result(source, "h2load", timeline.figures(), started=timeline.begin)]


FORMATS: Final = (
    Format("a report of h2load", _detect_text, _read_text),
    Format("h2load log", _detect_log, _read_log),
)
