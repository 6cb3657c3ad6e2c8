"""The rows of `runs`: what is done to them within a transaction."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.result import Figure, Result
from loadgate.store.database import Transaction
from loadgate.store.packed import pack, unpack
from loadgate.store.selection import COLUMNS, Selection, StoredRun, can_be_shown, run_of
from loadgate.store.series import SeriesNumbers

FEWEST_CHARACTERS: Final = 4
"""An id's beginning must have, to stand for it."""

_LATEST: Final = re.compile(r"latest(?:~(\d{1,9}))?")
_INSERTED: Final = (
    "id",
    "tool",
    "name",
    "started",
    "added",
    "sorted",
    "machine",
    "definition",
    "code",
    "branch",
    "word",
    "figures",
    "record",
)


def insert(
    transaction: Transaction, numbers: SeriesNumbers, result: Result, *, added: float, record: bytes | None
) -> bool:
    """Add a run, with its record as `compressed` makes it; False where there is one with its id.

    A start that no list could show is one that is not known. A figure that is infinite is none, and left out: sums of what
    a script adds can overflow, and an import takes no export with such a figure. NaN stays: the share of nothing.
    """
    if not result.id:
        raise ValueError("a result needs an id")
    started = result.started if can_be_shown(result.started) else 0.0
    measured = tuple(figure for figure in result.figures if not math.isinf(figure.estimate.value))
    series = numbers.of(transaction, measured)
    figures = pack(zip(series, (figure.estimate for figure in measured), strict=True))
    row = (
        result.id,
        result.tool,
        result.name,
        started,
        added,
        started or added,
        result.machine,
        result.definition,
        result.commit,
        result.branch,
        str(result.word or ""),
        figures,
        record,
    )
    return transaction.insert("runs", _INSERTED, [row]) == 1


def select(transaction: Transaction, selection: Selection) -> list[StoredRun]:
    """The runs of a selection, newest first."""
    where, values = selection.where()
    return [run_of(row) for row in transaction.rows(f"SELECT {COLUMNS} FROM runs{where}", values)]


def by_id(transaction: Transaction, id: str) -> StoredRun | None:
    rows = transaction.rows(f"SELECT {COLUMNS} FROM runs WHERE id = ?", [id])
    return run_of(rows[0]) if rows else None


def find(transaction: Transaction, reference: str, selection: Selection, place: str) -> StoredRun:
    """The run a user means by `reference`, as `Store.find` says. Raises LoadgateError."""
    latest = _LATEST.fullmatch(reference)
    if latest:
        back = int(latest[1] or 0)
        found = select(transaction, replace(selection, limit=back + 1))
        if len(found) <= back:
            count = f"only {len(found)}" if found else "no"
            raise LoadgateError(
                f"there is no run `{reference}` in {place}: it holds {count} such run{'' if len(found) == 1 else 's'}"
            )
        return found[back]
    run = by_id(transaction, reference) or _of_baseline(transaction, reference)
    if run is not None:
        return run
    found = _beginning_with(transaction, reference) if len(reference) >= FEWEST_CHARACTERS else []
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.id for run in found[:3]) + (", ..." if len(found) > 3 else "")
        raise LoadgateError(f"several runs in {place} begin with `{reference}`: {ids}", "give more of the id")
    raise LoadgateError(
        f"there is no run `{reference}` in {place}",
        f"give the id of a run, the first {FEWEST_CHARACTERS} or more characters of one, a baseline, latest or latest~1",
    )


def figures(transaction: Transaction, numbers: SeriesNumbers, number: int) -> tuple[Figure, ...]:
    """The figures of the run with this number. Raises LoadgateError where it is no longer there."""
    rows = transaction.rows("SELECT figures FROM runs WHERE number = ?", [number])
    if not rows:
        raise LoadgateError(f"run {number} is no longer in the store", "it was pruned in this moment")
    estimates = unpack(rows[0][0])
    series = numbers.names(transaction, [number for number, _ in estimates])
    return tuple(
        Figure(series[number].name, series[number].unit, series[number].direction, found) for number, found in estimates
    )


def result_of(run: StoredRun, figures: tuple[Figure, ...]) -> Result:
    return Result(
        id=run.id,
        tool=run.tool,
        name=run.name,
        started=run.started,
        commit=run.commit,
        branch=run.branch,
        machine=run.machine,
        definition=run.definition,
        word=run.word,
        figures=figures,
    )


def _of_baseline(transaction: Transaction, name: str) -> StoredRun | None:
    sql = f"SELECT {COLUMNS} FROM runs WHERE number = (SELECT run FROM baselines WHERE baselines.name = ?)"
    rows = transaction.rows(sql, [name])
    return run_of(rows[0]) if rows else None


def _beginning_with(transaction: Transaction, text: str) -> list[StoredRun]:
    # both engines sort texts by code point, so that these are one stretch of the index
    sql = f"SELECT {COLUMNS} FROM runs WHERE id >= ? AND id < ? ORDER BY id LIMIT 4"
    return [run_of(row) for row in transaction.rows(sql, [text, f"{text}\U0010ffff"])]
