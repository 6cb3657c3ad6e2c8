"""A store in a plain file: JSON Lines, to be carried by a CI cache, an artifact or a branch.

The first line says how many runs, baselines, acknowledgements and calibrations follow, one a line, in this order. By its name
the file is compressed, .gz or .zst; by its contents it is read. Merging goes by id: what is there already stays as it is. A
line that is cut or foreign is an error with its number, and then nothing is taken of the whole file.
"""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from loadgate.errors import LoadgateError
from loadgate.record.calibration import decode_calibration
from loadgate.record.file import write_atomically
from loadgate.store import acknowledgement, calibrations, rows
from loadgate.store.acknowledgement import Acknowledgement
from loadgate.store.baseline import StoredBaseline, check_name
from loadgate.store.compressed import from_text, to_text
from loadgate.store.database import Transaction, raw_text, safe_text
from loadgate.store.forms import (
    AcknowledgementForm,
    BaselineForm,
    RunForm,
    acknowledgement_form,
    acknowledgement_of,
    check_time,
    result_of,
    run_form,
)
from loadgate.store.selection import COLUMNS, run_of
from loadgate.store.series import SeriesNumbers

SCHEMA: Final = 2
"""Of the file. Keys may be added within one; later ones read all earlier. Since 2 there are calibrations."""

