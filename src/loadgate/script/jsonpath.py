"""The part of JSONPath that captures and checks need, compiled once.

Grammar, after RFC 9535 with its rarely used half left out:

    path    = "$" step*
    step    = "." name | ".*" | "[" (index | "*" | quoted) "]"
    name    = letters, digits, "_" and "-", not beginning with a digit
    index   = integer; a negative one counts from the end
    quoted  = a name in single or double quotes, with backslash escapes for the quote and the backslash
    and ".length()" as the last step: the number of items, members or characters

A path without a wildcard finds one value. After a wildcard the rest of the path is looked up in each item, and what
lacks it is left out (RFC 9535 section 2.1.2); the result is a list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final


class Missing(Enum):
    """What `JsonPath.find` returns where the document has no such place. Not None: null is a value."""

    MISSING = "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING


class _Wildcard(Enum):
    ALL = "*"


_NAME = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff-]*")
_INDEX = re.compile(r"-?(?:0|[1-9][0-9]{0,8})")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_ESCAPE = re.compile(r"\\(.)")
_LENGTH: Final = ".length()"

_Step = str | int | _Wildcard


class JsonPathError(ValueError):
    """A text that is no path. `position` counts characters from 0, `length` how many are meant."""

    def __init__(self, message: str, position: int, length: int = 1) -> None:
        super().__init__(message)
        self.position = position
        self.length = length


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path. Equal texts make equal paths."""

    text: str
    steps: tuple[_Step, ...]
    counts: bool
    """Whether the path ends in `.length()`."""

    def find(self, document: Any) -> Any:
        """The value at this place of a decoded JSON document, or MISSING; a list where the path has a wildcard."""
        found = _walk(document, self.steps, 0)
        if not self.counts or found is MISSING:
            return found
        return len(found) if isinstance(found, (list, dict, str)) else MISSING

    def __str__(self) -> str:
        return self.text


def parse_jsonpath(text: str) -> JsonPath:
    """Compile `text`. Raises JsonPathError with the position of the first thing that is not understood."""
    if not text.startswith("$"):
        raise JsonPathError("a JSON path begins with `$`", 0, max(1, len(text)))
    steps, at = _steps(text, 1)
    counts = text.startswith(_LENGTH, at)
    if counts and at + len(_LENGTH) < len(text):
        raise JsonPathError("`.length()` must come last", at, len(_LENGTH))
    if not counts and at < len(text):
        raise _unsupported(text, at)
    return JsonPath(text, steps, counts)


def parse_steps(text: str, at: int) -> tuple[tuple[str | int, ...], int]:
    """The plain steps (no wildcard) of `text` from `at`, and where they end: what follows a name in a template."""
    steps, end = _steps(text, at, wildcards=False)
    return tuple(step for step in steps if not isinstance(step, _Wildcard)), end


def follow(document: Any, steps: tuple[str | int, ...]) -> Any:
    """The value `steps` lead to, or MISSING."""
    return _walk(document, steps, 0)


def _steps(text: str, at: int, *, wildcards: bool = True) -> tuple[tuple[_Step, ...], int]:
    steps: list[_Step] = []
    while at < len(text) and text[at] in ".[" and not text.startswith(_LENGTH, at):
        step, at = _dotted(text, at) if text[at] == "." else _bracketed(text, at)
        if step is _Wildcard.ALL and not wildcards:
            raise JsonPathError("a wildcard is not allowed here", at - 1)
        steps.append(step)
    return tuple(steps), at


def _dotted(text: str, at: int) -> tuple[_Step, int]:
    if text.startswith(".*", at):
        return _Wildcard.ALL, at + 2
    match = _NAME.match(text, at + 1)
    if match is None:
        raise _unsupported(text, at)
    if text.startswith("(", match.end()):
        raise JsonPathError(f"`.{match.group()}()` is not supported, only `.length()` is", at, match.end() - at)
    return match.group(), match.end()


def _bracketed(text: str, at: int) -> tuple[_Step, int]:
    step: _Step
    if text.startswith("*", at + 1):
        step, end = _Wildcard.ALL, at + 2
    elif index := _INDEX.match(text, at + 1):
        step, end = int(index.group()), index.end()
    elif quoted := _QUOTED.match(text, at + 1):
        inner = quoted[1] if quoted[1] is not None else quoted[2]
        step, end = _ESCAPE.sub(r"\1", inner), quoted.end()
    else:
        raise _unsupported(text, at)
    if not text.startswith("]", end):
        raise _unsupported(text, at) if end < len(text) else JsonPathError("`[` is not closed", at)
    return step, end + 1


def _unsupported(text: str, at: int) -> JsonPathError:
    """Names the JSONPath feature that is left out, where one is recognised."""
    rest = text[at:]
    for start, what in (("..", "descendants (`..`)"), ("[?", "filters (`[?...]`)"), ("[(", "scripts (`[(...)]`)")):
        if rest.startswith(start):
            return JsonPathError(f"{what} are not supported", at, 2)
    inside = rest.partition("]")[0]
    if rest.startswith("[") and ":" in inside:
        return JsonPathError("slices (`[1:3]`) are not supported", at, len(inside) + 1)
    if rest.startswith("[") and "," in inside:
        return JsonPathError("unions (`[0,1]`) are not supported", at, len(inside) + 1)
    return JsonPathError(f"`{rest[:20]}` is not understood here", at, len(rest[:20]))


def _walk(value: Any, steps: tuple[_Step, ...], at: int) -> Any:
    for position in range(at, len(steps)):
        step = steps[position]
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
            value = value[step]
        elif isinstance(step, int):
            if not isinstance(value, list) or not -len(value) <= step < len(value):
                return MISSING
            value = value[step]
        else:
            return _each(value, steps, position + 1)
    return value


def _each(value: Any, steps: tuple[_Step, ...], at: int) -> Any:
    """The rest of the path in every item; inner wildcards flatten, as node lists do."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return MISSING
    nested = _Wildcard.ALL in steps[at:]
    found: list[Any] = []
    for item in value:
        inner = _walk(item, steps, at)
        if inner is not MISSING:
            found.extend(inner) if nested else found.append(inner)
    return found
