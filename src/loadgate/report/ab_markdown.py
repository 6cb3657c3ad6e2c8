"""An A/B test in Markdown, for a comment on a pull request or the summary of a CI step: the verdict first.

A comment holds 65,536 characters, so that the figures that do not gate are folded, and counted beyond `MOST`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from loadgate.record.ab import AbRecord
from loadgate.record.comparison import Row
from loadgate.record.explained import Explained
from loadgate.report.ab import AbPage, left_out_text
from loadgate.report.comparison import MARKS, SHOWN, amount_cell, change_cell, interval_cell, limit_cell
from loadgate.report.ending import first_clause
from loadgate.report.explained import EXPLAINED_HEADS, explained_sentences, grown_cells
from loadgate.report.style import clean

MARKER: Final = "<!-- loadgate ab -->"
"""By which a script finds its comment again, to write it anew."""
MOST: Final = 100
"""Rows of the folded table."""
TITLE: Final = 60
"""Characters of a sentence that is a heading as it is; of a longer one its first clause is."""

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~#&])")
_TICKS: Final = re.compile(r"`+")


def ab_markdown(record: AbRecord, page: AbPage) -> str:
    """The page of `record` in Markdown (GitHub's and GitLab's flavour)."""
    ending = page.ending
    title = ending.sentence if len(ending.sentence) <= TITLE else first_clause(ending.sentence)
    parts = [MARKER, f"### {ending.word.value.upper()}: {_text(title)}"]
    parts.append("\n".join(f"- {_text(reason)}" for reason in ending.reasons if reason != title))
    parts.append(_table(page.shown[-SHOWN:]))
    if page.explained is not None:
        parts.append(_explained(page.explained))
    below = (f"{_text('; '.join(page.basis))}.", *(_text(text) for text in (page.machine, *page.calibration)))
    parts.append("  \n".join(below))
    if left_out := left_out_text(page):
        rows = (*page.shown[:-SHOWN], *page.hidden)
        more = f"\n\n{len(rows) - MOST} more are in `ab.json`." if len(rows) > MOST else ""
        parts.append(_folded(f"also measured: {left_out}", _table(rows[:MOST]) + more))
    how = [f"{name}: {_code(command)}" for name, command in page.arms]
    parts.append(_folded("how it was measured", "\n\n".join([*how, f"all of it: {_code(record.command)}"])))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    lines = ["| | figure | base | head | change | 95 % interval | limit |", "|---|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        values = (amount_cell(row, row.base), amount_cell(row, row.head), change_cell(row), interval_cell(row))
        texts = (MARKS[row.word][0], str(row.series), *values, limit_cell(row))
        lines.append(f"| {' | '.join(map(_text, texts))} |")
    return "\n".join(lines)


def _explained(explained: Explained) -> str:
    """What grew, with its sentences."""
    lines = [_text(f"What grew: {'; '.join(explained_sentences(explained))}.")]
    if explained.functions:
        lines += ["", f"| {' | '.join(EXPLAINED_HEADS)} |", "|---|---|--:|--:|--:|--:|---|"]
        lines += [f"| {' | '.join(map(_text, grown_cells(one)))} |" for one in explained.functions]
    return "\n".join(lines)


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>\n\n{body}\n\n</details>"


def _text(text: str) -> str:
    """`text` as it stands, whatever Markdown means by its characters."""
    return _SPECIAL.sub(r"\\\1", clean(text))


def _code(text: str) -> str:
    """`text` as code: behind more backticks than it has (CommonMark 0.31, 6.1)."""
    text = clean(text)
    fence = "`" * (max(map(len, _TICKS.findall(text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
