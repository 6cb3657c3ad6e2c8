"""Runs as a list shows them, and which of them are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from loadgate.record.verdict import Word
from loadgate.store.database import Row, Value

_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def can_be_shown(seconds: float) -> bool:
    """Whether Unix seconds are a day of the years 1 to 9999, all that a calendar knows. False for NaN."""
    return _EARLIEST <= seconds < _LATEST


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run in a store, without its figures. What is not known is "" (`started`: 0)."""

    number: int
    """Its own in this store, in the order of adding."""
    id: str
    tool: str
    name: str
    started: float
    """Unix seconds."""
    added: float
    """When it came into the store it was first added to, Unix seconds."""
    machine: str
    definition: str
    commit: str
    branch: str
    word: Word | None
    recorded: bool
    """Whether there is a whole run record, with histograms, behind the figures."""

    @property
    def time(self) -> float:
        """When it started, or was added where that is not known, Unix seconds."""
        return self.started or self.added


@dataclass(frozen=True, slots=True)
class Selection:
    """The runs that are all of this; None: any. `limit` counts from the newest."""

    name: str | None = None
    tool: str | None = None
    branch: str | None = None
    machine: str | None = None
    definition: str | None = None
    commit: str | None = None
    word: Word | None = None
    since: float | None = None
    """Unix seconds."""
    until: float | None = None
    limit: int | None = None

    def where(self) -> tuple[str, list[Value]]:
        """The rest of a SELECT over `runs`, newest first, with its values."""
        asked: list[tuple[str, Value]] = [
            ("name = ?", self.name),
            ("tool = ?", self.tool),
            ("branch = ?", self.branch),
            ("machine = ?", self.machine),
            ("definition = ?", self.definition),
            ("code = ?", self.commit),
            ("word = ?", self.word and str(self.word)),
            ("sorted >= ?", self.since),
            ("sorted < ?", self.until),
        ]
        given = [(condition, value) for condition, value in asked if value is not None]
        sql = f" WHERE {' AND '.join(condition for condition, _ in given)}" if given else ""
        values: list[Value] = [value for _, value in given]
        sql += " ORDER BY sorted DESC, number DESC"
        if self.limit is not None:
            sql += " LIMIT ?"
            values.append(self.limit)
        return sql, values


EVERYTHING: Final = Selection()

COLUMNS: Final = "number, id, tool, name, started, added, machine, definition, code, branch, word, record IS NOT NULL"
"""What `run_of` reads, of `runs`."""


def run_of(row: Row) -> StoredRun:
    number, id, tool, name, started, added, machine, definition, commit, branch, word, recorded = row
    known = Word(word) if word else None
    return StoredRun(number, id, tool, name, started, added, machine, definition, commit, branch, known, bool(recorded))
