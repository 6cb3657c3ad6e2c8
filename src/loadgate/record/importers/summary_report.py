"""What the reports of hey, oha and ghz have in common: "Summary:", "Latency distribution:", "Status code distribution:".

oha was written after hey, and ghz too; times have their units behind them, which differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgate.record.importers.requests import statistic
from loadgate.record.importers.text import Report

START: Final = r"Summary:"


def times(report: Report) -> dict[str, float | None]:
    """The mean and the percentiles, in ms. Of several lists of percentiles (oha's by status) the first counts: all of them."""
    found: dict[str, float | None] = {"avg": report.need(r"\s+Average:\s+(.+)", "`Average`").ms()}
    for line in report.all(r"\s+(\d+(?:\.\d+)?) ?% in (.+)"):
        percent = line.number(1)
        found.setdefault(statistic(percent if percent is not None else 0.0), line.ms(2))
    return found


def rate(report: Report) -> float | None:
    """Requests per second."""
    return report.need(r"\s+Requests/sec:\s+(\S+)", "`Requests/sec`").number()


def statuses(report: Report) -> Mapping[str, int]:
    """How many replies had each status; gRPC's are words."""
    return {line.text(1): line.count(2) for line in report.all(r"\s+\[(\w+)\]\s+(\d+) responses")}


def errors(report: Report) -> dict[str, int]:
    """How often each error ended a request without a reply."""
    found: dict[str, int] = {}
    for line in report.all(r"\s+\[(\d+)\]\s+(?!\d+ responses)(\S.*)"):
        found[line.text(2)] = found.get(line.text(2), 0) + line.count(1)
    return found
