"""Everything measured so far: runs, baselines, acknowledged changes, calibrations. A file, or a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

import numpy as np

from loadgate.errors import LoadgateError
from loadgate.record.calibration import Calibration
from loadgate.record.result import Result, SeriesName
from loadgate.store import acknowledgement, calibrations, rows, transfer
from loadgate.store.acknowledgement import Acknowledgement
from loadgate.store.baseline import Baseline, StoredBaseline, check_baseline
from loadgate.store.compressed import compress, expand
from loadgate.store.database import Database, Row, Transaction
from loadgate.store.history import History, history_of
from loadgate.store.packed import join
from loadgate.store.postgres import SCHEMES, PostgresDatabase
from loadgate.store.schema import prepare
from loadgate.store.selection import COLUMNS, EVERYTHING, Selection, StoredRun, run_of
from loadgate.store.series import SeriesNumbers
from loadgate.store.sqlite import SqliteDatabase

T = TypeVar("T")

PLACE: Final = Path(".loadgate") / "history.db"
"""Where a store is, below the working folder, if nobody says otherwise."""

_BASELINES: Final = (
    f"SELECT baselines.name, baselines.created, baselines.reason, baselines.forced, run.* FROM baselines"
    f" JOIN (SELECT {COLUMNS} FROM runs) AS run ON run.number = baselines.run"
)


class Store:
    """A store that is open; used by one thread at a time, closed with `close` or at the end of a `with`.

    Every method raises LoadgateError where the place cannot be read or written, with what was there before untouched. What
    a method has changed is on the disk when it returns.
    """

    def __init__(self, database: Database, *, create: bool = True) -> None:
        """Of a database that was just opened; `create` the tables where there are none. See `open`."""
        self._database = database
        self._numbers = SeriesNumbers()
        try:
            prepare(database, create=create)
        except BaseException:
            database.close()
            raise

    @staticmethod
    def open(place: str | Path, *, create: bool = True) -> Store:
        """The store at `place`: a path, or a URL that begins with postgresql://. Made where it is missing and `create` is set.

        A store of an earlier version is brought up to date. Raises LoadgateError: what is there is no store, is damaged, is
        a newer version's, or there is none and `create` is not set.
        """
        if isinstance(place, str) and place.startswith(SCHEMES):
            return Store(PostgresDatabase(place, create=create), create=create)
        return Store(SqliteDatabase(Path(place), create=create), create=create)

    @property
    def place(self) -> str:
        """Where it is, in words for a message: no secrets."""
        return self._database.place

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how it was opened: to read only, on a network's file system."""
        return self._database.notes

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- runs

    def add(self, result: Result, record: bytes | None = None) -> bool:
        """Keep a result, and of a run of our own its record (the bytes of run.json).

        False: a run with its id is there already, and stays as it is.
        """
        return self.add_many([(result, record)]) == 1

    def add_many(self, results: Iterable[tuple[Result, bytes | None]]) -> int:
        """Keep many results, or none of them; how many were not there already."""
        compressed = [(result, None if record is None else compress(record)) for result, record in results]
        now = time.time()

        def add(transaction: Transaction) -> int:
            return sum(
                rows.insert(transaction, self._numbers, result, added=now, record=record)
                for result, record in compressed
            )

        return self._write(add)

    def runs(self, selection: Selection = EVERYTHING) -> list[StoredRun]:
        """The runs of a selection, newest first."""
        return self._database.read(lambda transaction: rows.select(transaction, selection))

    def find(self, reference: str, selection: Selection = EVERYTHING) -> StoredRun:
        """The run a user means: an id, the beginning of one, the name of a baseline, `latest` or `latest~N` of a selection.

        Raises LoadgateError where there is none, or several.
        """
        return self._database.read(lambda transaction: rows.find(transaction, reference, selection, self.place))

    def result(self, run: StoredRun) -> Result:
        """The result as it was added."""
        return self._database.read(lambda transaction: self._result(transaction, run))

    def record(self, run: StoredRun) -> bytes | None:
        """The bytes of the run's run.json; None for a run of another tool."""
        return self._database.read(lambda transaction: self._record(transaction, run))

    def history(self, selection: Selection = EVERYTHING, series: Collection[SeriesName] | None = None) -> History:
        """The figures of the runs of a selection, of all series or those given."""
        where, values = selection.where()

        def read(transaction: Transaction) -> History:
            held = transaction.rows(f"SELECT figures, {COLUMNS} FROM runs{where}", values)[::-1]
            joined, places = join([row[0] for row in held])
            names = self._numbers.names(transaction, np.unique(joined["series"]).tolist())
            return history_of([run_of(row[1:]) for row in held], joined, places, names, series)

        return self._database.read(read)

    def prune(self, *, before: float | None = None, keep: int | None = None) -> int:
        """Delete runs that are older than `before` (Unix seconds) or not among the newest `keep` of their tool and name.

        Baselines' runs stay. How many were deleted.
        """
        if before is None and keep is None:
            raise ValueError("prune takes an age or a count")
        if keep is not None and keep < 0:
            raise ValueError("a count of runs is not negative")
        newest = "row_number() OVER (PARTITION BY tool, name ORDER BY sorted DESC, number DESC)"
        rules = {
            "sorted < ?": before,
            f"number IN (SELECT number FROM (SELECT number, {newest} AS place FROM runs) AS placed WHERE place > ?)": keep,
        }
        given = {rule: value for rule, value in rules.items() if value is not None}
        sql = f"DELETE FROM runs WHERE number NOT IN (SELECT run FROM baselines) AND ({' OR '.join(given)})"
        count = self._write(lambda transaction: transaction.change(sql, list(given.values())))
        if count:
            self._database.shrink()
        return count

    # -- baselines

    def save_baseline(self, name: str, run: StoredRun, *, reason: str = "", force: bool = False) -> StoredBaseline:
        """Name `run`. Raises LoadgateError where the name is taken, or the run is not fit and not forced with a reason."""
        forced = check_baseline(name, run.word, reason=reason, force=force)
        saved = StoredBaseline(name, run, float(int(time.time())), reason, forced)

        def save(transaction: Transaction) -> None:
            held = self._baselines(transaction, name)
            if held:
                raise LoadgateError(
                    f"there is a baseline `{name}` already: run {held[0].run.id}",
                    "a baseline is never changed: remove it first, or give another name",
                )
            if rows.by_id(transaction, run.id) is None:
                raise LoadgateError(f"run {run.id} is no longer in {self.place}", "it was pruned in this moment")
            transfer.insert_baseline(transaction, saved)

        self._write(save)
        return saved

    def baselines(self) -> list[StoredBaseline]:
        """All baselines, by name."""
        return self._database.read(self._baselines)

    def baseline(self, name: str) -> Baseline:
        """A baseline whole. Raises LoadgateError where there is none of this name."""

        def read(transaction: Transaction) -> Baseline:
            found = self._baselines(transaction, name)
            if not found:
                raise self._no_baseline(transaction, name)
            held = found[0]
            result, record = self._result(transaction, held.run), self._record(transaction, held.run)
            return Baseline(name, held.created, held.reason, held.forced, result, record)

        return self._database.read(read)

    def remove_baseline(self, name: str) -> None:
        """Take a name from its run, which stays. Raises LoadgateError where there is none of this name."""

        def remove(transaction: Transaction) -> None:
            if not transaction.change("DELETE FROM baselines WHERE name = ?", [name]):
                raise self._no_baseline(transaction, name)

        self._write(remove)

    # -- acknowledged changes

    def acknowledge(self, change: Acknowledgement) -> bool:
        """Keep what was said about a change; False where something was said about it already, which stays."""
        row = acknowledgement.row_of(change)
        return self._write(lambda t: t.insert("acknowledgements", acknowledgement.COLUMNS, [row])) == 1

    def acknowledgements(self) -> list[Acknowledgement]:
        """All that were made, oldest first; those that have expired as well."""
        return self._database.read(transfer.acknowledgements)

    def remove_acknowledgement(self, change: Acknowledgement) -> bool:
        """False where there was none."""
        where = " AND ".join(f"{column} = ?" for column in acknowledgement.KEY)
        sql = f"DELETE FROM acknowledgements WHERE {where}"
        return self._write(lambda transaction: transaction.change(sql, change.key)) == 1

    # -- calibrations of machines

    def add_calibration(self, calibration: Calibration) -> bool:
        """Keep it beside those there are; False where it is there already."""
        return self._write(lambda transaction: calibrations.insert(transaction, calibration))

    def calibration(self, machine: str, definition: str) -> Calibration | None:
        """The newest of `machine` in which the same was asked, else the newest; None where it was never calibrated."""
        return self._database.read(lambda t: calibrations.newest(t, machine, definition, self.place))

    # -- plain files

    def export(self, path: Path) -> int:
        """Write all there is to a plain file, as `transfer` says; how many runs."""
        return self._database.read(lambda transaction: transfer.export(transaction, path, self._numbers))

    def import_(self, path: Path) -> transfer.Imported:
        """Take over what an export holds and this store does not: all of it or, where anything is wrong, nothing."""
        return self._write(lambda transaction: transfer.import_(transaction, path, self._numbers))

    # -- within a transaction

    def _write(self, work: Callable[[Transaction], T]) -> T:
        try:
            return self._database.write(work)
        except BaseException:
            self._numbers.forget()
            raise

    def _result(self, transaction: Transaction, run: StoredRun) -> Result:
        return rows.result_of(run, rows.figures(transaction, self._numbers, run.number))

    def _record(self, transaction: Transaction, run: StoredRun) -> bytes | None:
        held = transaction.rows("SELECT record FROM runs WHERE number = ?", [run.number])
        if not held or held[0][0] is None:
            return None
        try:
            return expand(held[0][0])
        except ValueError as error:
            raise LoadgateError(f"the record of run {run.id} in {self.place} is damaged: {error}") from None

    def _baselines(self, transaction: Transaction, name: str | None = None) -> list[StoredBaseline]:
        where, values = (" WHERE baselines.name = ?", [name]) if name is not None else ("", [])
        return [_baseline_of(row) for row in transaction.rows(f"{_BASELINES}{where} ORDER BY baselines.name", values)]

    def _no_baseline(self, transaction: Transaction, name: str) -> LoadgateError:
        names = ", ".join(held.name for held in self._baselines(transaction))
        return LoadgateError(
            f"there is no baseline `{name}` in {self.place}", f"there are: {names}" if names else "there is none at all"
        )


def _baseline_of(row: Row) -> StoredBaseline:
    name, created, reason, forced, *run = row
    return StoredBaseline(name, run_of(tuple(run)), created, reason, bool(forced))
