"""The report of wrk, and of wrk2, which sends at a fixed rate.

wrk times a request from when it was sent. wrk2's "Recorded Latency" runs from when it was to be sent, and is followed as
`http_req_latency`; with `--u_latency` it prints times from the sending as well. Requests without a reply are no requests to
either: they are added to those that failed. wrk prints percentiles with `--latency` only, and no 95th.
Source: https://github.com/wg/wrk and https://github.com/giltene/wrk2 (src/wrk.c)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from loadgate.record.digest import digest
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, path_of, run_id, statistic
from loadgate.record.importers.source import Source
from loadgate.record.importers.text import Report, runs
from loadgate.record.result import Figure, Result

_START: Final = r"Running \S+ test @ "
_BEGINNING: Final = re.compile(_START + r"\S+\r?\n\s+\d+ threads and \d+ connections", re.MULTILINE)


def _detect(source: Source) -> bool:
    return _BEGINNING.search(source.head) is not None


def _read(source: Source) -> list[Result]:
    found = runs(source, _START)
    return [_result(source, report, run_id(source, part, len(found))) for part, report in enumerate(found, 1)]


def _result(source: Source, report: Report, id: str) -> Result:
    start = report.need(r"Running (?P<length>\S+) test @ (?P<url>\S+)", "first line")
    load = report.need(r"\s+(\d+) threads and (\d+) connections", "line of threads and connections")
    path = path_of(start.text("url"))
    definition = digest(
        {"path": path, "threads": load.count(1), "connections": load.count(2), "length": start.text("length")}
    )
    tool = "wrk2" if report.find(r"\s+Thread calibration|.*HdrHistogram") is not None else "wrk"
    return foreign_result(source, tool, _figures(report, tool), id=id, name=path, definition=definition)


def _figures(report: Report, tool: str) -> Iterator[Figure]:
    mean = report.need(r"\s+Latency\s+(\S+)", "line of `Latency`").ms()
    requests = report.need(r"\s+(\d+) requests in ", "count of requests").count()
    rate = report.need(r"Requests/sec:\s*(\S+)", "`Requests/sec`").number()
    statuses = report.find(r"\s+Non-2xx or 3xx responses: (\d+)")
    sockets = report.find(r"\s+Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
    lost = sum(sockets.count(group) for group in (1, 2, 3, 4)) if sockets is not None else 0
    all_of_them = Requests(
        times={"avg": mean},
        total=requests + lost,
        failed=lost + (statuses.count() if statuses is not None else 0),
        rate=rate,
        from_plan=tool == "wrk2",
    )
    sections = _sections(report)
    plain = sections.pop("uncorrected", {})
    for times in sections.values():
        all_of_them.times = {**all_of_them.times, **times}
    yield from all_of_them.figures()
    yield from Requests(times=plain, total=requests + lost).figures()


def _sections(report: Report) -> dict[str, dict[str, float | None]]:
    """The percentiles in each "Latency Distribution"; of wrk2's detailed spectrum the 95th, which the short list lacks."""
    sections: dict[str, dict[str, float | None]] = {}
    section = ""
    for found in report.all(
        r"\s+Latency Distribution(?P<of>.*)|\s+(?P<percent>\d[\d.]*)%\s+(?P<time>\S.*)|\s+(?P<ms>[\d.]+)\s+0\.950000\s+\d"
    ):
        if found.text("time"):
            times = sections.setdefault(section, {})
            percent = found.number("percent")
            times[statistic(percent if percent is not None else 0.0)] = found.ms("time")
        elif found.text("ms"):
            sections.setdefault(section, {})["p95"] = found.number("ms")
        else:
            section = "uncorrected" if "Uncorrected" in found.text("of") else "recorded"
    return sections


FORMAT: Final = Format("a report of wrk or wrk2", _detect, _read)
