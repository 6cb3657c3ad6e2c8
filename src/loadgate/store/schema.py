"""The tables, versioned. A store of an earlier version is brought up to date when it is opened, one of a later is refused.

* `meta`: the version of the tables.
* `series`: what figures are of. A series whose unit or direction changes is another one: its figures do not go together.
* `runs`: `sorted` is when the run started, or when it was added where that is not known. `figures` are rows of `packed`,
  `record` is a run.json compressed with zstd, NULL for results of other tools.
* `baselines`: names of runs. Their runs cannot be deleted.
* `acknowledgements`: change points somebody looked at, known by the names of what changed and by the first run after it, so
  that they outlast that run and travel to other stores.
* `calibrations`: what one build against itself showed of a machine, `record` as zstd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.store.database import Database, Transaction

SCHEMA: Final = 2

_CALIBRATIONS: Final = (
    "CREATE TABLE calibrations (id {text} PRIMARY KEY, machine {text} NOT NULL, definition {text} NOT NULL,"
    " name {text} NOT NULL, created {real} NOT NULL, record {blob} NOT NULL)"
)

_TABLES: Final = (
    "CREATE TABLE meta (schema {number} NOT NULL)",
    "CREATE TABLE series (number {key}, step {text} NOT NULL, metric {text} NOT NULL, statistic {text} NOT NULL,"
    " unit {text} NOT NULL, direction {text} NOT NULL, UNIQUE (step, metric, statistic, unit, direction))",
    "CREATE TABLE runs (number {key}, id {text} NOT NULL UNIQUE, tool {text} NOT NULL, name {text} NOT NULL,"
    " started {real} NOT NULL, added {real} NOT NULL, sorted {real} NOT NULL, machine {text} NOT NULL,"
    " definition {text} NOT NULL, code {text} NOT NULL, branch {text} NOT NULL, word {text} NOT NULL,"
    " figures {blob} NOT NULL, record {blob})",
    "CREATE INDEX runs_sorted ON runs (sorted, number)",
    "CREATE TABLE baselines (name {text} PRIMARY KEY, run {number} NOT NULL REFERENCES runs (number),"
    " created {real} NOT NULL, reason {text} NOT NULL, forced {number} NOT NULL)",
    "CREATE INDEX baselines_run ON baselines (run)",
    "CREATE TABLE acknowledgements (tool {text} NOT NULL, name {text} NOT NULL, step {text} NOT NULL, metric {text} NOT NULL,"
    " statistic {text} NOT NULL, run {text} NOT NULL, code {text} NOT NULL, reason {text} NOT NULL, author {text} NOT NULL,"
    " created {real} NOT NULL, expires {real}, UNIQUE (tool, name, step, metric, statistic, run))",
    _CALIBRATIONS,
)


def _with_calibrations(transaction: Transaction, words: Mapping[str, str]) -> None:
    transaction.change(_CALIBRATIONS.format_map(words))


MIGRATIONS: Final[dict[int, Callable[[Transaction, Mapping[str, str]], None]]] = {1: _with_calibrations}
"""From a schema to the next; the words are those of the engine."""


def prepare(database: Database, *, create: bool) -> None:
    """Make the tables or bring them up to date, all or nothing. Raises LoadgateError."""
    schema = database.read(lambda transaction: _schema(database, transaction))
    if schema == SCHEMA:
        return
    if not schema and not create:
        raise LoadgateError(f"there is no store in {database.place}", "runs that are recorded make one")
    database.write(lambda transaction: _update(database, transaction))


def _schema(database: Database, transaction: Transaction) -> int:
    """The version of the tables, 0 where there are none."""
    tables = database.tables(transaction)
    if not tables:
        return 0
    found = transaction.rows("SELECT schema FROM meta") if {"meta", "runs", "series"} <= tables else []
    if len(found) != 1:
        raise LoadgateError(f"{database.place} holds something else than a store", "give another place")
    schema = int(found[0][0])
    if schema > SCHEMA:
        raise LoadgateError(
            f"{database.place} was made by a newer version of Loadgate (schema {schema}, this one knows {SCHEMA})",
            "use that version, or install it here",
        )
    return schema


def _update(database: Database, transaction: Transaction) -> None:
    schema = _schema(database, transaction)  # once more: another process may have been faster
    if not schema:
        for table in _TABLES:
            transaction.change(table.format_map(database.words))
        transaction.change("INSERT INTO meta (schema) VALUES (?)", [SCHEMA])
        return
    for step in range(schema, SCHEMA):
        MIGRATIONS[step](transaction, database.words)
    transaction.change("UPDATE meta SET schema = ?", [SCHEMA])
