"""How a run or a comparison ends: the verdict with its reasons and the exit code, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from loadgate.record.comparison import Change, Comparison
from loadgate.record.verdict import Verdict, Word
from loadgate.report.style import Ink, Line, cells, clean, wrap

LEAST_SENTENCE: Final = 10
"""Columns beside the verdict's word in which a sentence can begin: `sentence_cut` takes up to nine whatever there is."""

VERDICT_INKS: Final = {Word.PASS: Ink.LOUD_GOOD, Word.FAIL: Ink.LOUD_BAD}
"""Any other word is a doubt."""


class Ending(Protocol):
    """What an ending needs to know. `sentence` goes with the word: its first reason, or what a pass rests on."""

    @property
    def word(self) -> Word: ...
    @property
    def sentence(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def exit_code(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ComparisonEnding:
    """The ending of a comparison."""

    word: Word
    sentence: str
    reasons: tuple[str, ...]
    exit_code: int


def ending_of_comparison(comparison: Comparison, verdict: Verdict, exit_code: int) -> ComparisonEnding:
    """How a comparison ends that came to `verdict`; `exit_code` is another one than the verdict's where it was interrupted."""
    sentence = verdict.reasons[0] if verdict.reasons else rests_on(comparison)
    return ComparisonEnding(verdict.word, sentence, verdict.reasons, exit_code)


def rests_on(comparison: Comparison) -> str:
    """What a pass rests on."""
    same, better = (len(comparison.having(word)) for word in (Change.SAME, Change.BETTER))
    improved = f", {better} better" if better else ""
    return f"no figure is worse than {comparison.base.name}: {same} the same{improved}"


def ending_lines(ending: Ending, width: int) -> list[Line]:
    """The verdict's reasons, and the last line: its word, its first reason or what it rests on, the exit code."""
    word = ending.word.value.upper()
    ink = VERDICT_INKS.get(ending.word, Ink.LOUD_DOUBT)
    code = f"exit {ending.exit_code}"
    room = width - cells(word) - 2 - 2 - len(code)
    sentence, reasons = ending.sentence, list(ending.reasons)
    if room < LEAST_SENTENCE:  # the word and the code are what must be read
        sentence, reasons = "", reasons or [sentence]
    elif cells(clean(sentence)) <= room:
        reasons = reasons[1:]
    else:
        sentence = first_clause(sentence)
    lines: list[Line] = []
    for reason in reversed(reasons):
        for number, row in enumerate(wrap(reason, width - 4)):
            lines.append([("  " + ("- " if not number else "  ") + row, Ink.PLAIN)])
    gap = " " * max(2, room - cells(clean(sentence)) + 2)
    if cells(clean(sentence)) > room:
        sentence = sentence_cut(sentence, room)
        gap = "  "
    lines.append([(word, ink), ("  " + sentence, Ink.BOLD), (gap + code, Ink.FAINT)])
    return lines


def first_clause(sentence: str) -> str:
    """`sentence` up to its first colon, semicolon or comma that ends a clause."""
    ends = [at for mark in (": ", "; ", ", ", " (") if (at := sentence.find(mark)) > 0]
    return sentence[: min(ends)] if ends else sentence


def sentence_cut(sentence: str, room: int) -> str:
    """As many whole words as fit, and a mark that there is more."""
    first = wrap(sentence, max(8, room - 1))[0]
    return first + "…"
