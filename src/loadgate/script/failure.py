"""Where in the user's own files something went wrong.

A script's error is shown at the innermost line its author wrote; the frames of Loadgate, of the standard library and of
installed packages below that line are left out.
"""

from __future__ import annotations

import linecache
import os
import re
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Final

from loadgate.errors import Problem, Span, redact_url

_FOREIGN: Final = tuple(
    os.path.join(os.path.realpath(folder), "")
    for folder in {
        str(Path(__file__).parent.parent),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)

_CODING: Final = re.compile(rb"(?:[^\n]*\n)?[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
"""A declaration of the encoding, which stands in one of the first two lines (PEP 263)."""

MOST_TEXT: Final = 500
"""Characters of an error's message that are shown."""

_LOOKED_AT: Final = 4 * MOST_TEXT
"""Characters that are looked at: a message may hold the whole of a reply, and looking for secrets takes time."""


def describe(error: BaseException) -> str:
    """`load.py:12: KeyError: 'id'`; without a place where no line of the user's took part."""
    place = _place(_first(error).__traceback__) or _place(error.__traceback__)
    text = describe_plain(error)
    return text if place is None else f"{shown(place[0].f_code.co_filename)}:{place[1]}: {text}"


def describe_plain(error: BaseException) -> str:
    """`KeyError: 'id'`: the name and what `text_of` gives. Of a group of exceptions, its first."""
    error = _first(error)
    line = text_of(error)
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def text_of(error: BaseException) -> str:
    """The first line of its message, at most `MOST_TEXT` characters of it, without secrets in URLs. Raises nothing."""
    try:
        text = str(error)
    except BaseException as worse:  # whatever the author's `__str__` does, there is something to be told
        return f"(its message cannot be shown: {type(worse).__name__})"
    line, newline, _ = text.lstrip()[:_LOOKED_AT].partition("\n")
    if len(line) == _LOOKED_AT and not newline:
        # A password is known by the `@` behind it, which may be behind the cut: give it one, which is then cut off too.
        line = redact_url(line + "@host").removesuffix("@host")
    else:
        line = redact_url(line.rstrip())
    return line if len(line) <= MOST_TEXT else line[: MOST_TEXT - 1] + "…"


def problem_of(error: BaseException, message: str) -> Problem:
    """The error as a problem in the user's source, with the line and, where Python knows it, the exact part."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        span = _span(error.filename, error.lineno, error.offset or 1, error.end_offset, error.end_lineno)
        return Problem(message, span, error.msg or "")
    place = _place(error.__traceback__)
    if place is None:
        return Problem(message)
    frame, line, instruction = place
    column, end_line, end_column = _columns(frame, instruction)
    return Problem(message, _span(frame.f_code.co_filename, line, column, end_column, end_line))


def problem_of_text(error: SyntaxError, path: Path, message: str) -> Problem:
    """What keeps Python from reading `path` at all, as a problem in it: then a SyntaxError says no line."""
    data = path.read_bytes()
    at = data.find(b"\0")
    label = error.msg or ""
    if at < 0:
        cookie = _CODING.match(data)
        if cookie is None:
            return Problem(f"{message}: {label}" if label else message)
        at = cookie.start(1)
    else:
        label = "a NUL byte, which no Python file may hold"
    start = data.rfind(b"\n", 0, at) + 1
    column = len(data[start:at].decode("utf-8", "replace")) + 1
    lines = tuple(data.decode("utf-8", "replace").split("\n"))
    return Problem(message, Span(shown(str(path)), data.count(b"\n", 0, at) + 1, column, 1, lines), label)


def _first(error: BaseException) -> BaseException:
    """What a task group wraps; where several tasks failed, the first of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@lru_cache(maxsize=1024)
def _own(filename: str) -> bool:
    """Whether the file is the user's rather than Loadgate's, Python's or an installed package's."""
    return (
        not filename.startswith("<")
        and not filename.endswith(".pyx")
        and not os.path.realpath(filename).startswith(_FOREIGN)
    )


def _place(trace: TracebackType | None) -> tuple[FrameType, int, int] | None:
    """Frame, line and instruction of the innermost frame that is the user's."""
    found = None
    instructions = _instructions(trace)
    for (frame, line), instruction in zip(walk_tb(trace), instructions, strict=True):
        if _own(frame.f_code.co_filename):
            found = frame, line, instruction
    return found


def _instructions(trace: TracebackType | None) -> Iterator[int]:
    while trace is not None:
        yield trace.tb_lasti
        trace = trace.tb_next


def _columns(frame: FrameType, instruction: int) -> tuple[int, int | None, int | None]:
    """Column from 1, end line and column behind the end, of what an instruction was compiled from (PEP 657)."""
    positions = list(frame.f_code.co_positions())
    if not 0 <= instruction // 2 < len(positions):
        return 1, None, None
    _, end_line, column, end_column = positions[instruction // 2]
    return (column or 0) + 1, end_line, None if end_column is None else end_column + 1


def _span(filename: str, line: int, column: int, end: int | None, end_line: int | None) -> Span:
    lines = tuple(text.rstrip("\n") for text in linecache.getlines(filename))
    width = len(lines[line - 1]) if 0 < line <= len(lines) else 0
    if end is None or (end_line is not None and end_line != line) or end <= column:
        end = max(column + 1, width + 1)
    return Span(shown(filename), line, column, end - column, lines)


@lru_cache(maxsize=1024)
def shown(filename: str) -> str:
    """The path as a user would write it: relative, where the file is below the working folder."""
    try:
        relative = os.path.relpath(filename)
    except ValueError:  # on another Windows drive
        return filename
    return filename if relative.startswith("..") else relative
