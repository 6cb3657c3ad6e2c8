"""What went wrong, in words a user can act on.

Every failure Loadgate expects is a `LoadgateError`. The command line prints `error: ` followed by
`str(error)` and leaves with `exit_code`; nothing else in the program prints errors.

Rules:
* A configuration error is a list of `Problem`s, so that a user repairs a file in one go.
* A problem knows its `Span`, and shows the source line with a caret under the exact part.
* Secrets never appear: texts are redacted where they are put together to be shown, and source lines masked (same length, so
  that carets stay true), whoever made them of whatever a script or a server said.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SHOWN_PROBLEMS = 20
SHOWN_WIDTH = 100
NEAREST_DISTANCE = 3


def redact_text(text: str) -> str:
    """`masks.redact_text`, whose patterns take 5 ms to compile: a target that starts has nothing to hide yet."""
    from loadgate.masks import redact_text

    return redact_text(text)


def redact_url(url: str) -> str:
    """`masks.redact_url`, imported by the first that asks."""
    from loadgate.masks import redact_url

    return redact_url(url)


class LoadgateError(Exception):
    """An expected failure: `message` says what, `hint` (optional) says what to do about it."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return redact_text(self.message if self.hint is None else f"{self.message}\n  = {self.hint}")


class InvalidRun(LoadgateError):
    """The run cannot be judged: target down, nothing measured, generator saturated."""

    exit_code = 3


class Span(NamedTuple):
    """A stretch of one source line. `line` and `column` count from 1, `length` is in characters.

    `lines` holds the whole source text, shared by all spans of a file. (No dataclass: `dataclasses` and two of them take 3 ms,
    and a target that starts imports this module but has no need of them.)
    """

    file: str
    line: int
    column: int
    length: int
    lines: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The source characters the span covers ("" if the source is not known)."""
        if not 1 <= self.line <= len(self.lines):
            return ""
        return self.lines[self.line - 1][self.column - 1 : self.column - 1 + self.length]

    def part(self, value: str, offset: int, length: int) -> Span:
        """The span of `value[offset:offset + length]`.

        Falls back to the whole span where the source does not hold `value` verbatim (escapes, folded blocks).
        """
        if self.text != value:
            return self
        return self._replace(column=self.column + offset, length=max(1, length))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        """Without the lines: they are long, and may hold secrets."""
        return f"Span({self})"


class Problem(NamedTuple):
    """One thing wrong with what the user wrote.

    `message` stands alone; `label` is shown beside the caret; `note` (what is allowed, what to do) below.
    """

    message: str
    span: Span | None = None
    label: str = ""
    note: str = ""

    def render(self) -> str:
        """The message, the place with a caret, and the note, as several lines without a final newline."""
        parts = [redact_text(self.message)]
        if self.span is not None:
            parts += _excerpt(self.span, redact_text(self.label))
        if self.note:
            parts.append(f"{'   ' if self.span is not None else '  '}= {redact_text(self.note)}")
        return "\n".join(parts)


class ConfigError(LoadgateError):
    """Everything wrong with the configuration, at once. `problems` is never empty and is in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        ordered = sorted(problems, key=_position)
        assert ordered, "a ConfigError needs a problem"
        super().__init__(ordered[0].message)
        self.problems = tuple(ordered)

    def __str__(self) -> str:
        count = len(self.problems)
        blocks = [problem.render() for problem in self.problems[:SHOWN_PROBLEMS]]
        if count > SHOWN_PROBLEMS:
            blocks.append(f"the first {SHOWN_PROBLEMS} of {count} errors are shown")
        files = list(dict.fromkeys(problem.span.file for problem in self.problems if problem.span is not None))
        shown = "\n\nerror: ".join(blocks[:SHOWN_PROBLEMS])
        more = "".join(f"\n\n{line}" for line in blocks[SHOWN_PROBLEMS:])
        if count == 1 and not files:
            return shown
        where = f" in {', '.join(files)}" if files else ""
        return f"{shown}{more}\n\n{count} error{'s' if count > 1 else ''}{where}, nothing was run"


def _position(problem: Problem) -> tuple[str, int, int]:
    span = problem.span
    return ("", 0, 0) if span is None else (span.file, span.line, span.column)


def _excerpt(span: Span, label: str) -> list[str]:
    """The `-->` line, the source line and the one before it, and the caret line."""
    from loadgate.masks import mask_source

    rows = [f"  --> {span}"]
    if not 1 <= span.line <= len(span.lines):
        return rows if not label else [*rows, f"   | {label}"]
    gutter = max(2, len(str(span.line)))
    target = span.lines[span.line - 1]
    length = max(1, min(span.length, len(target) - span.column + 1))
    # A very long line is cut to a stretch around the caret, else the caret scrolls out of sight.
    first = max(0, span.column - 1 - SHOWN_WIDTH // 2) if len(target) > SHOWN_WIDTH else 0
    length = min(length, max(1, SHOWN_WIDTH - (span.column - 1 - first)))
    for number in (span.line - 1, span.line):
        line = span.lines[number - 1] if number >= 1 else ""
        if number == span.line or (line.strip() and not first):
            shown = _printable(mask_source(line))[first : first + SHOWN_WIDTH].rstrip()
            rows.append(f"{number:>{gutter}} | {shown}".rstrip())
    before = target[first : span.column - 1]
    pad = "".join(_blank(character) for character in before) + " " * (span.column - 1 - first - len(before))
    width = sum(len(_blank(character)) for character in target[span.column - 1 : span.column - 1 + length])
    rows.append(f"{' ' * gutter} | {pad}{'^' * max(1, width)} {label}".rstrip())
    return rows


def _blank(character: str) -> str:
    """What moves the cursor as far as `character` does."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def _printable(line: str) -> str:
    """`line` with control characters replaced: a configuration file must not drive the terminal."""
    return "".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else "\ufffd" for c in line)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, at most `NEAREST_DISTANCE` edits and a third of its length away, or None.

    Edits are insert, delete, replace and swap of neighbours (optimal string alignment distance); case is free.
    """
    best: tuple[int, str] | None = None
    for candidate in candidates:
        limit = min(NEAREST_DISTANCE, max(1, max(len(word), len(candidate)) // 3))
        distance = _edits(word.lower(), candidate.lower(), limit)
        if distance <= limit and (best is None or distance < best[0]):
            best = (distance, candidate)
    return None if best is None else best[1]


def _edits(a: str, b: str, limit: int) -> int:
    """Optimal string alignment distance of `a` and `b`, or some number above `limit`."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    two_back: list[int] = []
    back = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(back[j] + 1, row[j - 1] + 1, back[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, two_back[j - 2] + 1)
            row.append(cost)
        two_back, back = back, row
    return back[-1]
