"""When a sequence of pairs may be looked at, and what each look may cost: group-sequential testing.

Looking again and again at the same test makes chance win sooner or later. Here all looks are planned before the first pair, and
each has a part of the probability of error to spend (Lan and DeMets 1983), little at first, so that the last look has nearly
all of it (as O'Brien and Fleming 1979). The parts add up: at most that often anything is decided wrongly at any look, however
the looks depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
FEWEST: Final = 8
"""Pairs at the first look: of fewer, not even all signs alike would decide one figure of a dozen."""


@dataclass(frozen=True, slots=True)
class Look:
    """After `pairs` pairs, at a one-sided error of `alpha`."""

    pairs: int
    alpha: float


CONFIRMATION: Final = (Look(6, 0.032), Look(10, 0.018))
"""Looks at fresh pairs that alone shall say that something is worse. At the first, one sign of six may be wrong if that
difference is the smallest. Changes of twice the spread are confirmed there; what is nearer to it has a second chance.
"""


def planned_looks(most: int, alpha: float = 0.05) -> tuple[Look, ...]:
    """Looks up to `most` pairs, which share the one-sided error `alpha`; one look where `most` is too few for two."""
    looks = []
    before = 0.0
    for size in (*(size for size in _sizes(most) if size < most), most):
        now = _spent(size / most, alpha)
        if now - before >= 0.5**size or size == most:  # else no pattern of signs is rare enough: left for the next look
            looks.append(Look(size, now - before))
            before = now
    return tuple(looks)


def _sizes(most: int) -> Sequence[int]:
    """A third more pairs from look to look."""
    sizes = [FEWEST]
    while sizes[-1] < most:
        sizes.append(sizes[-1] + max(2, sizes[-1] // 3))
    return sizes


def _spent(share: float, alpha: float) -> float:
    """What may have been spent of `alpha` when `share` of the pairs are there."""
    return 2.0 * (1.0 - _NORMAL.cdf(_NORMAL.inv_cdf(1.0 - alpha / 2.0) / share**0.5))
