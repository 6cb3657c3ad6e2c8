"""Another repetition, or enough? Pure: values in, an answer out.

Whoever stops as soon as an interval happens to be narrow stops at the wrong moments, and the interval holds the median less
often than it says. So intervals are looked at only when there are planned numbers of values, each half as many again as the
one before. That the final 95 % interval then still covers is a test (`tests/measure/test_repetition.py`), not a belief.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.measure.spread import spread_of

GROWTH: Final = 1.5
MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Standing:
    """`enough`: no further repetition. `settled`: every interval is as narrow as was asked for."""

    enough: bool
    settled: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """How often something is repeated. Raises LoadgateError for what cannot be.

    `width` is that of the 95 % interval of the median, from end to end, relative to the median: 0.05 is 2.5 % either side.
    `least` and `most` count repetitions after the `warmups`; `seconds` is how long all of them together may take before no
    other is begun. Fewer than six have no interval, so they never settle.
    """

    width: float = 0.05
    least: int = 10
    most: int = 200
    seconds: float = 60.0
    warmups: int = 1

    def __post_init__(self) -> None:
        if not 0.0 < self.width < math.inf:
            raise LoadgateError(f"an interval cannot be asked to be {self.width:g} wide", "give 0.05 for 5 %")
        if not 1 <= self.least <= self.most <= MOST:
            what = f"{self.least} to {self.most} repetitions are no plan"
            raise LoadgateError(what, f"give from 1 to {MOST:,}, the fewest first")
        if not self.seconds > 0.0:
            raise LoadgateError(f"repetitions cannot take {self.seconds:g} s", "give a time above 0")
        if self.warmups < 0:
            raise LoadgateError(f"{self.warmups} repetitions cannot be warm-up", "give 0 or more")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of values at which intervals are looked at: 10, 15, 22, 33, 50, ... up to `most`."""
        sizes = [self.least]
        while sizes[-1] < self.most:
            sizes.append(min(self.most, max(sizes[-1] + 1, int(self.least * GROWTH ** len(sizes)))))
        return tuple(sizes)

    def narrow(self, values: Sequence[float]) -> bool:
        """Whether the interval of the median of `values` is as narrow as was asked for."""
        return spread_of(values).width <= self.width

    def standing(self, figures: Sequence[Sequence[float]], elapsed: float) -> Standing:
        """Whether the repetitions so far will do.

        `figures` holds one sequence of values for each figure that gates, without warm-ups and equally long; without any
        nothing is repeated. `elapsed` is in seconds since the first repetition began. All must be narrow to be settled.
        """
        if not figures:
            return Standing(enough=True, settled=True)
        count = min(map(len, figures))
        over = count >= self.most or elapsed >= self.seconds
        if not over and not self._planned(count):
            return Standing(enough=False, settled=False)
        settled = all(map(self.narrow, figures))
        return Standing(enough=over or settled, settled=settled)

    def enough(self, values: Sequence[float], elapsed: float) -> bool:
        """`standing` of a single figure."""
        return self.standing((values,), elapsed).enough

    def _planned(self, count: int) -> bool:
        sizes = self.sizes
        at = bisect_left(sizes, count)
        return at < len(sizes) and sizes[at] == count
