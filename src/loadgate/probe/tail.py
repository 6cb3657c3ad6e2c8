"""The last of what a program printed, in fixed memory however much it is."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

KEPT: Final = 65_536
LINES: Final = 20
WIDTH: Final = 500
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Tail:
    """The last `KEPT` bytes, and the last lines of them."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, part: bytes) -> None:
        self._bytes += part
        if len(self._bytes) > 2 * KEPT:
            del self._bytes[:-KEPT]

    def lines(self) -> tuple[str, ...]:
        """At most `LINES` lines, the last ones, each at most `WIDTH` characters long, that cannot drive a terminal.

        Blank lines are left out. Of a line that was overwritten with carriage returns (a progress bar) the last state stays.
        """
        text = bytes(self._bytes[-KEPT:]).decode("utf-8", "replace")
        lines = (_clean(line) for line in text.split("\n"))
        return tuple([line for line in lines if line][-LINES:])


def _clean(line: str) -> str:
    shown = _ESCAPES.sub("", line.rstrip("\r").rpartition("\r")[2]).replace("\t", "    ").rstrip()
    if not shown.isprintable():
        shown = "".join(" " if unicodedata.category(c)[0] == "Z" else _printable(c) for c in shown)
    return shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 3]}..."


def _printable(character: str) -> str:
    return "\ufffd" if unicodedata.category(character)[0] == "C" else character
