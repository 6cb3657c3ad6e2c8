"""The record on the disk: whole at every moment, and one clear error where it cannot be."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.tally import CounterTally
from loadgate.measure.windows import Window
from loadgate.record import file as file_module
from loadgate.record.codec import encode_run, encode_window
from loadgate.record.file import RECORD_NAME, RunFile, read_run, write_atomically
from loadgate.record.run import RunState
from tests.record.samples import whole_run

as_root = os.geteuid() == 0
OLD, NEW = b"the earlier file", b"the later file"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path: Path, data: bytes = NEW) -> str:
    with pytest.raises(LoadgateError) as caught:
        write_atomically(path, data)
    assert caught.value.exit_code == 2
    return str(caught.value)


# -- writing


def test_what_is_written_can_be_read_from_the_folder_and_from_the_file(tmp_path: Path) -> None:
    file = RunFile(tmp_path / "a" / "b")
    file.write(file.encode(whole_run()), final=True)
    assert file.path == tmp_path / "a" / "b" / RECORD_NAME
    assert read_run(tmp_path / "a" / "b") == read_run(file.path) == whole_run()
    assert names(tmp_path / "a" / "b") == [RECORD_NAME]


def test_writing_again_takes_the_place_of_the_earlier_record(tmp_path: Path) -> None:
    file = RunFile(tmp_path)
    for state in (RunState.RUNNING, RunState.COMPLETE):
        file.write(file.encode(replace(whole_run(), state=state)))
        assert read_run(tmp_path).state is state
    assert names(tmp_path) == [RECORD_NAME]


def test_a_new_run_file_leaves_an_earlier_record_alone_until_it_is_written(tmp_path: Path) -> None:
    (tmp_path / RECORD_NAME).write_bytes(OLD)
    RunFile(tmp_path)
    assert (tmp_path / RECORD_NAME).read_bytes() == OLD


def test_a_symbolic_link_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(OLD)
    (tmp_path / "link").symlink_to(Path("real") / "file")
    write_atomically(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == NEW
    assert names(tmp_path / "real") == ["file"]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    try:
        write_atomically(pipe, NEW)
    finally:
        reader.join(10.0)
    assert got == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_device_would_stay_a_device() -> None:
    """Only asked, not tried: a mistake here would cost root its /dev/null."""
    assert not file_module._replaceable(Path(os.devnull))


# -- what stands in the way


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_where_the_folder_should_be_is_said_at_once(tmp_path: Path, below: str) -> None:
    (tmp_path / "out").write_bytes(OLD)
    with pytest.raises(LoadgateError, match=r"cannot write to .*out.*: (File exists|Not a directory)"):
        RunFile(tmp_path / "out" / below)
    assert (tmp_path / "out").read_bytes() == OLD


def test_a_folder_where_the_record_should_be_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / RECORD_NAME).mkdir()
    with pytest.raises(LoadgateError, match=r"run\.json in it is a folder"):
        RunFile(tmp_path)
    assert names(tmp_path) == [RECORD_NAME]


@pytest.mark.parametrize(
    ("place", "said"),
    [("nowhere/x.json", "No such file"), ("file/x.json", "Not a directory"), ("folder", "Is a directory")],
)
def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    assert f"cannot write {tmp_path / place}: {said}" in refused(tmp_path / place)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(as_root, reason="root may write anywhere")
def test_a_folder_without_permission_is_said_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(LoadgateError, match="Permission denied\n  = give another --out"):
            RunFile(tmp_path)
        assert "Permission denied" in refused(tmp_path / "x.json")
    finally:
        tmp_path.chmod(0o700)


def test_without_permission_nothing_is_lost_and_one_error_told(tmp_path: Path) -> None:
    """As another user than root, so that permissions count wherever the tests run."""
    (tmp_path / RECORD_NAME).write_bytes(OLD)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from loadgate.errors import LoadgateError\n"
        "from loadgate.record.file import RunFile, read_run, write_atomically\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "os.geteuid() or (os.setgroups([]), os.setgid(65534), os.setuid(65534))\n"
        "writing = lambda: write_atomically(folder / 'run.json', b'x')\n"
        "for call in (lambda: RunFile(folder), writing, lambda: read_run(folder)):\n"
        "    try: call()\n"
        "    except LoadgateError as error: print(str(error).splitlines()[0].partition(': ')[2])\n"
    )
    tmp_path.chmod(0o000)
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    finally:
        tmp_path.chmod(0o700)
    assert (done.stdout.splitlines(), done.stderr) == (["Permission denied"] * 3, "")
    assert (tmp_path / RECORD_NAME).read_bytes() == OLD
    assert names(tmp_path) == [RECORD_NAME]


def test_a_file_system_that_is_read_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*arguments: object, **more: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_bytes", read_only)
    with pytest.raises(LoadgateError, match="Read-only file system"):
        RunFile(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not as_root or sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("final", [True, False])
def test_a_full_disk_leaves_the_earlier_record_and_nothing_else(small_disk: Path, final: bool) -> None:
    file = RunFile(small_disk)
    file.write(OLD)
    with pytest.raises(LoadgateError, match=r"cannot write .*run\.json: No space left on device"):
        file.write(b"x" * 100_000, final=final)
    assert file.path.read_bytes() == OLD
    assert names(small_disk) == [RECORD_NAME]
    file.write(NEW)
    assert file.path.read_bytes() == NEW


def test_a_file_that_may_not_grow_leaves_the_earlier_one_and_nothing_else(tmp_path: Path) -> None:
    """As on a full disk, where nobody can mount one: the system refuses the bytes beyond a limit."""
    path = tmp_path / "summary.json"
    path.write_bytes(OLD)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        said = refused(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said == f"cannot write {path}: File too large\n  = free some space or give another place"
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["summary.json"]


def test_a_writer_that_is_interrupted_leaves_nothing_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    (tmp_path / "x").write_bytes(OLD)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", NEW)
    assert (tmp_path / "x").read_bytes() == OLD
    assert names(tmp_path) == ["x"]


# -- killed


WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from loadgate.record.file import RunFile
from tests.record.samples import whole_run

file, run, turn = RunFile(Path(sys.argv[1])), whole_run(), 0
print("ready", flush=True)
while True:
    turn += 1
    file.write(file.encode(replace(run, notes=("note " * (turn % 500),))), final=turn % 20 == 0)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    for turn in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 20.0
            while not (tmp_path / RECORD_NAME).exists():
                assert time.monotonic() < deadline
            reads = 0
            until = time.monotonic() + 0.05 + 0.013 * turn
            while time.monotonic() < until or not reads:
                assert read_run(tmp_path).id == whole_run().id
                reads += 1
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        assert read_run(tmp_path).windows == whole_run().windows
        leftovers = [name for name in names(tmp_path) if name != RECORD_NAME]
        assert all(name == f".{RECORD_NAME}.{writer.pid}" for name in leftovers)
        for name in leftovers:
            (tmp_path / name).unlink()


# -- encoding again and again


def test_windows_are_turned_into_json_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Window] = []

    def counted(window: Window) -> bytes:
        encoded.append(window)
        return encode_window(window)

    monkeypatch.setattr(file_module, "encode_window", counted)
    file, run = RunFile(tmp_path), whole_run()
    first = file.encode(run)
    assert first == encode_run(run)
    assert file.encode(run) == first
    assert encoded == list(run.windows)
    later = Window(4.0, 5.0, False, {0: CounterTally(1.0)})
    longer = replace(run, windows=(*run.windows, later))
    assert file.encode(longer) == encode_run(longer)
    assert encoded[len(run.windows) :] == [later]


def test_windows_that_were_joined_are_forgotten(tmp_path: Path) -> None:
    file, run = RunFile(tmp_path), whole_run()
    file.encode(run)
    joined = replace(run, windows=(run.windows[0], run.windows[1].joined(run.windows[2]), run.windows[3]))
    assert file.encode(joined) == encode_run(joined)
    assert len(file._windows) == 3


# -- reading


def test_a_folder_without_a_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        LoadgateError, match=r"cannot read .*run\.json: No such file or directory\n  = give a run's folder"
    ):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty, not a run record"),
        (b"{}", "is not a run record: it has no `schema`"),
        (b'{"schema":7}', "is written by a newer version of Loadgate"),
        (encode_run(whole_run())[:5000], "is not a run record, or one that was cut short: "),
    ],
)
def test_a_file_that_is_no_record_is_told_with_its_name(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "other.json").write_bytes(data)
    with pytest.raises(LoadgateError) as caught:
        read_run(tmp_path / "other.json")
    assert caught.value.message.startswith(f"{tmp_path / 'other.json'} {said}")
