"""Aligned columns that fit a width: the least important are left out, the widest is cut in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from loadgate.report.style import Ink, Line, Span, cells, clean, left, right, squeeze

GAP = 2


class Align(Enum):
    LEFT = auto()
    RIGHT = auto()
    POINT = auto()
    """Numbers of one unit, decimal points below each other."""


@dataclass(frozen=True, slots=True)
class Column:
    """`drop`: columns with the highest go first where there is no room, 0 never goes.

    `least`: a name that may be cut down to so many cells (0: not cut). `inks` colour single cells.
    """

    head: str
    rows: Sequence[str]
    align: Align = Align.LEFT
    drop: int = 0
    least: int = 0
    ink: Ink = Ink.PLAIN
    inks: Sequence[Ink] = field(default=())


def lay_out(columns: Sequence[Column], width: int, *, indent: int = 2) -> list[Line]:
    """The table's lines, the head (if there is one) first. All columns have as many rows."""
    kept = [_Laid(column) for column in columns if any(column.rows)]
    free = width - indent
    while _needed(kept) > free and (droppable := [each for each in kept if each.column.drop]):
        kept.remove(max(droppable, key=lambda each: each.column.drop))
    for each in sorted(kept, key=lambda each: -each.width):
        if each.column.least and (over := sum(laid.width + GAP for laid in kept) - GAP - free) > 0:
            each.width = max(each.column.least, each.width - over)
    lines: list[Line] = []
    if any(each.column.head for each in kept):
        lines.append([(" " * indent, Ink.PLAIN), *_gaps([each.head() for each in kept])])
    for row in range(len(columns[0].rows) if columns else 0):
        lines.append([(" " * indent, Ink.PLAIN), *_gaps([each.cell(row) for each in kept])])
    return lines


def _needed(kept: Sequence[_Laid]) -> int:
    """Cells of all columns, those that can be cut at their least."""
    return sum((min(each.width, each.column.least) if each.column.least else each.width) + GAP for each in kept) - GAP


def _gaps(spans: Sequence[Span]) -> list[Span]:
    line: list[Span] = []
    for span in spans:
        line += [span, (" " * GAP, Ink.PLAIN)]
    return line[:-1]


class _Laid:
    """One column with its texts ready and its width known."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.texts = [clean(text) for text in column.rows]
        if column.align is Align.POINT:
            self.texts = _pointed(self.texts)
        self.width = max(cells(text) for text in (clean(column.head), *self.texts))

    def head(self) -> Span:
        return self._fitted(self.column.head), Ink.FAINT

    def cell(self, row: int) -> Span:
        inks = self.column.inks
        return self._fitted(self.texts[row]), inks[row] if inks else self.column.ink

    def _fitted(self, text: str) -> str:
        text = squeeze(text, self.width)
        return (left if self.column.align is Align.LEFT else right)(text, self.width)


def _pointed(texts: Sequence[str]) -> list[str]:
    """Numbers padded behind, so that right-aligned they stand with their points below each other."""
    after = [len(text.partition(".")[1] + text.partition(".")[2]) if text[:1].isdigit() else 0 for text in texts]
    most = max(after, default=0)
    return [text + " " * (most - mine) if text[:1].isdigit() else text for text, mine in zip(texts, after, strict=True)]