_AT_ONCE: Final = 100
"""Runs that are in memory at a time."""
_NOTHING: Final = "nothing of the file was taken"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought. `known` runs were there already; `kept` names baselines that here are other runs, and stay so."""

    added: int
    known: int
    baselines: int
    acknowledgements: int
    kept: tuple[str, ...]
    calibrations: int = 0

    def __str__(self) -> str:
        there = f", {self.known:,} there already" if self.known else ""
        said = f"{self.baselines:,} baselines, {self.acknowledgements:,} acknowledgements"
        said += f", {self.calibrations:,} calibrations" if self.calibrations else ""
        text = f"history; {self.added:,} runs added{there}, {said}"
        kept = ", ".join(self.kept)
        return f"{text}; other runs are called {kept} here, and stay so" if kept else text


_NO_CALIBRATION: Final = msgspec.Raw(b"")


class _Head(msgspec.Struct):
    loadgate_history: int
    runs: int
    baselines: int
    acknowledgements: int
    calibrations: int = 0


class _Line(msgspec.Struct, omit_defaults=True):
    run: RunForm | None = None
    baseline: BaselineForm | None = None
    acknowledgement: AcknowledgementForm | None = None
    calibration: msgspec.Raw = _NO_CALIBRATION


# -- out


def export(transaction: Transaction, path: Path, numbers: SeriesNumbers) -> int:
    """Write everything to `path`; how many runs."""
    counts = [
        int(transaction.rows(f"SELECT count(*) FROM {table}")[0][0])
        for table in ("runs", "baselines", "acknowledgements", "calibrations")
    ]
    lines = (msgspec.json.encode(line) + b"\n" for line in _lines(transaction, numbers, _Head(SCHEMA, *counts)))
    write_atomically(path, _packed(path, lines))
    return counts[0]


def _lines(transaction: Transaction, numbers: SeriesNumbers, head: _Head) -> Iterator[_Head | _Line]:
    yield head
    last = -1
    sql = f"SELECT {COLUMNS}, record FROM runs WHERE number > ? ORDER BY number LIMIT {_AT_ONCE}"
    while held := transaction.rows(sql, [last]):
        for *columns, record in held:
            run = run_of(tuple(columns))
            result = rows.result_of(run, rows.figures(transaction, numbers, run.number))
            text = "" if record is None else to_text(record)
            yield _Line(run=run_form(result, added=run.added, record=text))
            last = run.number
    columns_of = "baselines.name, runs.id, created, reason, forced"
    for name, id, created, reason, forced in transaction.rows(
        f"SELECT {columns_of} FROM baselines JOIN runs ON runs.number = baselines.run ORDER BY baselines.name"
    ):
        yield _Line(baseline=BaselineForm(name, safe_text(id), created, safe_text(reason), bool(forced)))
    for each in acknowledgements(transaction):
        yield _Line(acknowledgement=acknowledgement_form(each))
    for record in calibrations.records(transaction):
        yield _Line(calibration=msgspec.Raw(record))


def _packed(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    packer: Any
    if path.suffix == ".zst":
        packer = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    elif path.suffix == ".gz":
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: with gzip's header
    else:
        yield from lines
        return
    for line in lines:
        yield packer.compress(line)
    yield packer.flush()


# -- in


def is_export(path: Path) -> bool:
    """Whether the file `path` begins as `export` does, packed or not. False for what cannot be read."""
    try:
        with _open(path) as file:
            return b'"loadgate_history"' in next(iter(file), b"")[:64]
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        return False


def import_(transaction: Transaction, path: Path, numbers: SeriesNumbers) -> Imported:
    """Take over what `path` holds and the store does not."""
    reader = _Reader(transaction, path, numbers)
    try:
        with _open(path) as file:
            for line in file:
                reader.take(line)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise LoadgateError(f"{path}:{reader.line + 1}: cut short, or damaged: {error}", _NOTHING) from None
    except OSError as error:
        raise LoadgateError(f"cannot read {path}: {error.strerror or error}", _NOTHING) from None
    return reader.done()


class _Reader:
    """Reads an export line by line."""

    def __init__(self, transaction: Transaction, path: Path, numbers: SeriesNumbers) -> None:
        self._transaction = transaction
        self._path = path
        self._numbers = numbers
        self._head: _Head | None = None
        self._decoder = msgspec.json.Decoder(_Line)
        self._now = time.time()
        self._seen = [0, 0, 0, 0]
        self._taken = [0, 0, 0, 0]
        self._kept: list[str] = []
        self.line = 0

    def take(self, line: bytes) -> None:
        self.line += 1
        try:
            if self._head is None:
                self._head = self._begin(line)
            else:
                self._one(self._decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            if self.line == 1:
                raise self._bad(f"not an export of a store: {error}") from None
            raise self._bad(f"not a whole line of an export: {error}") from None

    def done(self) -> Imported:
        if self._head is None:
            raise LoadgateError(
                f"{self._path} is no export of a store: it is empty, or was cut in its first line", _NOTHING
            )
        head = self._head
        told = [head.runs, head.baselines, head.acknowledgements, head.calibrations]
        if self._seen != told:
            kinds = "{} runs, {} baselines, {} acknowledgements and {} calibrations".format(*self._seen)
            raise self._bad(f"the file ends after {kinds} of {', '.join(map(str, told))}")
        added, baselines, said, calibrated = self._taken
        return Imported(added, self._seen[0] - added, baselines, said, tuple(self._kept), calibrated)

    def _begin(self, line: bytes) -> _Head:
        head = msgspec.json.decode(line, type=_Head)
        if head.loadgate_history > SCHEMA:
            raise LoadgateError(
                f"{self._path} was written by a newer version of Loadgate (schema {head.loadgate_history}, this one reads up to"
                f" {SCHEMA})",
                "import it with that version, or install it here",
            )
        return head

    def _one(self, line: _Line) -> None:
        if line.run is not None:
            self._count(0, self._run(line.run))
        elif line.baseline is not None:
            self._count(1, self._baseline(line.baseline))
        elif line.acknowledgement is not None:
            self._count(2, self._acknowledgement(line.acknowledgement))
        elif line.calibration != _NO_CALIBRATION:
            self._count(3, self._calibration(line.calibration))
        else:
            raise ValueError("neither a run, nor a baseline, nor an acknowledgement, nor a calibration")

    def _count(self, what: int, taken: bool) -> None:
        self._seen[what] += 1
        self._taken[what] += taken

    def _run(self, form: RunForm) -> bool:
        check_time("added", form.added)
        record = from_text(form.record) if form.record else None
        result = result_of(form)
        return rows.insert(self._transaction, self._numbers, result, added=form.added or self._now, record=record)

    def _baseline(self, form: BaselineForm) -> bool:
        try:
            check_name(form.name)
        except LoadgateError as error:
            raise ValueError(error.message) from None
        check_time("created", form.created)
        run = rows.by_id(self._transaction, raw_text(form.run))
        if run is None:
            raise self._bad(f"baseline `{form.name}` is of run {form.run}, which is neither before it nor in the store")
        baseline = StoredBaseline(form.name, run, form.created, raw_text(form.reason), form.forced)
        if insert_baseline(self._transaction, baseline):
            return True
        held = self._transaction.rows("SELECT run FROM baselines WHERE name = ?", [form.name])
        if held[0][0] != run.number:
            self._kept.append(form.name)
        return False

    def _acknowledgement(self, form: AcknowledgementForm) -> bool:
        row = acknowledgement.row_of(acknowledgement_of(form))
        return self._transaction.insert("acknowledgements", acknowledgement.COLUMNS, [row]) == 1

    def _calibration(self, record: msgspec.Raw) -> bool:
        calibration = decode_calibration(bytes(record))
        check_time("started", calibration.started)
        return calibrations.insert(self._transaction, calibration)

    def _bad(self, what: str) -> LoadgateError:
        return LoadgateError(f"{self._path}:{self.line}: {what}", _NOTHING)


@contextmanager
def _open(path: Path) -> Iterator[Iterable[bytes]]:
    with open(path, "rb") as raw:
        first = raw.peek(4)[:4]
        if first.startswith(_GZIP):
            with gzip.open(raw, "rb") as unzipped:
                yield unzipped
        elif first.startswith(_ZSTD):
            with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
                yield io.BufferedReader(reader)
        else:
            yield raw


# -- rows that are written here and by the store


def insert_baseline(transaction: Transaction, baseline: StoredBaseline) -> bool:
    row = (baseline.name, baseline.run.number, baseline.created, baseline.reason, int(baseline.forced))
    return transaction.insert("baselines", ("name", "run", "created", "reason", "forced"), [row]) == 1


def acknowledgements(transaction: Transaction) -> list[Acknowledgement]:
    columns = ", ".join(acknowledgement.COLUMNS)
    held = transaction.rows(
        f"SELECT {columns} FROM acknowledgements ORDER BY created, tool, name, step, metric, statistic"
    )
    return [acknowledgement.acknowledgement_of(row) for row in held]
