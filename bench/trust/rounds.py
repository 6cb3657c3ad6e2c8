"""Jobs one after the other, each kept as soon as it ends: which cell is next, and what becomes of one that breaks.

The next is the one that has the least share of the jobs it is to have, so that an evening that is cut short covers all.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench.machine import BenchError
from bench.trust.apart import run_apart
from bench.trust.cases import case_of, sized
from bench.trust.journal import NAME, Cell, append

FAILURES: Final = 3
"""Jobs of a cell in a row that came to nothing, after which it is left out until the next time."""
_TAKES: Final = 1.5
"""Of the time it is given, what a job takes with its starts."""


def measure(
    wanted: Mapping[Cell, int],
    done: Mapping[Cell, int],
    *,
    units: Mapping[str, float],
    out: Path,
    say: Callable[[str], None],
    hours: float = float("inf"),
) -> None:
    """Add jobs to those `done` until each cell has as many as `wanted`, or there is no time for another.

    Raises BenchError at the end where cells were left out.
    """
    end = time.monotonic() + hours * 3600.0
    had, broken, why = Counter(done), Counter[Cell](), dict[Cell, str]()
    while (cell := next_cell(wanted, had, broken)) is not None and time.monotonic() + _TAKES * cell[2] <= end:
        name, disturbance, seconds = cell
        title = f"{name}, {disturbance}, {seconds:g} s"
        try:
            job = run_apart(sized(case_of(name), units), disturbance, seconds=seconds, seed=random.randrange(2**31))
        except BenchError as error:  # one job of a night must not end it
            say(f"{title}: not measured: {error}")
            broken[cell] += 1
            why[cell] = str(error)
            continue
        append(out / NAME, job)
        had[cell] += 1
        broken[cell] = 0
        say(f"{title}: {job.verdict} in {job.minutes:.1f} min, {had[cell]} of {wanted[cell]}")
    left = [
        f"{name}, {kind}: {why[name, kind, each]}"
        for name, kind, each in broken
        if broken[name, kind, each] >= FAILURES
    ]
    if left:
        raise BenchError(f"not measured, {FAILURES} times in a row: {'; '.join(left)}")


def next_cell(wanted: Mapping[Cell, int], had: Mapping[Cell, int], broken: Mapping[Cell, int]) -> Cell | None:
    """The cell that lacks most; None where none lacks a job. Who broke has had a turn, and has none after `FAILURES`."""
    lacking = [cell for cell in wanted if had.get(cell, 0) < wanted[cell] and broken.get(cell, 0) < FAILURES]
    return min(lacking, key=lambda cell: (had.get(cell, 0) + broken.get(cell, 0)) / wanted[cell], default=None)
