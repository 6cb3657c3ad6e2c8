"""A figure that was measured again and again, each time from the start: a start-up, a benchmark, a command."""

from __future__ import annotations

from dataclasses import dataclass

from loadgate.measure.metric import Direction
from loadgate.measure.spread import Spread
from loadgate.record.result import SeriesName


@dataclass(frozen=True, slots=True)
class Repeated:
    """`values` are all that were measured after the warm-up, in order, outliers among them; `unit` as in `Figure`."""

    series: SeriesName
    unit: str
    direction: Direction
    values: tuple[float, ...]
    spread: Spread
    warmups: int = 0
    """Repetitions before the first of `values`, which count in nothing."""
    settled: bool = True
    """Whether the interval became as narrow as was asked for before time was up."""
    advice: tuple[str, ...] = ()
    """Why the values lie so far apart, as far as can be told, and what to do."""
