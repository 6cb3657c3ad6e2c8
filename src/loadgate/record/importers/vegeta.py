"""vegeta: its results as JSON lines or CSV (`vegeta encode`), and its report as text or JSON. Times are nanoseconds.

Results as `vegeta attack` writes them are in a binary format of Go's own, for which the error names the command.
Source: https://github.com/tsenart/vegeta#readme (`encode`, `report`; lib/results.go, lib/metrics.go)
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import chain
from typing import Final

import msgspec

from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table
from loadgate.record.importers.text import Report, runs
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

_MS: Final = 1e6
"""Nanoseconds."""
_ATTACK: Final = 7
"""The column of an attack's name, after time, code, latency, bytes out and in, error and body."""


def _failed(code: int) -> bool:
    """As vegeta counts; without a reply the code is 0."""
    return not 200 <= code < 400


# -- results: JSON lines


class _Hit(msgspec.Struct):
    attack: str
    code: int
    timestamp: datetime
    latency: int


def _detect_lines(source: Source) -> bool:
    line = source.head.lstrip().partition("\n")[0]
    return line.startswith('{"attack":') and '"latency":' in line and '"timestamp":' in line


def _read_lines(source: Source) -> list[Result]:
    decode = msgspec.json.Decoder(_Hit).decode
    attacks: dict[str, Timeline] = {}
    for number, text in enumerate(source.lines(), 1):
        if not text:
            continue
        try:
            hit = decode(text)
            timeline = attacks.get(hit.attack) or attacks.setdefault(hit.attack, Timeline())
            ms = hit.latency / _MS
            timeline.add(hit.timestamp.timestamp() + ms / 1000.0, timeline.requests("") + _failed(hit.code), ms)
        except (ValueError, OverflowError) as error:  # of msgspec, too
            raise source.bad(f"no result of vegeta: {error}", line=number) from None
    return _attacks(source, attacks)


def _attacks(source: Source, attacks: dict[str, Timeline]) -> list[Result]:
    return [
        foreign_result(
            source,
            "vegeta",
            timeline.figures(),
            id=run_id(source, part, len(attacks)),
            name=name,
            started=timeline.begin,
        )
        for part, (name, timeline) in enumerate(attacks.items(), 1)
    ]


# -- results: CSV, which has no header

_ROW: Final = re.compile(r"\d{16,20},\d{1,3},\d{1,18},\d+,\d+,")


def _detect_csv(source: Source) -> bool:
    return _ROW.match(source.head) is not None


def _read_csv(source: Source) -> list[Result]:
    table = Table(source)
    attacks: dict[str, Timeline] = {}
    for row in chain([table.columns], table.rows()):
        try:
            end, code, ms = int(row[0]) / 1e9 + int(row[2]) / 1e9, int(row[1]), int(row[2]) / _MS
            timeline = attacks.get(row[_ATTACK]) or attacks.setdefault(row[_ATTACK], Timeline())
            timeline.add(end, timeline.requests("") + _failed(code), ms)
        except (ValueError, IndexError, OverflowError) as error:
            raise table.bad(f"no result of vegeta: {error}") from None
    return _attacks(source, attacks)


# -- results: gob

_GOB: Final = re.compile(r"[^\n]{0,64}Result[\s\S]{0,64}Attack[\s\S]{0,256}Latency")


def _detect_gob(source: Source) -> bool:
    return not source.head[:1].isprintable() and _GOB.match(source.head) is not None


def _read_gob(source: Source) -> list[Result]:
    raise source.bad(
        "holds results of vegeta in its binary form",
        hint=f"write them as JSON, and read that: vegeta encode --to json {source.path.name} > results.json",
    )


# -- report: JSON


class _Latencies(msgspec.Struct):
    mean: float | None = None
    p50: float | None = msgspec.field(name="50th", default=None)
    p90: float | None = msgspec.field(name="90th", default=None)
    p95: float | None = msgspec.field(name="95th", default=None)
    p99: float | None = msgspec.field(name="99th", default=None)


class _Metrics(msgspec.Struct):
    latencies: _Latencies
    requests: int
    rate: float | None
    success: float | None
    earliest: datetime | None = None


def _detect(source: Source) -> bool:
    found = source.json
    return isinstance(found, dict) and {"latencies", "bytes_in", "bytes_out", "success"} <= found.keys()


def _read(source: Source) -> list[Result]:
    found = source.shaped(_Metrics)
    latencies = found.latencies
    named = {"avg": latencies.mean, "p50": latencies.p50, "p90": latencies.p90, "p95": latencies.p95}
    times = {name: value / _MS for name, value in {**named, "p99": latencies.p99}.items() if value is not None}
    requests = Requests(times=times, total=found.requests, failed=_lost(found.requests, found.success), rate=found.rate)
    started = found.earliest.timestamp() if found.earliest is not None else None
    return [foreign_result(source, "vegeta", requests.figures(), started=started)]


def _lost(total: int, success: float | None) -> int | None:
    return round(total * (1.0 - success)) if success is not None and 0.0 <= success <= 1.0 else None


# -- report: text

_START: Final = r"Requests\s+\[total, rate"


def _detect_text(source: Source) -> bool:
    return re.search(rf"^{_START}", source.head, re.MULTILINE) is not None


def _read_text(source: Source) -> list[Result]:
    found = runs(source, _START)
    return [
        foreign_result(source, "vegeta", _requests(report).figures(), id=run_id(source, part, len(found)))
        for part, report in enumerate(found, 1)
    ]


def _requests(report: Report) -> Requests:
    totals = report.need(_START + r"[^\]]*\]\s+(\d+),\s+([^\s,]+)", "line of `Requests`")
    latencies = report.need(r"Latencies\s+\[([^\]]*)\]\s+(.*)", "line of `Latencies`")
    names = [name.strip() for name in latencies.text(1).split(",")]
    line = report.need(r"Latencies\s+\[[^\]]*\]\s+" + r",\s+".join([r"([^\s,]+)"] * len(names)), "latencies")
    times = {_STATISTIC[name]: line.ms(at) for at, name in enumerate(names, 1) if name in _STATISTIC}
    success = report.need(r"Success\s+\[ratio\]\s+([^\s%]+)%", "line of `Success`").number()
    total = totals.count(1)
    share = success / 100.0 if success is not None else None
    return Requests(times=times, total=total, failed=_lost(total, share), rate=totals.number(2))


_STATISTIC: Final = {"mean": "avg", "50": "p50", "90": "p90", "95": "p95", "99": "p99"}

FORMATS: Final = (
    Format("vegeta JSON lines", _detect_lines, _read_lines),
    Format("vegeta CSV", _detect_csv, _read_csv),
    Format("vegeta binary results", _detect_gob, _read_gob),
    Format("a vegeta report as JSON", _detect, _read),
    Format("a vegeta report", _detect_text, _read_text),
)
