"""A figure that was measured again and again, each time from the start: a start-up, a benchmark, a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadgate.measure.metric import Direction
from loadgate.measure.spread import Spread, spread_of
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


def repeated_of(
    series: SeriesName,
    unit: str,
    direction: Direction,
    values: Sequence[float],
    *,
    warmups: int = 0,
    settled: bool = True,
    advice: Sequence[str] = (),
) -> Repeated:
    """`values`, measured after the `warmups`, with their spread. Raises ValueError for a value that is not finite."""
    return Repeated(series, unit, direction, tuple(values), spread_of(values), warmups, settled, tuple(advice))
