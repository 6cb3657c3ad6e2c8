"""Text on a terminal: ink, width in cells, and nothing raw.

Rules:
* A line is a list of spans and is laid out before it gets its colours, so that escape codes never count as width.
* `paint` is the only way out: it clips to the width, replaces control characters, and turns glyphs into ASCII if need be.
* Colour only repeats what a glyph and a word say. Blue and orange, not green and red, in shades of the 256-colour cube that
  have a contrast of about 4 to 1 on black and on white alike.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, TextIO


class Ink(StrEnum):
    """How a span looks: the parameters of its SGR escape code (ECMA-48)."""

    PLAIN = ""
    FAINT = "2"
    BOLD = "1"
    GOOD = "38;5;32"
    BAD = "38;5;166"
    DOUBT = "38;5;133"
    LOUD_GOOD = "1;38;5;32"
    LOUD_BAD = "1;38;5;166"
    LOUD_DOUBT = "1;38;5;133"


Span = tuple[str, Ink]
Line = Sequence[Span]

BARS: Final = "▁▂▃▄▅▆▇█"
ELLIPSIS: Final = "…"
SEPARATOR: Final = " · "
LEAST_WORD: Final = 9
"""Cells that are left of a word that is cut."""

_ASCII: Final = {
    **dict(zip(BARS, "_.,-=+*#", strict=True)),
    ELLIPSIS: ".",
    "·": "|",
    "✓": "+",
    "✗": "x",
    "─": "-",
    "━": "=",
    "╸": ">",
}
"""One character each, so that the layout is the same."""


def glyphs_fit(encoding: str | None) -> bool:
    """Whether text in `encoding` can hold every glyph used here."""
    try:
        "".join(_ASCII).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def colour_wanted(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Whether to colour what goes to `stream`: it is a terminal that can, and nobody said no (https://no-color.org).

    FORCE_COLOR, set and not "0", colours pipes too: CI systems show colours though they are no terminals.
    """
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and env.get("TERM", "dumb") != "dumb"


def clean(text: str) -> str:
    """`text` on one line and without control characters: a name or an error must not drive the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else " " if c in "\t\r\n" or unicodedata.category(c)[0] == "Z" else "\ufffd" for c in text
    )


def cells(text: str) -> int:
    """Columns that clean `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


@lru_cache(maxsize=4096)
def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Me":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is cut off at the end is marked."""
    if cells(text) <= width:
        return text
    return _head(text, width - 1) + ELLIPSIS if width > 0 else ""


def squeeze(text: str, width: int) -> str:
    """`text` in at most `width` cells, cut in the middle: names differ at both ends.

    Where that would cut short words too, the longest is cut if it is long enough: a path says less by its middle than a size
    behind it does.
    """
    over = cells(text) - width
    if over <= 0:
        return text
    if width < 5:
        return clip(text, width)
    tail = (width - 1) // 2
    head, rest = _head(text, width - 1 - tail), _head(text[::-1], tail)[::-1]
    longest = max(text.split(" "), key=cells)
    if " " in text[len(head) : len(text) - len(rest)] and cells(longest) - over >= LEAST_WORD:
        return text.replace(longest, squeeze(longest, cells(longest) - over), 1)
    return head + ELLIPSIS + rest


def _head(text: str, width: int) -> str:
    """As much of the beginning of `text` as `width` cells hold."""
    taken = 0
    for at, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return text[:at]
    return text


def left(text: str, width: int) -> str:
    """`text` padded on the right to `width` cells."""
    return text + " " * (width - cells(text))


def right(text: str, width: int) -> str:
    """`text` padded on the left to `width` cells."""
    return " " * (width - cells(text)) + text


def wrap(text: str, width: int) -> list[str]:
    """`text` broken at blanks into lines of at most `width` cells (at least 8); a longer word is broken inside."""
    width = max(8, width)
    lines: list[str] = []
    line = ""
    for word in clean(text).split():
        while cells(word) > width:
            if line:
                lines.append(line)
                line = ""
            head = _head(word, width)
            lines.append(head)
            word = word[len(head) :]
        if line and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            line = word
        elif word:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line or not lines else lines


def flow(pieces: Iterable[str], width: int, separator: str = SEPARATOR) -> list[str]:
    """`pieces` joined by `separator` into lines of at most `width` cells; a piece is broken only where it is longer."""
    lines: list[str] = []
    for piece in pieces:
        if lines and cells(lines[-1]) + len(separator) + cells(clean(piece)) <= width:
            lines[-1] += separator + clean(piece)
        else:
            lines += wrap(piece, width)
    return lines


def paint(line: Line, width: int, *, color: bool, unicode: bool) -> str:
    """The line as text of at most `width` cells, without blanks at its end."""
    spans: list[Span] = []
    free = width
    for text, ink in line:
        shown = clip(clean(text), free)
        spans.append((shown if unicode else _as_ascii(shown), ink))
        free -= cells(shown)
        if free <= 0:
            break
    while spans and not spans[-1][0].strip():
        spans.pop()
    if spans:
        spans[-1] = (spans[-1][0].rstrip(), spans[-1][1])
    if not color:
        return "".join(text for text, _ in spans)
    return "".join(f"\x1b[{ink}m{text}\x1b[0m" if ink and text.strip() else text for text, ink in spans)


def _as_ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _ASCII.get(c) or "?" * _cells_of(c) for c in text)
