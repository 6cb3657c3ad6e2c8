"""`bench/RESULTS.md`: one section a benchmark, each replaced as a whole when it was measured anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent / "RESULTS.md"
_TITLE: Final = (
    "# Benchmark results\n\n"
    "Written by the scripts named in each section (`scripts/bench` runs them all): do not edit by hand. Every section "
    "names the machine\nit was measured on; figures of two machines say nothing about each other.\n"
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads well as plain text too: the first column to the left, figures to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.ljust(width) if not i else cell.rjust(width) for i, (cell, width) in enumerate(_sized(cells))]
        return f"| {' | '.join(padded)} |"

    def _sized(cells: Sequence[str]) -> list[tuple[str, int]]:
        return list(zip(cells, widths, strict=True))

    rule = "|".join("-" * (width + 2) if not i else "-" * (width + 1) + ":" for i, width in enumerate(widths))
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def put(page: str, title: str, body: str) -> str:
    """`page` with the section `title` replaced by `body`, or added at the end."""
    _, *parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    sections[title] = body
    return _TITLE + "".join(f"\n## {name}\n\n{text.strip()}\n" for name, text in sections.items())


def write(title: str, body: str, path: Path = PAGE) -> None:
    page = path.read_text() if path.exists() else ""
    path.write_text(put(page, title, body))
