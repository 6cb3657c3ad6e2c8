"""A baseline as one JSON file in the user's repository, made for whoever reviews a change of it.

One line for each fact and one for each figure, sorted by name, so that a diff shows which figures moved and how far. The run
record with all histograms is the last line: bytes in base64, nothing to read, but what percentiles are compared from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from loadgate.errors import LoadgateError
from loadgate.record.file import probe_folder, write_atomically
from loadgate.store.baseline import Baseline, check_name
from loadgate.store.compressed import compress, expand, from_text, to_text
from loadgate.store.database import raw_text, safe_text
from loadgate.store.forms import FigureForm, RunForm, figure_form, result_of, run_form

SCHEMA: Final = 1

_LEVEL: Final = 19
"""Of zstd: a baseline is written once and cloned often."""


class _File(msgspec.Struct):
    loadgate_baseline: int
    name: str
    created: datetime
    run: RunForm
    figures: list[FigureForm]
    reason: str = ""
    forced: bool = False
    record: str = ""


class _Schema(msgspec.Struct):
    loadgate_baseline: int


def check_place(path: Path) -> None:
    """Raise LoadgateError where `write_baseline` could not write `path`. Leaves nothing behind, no folder either."""
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if path.exists() and not path.is_file():
            return  # a device or a pipe is written to as it is
        folders = Path(os.path.realpath(path)).parents
        probe_folder(next(folder for folder in folders if folder.exists()))
    except OSError as error:
        raise LoadgateError(f"cannot write {path}: {error.strerror or error}", "give another place") from None


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write `path`, its folder too where it is missing. The same baseline gives the same bytes. Raises LoadgateError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LoadgateError(
            f"cannot make the folder of {path}: {error.strerror or error}", "give another place"
        ) from None
    write_atomically(path, ("\n".join(_lines(baseline)) + "\n").encode())


def is_baseline(path: Path) -> bool:
    """Whether the file `path` begins as `write_baseline` does. False for what cannot be read."""
    try:
        with open(path, "rb") as file:
            return b'"loadgate_baseline"' in file.read(64)
    except OSError:
        return False


def read_baseline(path: Path) -> Baseline:
    """The baseline in `path`, its figures sorted by name. Raises LoadgateError with what is wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LoadgateError(f"cannot read {path}: {error.strerror or error}", "give the file of a baseline") from None
    try:
        schema = msgspec.json.decode(data, type=_Schema).loadgate_baseline
        if schema > SCHEMA:
            raise LoadgateError(
                f"{path} was written by a newer version of Loadgate (schema {schema}, this one reads up to {SCHEMA})",
                "use that version, or install it here",
            )
        file = msgspec.json.decode(data, type=_File)
        file.run.figures = file.figures
        record = expand(from_text(file.record)) if file.record else None
        result = result_of(file.run)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise LoadgateError(
            f"{path} is not a baseline: {error}",
            "was it cut short, or merged by git? take it from a commit where it is whole",
        ) from None
    try:
        check_name(file.name)
    except LoadgateError as error:
        raise LoadgateError(f"{path} is not a baseline: {error.message}", error.hint) from None
    return Baseline(file.name, file.created.timestamp(), raw_text(file.reason), file.forced, result, record)


def _lines(baseline: Baseline) -> Iterator[str]:
    result = baseline.result
    run: dict[str, Any] = {"date": _date(result.started)} if result.started else {}  # for the reader
    run |= msgspec.to_builtins(run_form(replace(result, figures=())))
    forms = [
        figure_form(figure) for figure in sorted(result.figures, key=lambda figure: (str(figure.series), figure.unit))
    ]
    yield "{"
    yield f'  "loadgate_baseline": {SCHEMA},'
    yield f'  "name": {_json(baseline.name)},'
    yield f'  "created": {_json(_date(baseline.created))},'
    if baseline.reason:
        yield f'  "reason": {_json(safe_text(baseline.reason))},'
    if baseline.forced:
        yield '  "forced": true,'
    yield '  "run": {'
    yield ",\n".join(f"    {_json(name)}: {_json(value)}" for name, value in run.items())
    yield "  },"
    yield '  "figures": ['
    if forms:
        yield ",\n".join(f"    {_json(msgspec.to_builtins(form))}" for form in forms)
    if baseline.record is None:
        yield "  ]"
    else:
        yield "  ],"
        yield f'  "record": {_json(to_text(compress(baseline.record, _LEVEL)))}'
    yield "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
