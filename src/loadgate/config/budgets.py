"""Budgets: absolute limits that need no baseline. Read by `config.budget_fields`, judged by `judge.budgets`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from loadgate.errors import Span


class Missing(StrEnum):
    """What a budget comes to whose figure was never measured. It is no pass either way."""

    INVALID = "invalid"
    UNSURE = "unsure"


class BudgetName(NamedTuple):
    """What two budgets have in common of which only one can hold. `figure` is "p99.9" for both ways of writing that."""

    group: str
    step: str
    figure: str


@dataclass(frozen=True, slots=True)
class Budget:
    """One limit, in `unit` ("ms", "us", "ns", "MB", "bytes", "share", "1/s", "count" or "cores"); `key` as in the file.

    `step` is the name of a step or benchmark, "" for all steps together. `least`: the limit is a minimum. `percentile` (0
    to 100) where the figure is one.
    """

    group: str
    step: str
    key: str
    limit: float
    unit: str
    least: bool = False
    percentile: float | None = None

    @property
    def name(self) -> BudgetName:
        figure = self.key if self.percentile is None else f"p{self.percentile:g}"
        return BudgetName(self.group, self.step, "max_time" if self.group == "benchmarks" else figure)


@dataclass(frozen=True, slots=True)
class Override:
    """What a profile has of its own: budgets instead of those of the same name, and names of those it does without."""

    entries: tuple[Budget, ...] = ()
    removed: frozenset[BudgetName] = frozenset()
    span: Span | None = field(default=None, compare=False)
    """Of the profile's name."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Budgets in the order written. `path` is the file they were read from, None where they stand in `loadgate.yml`."""

    entries: tuple[Budget, ...] = ()
    missing: Missing = Missing.INVALID
    profiles: Mapping[str, Override] = field(default_factory=dict)
    path: Path | None = None

    def of(self, profile: str) -> tuple[Budget, ...]:
        """The budgets of runs of `profile`; a name that has no override has those of all."""
        override = self.profiles.get(profile, Override())
        found = {budget.name: budget for budget in self.entries if budget.name not in override.removed}
        return tuple((found | {budget.name: budget for budget in override.entries}).values())
