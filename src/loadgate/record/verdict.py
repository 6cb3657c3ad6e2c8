"""What was decided about a run: words, not numbers. `judge` fills these in, `report` shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Word(StrEnum):
    """What a run can come to."""

    PASS = "pass"
    FAIL = "fail"
    """A threshold or a budget is broken, or a figure is worse than the baseline's."""
    INVALID = "invalid"
    """The run cannot be judged: target down, generator saturated, plan not reached, nothing measured, not comparable."""
    UNSURE = "unsure"
    """Nothing is known to be worse than the baseline, and a change that matters could have been missed; or a budget's figure
    rests on too few samples."""
    NO_BASELINE = "no baseline"
    """There is nothing to compare with, or not for everything that was measured."""


EXIT_CODES: Final[Mapping[Word, int]] = MappingProxyType(
    {Word.PASS: 0, Word.FAIL: 1, Word.INVALID: 3, Word.UNSURE: 0, Word.NO_BASELINE: 0}
)
"""An interrupted run ends with 130 whatever its verdict."""

STRICT_EXIT: Final = 4
"""What unsure and no baseline leave with under --strict."""

INTERRUPTED_EXIT: Final = 130


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons` are whole sentences, the weightiest first; a pass has none."""

    word: Word
    reasons: tuple[str, ...] = ()
    strict: bool = False
    """Whether an answer that is not sure is an error."""

    def lacking(self, reason: str) -> Verdict:
        """The same where something that was to be left behind is not there: that is no pass.

        The `reason` comes first where it alone makes the verdict invalid.
        """
        if self.word in (Word.FAIL, Word.INVALID):
            return Verdict(self.word, (*self.reasons, reason), self.strict)
        return Verdict(Word.INVALID, (reason, *self.reasons), self.strict)

    @property
    def exit_code(self) -> int:
        unsettled = self.word in (Word.UNSURE, Word.NO_BASELINE)
        return STRICT_EXIT if self.strict and unsettled else EXIT_CODES[self.word]


@dataclass(frozen=True, slots=True)
class ThresholdResult:
    """One threshold and what was seen.

    `key` is the metric with its selector, `expression` as written, `statistic` as k6 names it ("p(95)"), `operator` and
    `bound` the condition. `observed` is in the unit of `bound` (milliseconds for times, shares 0 to 1); NaN: no data.
    With `over` (s), the worst of all windows that long. `unit` is the metric's: "ms", "share", "count", "bytes", "".
    """

    key: str
    expression: str
    statistic: str
    operator: str
    bound: float
    unit: str
    observed: float
    passed: bool
    over: float | None = None
    aborted: bool = False
    """Whether this one ended the run."""

    @property
    def measured(self) -> bool:
        return self.observed == self.observed


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """One budget and what was seen. `group` and `key` as in the file ("http", "p95_latency_ms"); `step` "" for all steps.

    `limit` and `observed` are in `unit` ("ms", "MB", "us", "bytes", "share", "1/s", "count", "cores"); NaN: never measured.
    `least`: the limit is a minimum. `word` is PASS, FAIL, UNSURE (`samples` are too few: `needed` would do), or, where it was
    never measured, what the policy makes of that (INVALID or UNSURE), with `why` as a sentence.
    """

    group: str
    step: str
    key: str
    limit: float
    observed: float
    unit: str
    word: Word
    samples: int = 0
    needed: int = 0
    least: bool = False
    why: str = ""

    @property
    def measured(self) -> bool:
        return self.observed == self.observed

    @property
    def used(self) -> float:
        """The share of the budget that is used up: over 1 it is broken. NaN where nothing was measured."""
        if not self.measured:
            return math.nan
        above, below = (self.limit, self.observed) if self.least else (self.observed, self.limit)
        if below == 0.0:
            return 0.0 if above == 0.0 else math.inf
        return above / below
