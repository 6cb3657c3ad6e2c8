"""When iterations are due: pure arithmetic from a rate over time to planned starts.

Times are seconds from the start of the load, rates are iterations per second. A pacer knows nothing of clocks or loops:
the executor adds the hour at which the load began.

The two executors of k6 place the first start differently, and so do the pacers:
* constant: start n is due at n / rate, so the first is due at once, and none at the very end;
* ramping: start n is due when the integral of the rate reaches n + 1, so the first is due after one whole period.
See k6, "Constant arrival rate", "Ramping arrival rate" and lib/executor/{constant,ramping}_arrival_rate.go.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

INF = math.inf


class Pacer(Protocol):
    """A plan of starts. `n` counts from 0; `total` starts are planned in `duration` seconds."""

    @property
    def total(self) -> int: ...

    @property
    def duration(self) -> float: ...

    def due(self, n: int) -> float:
        """When start `n` is due; infinity from `total` on. Never decreases with `n`."""

    def dues(self) -> Iterator[float]:
        """All due times in order, computed as they are asked for: the same numbers as `due` gives, for less."""

    def count(self, t: float) -> int:
        """How many starts are due at or before `t`."""

    def rate(self, t: float) -> float:
        """The planned rate at `t`; the later one where it jumps; 0 outside the plan."""


@dataclass(frozen=True, slots=True)
class ConstantPacer:
    """`per_second` starts a second for `duration` seconds."""

    per_second: float
    duration: float

    @property
    def total(self) -> int:
        return math.ceil(_snapped(self.per_second * self.duration))

    def due(self, n: int) -> float:
        return n / self.per_second if n < self.total else INF

    def dues(self) -> Iterator[float]:
        per_second = self.per_second
        for n in range(self.total):
            yield n / per_second

    def count(self, t: float) -> int:
        if t < 0 or self.total == 0:
            return 0
        return _corrected(self, math.floor(min(t, self.duration) * self.per_second) + 1, t)

    def rate(self, t: float) -> float:
        return self.per_second if 0 <= t < self.duration else 0.0


@dataclass(frozen=True, slots=True)
class _Slope:
    """A stretch over which the rate moves linearly. `before` is the integral of the rate up to its start."""

    start: float
    seconds: float
    low: float  # rate at its start
    high: float  # rate at its end, which may be the lower one
    before: float

    @property
    def change(self) -> float:
        return (self.high - self.low) / self.seconds

    def area(self, t: float) -> float:
        """The integral of the rate from the start of the plan up to `t`, which lies on this stretch."""
        x = min(t - self.start, self.seconds)
        return self.before + x * (self.low + self.change * x / 2)

    def reach(self, area: float) -> float:
        """When the integral reaches `area`: the root of before + low x + change x^2 / 2 = area.

        Written with the root in the denominator, which neither cancels nor divides by zero on a flat stretch.
        """
        missing = max(0.0, area - self.before)
        root = math.sqrt(max(0.0, self.low * self.low + 2 * self.change * missing))
        divisor = self.low + root
        x = 2 * missing / divisor if divisor > 0 else 0.0
        return self.start + min(x, self.seconds)


class RampingPacer:
    """The rate goes linearly from `start_rate` through `stages`, pairs of (seconds, rate at the end of the stage).

    A stage of no length is a jump. Stretches at rate zero plan nothing.
    """

    def __init__(self, start_rate: float, stages: Iterable[tuple[float, float]]) -> None:
        self._slopes: list[_Slope] = []
        at, rate, area = 0.0, start_rate, 0.0
        for seconds, target in stages:
            if seconds > 0:
                self._slopes.append(_Slope(at, seconds, rate, target, area))
                at += seconds
                area += seconds * (rate + target) / 2
            rate = target
        self.duration = at
        self.total = math.floor(_snapped(area))
        self._starts = [slope.start for slope in self._slopes]
        # The last start of a stage often falls on its very end, where rounding must not push it into the next one.
        ends = accumulate(slope.seconds * (slope.low + slope.high) / 2 for slope in self._slopes)
        self._areas = [_snapped(end) for end in ends]

    def due(self, n: int) -> float:
        if n >= self.total:
            return INF
        return self._slopes[bisect_left(self._areas, n + 1)].reach(n + 1)

    def dues(self) -> Iterator[float]:
        n = 0
        for slope, end in zip(self._slopes, self._areas, strict=True):
            reach = slope.reach
            while n + 1 <= end:
                n += 1
                yield reach(n)

    def count(self, t: float) -> int:
        if t < 0 or not self._slopes:
            return 0
        slope = self._slopes[bisect_right(self._starts, t) - 1]
        return _corrected(self, math.floor(slope.area(t)), t)

    def rate(self, t: float) -> float:
        if not 0 <= t < self.duration:
            return 0.0
        slope = self._slopes[bisect_right(self._starts, t) - 1]
        return slope.low + slope.change * (t - slope.start)


def _snapped(area: float) -> float:
    """`area`, or the whole number that it misses by rounding only: 0.1/s for 30 s is 3 starts, not 4 nor 2."""
    whole = round(area)
    return float(whole) if abs(area - whole) <= 1e-9 * max(1.0, area * 1e-3) else area


def _corrected(pacer: Pacer, guess: int, t: float) -> int:
    """The count at `t`, from a guess that rounding may have put off by one."""
    count = min(max(guess, 0), pacer.total)
    while count < pacer.total and pacer.due(count) <= t:
        count += 1
    while count > 0 and pacer.due(count - 1) > t:
        count -= 1
    return count
