"""CSV files, however large: their columns and rows, with the numbers of their lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.importers.source import Source

_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
"""How Java writes numbers where people do so."""


class Table:
    """A CSV file with a header. `columns` are its names as they are written."""

    def __init__(self, source: Source, delimiter: str = ",") -> None:
        self.source = source
        self._reader = csv.reader(source.lines(), delimiter=delimiter)
        self.columns: list[str] = next(self.raw(), [])

    @property
    def line(self) -> int:
        """The line that was read last, from 1."""
        return self._reader.line_num

    def index(self, name: str) -> int:
        """The place of a column that must be there."""
        if name not in self.columns:
            raise self.source.bad(f"the column `{name}` is missing", line=1)
        return self.columns.index(name)

    def find(self, *names: str) -> int | None:
        """The place of the first of these columns that is there."""
        return next((self.columns.index(name) for name in names if name in self.columns), None)

    def rows(self, fewest: int | None = None) -> Iterator[list[str]]:
        """The rows below the header. Empty ones are passed over; one of another length is an error.

        Where a tool leaves the last columns of a row out, `fewest` are there.
        """
        width = len(self.columns)
        for row in self.raw():
            if len(row) == width or (fewest is not None and fewest <= len(row) < width):
                yield row
            elif row:
                raise self.bad(
                    f"{_columns(len(row))} where the header has {width}", hint="the file may have been cut off"
                )

    def bad(self, what: str, hint: str = "") -> LoadgateError:
        return self.source.bad(what, line=self.line, hint=hint)

    def raw(self) -> Iterator[list[str]]:
        """All rows that are left, of any length."""
        try:
            yield from self._reader
        except csv.Error as error:
            raise self.bad(f"is no CSV: {error}") from None


def header(source: Source, delimiter: str = ",") -> Sequence[str]:
    """The columns of the first line, whatever the file is."""
    line = source.head.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def rows(source: Source, needed: Sequence[str] = (), fewest: int | None = None) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with their lines, by column, of a small file; the columns `needed` must be there, and the last line's end."""
    table = Table(source)
    for name in needed:
        table.index(name)
    for row in table.rows(fewest):
        yield table.line, dict(zip(table.columns, row, strict=False))
    if not source.data.endswith((b"\n", b"\r")):
        raise table.bad("the last line has no end: the file has been cut off")


def number(source: Source, line: int, column: str, text: str) -> float:
    """The number in `text`, which may be NaN."""
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        raise source.bad(f"`{text[:40]}` in the column `{column}` is not a number", line=line) from None


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
