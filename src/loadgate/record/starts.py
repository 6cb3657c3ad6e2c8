"""What starting a program takes, as figures that are followed from run to run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from loadgate.measure.metric import Direction
from loadgate.record.repeated import Repeated, repeated_of
from loadgate.record.result import SeriesName

STARTUP: Final = SeriesName("", "target_startup_time", "")
MEMORY: Final = SeriesName("", "target_startup_memory", "")
_FIGURES: Final = MappingProxyType(
    {
        "port_open": SeriesName("", "target_port_open", ""),
        "startup": STARTUP,
        "first_request": SeriesName("", "target_first_request", ""),
        "warm_request": SeriesName("", "target_warm_request", ""),
        "memory": MEMORY,
        "loaded_memory": SeriesName("", "target_loaded_memory", ""),
        "shutdown": SeriesName("", "target_shutdown_time", ""),
    }
)
UNITS: Final[Mapping[SeriesName, str]] = MappingProxyType(
    {series: "bytes" if series.metric.endswith("_memory") else "ms" for series in _FIGURES.values()}
)
"""All figures of a launch, and in what unit each is."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a program and its end. Times in milliseconds, memory in resident bytes; NaN: not measured."""

    port_open: float = math.nan
    """From its start until its port took a connection."""
    startup: float = math.nan
    """From its start until its first good reply was whole."""
    first_request: float = math.nan
    """The first request after that, on a new connection."""
    warm_request: float = math.nan
    """The median of those that came later."""
    memory: float = math.nan
    """When it was ready."""
    loaded_memory: float = math.nan
    """After the requests."""
    shutdown: float = math.nan
    """From SIGTERM until it had ended, where that was enough."""

    def row(self) -> dict[SeriesName, float]:
        """What was measured, by the name it is followed under."""
        values = {_FIGURES[each.name]: getattr(self, each.name) for each in fields(self)}
        return {series: value for series, value in values.items() if not math.isnan(value)}

    def figures(self) -> tuple[Repeated, ...]:
        """The same as figures that were measured once."""
        return tuple(
            repeated_of(series, UNITS[series], Direction.LOWER, [value]) for series, value in self.row().items()
        )
