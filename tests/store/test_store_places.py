"""Where a store is: made, brought up to date, refused; what stands in the way is said once, and earlier runs stay."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.store import schema, sqlite
from loadgate.store.database import Transaction
from loadgate.store.sqlite import SqliteDatabase, file_system
from loadgate.store.store import Store
from tests.store.results import result, results
from tests.support.postgres import Postgres

as_root = os.geteuid() == 0
ROOT = Path(__file__).parents[2]


def refused(place: str | Path, said: str, *, create: bool = True) -> LoadgateError:
    with pytest.raises(LoadgateError, match=said) as caught:
        Store.open(place, create=create)
    assert caught.value.exit_code == 2
    return caught.value


# -- made where it is wanted


def test_a_store_is_made_with_its_folder_only_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / ".loadgate" / "history.db"
    refused(path, rf"there is no store at {path}\n  = ", create=False)
    assert not path.parent.exists()
    Store.open(path).close()
    Store.open(path, create=False).close()
    assert [each.name for each in path.parent.iterdir()] == ["history.db"]


def test_a_store_in_a_database_is_made_only_where_that_is_wanted(server: Postgres) -> None:
    url = server.empty_database()
    refused(url, "there is no store at postgresql://", create=False)
    Store.open(url).close()
    Store.open(url, create=False).close()


def test_a_file_whose_making_was_cut_short_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.touch()
    refused(path, "there is no store in", create=False)
    with Store.open(path) as store:
        store.add(result())


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%e'f" / "größe\udcff.db"
    with Store.open(path) as store:
        store.add(result())
    assert [os.fsencode(each.name) for each in path.parent.iterdir()] == [os.fsencode("größe\udcff.db")]


def test_many_may_make_a_store_at_once(place: str) -> None:
    start = threading.Barrier(8)
    failed: list[BaseException] = []

    def make(number: int) -> None:
        try:
            start.wait()
            with Store.open(place) as store:
                store.add(result(f"run {number}"))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with Store.open(place, create=False) as store:
        assert sorted(run.id for run in store.runs()) == [f"run {number}" for number in range(8)]


# -- versions

NOW = schema.SCHEMA


def test_a_store_of_an_earlier_schema_is_brought_up_to_date(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(place) as store:
        store.add(result())

    def migrate(transaction: Transaction, words: Mapping[str, str]) -> None:
        transaction.change("ALTER TABLE runs ADD COLUMN weight {real}".format_map(words))
        transaction.change("UPDATE runs SET weight = 1.5")

    monkeypatch.setattr(schema, "SCHEMA", NOW + 1)
    monkeypatch.setitem(schema.MIGRATIONS, NOW, migrate)
    with Store.open(place, create=False) as store:
        assert store.result(store.find("latest")) == result()
        read = store._database.read
        assert read(lambda t: t.rows("SELECT weight FROM runs")) == [(1.5,)]
        assert read(lambda t: t.rows("SELECT schema FROM meta")) == [(NOW + 1,)]
    monkeypatch.undo()
    error = refused(place, rf"was made by a newer version of Loadgate \(schema {NOW + 1}, this one knows {NOW}\)")
    assert error.hint == "use that version, or install it here"


def test_a_migration_that_fails_leaves_the_store_as_it_was(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(place) as store:
        store.add(result())

    def migrate(transaction: Transaction, words: Mapping[str, str]) -> None:
        transaction.change("ALTER TABLE runs ADD COLUMN weight {real}".format_map(words))
        transaction.change("UPDATE nowhere SET weight = 1.5")

    monkeypatch.setattr(schema, "SCHEMA", NOW + 1)
    monkeypatch.setitem(schema.MIGRATIONS, NOW, migrate)
    refused(place, "cannot use .*nowhere")
    monkeypatch.undo()
    with Store.open(place) as store:
        assert store.result(store.find("latest")) == result()
        with pytest.raises(LoadgateError):
            store._database.read(lambda t: t.rows("SELECT weight FROM runs"))


# -- what is no store


@pytest.mark.parametrize("data", [b"hello, this is a text file, and it is no database" * 100, b"{}"])
def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    refused(path, rf"{path} is not a store: file is not a database\n  = give another place, or move this file away")
    assert path.read_bytes() == data


def test_a_database_of_something_else_is_said_and_left_alone(tmp_path: Path) -> None:
    for table in ("runs", "meta"):
        path = tmp_path / f"{table}.db"
        with sqlite3.connect(path) as other:
            other.execute(f"CREATE TABLE {table} (schema INTEGER)")
            other.execute(f"INSERT INTO {table} VALUES (1)")
        other.close()
        refused(path, "holds something else than a store\n  = give another place")
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT name FROM sqlite_master").fetchall() == [(table,)]
        other.close()


def test_a_store_is_made_while_another_process_is_making_it(tmp_path: Path) -> None:
    """SQLite waits for nobody while it changes to WAL mode; the store does."""
    path = tmp_path / "history.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE soon_gone (a)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("DROP TABLE soon_gone")
    ending = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    ending.start()
    with Store.open(path) as store:
        assert store.add(result())
    ending.join()
    other.close()


def test_a_folder_is_said(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder, not a store\n  = name a file in it, such as history.db")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "history.db", "cannot make the folder of .*: (Not a directory|File exists)")


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path) as store:
        store.add_many([(each, None) for each in results(200)])
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(LoadgateError, match=rf"{path} is damaged: .*malformed\n  = move it away and import an export"):
        Store.open(path).runs()


# -- where nothing can be written


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not as_root or sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(store: Store, *, most: int = 1000) -> tuple[int, str]:
    """Add runs until that fails: how many were added, and what was said."""
    for number in range(most):
        try:
            assert store.add(result(f"r{number:04}"), os.urandom(20_000))
        except LoadgateError as error:
            return number, str(error)
    raise AssertionError("the disk was not full")


def whole(store: Store, count: int) -> None:
    assert [run.id for run in store.runs()] == [f"r{number:04}" for number in reversed(range(count))]
    for run in store.runs():
        assert len(store.record(run) or b"") == 20_000
        assert store.result(run) == result(run.id)


def test_a_full_disk_is_said_and_loses_nothing_that_was_added(small_disk: Path) -> None:
    path, other = small_disk / "history.db", small_disk / "other"
    other.write_bytes(bytes(200_000))
    with Store.open(path) as store:
        count, said = fill(store)
        assert count > 5
        assert said.startswith(
            f"cannot write {path}: database or disk is full; what was in it before is still there\n  = "
        )
        whole(store, count)
    with Store.open(path) as store:
        whole(store, count)
        other.unlink()
        assert store.prune(keep=2) == count - 2
        assert store.add(result("there is room again"))
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


def test_a_disk_that_is_full_to_the_last_byte_can_be_read(small_disk: Path) -> None:
    path = small_disk / "history.db"
    with Store.open(path) as store:
        store.add(result("r0000"), os.urandom(20_000))
    descriptor = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError):
        while True:
            os.write(descriptor, bytes(1024))
    os.close(descriptor)
    with Store.open(path) as store:
        assert "to read only" in store.notes[0]
        whole(store, 1)
        with pytest.raises(LoadgateError, match=f"cannot open or write {path}: attempt to write a readonly database"):
            store.add(result("one more"))


def test_a_file_that_may_not_grow_loses_nothing_that_was_added(tmp_path: Path) -> None:
    """As on a full disk, where nobody can mount one."""
    path = tmp_path / "history.db"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = Store.open(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limits[1]))
    try:
        count, said = fill(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said.startswith(f"cannot write {path}: ")
    assert "what was in it before is still there" in said
    whole(store, count)
    store.close()
    with Store.open(path) as store:
        whole(store, count)


def as_nobody(code: str, folder: Path) -> str:
    """What `code` prints, run as a user who is not root."""
    become = "os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))"
    # what Python has not imported before it cannot afterwards: the environment may be root's
    prelude = f"""
        import os, sys
        from pathlib import Path
        from loadgate.errors import LoadgateError
        from loadgate.store.store import Store
        from tests.store.results import result
        import encodings.idna, numpy.random
        {become}
        path = Path({str(folder / "history.db")!r})
        """
    text = textwrap.dedent(prelude) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder others can reach, unlike pytest's."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="loadgate-store-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_folder_that_cannot_be_written_to_is_read(open_folder: Path) -> None:
    with Store.open(open_folder / "history.db") as store:
        store.add(result())
    open_folder.chmod(0o555)
    try:
        said = as_nobody(
            """
            with Store.open(path) as store:
                print(store.runs()[0].id, store.notes)
                try: store.add(result("more"))
                except LoadgateError as error: print(error)
            """,
            open_folder,
        )
    finally:
        open_folder.chmod(0o755)
    assert said.startswith(f"{result().id} ('{open_folder}/history.db is opened to read only: attempt to write")
    assert (
        f"cannot open or write {open_folder}/history.db: attempt to write a readonly database\n  = does it, and" in said
    )


def test_a_log_that_cannot_be_read_is_said_instead_of_left_out(open_folder: Path) -> None:
    """A process was killed, and then the folder was made read only: its last runs are in the log alone."""
    code = f"""
