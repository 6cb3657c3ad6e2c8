"""How much work a program must have done until it is as fast as it becomes. Pure.

Caches fill, connections open, and a JIT compiles what was called often enough: it is work that warms a program up, not time. So
the pilot counts what the base did until its speed had come near to where it stayed, and each start is given as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

FEWEST: Final = 6
"""Slices without which nothing is said."""
NEAR: Final = 0.9
"""Share of the speed at which it stayed that counts as there."""
_SMOOTH: Final = 3


def cold_slices(speeds: Sequence[float]) -> int | None:
    """How many of the first slices of time were slower than the later ones.

    `speeds`: iterations a second in slices of equal length. The level is the median of the later half, and a slice is there
    where it and the two after it come near that, as a median. None: not to be told yet, for it became faster until after the
    middle.
    """
    if len(speeds) < FEWEST:
        return None
    level = median(speeds[len(speeds) // 2 :])
    there = next((at for at in range(len(speeds)) if median(speeds[at : at + _SMOOTH]) >= NEAR * level), len(speeds))
    return there if there < len(speeds) / 2 else None
