"""Who comes first, drawn by lot from one seed: of two starts, of two ports, of two requests that are due together,
and of two slices without a schedule.

That lot is what the judgement rests on (`judge/signedrank.py`): with it the sign of a difference between two equal arms is a
fair coin. Without it the arm that is served second looks slower, by 4 % at p95 where two equal services shared a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

FLIP: Final = 0.5
"""Seconds after which it is drawn anew who goes first."""


class Arm(StrEnum):
    """The two sides of a comparison."""

    BASE = "base"
    HEAD = "head"


ARMS: Final = (Arm.BASE, Arm.HEAD)


@dataclass(frozen=True, slots=True)
class PairOrder:
    """`started` and `ports`: the arms in the order in which they are started and take the two ports."""

    started: tuple[Arm, Arm]
    ports: tuple[Arm, Arm]


def pair_order(seed: int, number: int) -> PairOrder:
    """The order of pair `number`."""
    lot = Random(f"pair {seed} {number}")
    return PairOrder(_drawn(lot), _drawn(lot))


def capacity_order(seed: int, number: int) -> tuple[Arm, ...]:
    """The arms of pair `number` in the order in which they are asked without a schedule: two couples, a lot each."""
    lot = Random(f"capacity {seed} {number}")
    return (*_drawn(lot), *_drawn(lot))


class Turns:
    """Whose turn a planned start is, where there are `rate` starts a second from clock time `origin` on, for `seconds`.

    Starts come in couples, one for each arm, so that both have as many, whatever the rate. Who is first in a couple is drawn
    every half second.
    """

    __slots__ = ("_firsts", "_origin", "_rate")

    def __init__(self, seed: int, number: int, rate: float, seconds: float) -> None:
        lot = Random(f"turns {seed} {number}")
        self._firsts = tuple(lot.getrandbits(1) for _ in range(int(seconds / FLIP) + 2))
        self._origin = 0.0
        self._rate = rate

    def begin(self, origin: float) -> None:
        """The first start is due at clock time `origin`."""
        self._origin = origin

    def of(self, planned: float) -> Arm:
        """The arm of the start that is due at clock time `planned`."""
        couple, second = divmod(round((planned - self._origin) * self._rate), 2)
        half = int(couple * 2 / self._rate / FLIP)
        return ARMS[self._firsts[min(half, len(self._firsts) - 1)] ^ second]


def _drawn(lot: Random) -> tuple[Arm, Arm]:
    return ARMS if lot.random() < 0.5 else (Arm.HEAD, Arm.BASE)
