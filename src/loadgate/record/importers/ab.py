"""ApacheBench: its report, its percentiles (`-e FILE`, finer than the report's) and its requests (`-g FILE`).

Times are milliseconds, whole ones but for `-e`. What ab calls failed for its length is none that failed here: a page may be
longer the next time.
Source: https://httpd.apache.org/docs/2.4/programs/ab.html
"""

from __future__ import annotations

import re
from typing import Final

from loadgate.record.digest import digest
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import STATISTICS, Requests, path_of, run_id, statistic
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.text import Report, runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

# -- the report

_START: Final = r"This is ApacheBench, Version"


def _detect_text(source: Source) -> bool:
    return re.search(rf"^{_START}", source.head, re.MULTILINE) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, _START)
    return [_result(source, report, run_id(source, part, len(found))) for part, report in enumerate(found, 1)]


def _result(source: Source, report: Report, id: str) -> Result:
    path = path_of(report.need(r"Document Path:\s+(\S+)", "`Document Path`").text())
    users = report.need(r"Concurrency Level:\s+(\d+)", "`Concurrency Level`").count()
    total = report.need(r"Complete requests:\s+(\d+)", "`Complete requests`").count()
    failed = report.need(r"Failed requests:\s+(\d+)", "`Failed requests`").count()
    reasons = report.find(r"\s+\(Connect: (\d+), Receive: (\d+), Length: (\d+), Exceptions: (\d+)\)")
    if reasons is not None:
        failed -= reasons.count(3)
    statuses = report.find(r"Non-2xx responses:\s+(\d+)")
    times = {"avg": report.need(r"Time per request:\s+(\S+) \[ms\] \(mean\)", "`Time per request`").number()}
    for line in report.all(r"\s+(\d+)%\s+(\S+)"):
        times[statistic(line.count(1))] = line.number(2)
    requests = Requests(
        times=times,
        total=total,
        failed=max(0, failed) + (statuses.count() if statuses is not None else 0),
        rate=report.need(r"Requests per second:\s+(\S+)", "`Requests per second`").number(),
    )
    definition = digest({"path": path, "concurrency": users})
    return foreign_result(source, "ab", requests.figures(), id=id, name=path, definition=definition)


# -- percentiles

_PERCENTILES: Final = ["Percentage served", "Time in ms"]


def _detect_percentiles(source: Source) -> bool:
    return list(header(source)) == _PERCENTILES


def _read_percentiles(source: Source) -> list[Result]:
    table = Table(source)
    times: dict[str, float | None] = {}
    percent = -1
    for row in table.rows():
        try:
            percent, value = int(row[0]), float(row[1])
        except ValueError:
            raise table.bad("a percentage and a time were expected") from None
        if statistic(percent) in STATISTICS:
            times[statistic(percent)] = value
    if percent < 100:
        raise table.bad(f"the percentiles end at {percent}", hint="the file may have been cut off")
    return [foreign_result(source, "ab", Requests(times=times).figures())]


# -- requests: sorted by their length, starts to the second, and not whether they failed

_ROWS: Final = ["starttime", "seconds", "ctime", "dtime", "ttime", "wait"]


def _detect_rows(source: Source) -> bool:
    return list(header(source, "\t")) == _ROWS


def _read_rows(source: Source) -> list[Result]:
    table = Table(source, "\t")
    timeline = Timeline(resolution=1.0, grain=1.0)
    for row in table.rows():
        try:
            start, ms = float(row[1]), float(row[4])
            timeline.add(start + ms / 1000.0, timeline.requests(""), ms)
        except ValueError as error:
            raise table.bad(f"no request of ab: {error}") from None
    figures = [figure for figure in timeline.figures() if figure.series.statistic != "share"]
    return [foreign_result(source, "ab", figures, started=timeline.begin)]


FORMATS: Final = (
    Format("a report of ab", _detect_text, _read_text),
    Format("ab percentiles", _detect_percentiles, _read_percentiles),
    Format("ab requests", _detect_rows, _read_rows),
)
