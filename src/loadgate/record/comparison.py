"""What became of each figure between base and head: values and words. `judge.comparison` finds them, `report` shows them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from loadgate.config.gate import Limit
from loadgate.measure.metric import Direction
from loadgate.record.result import SeriesName


class Change(StrEnum):
    """What became of a figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    UNSURE = "unsure"
    NEW = "new"
    """Not in the base: it has nothing to be compared with."""
    MISSING = "missing"
    """Not in the head: it was not measured."""


class Learned(StrEnum):
    """Where the noise between runs comes from."""

    HISTORY = "history"
    REPEATS = "repeats"
    ASSUMED = "assumed"
    PAIRS = "pairs"
    """Base and head were started side by side, again and again."""
    NONE = ""


@dataclass(frozen=True, slots=True)
class Side:
    """Which runs stand on one side. What is not known is "" (`started`: 0)."""

    name: str
    """How the user called it: a baseline, a file, a run's id."""
    ids: tuple[str, ...]
    commit: str = ""
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `base` and `head` in its unit, NaN where missing (of repeated runs, the mean of logarithms).

    `change` and its 95 % interval `low` to `high` are head / base - 1, for shares head - base. `p` is two-sided, corrected
    for the number of gating figures where it is one. `detectable` is the smallest change for the worse that these runs
    could have found. `base_counts` and `head_counts` are the events and samples of a share.
    """

    series: SeriesName
    unit: str
    direction: Direction
    limit: Limit
    word: Change
    base: float = math.nan
    head: float = math.nan
    change: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    detectable: float = math.nan
    noise: Learned = Learned.NONE
    noise_runs: int = 0
    """Runs, or pairs of starts, the noise was learned from."""
    missing_runs: int = 0
    """Pairs of starts that would probably decide what is unsure, beside those there are."""
    base_counts: tuple[int, int] | None = None
    head_counts: tuple[int, int] | None = None

    @property
    def share(self) -> bool:
        return self.unit == "share"

    @property
    def harm(self) -> float:
        """The change, positive where it is for the worse."""
        return self.change if self.direction is Direction.LOWER else -self.change


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every figure of either side. `mismatches` say, in whole sentences, why the sides may not be compared."""

    base: Side
    head: Side
    rows: tuple[Row, ...]
    mismatches: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know besides: what was measured again, and what came of it."""

    @property
    def unsettled(self) -> list[Row]:
        """What leaves the whole unsure: of many steps a few always have too few samples, so they alone do not."""
        return [row for row in self.having(Change.UNSURE) if not row.series.step]

    def regardless(self) -> Comparison:
        """The same for somebody who compares what may not be compared: the mismatches are but notes."""
        return replace(self, mismatches=(), notes=(*self.notes, *self.mismatches))

    def having(self, *words: Change, gating: bool = True) -> list[Row]:
        """The rows of these words; with `gating` only those that may fail a build."""
        return [row for row in self.rows if row.word in words and (row.limit.gating or not gating)]