import os
from loadgate.store.store import Store
from tests.store.results import result
store = Store.open({str(open_folder / "history.db")!r})
store.add(result())
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    (open_folder / "history.db-shm").unlink()
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o555)
    attempt = """
        try: print(Store.open(path).runs()[0].id)
        except LoadgateError as error: print(error)
        """
    try:
        said = as_nobody(attempt, open_folder)
    finally:
        open_folder.chmod(0o755)
    assert "its last records are in history.db-wal" in said
    assert "= copy both files to where there is room and permission, and read them there" in said
    with Store.open(open_folder / "history.db") as store:
        assert store.result(store.find("latest")) == result()


def test_without_permission_one_error_is_said(open_folder: Path) -> None:
    attempt = """
        try: Store.open(path)
        except LoadgateError as error: print(error)
        """
    said = as_nobody(attempt, open_folder)
    assert said.startswith(
        f"cannot open or write {open_folder}/history.db: unable to open database file\n  = does it, and"
    )
    with Store.open(open_folder / "history.db") as store:
        store.add(result())
    (open_folder / "history.db").chmod(0o000)
    assert "cannot open or write" in as_nobody(attempt, open_folder)


# -- the journal


def test_a_file_is_in_wal_mode_and_synchronous_is_full(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "history.db", create=True)
    pragmas = {name: database._pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"}
    assert database.notes == ()
    database.close()


def test_on_a_file_system_of_a_network_there_is_no_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    with Store.open(path) as store:
        store.add(result("r0000"))
    monkeypatch.setattr(sqlite, "file_system", lambda path: "nfs4")
    with Store.open(path) as store, Store.open(path) as other:
        assert store.notes == (f"{path} is on a nfs4 file system: readers and writers wait for each other",)
        assert other.add(result("r0001"))
        assert [run.id for run in store.runs()] == ["r0001", "r0000"]
        assert [each.name for each in tmp_path.iterdir()] == ["history.db"]
        assert store._database.read(lambda t: t.rows("PRAGMA journal_mode")) == [("delete",)]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux'")
def test_the_type_of_a_file_system_is_found_out(small_disk: Path) -> None:
    assert file_system(small_disk / "not there" / "history.db") == "tmpfs"
    assert file_system(Path("/proc/self/mounts")) == "proc"
    assert file_system(Path("/")) != ""


def test_a_writer_that_does_not_end_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.1)
    path = tmp_path / "history.db"
    with Store.open(path) as store, Store.open(path) as other:

        def write(transaction: Transaction) -> None:
            with pytest.raises(LoadgateError, match=r"another process has been writing to it for 0\.1 s\n  = wait"):
                store.add(result())
            assert store.runs() == []  # readers do not wait

        other._database.write(write)
        assert store.add(result())


