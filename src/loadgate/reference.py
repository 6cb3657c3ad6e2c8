"""What a user means by a word such as `release-1.2`, `latest~1` or `results/base.json`: the runs behind it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadgate.errors import LoadgateError
from loadgate.record.file import RECORD_NAME
from loadgate.record.result import Result
from loadgate.store.baseline_file import is_baseline, read_baseline
from loadgate.store.selection import EVERYTHING, Selection
from loadgate.store.store import PLACE, Store


@dataclass(frozen=True, slots=True)
class Referent:
    """The result that is meant, and the run record behind it (None: of another tool)."""

    name: str
    result: Result
    record: bytes | None = None


def look_up(what: str, store: Store | None, among: Selection = EVERYTHING) -> Referent:
    """A baseline of `store`, else the file or folder `what`, else a run of `store` (one of `among`, for `latest`).

    Of a file that holds several runs, the newest is meant. Raises LoadgateError where there is nothing by this name.
    """
    if store is not None and any(held.name == what for held in store.baselines()):
        baseline = store.baseline(what)
        return Referent(what, baseline.result, baseline.record)
    path = Path(what)
    if path.exists():
        return _in_file(path)
    if os.sep in what:
        raise LoadgateError(f"there is no file {what}")
    if store is None:
        raise LoadgateError(
            f"`{what}` is no file, and there is no history here to find a baseline or a run of that name in",
            f"`loadgate run` keeps its runs in {PLACE}; name another place with --store",
        )
    run = store.find(what, among)
    return Referent(what if what.startswith("latest") else run.id, store.result(run), store.record(run))


def _in_file(path: Path) -> Referent:
    from loadgate.record.importers import loadgate, read_known  # thirty modules that a run has no need of

    if is_baseline(path):
        baseline = read_baseline(path)
        return Referent(baseline.name, baseline.result, baseline.record)
    file = path / RECORD_NAME if (path / RECORD_NAME).is_file() else path
    known, results = read_known(file)
    return Referent(str(path), results[-1], file.read_bytes() if known is loadgate.FORMAT else None)
