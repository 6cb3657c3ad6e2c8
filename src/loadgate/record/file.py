"""The record on disk: whole at every moment, however the process ends.

A file is written beside its place and renamed into it, so that a reader sees the old one or the new one. While a run goes
on its record is written again every few seconds; windows keep their JSON, so that this costs a few milliseconds.
A process that is killed while it writes leaves its half-written `.run.json.PID` beside the whole `run.json`.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.measure.windows import Window
from loadgate.record.codec import BadRecord, decode_run, encode_run, encode_window
from loadgate.record.run import Run

RECORD_NAME: Final = "run.json"


class RecordFile:
    """The file `folder`/`name` of one process, as long as this lives.

    Raises LoadgateError where the folder cannot be written to, or another run is writing to it: at once, before there is
    anything to lose.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe_folder(folder)
            if self.path.is_dir():
                raise IsADirectoryError(None, f"{name} in it is a folder")
        except OSError as error:
            raise LoadgateError(f"cannot write to {folder}: {error.strerror or error}", "give another --out") from None
        self._lock = _Lock(folder)

    def write(self, data: bytes, *, final: bool = False) -> None:
        """Put `data` in place of the file. `final` waits until it is on the disk. Raises LoadgateError."""
        write_atomically(self.path, data, sync=final)


class RunFile(RecordFile):
    """Writes the record of one run to `folder`/run.json, as often as wanted, by one thread at a time. Raises LoadgateError."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RECORD_NAME)
        self._windows: dict[int, tuple[Window, bytes]] = {}

    def encode(self, run: Run) -> bytes:
        """The record as JSON. Cheap when called again: windows that were encoded before are not encoded again.

        A window must not change once it is in a run.
        """
        kept = self._windows
        self._windows = {id(window): kept.get(id(window)) or (window, encode_window(window)) for window in run.windows}
        return encode_run(run, lambda window: self._windows[id(window)][1])


class _Lock:
    """Keeps a folder to one run. The system gives it up with the process, however that ends, and no file is left behind.

    Raises LoadgateError where another process holds it. Where there can be no lock (a folder that may be written to but not
    read, some file systems that come over a network) it does without.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadgateError(
                f"another run is writing its record to {folder}", "wait for its end, or give another --out"
            ) from None
        except OSError:
            pass

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def probe_folder(folder: Path) -> None:
    """Write a byte to a file in `folder` and delete it. Raises OSError: no permission, or no room for a byte."""
    probe = folder / f".{RECORD_NAME}.{os.getpid()}"
    try:
        probe.write_bytes(b"\n")
    finally:
        probe.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes | Iterable[bytes], *, sync: bool = True) -> None:
    """Write `path` as a whole or not at all, from pieces too. Raises LoadgateError; what was there before is then untouched.

    A symbolic link stays one, and what it points to is written. A device or a pipe (/dev/stdout) is written to as it is.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    try:
        place = Path(os.path.realpath(path))
        if not _replaceable(path):
            with open(path, "wb") as device:
                device.writelines(pieces)
            return
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            with open(temporary, "wb") as file:
                file.writelines(pieces)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, place)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        if sync:
            _sync_folder(place.parent)
    except OSError as error:
        raise LoadgateError(
            f"cannot write {path}: {error.strerror or error}", "free some space or give another place"
        ) from None


def _replaceable(path: Path) -> bool:
    """Whether a new file may take the place of `path`: nothing is there, or a plain file (or a folder, which refuses)."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _sync_folder(folder: Path) -> None:
    """Bring the renaming to the disk. Some file systems cannot; the file itself is there in any case."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_run(path: Path) -> Run:
    """The record in the file `path`, or in `path`/run.json. Raises LoadgateError."""
    file = path
    try:
        if path.is_dir():
            file = path / RECORD_NAME
        data = file.read_bytes()
    except OSError as error:
        raise LoadgateError(
            f"cannot read {file}: {error.strerror or error}", f"give a run's folder, or the {RECORD_NAME} in it"
        ) from None
    try:
        return decode_run(data)
    except BadRecord as error:
        raise LoadgateError(f"{file} is {error.message}", error.hint) from None
