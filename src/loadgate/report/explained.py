"""What made the head worse, on the page of an A/B test: functions whose time per request grew, or why they are not known."""

from __future__ import annotations

from typing import Final

from loadgate.record.explained import Counted, Explained, Grown
from loadgate.report.comparison import labelled
from loadgate.report.style import Ink, Line, flow
from loadgate.report.table import Align, Column, lay_out
from loadgate.units import format_ms, format_share

EXPLAINED_HEADS: Final = ("function", "where", "base", "head", "growth", "+/-", "called by")
"""The columns of `grown_cells`. Of base and head are shares of all samples; `+/-` is a standard error."""
_LABEL: Final = 14
_LEAST: Final = 12
_ALIGNS: Final = (Align.LEFT, Align.LEFT, Align.RIGHT, Align.RIGHT, Align.RIGHT, Align.RIGHT, Align.LEFT)
_DROPS: Final = (0, 0, 3, 2, 0, 1, 4)


def explained_lines(explained: Explained, width: int) -> list[Line]:
    """The section "what grew"."""
    lines = labelled("what grew", flow(explained_sentences(explained), width - _LABEL), Ink.PLAIN)
    cells = [grown_cells(one) for one in explained.functions]
    columns = [
        Column(
            head, [row[at] for row in cells], _ALIGNS[at], drop=_DROPS[at], least=0 if at not in (0, 1, 6) else _LEAST
        )
        for at, head in enumerate(EXPLAINED_HEADS)
    ]
    return [*lines, *(lay_out(columns, width) if cells else [])]


def explained_sentences(explained: Explained) -> tuple[str, ...]:
    """How it is known, and what a reader should know of that; or why it is not."""
    if explained.missing:
        return (f"not known: {'; '.join(explained.missing)}",)
    base, head = (format_ms(seconds * 1e3) for seconds in explained.times)
    samples = " and ".join(f"{count:,}" for count in explained.samples)
    pieces = [f"a request took {base} in base and {head} in head, {explained.counts}"]
    pieces.append(f"{samples} samples by {explained.tool} in {explained.seconds:g} s")
    if not explained.functions:
        pieces.append("no single function grew by more than chance and two starts of one build explain")
    return (*pieces, *explained.notes)


def grown_cells(grown: Grown) -> tuple[str, ...]:
    """One function as a row of the table."""
    more = " with what it calls" if grown.counted is Counted.TOTAL else ""
    return (
        f"{grown.function.name}{more}",
        grown.function.place,
        format_share(grown.base_share),
        format_share(grown.head_share),
        f"+{format_ms(grown.growth * 1e3)}",
        format_ms(grown.error * 1e3),
        "" if grown.caller is None else str(grown.caller),
    )
