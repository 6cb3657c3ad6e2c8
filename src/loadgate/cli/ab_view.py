"""What `ab` says on standard error while it measures: lines that stay, and on a terminal a last one kept current."""

from __future__ import annotations

import os
from typing import TextIO

from loadgate.cli.page import page_width
from loadgate.record.ab import AbProgress
from loadgate.report.ab_live import ab_line
from loadgate.report.outlet import Outlet
from loadgate.report.style import clean, colour_wanted, glyphs_fit, paint

_CLEAR = "\r\x1b[K"


class AbView:
    """Says nothing where `quiet`. On a terminal it never waits for the stream: what stays is written as a pair begins."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        live = not quiet and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._outlet = Outlet(stream) if live else None
        self._staying: list[str] = []
        self._line = ""

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        if self._outlet is None:
            self._stream.write(f"{clean(text)}\n")
            self._stream.flush()
        else:
            self._staying.append(clean(text))

    def watch(self, progress: AbProgress) -> None:
        """Show where the test stands; only on a terminal, others get what is said at the looks."""
        if self._outlet is not None:
            width, unicode = page_width(self._stream) - 1, glyphs_fit(self._stream.encoding)
            colour = colour_wanted(self._stream, os.environ)
            self._line = paint(ab_line(progress, width), width, color=colour, unicode=unicode)
            self._draw()

    def close(self) -> None:
        """Take the line off the screen. Harmless twice."""
        if self._outlet is not None:
            self._line = ""
            if self._outlet.drain():
                self._draw()
            self._outlet.close()

    def _draw(self) -> None:
        assert self._outlet is not None
        if self._outlet.offer(_CLEAR + "".join(f"{text}\n" for text in self._staying) + self._line):
            self._staying.clear()
