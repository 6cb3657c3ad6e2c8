"""What counts as a change worth a word: `gate` of `loadgate.yml`, and what holds where it says nothing.

A limit is a relative change and an absolute floor, and both must be exceeded: 10 % of 0.2 ms is nobody's regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

TIMES: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
"""Milliseconds in a unit of time."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a figure may become worse. `change` is relative (of a share: absolute, in points of 0 to 1).

    `floor` is in the figure's unit. Where `gating` is false, the figure is shown and never fails a build.
    """

    change: float
    floor: float = 0.0
    gating: bool = True


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """A limit for the series whose text matches `pattern` (`*` and `?` as in file names)."""

    pattern: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class GateSpec:
    """How runs are compared. `confirm` is how many fresh runs a suspected regression is given before it fails a build."""

    baseline: str = ""
    store: str = ""
    confirm: int = 2
    limits: Sequence[LimitSpec] = ()

    def limit(self, step: str, metric: str, statistic: str, unit: str, text: str) -> Limit:
        """The limit of a series: the last one of `limits` that matches its `text`, or the usual one."""
        for spec in reversed(self.limits):
            if fnmatchcase(text, spec.pattern) or (not step and spec.pattern == metric):
                return spec.limit
        return usual(step, metric, statistic, unit)


def usual(step: str, metric: str, statistic: str, unit: str) -> Limit:
    """What holds for a figure that has no limit of its own."""
    if unit == "share":
        return Limit(0.005, gating=metric in ("http_req_failed", "checks"))
    if metric == "http_reqs":
        return Limit(0.05, gating=not step)
    if metric.startswith("http_req_"):
        floor = 0.1 / TIMES.get(unit, 1.0)
        if statistic in ("p50", "avg"):
            return Limit(0.05, floor, gating=metric == "http_req_duration" and statistic == "p50")
        return Limit(0.10 if statistic == "p95" else 0.15, floor, metric == "http_req_duration" and statistic == "p95")
    tail = statistic.startswith("p9") or statistic == "max"
    return Limit(0.15 if tail else 0.05, gating=not tail)