# -- PostgreSQL


def test_a_url_may_be_written_both_ways(server: Postgres) -> None:
    url = server.empty_database()
    with Store.open(url) as store:
        store.add(result())
    with Store.open(url.replace("postgresql://", "postgres://")) as store:
        assert store.find("latest").id == result().id


def test_a_password_is_in_no_message(server: Postgres) -> None:
    url = server.empty_database().replace("tester@", "tester:hush%21@")
    with Store.open(url) as store:
        assert "hush" not in store.place
        with pytest.raises(LoadgateError) as caught:
            store.find("none")
        assert "hush" not in str(caught.value)
    error = refused(url.replace(f":{server.port}", ":1"), "cannot connect to postgresql://")
    assert "hush" not in error.message
    assert "Connection refused" in error.message


def test_what_the_server_says_is_said(server: Postgres) -> None:
    url = server.empty_database()
    refused(f"{url}-none", 'cannot connect to .*: .*database "postgres-none" does not exist')
    with Store.open(url) as store:
        store._database.write(lambda t: t.change("CREATE ROLE reader LOGIN"))
    try:
        refused(url.replace("tester@", "reader@"), "cannot use .*: permission denied for schema loadgate\n  = grant")
    finally:
        with Store.open(url) as store:
            store._database.write(lambda t: t.change("DROP ROLE reader"))


