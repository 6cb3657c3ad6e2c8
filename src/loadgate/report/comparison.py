"""A comparison as a table: how many figures stayed, then those that did not, the worst last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from loadgate.judge.wording import amount_text, change_text, margin_text
from loadgate.record.comparison import Change, Comparison, Learned, Row
from loadgate.report.style import Ink, Line, flow, left, wrap
from loadgate.report.table import Align, Column, lay_out

SHOWN: Final = 12
"""Rows of one word that are shown; the rest are counted."""

MARKS: Final = {
    Change.SAME: ("= same", Ink.PLAIN),
    Change.NEW: ("+ new", Ink.DOUBT),
    Change.MISSING: ("- missing", Ink.DOUBT),
    Change.UNSURE: ("? unsure", Ink.DOUBT),
    Change.BETTER: ("▼ better", Ink.GOOD),
    Change.WORSE: ("▲ worse", Ink.BAD),
}
"""In the order in which they are shown: the worst stands last, above the verdict."""


def comparison_lines(comparison: Comparison, width: int, *, every: bool = False) -> list[Line]:
    """The section "compared with". `every`: all rows, those that stayed the same and those that do not gate too."""
    lines = _head(comparison, width)
    rows = [row for word in MARKS for row in _sorted(comparison, word, every=every)]
    return lines + row_lines(rows, width)


def row_lines(rows: Sequence[Row], width: int) -> list[Line]:
    """The table of `rows`; no line where there is none."""
    return lay_out(_columns(rows), width) if rows else []


def _head(comparison: Comparison, width: int) -> list[Line]:
    base, head = comparison.base, comparison.head
    pieces = [_side(base.name, base.commit, len(base.ids)), "against " + _side(head.name, head.commit, len(head.ids))]
    pieces.append(_noise(comparison.rows))
    counts = [f"{len(found)} {word}" for word in MARKS if (found := comparison.having(word))]
    informing = sum(not row.limit.gating for row in comparison.rows)
    if informing:
        counts.append(f"{informing} that do not gate")
    lines = labelled("compared", flow([piece for piece in pieces if piece], width - 14), Ink.PLAIN)
    lines += labelled("", flow([", ".join(counts)], width - 14), Ink.BOLD)
    for text in (*comparison.mismatches, *comparison.notes):
        lines += labelled("", wrap(text, width - 14), Ink.PLAIN)
    return lines


def labelled(label: str, rows: Sequence[str], ink: Ink) -> list[Line]:
    """`rows` as lines, the first behind its label."""
    return [[("  " + left(label if not number else "", 12), Ink.FAINT), (row, ink)] for number, row in enumerate(rows)]


def _side(name: str, commit: str, runs: int) -> str:
    text = f"{name} @ {commit[:7]}" if commit and commit[:7] not in name else name
    return f"{text} ({runs} runs)" if runs > 1 else text


def _noise(rows: Sequence[Row]) -> str:
    """What is known of how far two runs of the same thing lie apart."""
    learned = [row for row in rows if row.noise is Learned.HISTORY]
    if learned:
        return f"noise between runs from {max(row.noise_runs for row in learned)} runs"
    if any(row.noise is Learned.REPEATS for row in rows):
        return "noise between runs from these runs"
    if any(row.noise is Learned.ASSUMED for row in rows):
        return "noise between runs assumed: there is no history of this on this machine"
    return ""


def _sorted(comparison: Comparison, word: Change, *, every: bool) -> list[Row]:
    if word is Change.SAME and not every:
        return []
    rows = comparison.having(word, gating=not every)
    if word is Change.UNSURE and not every:
        rows = comparison.unsettled
    if word in (Change.WORSE, Change.BETTER):
        rows = sorted(rows, key=lambda row: abs(row.change))
    return rows if every else rows[-SHOWN:]


def _columns(rows: Sequence[Row]) -> list[Column]:
    inks = [MARKS[row.word][1] for row in rows]
    return [
        Column("", [MARKS[row.word][0] for row in rows], inks=inks),
        Column("step", [row.series.step for row in rows], least=12),
        Column("figure", [str(row.series._replace(step="")) for row in rows], least=18),
        Column("base", [amount_cell(row, row.base) for row in rows], Align.RIGHT, drop=2),
        Column("head", [amount_cell(row, row.head) for row in rows], Align.RIGHT, drop=1),
        Column("change", [change_cell(row) for row in rows], Align.RIGHT, inks=inks),
        Column("95 % interval", [interval_cell(row) for row in rows], Align.RIGHT),
        Column("could find", [_detectable(row) for row in rows], Align.RIGHT, drop=4, ink=Ink.FAINT),
        Column("limit", [limit_cell(row) for row in rows], Align.RIGHT, drop=3, ink=Ink.FAINT),
    ]


def amount_cell(row: Row, value: float) -> str:
    """`value`, which is the base or the head of `row`."""
    if math.isnan(value):
        return "-"
    counts = row.base_counts if value is row.base else row.head_counts
    if row.share and counts is not None:
        return f"{counts[0]:,} of {counts[1]:,}"
    return amount_text(value, row.unit)


def change_cell(row: Row) -> str:
    return "" if math.isnan(row.change) else change_text(row.change, share=row.share)


def interval_cell(row: Row) -> str:
    if math.isnan(row.low) or math.isinf(row.low):
        return ""
    low, high = (change_text(bound, share=row.share) for bound in (row.low, row.high))
    return f"{low.partition(' ')[0]} to {high}"


def _detectable(row: Row) -> str:
    if math.isnan(row.detectable):
        return ""
    return change_text(row.detectable, share=row.share).removeprefix("+")


def limit_cell(row: Row) -> str:
    return margin_text(row) if row.limit.gating else "none"
