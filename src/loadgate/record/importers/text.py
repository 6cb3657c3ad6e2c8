"""A report that was written for people to read, taken apart: its runs, its lines, the times and counts in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.importers.source import Source
from loadgate.units import UnitError, parse_duration

_UNITS: Final = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "hr": "h",
    "hours": "h",
}
_TIME: Final = re.compile(r"([0-9.]+)\s*([a-z]+)")
_COUNT: Final = re.compile(r"[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?(?:e[+-]?[0-9]{1,2})?")
_NOTHING: Final = frozenset({"nan", "-nan", "+nan", "n/a", "-", "inf", "+inf", "null"})
"""What tools print for a figure of no samples."""


class Report:
    """The lines of one run, with their numbers in the file."""

    def __init__(self, source: Source, lines: list[tuple[int, str]]) -> None:
        self.source = source
        self.lines = lines

    def find(self, pattern: str) -> Found | None:
        """The first line that `pattern` matches from its beginning."""
        return next(self.all(pattern), None)

    def need(self, pattern: str, what: str) -> Found:
        """As `find`, of a line that every whole report has: `what` names it in the error."""
        found = self.find(pattern)
        if found is None:
            last = self.lines[-1][0] if self.lines else 1
            raise self.source.bad(
                f"the report ends here without its {what}", line=last, hint="it may have been cut off"
            )
        return found

    def all(self, pattern: str) -> Iterator[Found]:
        """All lines that `pattern` matches from their beginnings."""
        compiled = re.compile(pattern)
        for number, line in self.lines:
            match = compiled.match(line)
            if match is not None:
                yield Found(self.source, number, match)


class Found:
    """A line that matched, whose groups are read as what they should be. Raises LoadgateError with FILE:LINE."""

    def __init__(self, source: Source, line: int, match: re.Match[str]) -> None:
        self.line = line
        self._source = source
        self._match = match

    def text(self, group: int | str = 1) -> str:
        return (self._match[group] or "").strip()

    def count(self, group: int | str = 1) -> int:
        text = self.text(group)
        if not _COUNT.fullmatch(text):
            raise self._bad(text, "a count")
        return int(text)

    def number(self, group: int | str = 1) -> float | None:
        """None where the tool prints that there is none."""
        text = self.text(group)
        if text.lower() in _NOTHING:
            return None
        if not _NUMBER.fullmatch(text.lower()):
            raise self._bad(text, "a number")
        return float(text)

    def ms(self, group: int | str = 1) -> float | None:
        """A time with its unit ("1.5ms", "0.0015 secs", "1m2s") in milliseconds; None where there is none."""
        text = self.text(group)
        if text.lower().split(maxsplit=1)[:1] and text.lower().split(maxsplit=1)[0].rstrip("a-z") in _NOTHING:
            return None
        spaced = _TIME.fullmatch(text)
        if spaced is not None:
            text = spaced[1] + _UNITS.get(spaced[2], spaced[2])
        try:
            return parse_duration(text) * 1000.0
        except UnitError:
            raise self._bad(text, "a time with its unit") from None

    def _bad(self, text: str, what: str) -> LoadgateError:
        return self._source.bad(f"`{text[:40]}` is not {what}", line=self.line)


def runs(source: Source, start: str) -> list[Report]:
    """The runs in the file: each begins with a line that `start` matches from its beginning."""
    compiled = re.compile(start)
    found: list[Report] = []
    for number, line in enumerate(source.lines(), 1):
        if compiled.match(line):
            found.append(Report(source, []))
        if found:
            found[-1].lines.append((number, line))
    return found