def test_without_the_driver_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from loadgate.errors import LoadgateError\n"
        "from loadgate.store.store import Store\n"
        "try: Store.open('postgresql://127.0.0.1/x')\n"
        "except LoadgateError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith("which is not installed\n  = pip install 'loadgate[postgres]'\n")
    assert done.stderr == ""


def test_opening_a_file_imports_no_driver() -> None:
    code = "import sys; from loadgate.store.store import Store; print({'psycopg', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_a_server_that_was_restarted_is_connected_to_again(server: Postgres) -> None:
    url = server.empty_database()
    with Store.open(url) as store:
        store.add(result("r0000"))
        server.stop()
        server.start()
        assert store.add(result("r0001"))
        assert [run.id for run in store.runs()] == ["r0001", "r0000"]
        server.stop()
        try:
            for call in (store.runs, lambda: store.add(result("r0002"))):
                with pytest.raises(LoadgateError, match=r"cannot connect to .*Connection refused"):
                    call()
        finally:
            server.start()
        assert len(store.runs()) == 2


def test_what_else_is_in_the_database_is_left_alone(server: Postgres) -> None:
    url = server.empty_database()
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.runs (speed REAL)")
        try:
            with Store.open(url) as store:
                store.add(result())
            assert connection.execute("SELECT count(*) FROM public.runs").fetchone() == (0,)
        finally:
            connection.execute("DROP TABLE public.runs")


def test_a_writer_waits_for_the_one_before_it(place: str) -> None:
    """So that what a writer has read is still true when it writes."""
    order: list[str] = []
    with Store.open(place) as first, Store.open(place) as second:
        inside = threading.Event()

        def slow(transaction: Transaction) -> None:
            inside.set()
            time.sleep(0.2)
            order.append("first")

        thread = threading.Thread(target=first._database.write, args=(slow,))
        thread.start()
        inside.wait()
        second.add(result())
        order.append("second")
        thread.join()
    assert order == ["first", "second"]


def test_all_of_one_read_sees_one_moment(place: str) -> None:
    with Store.open(place) as store, Store.open(place) as other:
        count: Callable[[Transaction], object] = lambda t: t.rows("SELECT count(*) FROM runs")  # noqa: E731

        def read(transaction: Transaction) -> list[object]:
            before = count(transaction)
            other.add(result())
            return [before, count(transaction)]

        assert store._database.read(read) == [[(0,)], [(0,)]]
        assert len(store.runs()) == 1
