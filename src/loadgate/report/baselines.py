"""Baselines as lists for a terminal: which there are, what one holds, what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from loadgate.judge.wording import amount_text, change_text
from loadgate.record.result import Figure, Result
from loadgate.record.verdict import Word
from loadgate.report.style import Ink, Line, wrap
from loadgate.report.table import Align, Column, lay_out
from loadgate.report.times import day
from loadgate.store.baseline import Baseline, StoredBaseline


def baseline_rows(baselines: Sequence[StoredBaseline], width: int) -> list[Line]:
    """One line each."""
    if not baselines:
        return [[("no baselines", Ink.FAINT)]]
    runs = [held.run for held in baselines]
    columns = [
        Column("baseline", [held.name for held in baselines], least=12, ink=Ink.BOLD),
        Column("measured", [day(run.time) for run in runs]),
        Column("of", [run.name for run in runs], least=8),
        Column("commit", [run.commit[:9] for run in runs], drop=2),
        Column("run", [run.id for run in runs], drop=3, ink=Ink.FAINT),
        Column("verdict", [verdict_of(held) for held in baselines]),
        Column("machine", [run.machine for run in runs], drop=4, least=12, ink=Ink.FAINT),
    ]
    return lay_out(columns, width, indent=0)


def verdict_of(held: StoredBaseline) -> str:
    """What its run came to, and that it was forced."""
    word = held.run.word
    text = word.value if word is not None else "-"
    return f"{text}, forced" if held.forced else text


def baseline_page(baseline: Baseline, width: int) -> list[Line]:
    """Where it comes from, and its figures."""
    result = baseline.result
    facts = [
        ("run", f"{result.id}, {result.tool} {result.name}".rstrip()),
        ("measured", day(result.started) if result.started else ""),
        ("commit", f"{result.commit} on {result.branch}" if result.branch else result.commit),
        ("machine", result.machine),
        ("definition", result.definition),
        ("verdict", _word(result.word) + (", forced" if baseline.forced else "")),
        ("reason", baseline.reason),
        ("saved", day(baseline.created)),
    ]
    lines: list[Line] = [[("baseline  ", Ink.FAINT), (baseline.name, Ink.BOLD)]]
    for name, text in facts:
        rows = wrap(text, width - 12) if text else []
        lines += [[(f"  {name if not at else '':<10}", Ink.FAINT), (row, Ink.PLAIN)] for at, row in enumerate(rows)]
    return [*lines, [("", Ink.PLAIN)], *figure_rows(result, width)]


def figure_rows(result: Result, width: int) -> list[Line]:
    """The figures of a result, each with its error."""
    figures = result.figures
    columns = [
        Column("figure", [str(figure.series) for figure in figures], least=24),
        Column("value", [amount_text(figure.estimate.value, figure.unit) for figure in figures], Align.RIGHT),
        Column("error within", [_error(figure) for figure in figures], Align.RIGHT, drop=1, ink=Ink.FAINT),
        Column("samples", [f"{figure.estimate.count:,}" for figure in figures], Align.RIGHT, drop=2, ink=Ink.FAINT),
    ]
    return lay_out(columns, width)


def finding_lines(baseline: StoredBaseline, problems: Sequence[str], width: int) -> list[Line]:
    """One baseline, and what is wrong with it."""
    if not problems:
        return [[("✓ ok      ", Ink.GOOD), (baseline.name, Ink.BOLD)]]
    lines: list[Line] = [[("✗ broken  ", Ink.BAD), (baseline.name, Ink.BOLD)]]
    for problem in problems:
        rows = wrap(problem, width - 12)
        lines += [[("          " + ("- " if not at else "  ") + row, Ink.PLAIN)] for at, row in enumerate(rows)]
    return lines


def _error(figure: Figure) -> str:
    error = figure.estimate.error
    if error is None:
        return ""
    return "±" + change_text(1.96 * error, share=figure.unit == "share").removeprefix("+")


def _word(word: Word | None) -> str:
    return word.value if word is not None else "not judged"
