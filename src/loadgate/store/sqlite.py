"""A store in one SQLite file.

In WAL mode: readers and the writer do not wait for each other, a transaction is one write to the log, and a process that is
killed leaves the log of whole transactions behind, which the next one to open the file takes over. `synchronous` is FULL, not
NORMAL: a run that took an hour is on the disk when `add` returns, also if the power fails; that costs one fsync a run.

WAL needs memory that the processes share. Over a network there is none, and two machines that each believe to have it
destroy the file: there the older rollback journal is used, in which readers and writers wait for each other.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from loadgate.errors import LoadgateError
from loadgate.store.database import PATIENCE, T, Transaction

_NETWORK: Final = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "9p",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "vboxsf",
        "webdav",
    )
)
"""File system types, as /proc/self/mounts names them, whose files other machines may have open."""
_UNWRITABLE: Final = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR_SHM")
"""How an attempt to read begins to fail where the shared memory's file cannot be made."""
_NO_TEXT: Final = "Could not decode to UTF-8"
"""How Python's module, not SQLite, begins to say that bytes of a text are none."""


class SqliteDatabase:
    """The file `path`, made with its folder where it is missing and `create` is set. Raises LoadgateError."""

    words: Mapping[str, str] = MappingProxyType(
        {
            "key": "INTEGER PRIMARY KEY AUTOINCREMENT",
            "number": "INTEGER",
            "real": "REAL",
            "text": "TEXT",
            "blob": "BLOB",
        }
    )

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self.place = str(path)
        self.notes: tuple[str, ...] = ()
        if path.is_dir():
            raise LoadgateError(f"{path} is a folder, not a store", "name a file in it, such as history.db")
        if not path.exists():
            if not create:
                raise LoadgateError(f"there is no store at {path}", "runs that are recorded make one")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LoadgateError(
                    f"cannot make the folder of {path}: {error.strerror or error}", "give another place"
                ) from None
        with self._translated():
            self._connection = self._connect("mode=rwc" if create else "mode=rw")
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def tables(self, transaction: Transaction) -> set[str]:
        found = transaction.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return {name for (name,) in found}

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self._transact("BEGIN", work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._transact("BEGIN IMMEDIATE", work)

    def shrink(self) -> None:
        with self._translated():
            self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would take one page of it
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._connection.close()

    def _transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        connection = self._connection
        with self._translated():
            connection.execute(begin)
            try:
                done = work(Transaction(connection.execute))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise
            return done

    def _connect(self, options: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(os.fsencode(self.path.absolute()))}?{options}",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        try:
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            if not error.sqlite_errorname.startswith(_UNWRITABLE) or not self.path.is_file():
                raise
            self._read_only(error)
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA synchronous = FULL")
        # Some systems' SQLite overwrites what it deletes; on a disk that is nearly full there is no room for that.
        self._connection.execute("PRAGMA secure_delete = OFF").fetchall()
        self._choose_journal()

    def _read_only(self, error: sqlite3.Error) -> None:
        """Open the file where nothing can be written beside it. What is in a log could then not be read."""
        log = Path(f"{self.path}-wal")
        if log.is_file() and log.stat().st_size:
            raise LoadgateError(
                f"cannot read {self.path}: its last records are in {log.name}, and nothing can be written beside it ({error})",
                "copy both files to where there is room and permission, and read them there",
            )
        self._connection.close()
        self._connection = self._connect("mode=ro&immutable=1")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        self.notes += (f"{self.path} is opened to read only: {error}",)

    def _choose_journal(self) -> None:
        if self.notes:
            return
        kind = file_system(self.path)
        wanted = "delete" if kind in _NETWORK else "wal"
        # Other processes may be doing the same at this moment, and SQLite does not wait for them here.
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self._pragma("journal_mode") == wanted:
                    break
                self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts only before the first table
                self._pragma(f"journal_mode = {wanted}")
                break
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        if self._pragma("journal_mode") != "wal":
            self.notes += (
                f"{self.path} is on a {kind or 'file system without shared memory'}"
                f"{' file system' if kind else ''}: readers and writers wait for each other",
            )

    def _pragma(self, what: str) -> str:
        return str(self._connection.execute(f"PRAGMA {what}").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite raises into a message. Earlier records are there in each of these cases."""
        try:
            yield
        except sqlite3.Error as error:
            raise _message(self.path, error) from None


def _message(path: Path, error: sqlite3.Error) -> LoadgateError:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_NOTADB":
        return LoadgateError(f"{path} is not a store: {error}", "give another place, or move this file away")
    if name.startswith("SQLITE_CORRUPT") or str(error).startswith(_NO_TEXT):
        return LoadgateError(
            f"{path} is damaged: {error}",
            "move it away and import an export of it; `sqlite3 FILE .recover` saves what is left of it",
        )
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return LoadgateError(
            f"cannot write {path}: {error}; what was in it before is still there",
            "is the disk full? free some space, and try again",
        )
    if name.startswith("SQLITE_BUSY"):
        return LoadgateError(
            f"cannot write {path}: another process has been writing to it for {PATIENCE:g} s",
            "wait for its end, and try again",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return LoadgateError(f"cannot open or write {path}: {error}", "does it, and its folder, allow writing?")
    return LoadgateError(f"cannot use {path}: {error}")


def file_system(path: Path) -> str:
    """The type of the file system `path` is on, as Linux names it; "" elsewhere."""
    if sys.platform != "linux":
        return ""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace")
    except OSError:
        return ""
    place, best, found = os.path.realpath(path), -1, ""
    for line in mounts.splitlines():
        point, kind = line.split(" ")[1:3]
        point = point.replace("\\040", " ").rstrip("/")
        if len(point) >= best and (place == point or place.startswith(point + "/")):
            best, found = len(point), kind
    return found
