"""The record on disk: whole at every moment, however the process ends.

A file is written beside its place and renamed into it, so that a reader sees the old one or the new one. While a run goes
on its record is written again every few seconds; windows keep their JSON, so that this costs the event loop a millisecond.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.measure.windows import Window
from loadgate.record.codec import BadRecord, decode_run, encode_run, encode_window
from loadgate.record.run import Run

RECORD_NAME: Final = "run.json"


class RunFile:
    """Writes the record of one run to `folder`/run.json, as often as wanted.

    Raises LoadgateError where the folder cannot be written to: at once, before there is anything to lose.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD_NAME
        self._windows: dict[int, tuple[Window, bytes]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".{RECORD_NAME}.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise LoadgateError(f"cannot write to {folder}: {error.strerror or error}", "give another --out") from None

    def encode(self, run: Run) -> bytes:
        """The record as JSON. Cheap when called again: only what has changed is turned into JSON."""
        kept = self._windows
        self._windows = {id(window): kept.get(id(window)) or (window, encode_window(window)) for window in run.windows}
        return encode_run(run, lambda window: self._windows[id(window)][1])

    def write(self, data: bytes, *, final: bool = False) -> None:
        """Put `data` in place of the file. `final` waits until it is on the disk. Raises LoadgateError."""
        write_atomically(self.path, data, sync=final)


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write `path` as a whole or not at all. Raises LoadgateError; what was there before is then untouched."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LoadgateError(
            f"cannot write {path}: {error.strerror or error}", "free some space or give another place"
        ) from None


def read_run(path: Path) -> Run:
    """The record in the file `path`, or in `path`/run.json. Raises LoadgateError."""
    file = path / RECORD_NAME if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise LoadgateError(f"cannot read {file}: {error.strerror or error}") from None
    try:
        return decode_run(data)
    except BadRecord as error:
        raise LoadgateError(f"{file} is {error.message}", error.hint) from None
