"""Repeated values as the record keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from loadgate.measure.metric import Direction
from loadgate.measure.spread import spread_of
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName


def repeated(
    series: SeriesName,
    unit: str,
    direction: Direction,
    values: Sequence[float],
    *,
    warmups: int = 0,
    settled: bool = True,
    advice: Sequence[str] = (),
) -> Repeated:
    """`values` after the `warmups`, with their spread. Raises ValueError for a value that is not finite."""
    return Repeated(series, unit, direction, tuple(values), spread_of(values), warmups, settled, tuple(advice))
