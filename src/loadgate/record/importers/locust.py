"""The statistics of a Locust run: `--csv PREFIX` (PREFIX_stats.csv) and `--json`. Times are milliseconds, rounded by Locust.

Source: https://docs.locust.io/en/stable/retrieving-stats.html
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import STATISTICS, Requests
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.result import Result

_ALL: Final = "Aggregated"
_PERCENTS: Final = tuple(float(name[1:]) for name in STATISTICS if name != "avg")

# -- CSV

_COLUMNS: Final = ("Type", "Name", "Request Count", "Failure Count")
_HISTORY: Final = ("Timestamp", "User Count", "Type", "Name")
_FAILURES: Final = ("Method", "Name", "Error", "Occurrences")
_NONE: Final = frozenset({"", "N/A"})


def _detect_csv(source: Source) -> bool:
    return tuple(header(source)[:4]) in (_COLUMNS, _HISTORY, _FAILURES)


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    if tuple(table.columns[:4]) != _COLUMNS:
        raise source.bad(
            "holds no totals of a Locust run", hint="give the file of the same run that ends in _stats.csv"
        )
    figures = [figure for row in table.rows() for figure in _row(table, row).figures()]
    return [foreign_result(source, "locust", figures)]


def _row(table: Table, row: list[str]) -> Requests:
    def number(*names: str) -> float | None:
        place = table.find(*names)
        text = row[place].strip() if place is not None else ""
        if text in _NONE:
            return None
        try:
            return float(text)
        except ValueError:
            raise table.bad(f"`{text[:40]}` in the column `{names[0]}` is not a number") from None

    def count(name: str) -> int:
        text = row[table.index(name)]
        if not text.isdecimal():
            raise table.bad(f"`{text[:40]}` in the column `{name}` is not a count")
        return int(text)

    return Requests(
        step=_step(row[0], row[1]),
        times={"avg": number("Average Response Time"), "p50": number("50%", "Median Response Time")}
        | {f"p{p:g}": number(f"{p:g}%") for p in _PERCENTS[1:]},
        total=count("Request Count"),
        failed=count("Failure Count"),
        rate=number("Requests/s"),
    )


def _step(method: str, name: str) -> str:
    return "" if name == _ALL and not method else f"{method} {name}".strip()


# -- JSON


class _Entry(msgspec.Struct):
    """A request's statistics: how often each response time was seen (in ms; those of failures, too, and of none: null)."""

    name: str
    method: str
    start_time: float
    last_request_timestamp: float | None
    num_requests: int
    num_none_requests: int
    num_failures: int
    total_response_time: float
    response_times: dict[str, int]


def _detect(source: Source) -> bool:
    found = source.json
    first = found[0] if isinstance(found, list) and found else None
    return isinstance(first, dict) and {"num_requests", "response_times", "num_failures"} <= first.keys()


def _read(source: Source) -> list[Result]:
    entries = [entry for entry in source.shaped(list[_Entry]) if entry.num_requests > 0]
    if not entries:
        raise source.bad("holds no request")
    begin = min(entry.start_time for entry in entries)
    length = max(entry.last_request_timestamp or begin for entry in entries) - begin
    counts = [_counts(source, entry) for entry in entries]
    figures = [
        figure
        for step, own, times in [
            ("", entries, sum(counts, Counter())),
            *((_step(entry.method, entry.name), [entry], count) for entry, count in zip(entries, counts, strict=True)),
        ]
        for figure in _requests(step, own, times, length).figures()
    ]
    return [foreign_result(source, "locust", figures, started=begin)]


def _counts(source: Source, entry: _Entry) -> Counter[float]:
    try:
        counts = Counter({float(ms): count for ms, count in entry.response_times.items()})
    except ValueError:
        raise source.bad(f"`response_times` of `{entry.name}` has a key that is not a time") from None
    if any(count <= 0 or not 0.0 <= ms < math.inf for ms, count in counts.items()):
        raise source.bad(f"`response_times` of `{entry.name}` holds what is no time or no count")
    return counts


def _requests(step: str, entries: Sequence[_Entry], counts: Counter[float], length: float) -> Requests:
    total = sum(entry.num_requests for entry in entries)
    timed = total - sum(entry.num_none_requests for entry in entries)
    times: dict[str, float | None] = {f"p{p:g}": _percentile(counts, p) for p in _PERCENTS}
    if timed > 0:
        times["avg"] = sum(entry.total_response_time for entry in entries) / timed
    return Requests(
        step=step,
        times=times,
        total=total,
        failed=sum(entry.num_failures for entry in entries),
        rate=total / length if length > 0.0 else None,
    )


def _percentile(counts: Counter[float], p: float) -> float | None:
    """As Locust has it: the greatest time that at most `p` percent of the requests took less than."""
    total = sum(counts.values())
    left = total
    for ms in sorted(counts, reverse=True):
        left -= counts[ms]
        if left <= int(total * p / 100.0):
            return ms
    return None


FORMATS: Final = (
    Format("Locust CSV", _detect_csv, _read_csv),
    Format("Locust JSON", _detect, _read),
)
