"""What a comparison does to a verdict. Rules, on top of those of `judge.verdict`; the first that applies decides:

1. INVALID stays INVALID, whatever the figures look like.
2. INVALID if base and head are not comparable, or a figure of the base that gates was not measured in the head.
3. FAIL stays FAIL; FAIL if a figure that gates is worse.
4. UNSURE stays UNSURE: what a budget leaves open is no less open where there is no baseline either.
5. NO BASELINE if there is none, or a figure that gates is not in it: what has nothing to be compared with has not passed.
6. UNSURE if a figure that gates, of all steps together, could be worse by more than its limit. A single step has fewer
   samples: it fails a build where it is worse, and does not unsettle it where that cannot be told.
7. PASS.

A verdict that was strict before the comparison stays so: a budget whose figure was never measured leaves with 4, not with 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from loadgate.judge.wording import amount_text, change_text, listed
from loadgate.record.comparison import Change, Comparison, Learned, Row
from loadgate.record.verdict import Verdict, Word

NAMED: Final = 3
"""Figures that a reason calls by name; the rest are counted."""


def decide_gate(verdict: Verdict, comparison: Comparison, *, strict: bool = False) -> Verdict:
    """The verdict of a run that came to `verdict` before it was compared."""
    reasons = tuple(_reasons(comparison))
    word = verdict.word
    if word is not Word.INVALID:
        word = _word(word, comparison)
    if verdict.word is not Word.PASS:
        reasons = (*verdict.reasons, *reasons)
    return Verdict(word, reasons if word is not Word.PASS else (), strict or verdict.strict)


def without_baseline(verdict: Verdict, why: str, *, strict: bool = False) -> Verdict:
    """The verdict of a run that has no baseline: `why` is a sentence."""
    word = Word.NO_BASELINE if verdict.word is Word.PASS else verdict.word
    return Verdict(word, (*verdict.reasons, why), strict or verdict.strict)


def _word(word: Word, comparison: Comparison) -> Word:
    if comparison.mismatches or comparison.having(Change.MISSING):
        return Word.INVALID
    if word is Word.FAIL or comparison.having(Change.WORSE):
        return Word.FAIL
    if word is Word.UNSURE:
        return word
    if comparison.having(Change.NEW) or not comparison.having(Change.BETTER, Change.SAME, Change.UNSURE):
        return Word.NO_BASELINE
    return Word.UNSURE if comparison.unsettled else Word.PASS


def _reasons(comparison: Comparison) -> list[str]:
    """Sentences, the weightiest first."""
    base = comparison.base.name
    found = [f"not comparable with {base}: {mismatch}" for mismatch in comparison.mismatches]
    missing = comparison.having(Change.MISSING)
    if missing:
        found.append(f"not measured, but in {base}: {_names(missing)}")
    worse = sorted(comparison.having(Change.WORSE), key=lambda row: (bool(row.series.step), -_beyond(row)))
    found += [f"{row.series.words} is worse than {base}: {_moved(row)}" for row in worse[:NAMED]]
    if len(worse) > NAMED:
        more = len(worse) - NAMED
        found.append(f"{more} more figure{' is' if more == 1 else 's are'} worse than {base}")
    new = comparison.having(Change.NEW)
    if new:
        found.append(f"not in {base}, so compared with nothing: {_names(new)}")
    if not any(row.limit.gating for row in comparison.rows):
        found.append(f"no figure that gates is both in {base} and in this run")
    unsure = sorted(comparison.unsettled, key=lambda row: -row.detectable if row.detectable == row.detectable else 0.0)
    if unsure and not worse:
        found.append(f"could be worse than {base} by more than the limit: {_names(unsure)}; {_advice(unsure)}")
    return found


def _beyond(row: Row) -> float:
    """How many times the limit a change is."""
    return abs(row.change) / row.limit.change if row.limit.change else math.inf


def _moved(row: Row) -> str:
    if row.base_counts is not None and row.head_counts is not None:
        (before, of_before), (after, of_after) = row.base_counts, row.head_counts
        return f"{before:,} of {of_before:,}, now {after:,} of {of_after:,}"
    moved = f"{amount_text(row.base, row.unit)}, now {amount_text(row.head, row.unit)}"
    if math.isinf(row.change):
        return moved
    change, low, high = (change_text(each, share=row.share) for each in (row.change, row.low, row.high))
    return f"{moved}, {change} ({low} to {high})"


def _advice(unsure: Sequence[Row]) -> str:
    """How large a change could have been found, in the figure that is known least; of pairs, how many more it would take."""
    row = unsure[0]
    if math.isnan(row.detectable):
        return "there were too few samples"
    size = f"{float(f'{row.detectable * 100:.2g}'):,g} {'points' if row.share else '%'}"
    paired = row.noise is Learned.PAIRS
    these = f"{row.noise_runs} pairs" if paired else "runs"
    advice = f"a change of {size} in {row.series.words} is the smallest these {these} could find"
    more = max(each.missing_runs for each in unsure)
    if paired and more:
        advice += f", and about {more:,} more {'pair' if more == 1 else 'pairs'} would probably decide"
    return advice


def _names(rows: Sequence[Row]) -> str:
    return listed([row.series.words for row in rows], NAMED)
