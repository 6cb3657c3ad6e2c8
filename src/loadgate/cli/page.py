"""Printing on standard output: coloured lines where somebody looks at them, JSON where a program does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final, TextIO

from loadgate.report.style import Line, colour_wanted, glyphs_fit, paint

PIPE_WIDTH: Final = 100
"""Columns where nobody says how many there are."""

NARROWEST: Final = 20
"""The verdict and its exit code take 17 columns: a terminal that is narrower breaks the lines itself."""


def print_lines(lines: Sequence[Line]) -> None:
    """`lines`, laid out for `page_width(sys.stdout)`."""
    stream = sys.stdout
    width, color, unicode = page_width(stream), colour_wanted(stream, os.environ), glyphs_fit(stream.encoding)
    stream.write("".join(paint(line, width, color=color, unicode=unicode) + "\n" for line in lines))
    stream.flush()


def print_json(tree: Any) -> None:
    """`tree` (what msgspec encodes), indented."""
    import msgspec

    from loadgate.record.encoding import encode_json

    sys.stdout.write(msgspec.json.format(encode_json(tree), indent=2).decode() + "\n")
    sys.stdout.flush()


def page_width(stream: TextIO) -> int:
    """Columns there are."""
    if stream.isatty():
        columns = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    else:
        try:
            columns = int(os.environ.get("COLUMNS", ""))
        except ValueError:
            columns = 0
    return max(columns, NARROWEST) if columns > 0 else PIPE_WIDTH
