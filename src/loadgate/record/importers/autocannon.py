"""autocannon's JSON (`--json`). Times are milliseconds, whole ones but for the mean; a 95th percentile is not among them.

Source: https://github.com/mcollina/autocannon#autocannonopts-cb (the results object)
"""

from __future__ import annotations

from typing import Final

import msgspec

from loadgate.record.digest import digest
from loadgate.record.importers.foreign import foreign_result, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import Requests, path_of
from loadgate.record.importers.source import Source
from loadgate.record.result import Result


class _Latency(msgspec.Struct):
    average: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None


class _Counts(msgspec.Struct):
    total: int


class _Whole(msgspec.Struct):
    latency: _Latency
    requests: _Counts
    duration: float
    errors: int
    non2xx: int
    url: str = ""
    title: str = ""
    start: str = ""
    connections: int = 0
    pipelining: int = 1


def _detect(source: Source) -> bool:
    found = source.json
    return isinstance(found, dict) and {"latency", "requests", "throughput", "non2xx"} <= found.keys()


def _read(source: Source) -> list[Result]:
    found = source.shaped(_Whole)
    latency = found.latency
    requests = Requests(
        times={
            "avg": latency.average,
            "p50": latency.p50,
            "p90": latency.p90,
            "p99": latency.p99,
            "p99.9": latency.p99_9,
        },
        # errors, timeouts among them, are requests without a reply, and no others
        total=found.requests.total + found.errors,
        failed=found.non2xx + found.errors,
        rate=found.requests.total / found.duration if found.duration > 0.0 else None,
    )
    path = path_of(found.url) if found.url else ""
    definition = digest({"path": path, "connections": found.connections, "pipelining": found.pipelining})
    return [
        foreign_result(
            source,
            "autocannon",
            requests.figures(),
            name=found.title or path,
            started=moment(found.start),
            definition=definition,
        )
    ]


FORMAT: Final = Format("autocannon JSON", _detect, _read)
