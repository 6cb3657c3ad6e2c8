"""How many VUs should run, and when that changes: the ramping-vus schedule of k6 as a staircase.

Between stage targets the number moves along a straight line. Going up, a VU starts when the line reaches its number;
going down, a VU stops when the line has fallen to the number of those that stay. So at every moment the count is the
line rounded down while it rises, and rounded up while it falls (k6, lib/executor/ramping_vus.go, and issue 997).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Step(NamedTuple):
    """From `at` seconds after the start on, `vus` VUs should run."""

    at: float
    vus: int


def staircase(start_vus: int, stages: Iterable[tuple[float, int]]) -> Iterator[Step]:
    """The steps for `stages`, pairs of (seconds, VUs at the end of the stage), in order of time.

    The first step is at 0; each later one changes the number of VUs. A stage of no length is a jump.
    """
    yield Step(0.0, start_vus)
    end, vus = 0.0, start_vus
    for seconds, target in stages:
        end += seconds
        if target == vus:
            continue
        if seconds == 0:
            yield Step(end, target)
        else:
            direction = 1 if target > vus else -1
            span = abs(target - vus)
            for left in range(span - 1, -1, -1):
                yield Step(end - seconds * left / span, target - direction * left)
        vus = target
