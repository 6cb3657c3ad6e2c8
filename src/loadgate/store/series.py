"""The numbers a store has for series, so that a run's figures need no names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from loadgate.measure.metric import Direction
from loadgate.record.result import Figure, SeriesName
from loadgate.store.database import Transaction

_COLUMNS = ("step", "metric", "statistic", "unit", "direction")


class Series(NamedTuple):
    """What figures are of. One whose unit or direction changes is another."""

    name: SeriesName
    unit: str
    direction: Direction


class SeriesNumbers:
    """Numbers of series, remembered from one transaction to the next. A series that once has a number keeps it."""

    def __init__(self) -> None:
        self._numbers: dict[Series, int] = {}
        self._names: dict[int, Series] = {}

    def of(self, transaction: Transaction, figures: Iterable[Figure]) -> list[int]:
        """The number of each figure's series; those that have none yet get one. To be called in a `write`."""
        wanted = [Series(figure.series, figure.unit, figure.direction) for figure in figures]
        if not self._numbers.keys() >= set(wanted):
            self._read(transaction)
            missing = [series for series in dict.fromkeys(wanted) if series not in self._numbers]
            if missing:
                rows = [(*series.name, series.unit, str(series.direction)) for series in missing]
                transaction.insert("series", _COLUMNS, rows)
                self._read(transaction)
        return [self._numbers[series] for series in wanted]

    def names(self, transaction: Transaction, numbers: Iterable[int]) -> Mapping[int, Series]:
        """The series that have these numbers, and others, by number."""
        if not self._names.keys() >= set(numbers):
            self._read(transaction)
        return self._names

    def _read(self, transaction: Transaction) -> None:
        rows = transaction.rows(f"SELECT number, {', '.join(_COLUMNS)} FROM series")
        self._names = {
            number: Series(SeriesName(step, metric, statistic), unit, Direction(direction))
            for number, step, metric, statistic, unit, direction in rows
        }
        self._numbers = {series: number for number, series in self._names.items()}

    def forget(self) -> None:
        """Forget all: a transaction that gave numbers was not carried out."""
        self._numbers, self._names = {}, {}
