"""What is planted, and for how long it is looked for: the grid of the trust bench."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import BenchError
from bench.trust.cost import Cost

_TEN: Final = Path(__file__).parent / "ten.py"

GRID: Final = (
    *(("work:0", name, 45.0) for name in ("idle", "burner", "burners", "bursts", "drift")),
    *((f"work:{percent}", name, 90.0) for name in ("idle", "burner", "bursts") for percent in (2, 5, 10, 20)),
    *((case, "idle", 90.0) for case in ("tail:20", "one-of-ten:20", "memory:20", "startup:100")),
)
"""Case, disturbance and seconds of each cell, in the order of a round."""


@dataclass(frozen=True, slots=True)
class Case:
    """The head's `options` beyond the base's, its `units` of work, and the `script` where one request is not enough."""

    name: str
    options: tuple[str, ...]
    units: int = 0
    script: Path | None = None


def case_of(name: str, cost: Cost) -> Case:
    """`work:PERCENT`, `one-of-ten:PERCENT`, `tail:MS`, `memory:MB` or `startup:MS`. Raises BenchError for another."""
    kind, _, text = name.partition(":")
    try:
        amount = int(text)
    except ValueError:
        amount = -1
    if amount >= 0 and kind in ("work", "one-of-ten"):
        units = cost.units(amount)
        if kind == "work":
            return Case(name, ("--extra", str(units)), units)
        return Case(name, ("--extra", str(units), "--on", "9"), units, _TEN)
    if amount >= 0 and kind in ("tail", "memory", "startup"):
        return Case(name, (f"--{kind}", str(amount)))
    raise BenchError(f"no case is called `{name}`: say work:5, one-of-ten:20, tail:20, memory:20 or startup:100")
