"""Where an A/B test stands, in one line for whoever watches a terminal."""

from __future__ import annotations

import math

from loadgate.judge.wording import change_text
from loadgate.record.ab import AbProgress
from loadgate.record.comparison import Comparison, Row
from loadgate.report.style import Ink, Line, cells
from loadgate.units import format_clock

_GAP = "  "


def ab_line(progress: AbProgress, width: int) -> Line:
    """The line: which pair, how long at most, and of the figures that gate those that are nearest to being worse, as many as
    `width` columns hold.
    """
    pair = f"fresh pair {progress.pair} of {progress.most}, to confirm" if progress.confirming else ""
    pair = "a pair under a profiler" if progress.explaining else pair
    line = [(progress.title, Ink.BOLD), (_GAP + (pair or f"pair {progress.pair} of up to {progress.most}"), Ink.PLAIN)]
    line.append((f"{_GAP}{format_clock(math.ceil(progress.left))} left", Ink.FAINT))
    free = width - sum(cells(text) for text, _ in line)
    for text in [] if progress.comparison is None else _standing(progress.comparison):
        free -= cells(_GAP + text)
        if free < 0:
            break
        line.append((_GAP + text, Ink.PLAIN))
    return line


def _standing(comparison: Comparison) -> list[str]:
    """The figures of all steps that gate, the one that stands worst by its limit first."""
    rows = [row for row in comparison.rows if row.limit.gating and not row.series.step and math.isfinite(row.change)]
    return [f"{row.series} {change_text(row.change, share=row.share)}" for row in sorted(rows, key=_standing_of)]


def _standing_of(row: Row) -> float:
    limit = max(row.limit.change, row.limit.floor / row.base if row.base > 0.0 and not row.share else 0.0)
    return -row.harm / limit if limit else -row.harm
