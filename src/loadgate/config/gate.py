"""What counts as a change worth a word: `gate` of `loadgate.yml`, and what holds where it says nothing.

A limit is a relative change and an absolute floor, and both must be exceeded: 10 % of 0.2 ms is nobody's regression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from loadgate.config import fields
from loadgate.config.ab import AbSpec, read_ab
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Node, Scalar, Table

TIMES: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
"""Milliseconds in a unit of time."""

CONFIRM: Final = 2
MOST_CONFIRMED: Final = 20

_FAILURES: Final = ("_failed", "error_rate", "errors", "failures")
"""How shares of what went wrong are called."""

_COUNTS: Final = ("http_reqs", "grpc_reqs", "graphql_reqs", "ws_messages")
"""How exchanges are counted, by protocol."""

_MEMORY_FLOOR: Final = 1e6
_START_FLOOR: Final = 5.0
"""Milliseconds: less, and the system's scheduler is measured."""

_REQUEST_FLOOR: Final = 0.1

_PERCENT: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%")


@dataclass(frozen=True, slots=True)
class Limit:
    """How far a figure may become worse. `change` is relative (of a share: absolute, in points of 0 to 1).

    `floor` is in the figure's unit. Where `gating` is false, the figure is shown and never fails a build.
    """

    change: float
    floor: float = 0.0
    gating: bool = True


_BY_METRIC: Final = {
    "target_cpu_per_request": Limit(0.02),
    "target_memory": Limit(0.05, _MEMORY_FLOOR, gating=False),
    "target_startup_time": Limit(0.10, _START_FLOOR),
    "target_startup_memory": Limit(0.05, _MEMORY_FLOOR),
    "target_loaded_memory": Limit(0.05, _MEMORY_FLOOR, gating=False),
    "target_port_open": Limit(0.10, _START_FLOOR, gating=False),
    "target_shutdown_time": Limit(0.10, _START_FLOOR, gating=False),
    "target_first_request": Limit(0.10, _REQUEST_FLOOR, gating=False),
    "target_warm_request": Limit(0.10, _REQUEST_FLOOR, gating=False),
    "benchmark_memory": Limit(0.05, _MEMORY_FLOOR, gating=False),
    "command_memory": Limit(0.05, _MEMORY_FLOOR, gating=False),
    "command_cpu": Limit(0.05, gating=False),
}
"""What is usual for figures of a target, and beside a benchmark's time: times in ms, memory in bytes.

Those that gate say what the others say too, and each figure that gates makes all of them find less.
"""


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """What a user says of the series whose text matches `pattern` (`*` and `?` as in file names); None: as usual.

    A floor that was given as a time is in milliseconds.
    """

    pattern: str
    change: float | None = None
    floor: float | None = None
    floor_is_time: bool = False
    gating: bool | None = None

    def matches(self, step: str, metric: str, text: str) -> bool:
        """Whether it is about this series."""
        return fnmatchcase(text, self.pattern) or (not step and self.pattern == metric)

    def over(self, limit: Limit, unit: str) -> Limit:
        """`limit` with what is said here."""
        floor = self.floor
        if floor is not None and self.floor_is_time:
            floor /= TIMES.get(unit, 1.0)
        return Limit(
            limit.change if self.change is None else self.change,
            limit.floor if floor is None else floor,
            limit.gating if self.gating is None else self.gating,
        )


@dataclass(frozen=True, slots=True)
class GateSpec:
    """How runs are compared. `confirm` is how many fresh runs a suspected regression is given before it fails a build.

    `ab`: what `loadgate ab` compares where its command line does not say.
    """

    baseline: str = ""
    store: str = ""
    confirm: int = CONFIRM
    limits: Sequence[LimitSpec] = ()
    ab: AbSpec = field(default_factory=AbSpec)

    def limit(self, step: str, metric: str, statistic: str, unit: str, text: str) -> Limit:
        """The limit of a series: what the last one of `limits` that matches its `text` says, over what is usual."""
        found = usual(step, metric, statistic, unit)
        for spec in reversed(self.limits):
            if spec.matches(step, metric, text):
                return spec.over(found, unit)
        return found


def read_gate(node: Node, place: Place) -> GateSpec:
    """The `gate` mapping."""
    own = Fields(node, place, "in `gate`")
    gate = GateSpec(
        baseline=own.take("baseline", fields.plain, ""),
        store=own.take("store", fields.plain, ""),
        confirm=own.take("confirm", fields.whole(0, MOST_CONFIRMED), CONFIRM),
        limits=own.take("limits", _limits, ()),
        ab=own.take("ab", read_ab, AbSpec()),
    )
    own.done()
    return gate


def _limits(node: Node, place: Place) -> tuple[LimitSpec, ...]:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping (`figure: 10%` lines)")
    found = []
    for entry in node.entries.values():
        try:
            found.append(_limit(entry.key, entry.value, Place(f"limit `{entry.key}`", place.context, entry.key_span)))
        except Refusal as refusal:
            place.report(refusal.problem)
    return tuple(found)


def _limit(pattern: str, node: Node, place: Place) -> LimitSpec:
    if not isinstance(node, Table):
        return LimitSpec(pattern, _percent(node, place))
    own = Fields(node, place, f"in {place.what}")
    nothing: tuple[float | None, bool] = None, False
    floor, floor_is_time = own.take("floor", _floor, nothing)
    gating: bool | None = own.take("gate", fields.flag, None)
    spec = LimitSpec(pattern, own.take("change", _percent, None), floor, floor_is_time, gating)
    own.done()
    return spec


def _percent(node: Node, place: Place) -> float | None:
    match = _PERCENT.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
    if match is None:
        raise place.refuse(node, "a percentage, for example 10% (of a share, percentage points)")
    return float(match[1]) / 100.0


def _floor(node: Node, place: Place) -> tuple[float | None, bool]:
    """A number in the figure's own unit, or a time."""
    if isinstance(node, Scalar) and isinstance(node.value, int | float):
        return fields.number(node, place), False
    return fields.duration(node, place) * 1e3, True


def usual(step: str, metric: str, statistic: str, unit: str) -> Limit:
    """What holds for a figure that has no limit of its own."""
    if metric in _BY_METRIC:
        return _BY_METRIC[metric]
    if unit == "share":
        return Limit(0.005, gating=metric == "checks" or metric.endswith(_FAILURES) or not statistic)
    if metric in _COUNTS:
        return Limit(0.05, gating=not step)
    if "_req_" in metric or metric.startswith("ws_message_"):
        floor, of_service = 0.1 / TIMES.get(unit, 1.0), metric.endswith("_duration")
        if statistic in ("p50", "avg"):
            return Limit(0.05, floor, gating=of_service and statistic == "p50")
        return Limit(0.10 if statistic == "p95" else 0.15, floor, gating=of_service and statistic == "p95")
    tail = statistic.startswith("p9") or statistic == "max"
    return Limit(0.15 if tail else 0.05, gating=not tail)
