"""A run's figures as bytes: one packed row each, so that those of thousands of runs are read by joining them.

A row is the series' number, then value, standard error, degrees of freedom and count as `Estimate` has them, little-endian.
An error that is not known is NaN. A count that 64 bits do not hold is the greatest they do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadgate.measure.estimate import Estimate

ROW: Final = np.dtype([("series", "<i4"), ("value", "<f8"), ("error", "<f8"), ("freedom", "<f8"), ("count", "<i8")])
Rows = npt.NDArray[np.void]

MOST: Final = 2**63 - 1


def pack(figures: Iterable[tuple[int, Estimate]]) -> bytes:
    """The estimates of series, given by number, in this order."""
    return np.array(
        [
            (series, found.value, np.nan if found.error is None else found.error, found.freedom, min(found.count, MOST))
            for series, found in figures
        ],
        ROW,
    ).tobytes()


def unpack(data: bytes) -> list[tuple[int, Estimate]]:
    """What `pack` was given. Raises ValueError for what it did not make."""
    rows: list[tuple[Any, ...]] = np.frombuffer(data, ROW).tolist()
    return [(series, estimate_of(*numbers)) for series, *numbers in rows]


def estimate_of(value: float, error: float, freedom: float, count: int) -> Estimate:
    return Estimate(value, None if error != error else error, freedom, count)


def join(packed: Sequence[bytes]) -> tuple[Rows, npt.NDArray[np.intp]]:
    """All rows of many runs, and for each the place of its run in `packed`."""
    counts = np.array([len(data) // ROW.itemsize for data in packed], np.intp)
    return np.frombuffer(b"".join(packed), ROW), np.repeat(np.arange(len(packed)), counts)
