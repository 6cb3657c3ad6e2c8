"""Feeders: rows of test data, handed out to users.

    people = csv_data("people.csv", order="unique")
    row = people.next(user)          # row["name"] or row.name

Orders: `sequential` goes through the rows and begins again; `random` draws from the user's own generator; `unique`
hands out each row at most once and then stops the user that asks for more. Users take from one place in the file
together (share `all`), or each reads the file from its first row (share `vu`). Rows live as long as the feeder,
positions as long as a run.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loadgate.config.data import Order, Share
from loadgate.errors import ConfigError, LoadgateError, Problem, Span
from loadgate.script.user import StopUser

if TYPE_CHECKING:
    from loadgate.script.user import User

_Setting = TypeVar("_Setting", Order, Share)


class Row(dict[str, Any]):
    """One row: a mapping from column to value, its columns readable as attributes too. The caller's own copy."""

    __slots__ = ()

    def __getattr__(self, column: str) -> Any:
        try:
            return self[column]
        except KeyError:
            raise AttributeError(f"the row has no column `{column}`: {', '.join(self)}") from None


class Feeder:
    """Rows and the order they are handed out in. `name` is what messages call it."""

    __slots__ = ("_rows", "columns", "name", "order", "share")

    def __init__(
        self, rows: Iterable[Mapping[str, Any]], *, name: str = "data", order: str = "sequential", share: str = "all"
    ) -> None:
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._rows = tuple(_packed(row, known) for row in rows)
        self.name = name
        self.order = _choice(Order, order, name, "order")
        self.share = _choice(Share, share, name, "share")
        if not self._rows:
            raise LoadgateError(f"{name} has no rows")
        self.columns = frozenset(column for columns in known for column in columns)

    def __len__(self) -> int:
        return len(self._rows)

    def next(self, user: User) -> Row:
        """The next row for `user`. Ends the user (StopUser) where the order is unique and no row is left."""
        rows = self._rows
        if self.order is Order.RANDOM:
            return _unpacked(rows[user.random.randrange(len(rows))])
        if self.share is Share.ALL:
            positions = user.shared.positions
        elif user.positions is None:
            positions = user.positions = {}
        else:
            positions = user.positions
        position = positions.get(id(self), 0)
        if position >= len(rows):
            if self.order is Order.UNIQUE:
                raise StopUser(f"all {len(rows):,} rows of {self.name} are used")
            position = 0
        positions[id(self)] = position + 1
        return _unpacked(rows[position])


def csv_data(path: str | Path, *, order: str = "sequential", share: str = "all", delimiter: str = ",") -> Feeder:
    """Rows of a CSV file whose first line names the columns; values are text.

    `path` is relative to the file that calls this. Raises ConfigError: missing, empty, not UTF-8, or a row that has not
    as many values as there are columns.
    """
    file = _beside_caller(path)
    return Feeder(read_csv(file, delimiter), name=file.name, order=order, share=share)


def json_data(path: str | Path, *, order: str = "sequential", share: str = "all") -> Feeder:
    """Rows of a JSON file that holds a list of objects; `path` as for `csv_data`. Raises ConfigError."""
    file = _beside_caller(path)
    return Feeder(read_json(file), name=file.name, order=order, share=share)


def list_data(
    rows: Iterable[Mapping[str, Any]], *, name: str = "data", order: str = "sequential", share: str = "all"
) -> Feeder:
    """Rows given in the script itself. Raises LoadgateError where there are none."""
    return Feeder(rows, name=name, order=order, share=share)


def read_csv(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a CSV file (RFC 4180), at least one; blank lines are skipped. Raises ConfigError with the line."""
    text = _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    empty = True
    try:
        for cells in reader:
            if not cells:
                continue
            if not columns:
                columns = [cell.strip() for cell in cells]
                if wrong := _header_mistake(columns):
                    raise _file_error(path, text, reader.line_num, f"{path.name}: {wrong}")
            elif len(cells) != len(columns):
                message = (
                    f"{path.name}: a row has {_count(len(cells), 'value')}, the header {_count(len(columns), 'column')}"
                )
                raise _file_error(path, text, reader.line_num, message)
            else:
                empty = False
                yield dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise _file_error(path, text, reader.line_num, f"{path.name} is not valid CSV: {error}") from None
    if empty:
        what = "is empty" if not columns else "has a header but no rows"
        raise ConfigError([Problem(f"{path} {what}")])


def read_json(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON file. Raises ConfigError with the line."""
    text = _read_text(path)
    if not text.strip():
        raise ConfigError([Problem(f"{path} is empty")])
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise _file_error(
            path, text, error.lineno, f"{path.name} is not valid JSON: {error.msg}", error.colno
        ) from None
    if not isinstance(rows, list):
        raise ConfigError([Problem(f"{path} must hold a list of objects")])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ConfigError([Problem(f"{path}: item {number} of the list is not an object")])
    if not rows:
        raise ConfigError([Problem(f"{path} holds an empty list")])
    return rows


def _packed(
    row: Mapping[str, Any], known: dict[tuple[str, ...], tuple[str, ...]]
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """A row as columns and values; rows with the same columns share them, for a file may have a million rows."""
    columns = tuple(row)
    return known.setdefault(columns, columns), tuple(row.values())


def _unpacked(row: tuple[tuple[str, ...], tuple[Any, ...]]) -> Row:
    return Row(zip(*row, strict=True))


def _header_mistake(columns: Sequence[str]) -> str:
    if "" in columns:
        return f"column {columns.index('') + 1} has no name"
    double = next((column for column in columns if columns.count(column) > 1), None)
    return "" if double is None else f"column `{double}` is named twice"


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([Problem(f"there is no file {path}")]) from None
    except OSError as error:
        raise ConfigError([Problem(f"cannot read {path}: {error.strerror}")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = data.decode("utf-8-sig", "replace")
        raise _file_error(path, text, line, f"{path.name} is not UTF-8 text") from None


def _file_error(path: Path, text: str, line: int, message: str, column: int = 1) -> ConfigError:
    lines = tuple(text.replace("\r\n", "\n").split("\n"))
    width = len(lines[line - 1]) if 0 < line <= len(lines) else 1
    return ConfigError([Problem(message, Span(str(path), line, column, max(1, width - column + 1), lines))])


def _beside_caller(path: str | Path) -> Path:
    """`path`, relative to the file of the function that called ours, as k6's `open` has it."""
    return Path(sys._getframe(2).f_code.co_filename).parent / path


def _choice(kind: type[_Setting], value: str, name: str, setting: str) -> _Setting:
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise LoadgateError(f"{name}: {setting} is `{value}`", f"give one of {allowed}") from None


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
