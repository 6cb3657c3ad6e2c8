"""What starting a program takes, from one start or from many, as figures that are followed from run to run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from loadgate.measure.metric import Direction
from loadgate.measure.spread import spread_of
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a program and its end. Times in milliseconds, memory in resident bytes; NaN: not measured."""

    port_open: float = math.nan
    """From its start until its port took a connection."""
    startup: float = math.nan
    """From its start until its first good reply was whole."""
    first_request: float = math.nan
    """The first request after that."""
    warm_request: float = math.nan
    """The median of those that came later."""
    memory: float = math.nan
    """When it was ready."""
    loaded_memory: float = math.nan
    """After the requests."""
    shutdown: float = math.nan
    """From SIGTERM until it had ended, where that was enough."""


METRICS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "port_open": ("target_port_open", "ms"),
        "startup": ("target_startup_time", "ms"),
        "first_request": ("target_first_request", "ms"),
        "warm_request": ("target_warm_request", "ms"),
        "memory": ("target_startup_memory", "bytes"),
        "loaded_memory": ("target_loaded_memory", "bytes"),
        "shutdown": ("target_shutdown_time", "ms"),
    }
)
"""Metric and unit of each figure of a launch."""


def start_figures(
    launches: Sequence[Launch],
    *,
    warmups: int = 0,
    settled: Callable[[str], bool] = lambda metric: True,
    advice: Callable[[str], tuple[str, ...]] = lambda metric: (),
) -> tuple[Repeated, ...]:
    """A figure for all that was measured in any of `launches`; the first `warmups` count in none."""
    counted = launches[warmups:]
    found = []
    for each in fields(Launch):
        metric, unit = METRICS[each.name]
        values = tuple(value for launch in counted if not math.isnan(value := getattr(launch, each.name)))
        if values:
            series = SeriesName("", metric, "")
            found.append(
                Repeated(
                    series, unit, Direction.LOWER, values, spread_of(values), warmups, settled(metric), advice(metric)
                )
            )
    return tuple(found)
