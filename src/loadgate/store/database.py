"""The seam to a database: what the store asks of an engine, so that the same SQL runs on SQLite and on PostgreSQL.

Rules:
* SQL is what both engines understand; `?` stands for a value. Where they differ (names of types), `Database.words` says how.
* All reading of one `read` sees one moment. There is one writer at a time: `write` waits for the one before it, so that what
  it has read stays true until its end.
* Texts come back as they were given. Neither engine holds half a surrogate pair, and PostgreSQL no NUL: these and the
  backslash are kept as a backslash with four hexadecimal digits.
* What an engine raises becomes a LoadgateError that names the place and says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")
Value = str | int | float | bytes | None
Row = tuple[Any, ...]

PATIENCE: Final = 60.0
"""Seconds a writer waits for those before it: each of them takes milliseconds, an import of thousands of runs some seconds."""
MOST_VALUES: Final = 900
"""Values one statement may have: SQLite before 3.32 takes 999."""

_UNSAFE: Final = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\([0-9a-f]{4})")


class Database(Protocol):
    """One engine, opened. Used by one thread at a time."""

    place: str
    """Where it is, as messages name it: a path, or a URL without its password."""
    notes: tuple[str, ...]
    """What a user should know about how it was opened."""
    words: Mapping[str, str]
    """What this engine calls: key (a number given to each new row), number (64 bits), real (64 bits), text, blob."""

    def tables(self, transaction: Transaction) -> set[str]:
        """The names of the tables that are there."""

    def read(self, work: Callable[[Transaction], T]) -> T:
        """What `work` makes of what it reads."""

    def write(self, work: Callable[[Transaction], T]) -> T:
        """As `read`; what `work` changes is there, on the disk, when this returns, and not at all when it raises.

        `work` may be called again, after a connection was lost.
        """

    def shrink(self) -> None:
        """Give space back to the system after much was deleted, where the engine does not by itself."""

    def close(self) -> None: ...


class Transaction:
    """Statements that belong together. Made by a Database."""

    def __init__(self, execute: Callable[[str, Sequence[Value]], Any]) -> None:
        self._execute = execute

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        found: list[Row] = self._execute(sql, _safe(values)).fetchall()
        if not any(isinstance(value, str) and "\\" in value for row in found for value in row):
            return found
        return [tuple(raw_text(value) if isinstance(value, str) else value for value in row) for row in found]

    def change(self, sql: str, values: Sequence[Value] = ()) -> int:
        """How many rows were changed."""
        return int(self._execute(sql, _safe(values)).rowcount)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> int:
        """Put `rows` into `table`, as many at a time as go; those that stand against a unique one there are left out.

        How many were put in.
        """
        held = list(rows)
        at_once = max(1, MOST_VALUES // len(columns))
        one = f"({', '.join('?' for _ in columns)})"
        count = 0
        for begin in range(0, len(held), at_once):
            part = held[begin : begin + at_once]
            sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(part))}"
            count += self.change(f"{sql} ON CONFLICT DO NOTHING", [value for row in part for value in row])
        return count


@lru_cache(maxsize=4096)  # a series' name is asked for once a run
def safe_text(text: str) -> str:
    """`text` as any engine, and UTF-8, can hold it."""
    return _UNSAFE.sub(lambda found: f"\\{ord(found[0]):04x}", text)


def raw_text(text: str) -> str:
    """What `safe_text` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text


def _safe(values: Sequence[Value]) -> list[Value]:
    return [safe_text(value) if isinstance(value, str) else value for value in values]
