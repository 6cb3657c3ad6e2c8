"""Results that were never measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word

STARTED = 1767225600.25  # 2026-01-01T00:00:00.250Z


def figure(value: float = 12.5, metric: str = "http_req_duration", step: str = "", **changes: Any) -> Figure:
    made = Figure(
        SeriesName(step, metric, "p95"), "ms", Direction.LOWER, Estimate(value, error=0.02, freedom=15.0, count=1000)
    )
    return msgspec.structs.replace(made, **changes)


def result(id: str = "20260101-000000-abc123", **changes: Any) -> Result:
    made = Result(
        id=id,
        tool="loadgate",
        name="standard",
        started=STARTED,
        commit="0123456789abcdef0123456789abcdef01234567",
        branch="main",
        machine="linux 6.1.0 x86_64, 4 cpus, AMD EPYC 7763",
        definition="0123456789abcdef",
        word=Word.PASS,
        figures=(figure(), figure(20.0, step="GET /"), figure(30.0, step="GET /users")),
    )
    return replace(made, **changes)


def results(count: int, **changes: Any) -> list[Result]:
    """One an hour, oldest first: r0000, r0001, ..."""
    return [result(f"r{number:04}", started=STARTED + 3600.0 * number, **changes) for number in range(count)]
