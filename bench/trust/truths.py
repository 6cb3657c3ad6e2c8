"""How large planted work is in fact, as it was measured apart from any job: a JSON line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.machine import BenchError
from bench.trust.journal import append_line, read_lines

NAME: Final = "truths.jsonl"
SIZES: Final = "sizes.jsonl"
"""The measurements from which the amounts of work were set: they do not count as truths."""


@dataclass(frozen=True, slots=True)
class Truth:
    """How much more a request of `subject` costs with `units` more: in percent, and the standard error of that."""

    subject: str
    units: int
    percent: float
    error: float


def append(path: Path, truth: Truth) -> None:
    append_line(path, msgspec.json.encode(asdict(truth)) + b"\n")


def read(path: Path) -> list[Truth]:
    """Those in the file, none where there is no file. Raises BenchError for a line that is none."""
    found = []
    for number, data in read_lines(path):
        try:
            found.append(msgspec.convert(data, Truth))
        except msgspec.ValidationError as error:
            raise BenchError(f"{path}, line {number} is no truth ({error}): delete the line") from None
    return found


def percent_of(truths: Sequence[Truth], subject: str, units: float) -> tuple[float, float] | None:
    """What `units` cost, in percent, and the standard error of that: by the nearest amount measured, in proportion.

    Of several measurements of the same amount the last. None where there is none.
    """
    own = [truth for truth in truths if truth.subject == subject and truth.units]
    if not own:
        return None
    near = min(reversed(own), key=lambda truth: abs(truth.units - units))
    return near.percent * units / near.units, near.error * units / near.units
