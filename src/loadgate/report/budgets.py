"""Budgets as a reader sees them: limit, what was seen, how much of the limit is used up, and of how many samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from loadgate.judge.wording import against_text, budget_amount
from loadgate.record.verdict import BudgetResult, Word
from loadgate.report.style import Ink, Line
from loadgate.report.table import Align, Column, lay_out
from loadgate.units import format_count

MOST_BUDGETS: Final = 40

_ORDER: Final = (Word.FAIL, Word.INVALID, Word.UNSURE, Word.PASS)


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One budget. `limit` and `observed` are texts with their units; `used` is 1.0 at the limit, NaN without data."""

    name: str
    limit: str
    observed: str
    used: float
    samples: int
    needed: int
    word: Word
    measured: bool

    @property
    def passed(self) -> bool:
        return self.word is Word.PASS

    @property
    def enough(self) -> bool:
        return self.samples >= self.needed


def budget_rows(results: Iterable[BudgetResult]) -> tuple[BudgetRow, ...]:
    """Broken ones first, then those without data, then those with too few samples; the most used first."""
    rows = [
        BudgetRow(
            name=f"{result.step} {result.key}" if result.step else f"{result.group} {result.key}",
            limit=f"{'>=' if result.least else '<='} {budget_amount(result.limit, result.unit)}",
            observed=against_text(result.observed, result.limit, result.unit) if result.measured else "n/a",
            used=result.used,
            samples=result.samples,
            needed=result.needed,
            word=result.word,
            measured=result.measured,
        )
        for result in results
    ]
    return tuple(sorted(rows, key=_weight))


def budget_lines(rows: Sequence[BudgetRow], width: int, *, indent: int) -> list[Line]:
    """A table in at most `width` columns, the weightiest of `rows` last."""
    shown = list(reversed(rows[:MOST_BUDGETS]))
    inks = [_ink(row) for row in shown]
    lines = lay_out(
        [
            Column("", [_state(row) for row in shown], inks=inks),
            Column("budget", [row.name for row in shown], least=22),
            Column("limit", [row.limit for row in shown], Align.RIGHT),
            Column(
                "seen",
                [row.observed for row in shown],
                Align.RIGHT,
                inks=[Ink.PLAIN if row.passed else _ink(row) for row in shown],
            ),
            Column("used", [_used(row) for row in shown], Align.RIGHT, drop=1),
            Column("samples", [_samples(row) for row in shown], Align.RIGHT, drop=2, ink=Ink.FAINT),
        ],
        width,
        indent=indent,
    )
    if hidden := len(rows) - len(shown):
        lines.insert(1, [(f"{' ' * indent}{format_count(hidden)} more are in the record", Ink.FAINT)])
    return lines


def _weight(row: BudgetRow) -> tuple[int, bool, float]:
    return _ORDER.index(row.word), row.measured, -row.used if row.measured else 0.0


def _ink(row: BudgetRow) -> Ink:
    if row.passed:
        return Ink.GOOD
    return Ink.BAD if row.word is Word.FAIL else Ink.DOUBT


def _state(row: BudgetRow) -> str:
    if not row.measured:
        return "? no data"
    return {Word.PASS: "✓ pass", Word.FAIL: "✗ fail"}.get(row.word, "? unsure")


def _used(row: BudgetRow) -> str:
    """In whole per cent; never "100 %" for what is broken, nor for what only nearly uses its limit up."""
    if not row.measured:
        return ""
    percent = row.used * 100.0
    if percent >= 1000.0:
        return ">999 %"
    if percent > 100.0:
        return f"{min(999, max(101, round(percent)))} %"
    if percent == 100.0:
        return "100 %"
    return "<1 %" if 0.0 < percent < 0.5 else f"{min(99, round(percent))} %"


def _samples(row: BudgetRow) -> str:
    """With how many it takes, where there are fewer."""
    if not row.measured:
        return ""
    return format_count(row.samples) if row.enough else f"{format_count(row.samples)}/{format_count(row.needed)}"
