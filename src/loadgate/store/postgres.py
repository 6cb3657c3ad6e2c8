"""A store in a PostgreSQL database, in a schema of its own named `loadgate`. Needs the extra `loadgate[postgres]`.

Writers take an advisory lock and so follow one another, as in SQLite; readers wait for nobody. Every statement is in a
transaction that sets what it needs, so that poolers which lend a connection per transaction may stand between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from loadgate.errors import LoadgateError, redact_url
from loadgate.store.database import PATIENCE, T, Transaction, Value

if TYPE_CHECKING:
    import psycopg

SCHEMES: Final = ("postgresql://", "postgres://")

_WRITERS: Final = 0x6C6F6164  # "load"
_SET: Final = "SET LOCAL search_path TO loadgate; SET LOCAL client_encoding TO 'UTF8'"
_READ: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SET}"
_WRITE: Final = (
    f"BEGIN; {_SET}; SET LOCAL synchronous_commit TO on; SET LOCAL lock_timeout TO '{PATIENCE:g}s';"
    f" SET LOCAL idle_in_transaction_session_timeout TO '{PATIENCE:g}s'; SELECT pg_advisory_xact_lock({_WRITERS})"
)
_SCHEMA: Final = "SELECT has_schema_privilege(nspname, 'USAGE') FROM pg_namespace WHERE nspname = 'loadgate'"
_GRANT: Final = "grant its user the schema `loadgate` and all in it, or the right to create it"
_TRIES: Final = 3
_CONNECT: Final = 10
"""Seconds a server may take to answer."""


class PostgresDatabase:
    """The database at `url`. The schema is made where it is missing and `create` is set. Raises LoadgateError."""

    words: Mapping[str, str] = MappingProxyType(
        {
            "key": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "number": "BIGINT",
            "real": "DOUBLE PRECISION",
            "text": 'TEXT COLLATE "C"',  # sorted by code point, as in SQLite
            "blob": "BYTEA",
        }
    )

    def __init__(self, url: str, *, create: bool) -> None:
        self._url = url
        self.place = redact_url(url)
        self.notes: tuple[str, ...] = ()
        try:
            import psycopg
        except ImportError:
            raise LoadgateError(
                f"{self.place} needs the PostgreSQL driver, which is not installed", "pip install 'loadgate[postgres]'"
            ) from None
        self._psycopg = psycopg
        self._connection = self._connect()
        try:
            self._find_schema(create=create)
        except BaseException:
            self._connection.close()
            raise

    def tables(self, transaction: Transaction) -> set[str]:
        return {name for (name,) in transaction.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'loadgate'")}

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self._transact(_READ, work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._transact(_WRITE, work)

    def shrink(self) -> None:
        """Autovacuum does."""

    def close(self) -> None:
        self._connection.close()

    def _find_schema(self, *, create: bool) -> None:
        found = self.read(lambda transaction: transaction.rows(_SCHEMA))
        if not found:
            if not create:
                raise LoadgateError(f"there is no store at {self.place}", "runs that are recorded make one")
            self.write(lambda transaction: transaction.change("CREATE SCHEMA IF NOT EXISTS loadgate"))
        elif not found[0][0]:  # without this, its tables would seem not to be there
            raise LoadgateError(f"cannot use {self.place}: permission denied for schema loadgate", _GRANT)

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            # no statement is prepared: poolers that lend a connection per transaction would lose it
            options: dict[str, Any] = {} if "connect_timeout=" in self._url else {"connect_timeout": _CONNECT}
            return self._psycopg.connect(self._url, autocommit=True, prepare_threshold=None, **options)
        except self._psycopg.Error as error:
            raise LoadgateError(
                f"cannot connect to {self.place}: {_first_line(error)}", "is the server up, and may this user log in?"
            ) from None

    def _transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        for left in reversed(range(_TRIES)):
            try:
                return self._once(begin, work)
            except self._psycopg.OperationalError as error:
                # The server was restarted or the network failed. Whether a COMMIT that got no answer was carried out is not
                # known; whatever is written here may be written twice.
                if not left or not self._connection.closed:
                    raise self._message(error) from None
                time.sleep(0.2)
                self._connection = self._connect()
            except self._psycopg.Error as error:
                raise self._message(error) from None
        raise AssertionError  # the last try returns or raises

    def _once(self, begin: str, work: Callable[[Transaction], T]) -> T:
        connection = self._connection

        def execute(sql: str, values: Sequence[Value]) -> Any:
            return connection.execute(sql.replace("?", "%s").encode(), values, binary=True)

        try:
            connection.execute(begin.encode())
            done = work(Transaction(execute))
            connection.execute(b"COMMIT")
        except BaseException:
            with suppress(self._psycopg.Error):
                connection.execute(b"ROLLBACK")
            raise
        return done

    def _message(self, error: psycopg.Error) -> LoadgateError:
        said = _first_line(error)
        state = error.sqlstate or ""
        if state == "55P03":  # lock_not_available
            return LoadgateError(
                f"cannot write {self.place}: another process has been writing to it for {PATIENCE:g} s",
                "wait for its end, and try again",
            )
        if state.startswith("53"):  # insufficient resources: disk full, out of memory
            return LoadgateError(
                f"cannot write {self.place}: {said}; what was in it before is still there", "is the server's disk full?"
            )
        if state in ("42501", "25006"):  # insufficient privilege, read-only transaction
            return LoadgateError(
                f"cannot use {self.place}: {said}",
                _GRANT,
            )
        return LoadgateError(f"cannot use {self.place}: {said}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
