"""What a load tool says of its requests in a summary, as figures under k6's names.

A summary has no samples any more, so its figures have no errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from loadgate.errors import redact_url
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.measure.protocols import HTTP, Protocol
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, SeriesName

STATISTICS: Final = ("avg", "p50", "p90", "p95", "p99", "p99.9")
"""What is followed of a distribution: the extremes depend on how long a run was, and the rest adds nothing."""


@dataclass(slots=True)
class Requests:
    """The requests of one step, or of all (""). What the tool did not say is None, or is not in the mapping."""

    step: str = ""
    times: Mapping[str, float | None] = field(default_factory=dict)
    """Milliseconds by `STATISTICS`; others are left out."""
    total: int | None = None
    failed: int | None = None
    rate: float | None = None
    """Per second."""
    protocol: Protocol = HTTP
    from_plan: bool = False
    """Whether `times` run from when a request was to be sent, rather than from when it was."""

    def figures(self) -> Iterator[Figure]:
        """The figures that are numbers, in the order rate, failures, times."""
        step, total = redact_url(self.step), self.total or 0
        if self.rate is not None and math.isfinite(self.rate):
            yield Figure(
                SeriesName(step, self.protocol.count, "rate"), "1/s", Direction.HIGHER, Estimate(self.rate, count=total)
            )
        if self.failed is not None and total:
            share = Estimate(min(1.0, self.failed / total), count=total)
            yield Figure(SeriesName(step, self.protocol.failed, "share"), "share", Direction.LOWER, share)
        metric = self.protocol.latency if self.from_plan else self.protocol.service
        for statistic in STATISTICS:
            value = self.times.get(statistic)
            if value is not None and math.isfinite(value):
                yield Figure(SeriesName(step, metric, statistic), "ms", Direction.LOWER, Estimate(value, count=total))


def run_id(source: Source, part: int, parts: int) -> str:
    """The id of a run in a file that holds `parts`: of a single one that of the file; `part` counts from 1."""
    return source.digest if parts == 1 else f"{source.digest}-{part}"


def statistic(percent: float) -> str:
    """ "p95" for 95, "p99.9" for 99.9: as in `STATISTICS`."""
    return f"p{percent:g}"


def path_of(url: str) -> str:
    """The path in `url`: what was asked for, wherever the server ran and whatever its secrets."""
    try:
        return urlsplit(url if "//" in url else f"//{url}").path or "/"
    except ValueError:
        return ""


def failures(codes: Mapping[str, int], least: int = 400) -> int:
    """How many of the replies, counted by status, are failures: from `least` up, and what is no status."""
    return sum(count for code, count in codes.items() if not code.isdecimal() or not 100 <= int(code) < least)
