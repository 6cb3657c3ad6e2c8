"""Calibrations as rows: what one build against itself showed of a machine. Older ones stay beside the newest."""

from __future__ import annotations

from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.calibration import Calibration, calibration_form, decode_calibration
from loadgate.record.encoding import encode_json
from loadgate.store.compressed import compress, expand
from loadgate.store.database import Transaction

_COLUMNS: Final = ("id", "machine", "definition", "name", "created", "record")


def insert(transaction: Transaction, calibration: Calibration) -> bool:
    """Keep it; False where it is there already."""
    c = calibration
    record = compress(encode_json(calibration_form(c)))
    row = (c.id, c.machine, c.definition, c.name, c.started, record)
    return transaction.insert("calibrations", _COLUMNS, [row]) == 1


def newest(transaction: Transaction, machine: str, definition: str, place: str) -> Calibration | None:
    """The newest of `machine` with this `definition`; else the newest of any; None where the machine has none."""
    held = transaction.rows(
        "SELECT id, record FROM calibrations WHERE machine = ?"
        " ORDER BY CASE WHEN definition = ? THEN 0 ELSE 1 END, created DESC, id DESC LIMIT 1",
        [machine, definition],
    )
    for id, record in held:
        try:
            return decode_calibration(expand(record))
        except ValueError as error:
            raise LoadgateError(f"calibration {id} in {place} cannot be read: {error}", "calibrate anew") from None
    return None


def records(transaction: Transaction) -> list[bytes]:
    """All of them as JSON on one line, oldest first."""
    return [expand(record) for (record,) in transaction.rows("SELECT record FROM calibrations ORDER BY created, id")]
