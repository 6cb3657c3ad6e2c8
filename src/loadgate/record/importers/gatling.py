"""Gatling: `simulation.log` as text, and `global_stats.json` or `stats.json` of a report.

The log is tab-separated until 3.11 and binary from 3.12 on. What a line of it holds has changed twice: with the scenario
and the user (2.x), with the user (3.0 to 3.3), without (from 3.4 on); its last columns are the same in all. The percentiles
of a report are the 50th, 75th, 95th and 99th, unless gatling.conf says others.
Source: https://docs.gatling.io/reference/stats/reports/oss/, gatling-core LogFileDataWriter.scala
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from loadgate.measure.metric import BUILTIN
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Figure, Result

# -- simulation.log

_LOG: Final = re.compile(r"(?:ASSERTION\t\S+\r?\n)*RUN\t")
_STATUSES: Final = frozenset({"OK", "KO"})
_LAYOUTS: Final = (5, 6, 7)
"""Where the status of a request stands: from 3.4 on, from 3.0 on, before."""
_GRAIN: Final = 1.0
"""Milliseconds: Gatling's times are whole ones."""
_PASSED_OVER: Final = frozenset({"USER", "ASSERTION", "ERROR"})


def _detect_log(source: Source) -> bool:
    return _LOG.match(source.head) is not None


def _read_log(source: Source) -> list[Result]:
    found: list[tuple[str, float | None, Timeline]] = []
    for number, line in enumerate(source.lines(), 1):
        parts = line.split("\t")
        kind = parts[0]
        if kind == "RUN":
            found.append((parts[1] if len(parts) > 1 else "", _started(parts), Timeline(grain=_GRAIN)))
        elif kind in _PASSED_OVER or not line:
            continue
        elif kind not in ("REQUEST", "GROUP") or not found:
            raise source.bad("no line of a simulation.log: REQUEST, USER or GROUP was expected", line=number)
        else:
            try:
                _add(found[-1][2], kind, parts)
            except ValueError as error:
                raise source.bad(f"no {kind} of Gatling: {error}", line=number) from None
    return [
        foreign_result(
            source, "gatling", timeline.figures(), id=run_id(source, part, len(found)), name=name, started=started
        )
        for part, (name, started, timeline) in enumerate(found, 1)
    ]


def _started(parts: list[str]) -> float | None:
    return next((int(part) / 1000.0 for part in parts[2:] if re.fullmatch(r"\d{13}", part)), None)


def _add(timeline: Timeline, kind: str, parts: list[str]) -> None:
    if kind == "REQUEST":
        at = next((at for at in _LAYOUTS if at < len(parts) and parts[at] in _STATUSES), None)
        if at is None:
            raise ValueError("its status OK or KO is not where it should be")
        groups, name, start, end = parts[at - 4 : at]
        key = timeline.requests(" / ".join([*filter(None, groups.split(",")), name])) + (parts[at] == "KO")
        timeline.add(int(end) / 1000.0, key, float(int(end) - int(start)))
    elif len(parts) >= 6 and parts[-1] in _STATUSES:
        groups, start, end = parts[-5:-2]
        key = timeline.samples(BUILTIN["group_duration"], " / ".join(groups.split(",")))
        timeline.add(int(end) / 1000.0, key, float(int(end) - int(start)))
    elif len(parts) != 3:  # the errors of 2.x
        raise ValueError("its status OK or KO is not where it should be")


# -- the binary log

_BINARY: Final = re.compile(r"\x00\x00\x00\x00.\d+\.\d+[.\w-]*", re.DOTALL)


def _detect_binary(source: Source) -> bool:
    return _BINARY.match(source.head) is not None


def _read_binary(source: Source) -> list[Result]:
    raise source.bad(
        "is a simulation.log in Gatling's binary form, which changes with its versions",
        hint="read js/global_stats.json of the report that Gatling makes of it (or js/stats.json, with all requests)",
    )


# -- the report

_STATISTICS: Final = {"meanResponseTime": "avg", "percentiles1": "p50", "percentiles3": "p95", "percentiles4": "p99"}


def _detect(source: Source) -> bool:
    found = source.json
    if not isinstance(found, dict):
        return False
    stats = found.get("stats", found)
    return isinstance(stats, dict) and {"numberOfRequests", "percentiles1", "meanResponseTime"} <= stats.keys()


def _read(source: Source) -> list[Result]:
    found = source.json
    figures = _entries(source, found, ()) if "stats" in found else _requests(source, found, "").figures()
    return [foreign_result(source, "gatling", figures)]


def _entries(source: Source, entry: dict[str, Any], path: tuple[str, ...]) -> Iterator[Figure]:
    """The figures of all requests, and of each: `contents` are groups, which have contents, and requests."""
    contents = entry.get("contents")
    if not path or not contents:
        yield from _requests(source, entry.get("stats"), " / ".join(path[1:])).figures()
    for inner in contents.values() if isinstance(contents, dict) else ():
        if not isinstance(inner, dict) or len(path) > 50:
            raise source.bad("`contents` holds what is no request and no group")
        yield from _entries(source, inner, (*(path or ("",)), str(inner.get("name", ""))))


def _requests(source: Source, stats: object, step: str) -> Requests:
    if not isinstance(stats, dict):
        raise source.bad(f"`stats` of `{step or 'all requests'}` is missing")

    def number(key: str, part: str) -> float | None:
        """Gatling writes numbers as texts, and "-" for none."""
        value = stats[key].get(part) if isinstance(stats.get(key), dict) else None
        try:
            return None if value in (None, "-") or isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            raise source.bad(f"`{part}` of `{key}` is `{str(value)[:40]}`, not a number") from None

    total, failed = number("numberOfRequests", "total"), number("numberOfRequests", "ko")
    return Requests(
        step=step,
        times={name: number(key, "total") for key, name in _STATISTICS.items()},
        total=_whole(total),
        failed=_whole(failed),
        rate=number("meanNumberOfRequestsPerSecond", "total"),
    )


def _whole(value: float | None) -> int | None:
    return round(value) if value is not None and 0.0 <= value < 2.0**53 else None


FORMATS: Final = (
    Format("a Gatling simulation.log", _detect_log, _read_log),
    Format("a binary Gatling simulation.log", _detect_binary, _read_binary),
    Format("Gatling statistics", _detect, _read),
)
