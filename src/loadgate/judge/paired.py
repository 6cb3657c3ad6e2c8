"""Base against head by pairs of fresh starts: how large each difference is, how sure that is, and one of four words for it.

Rules:
* One pair of starts gives one difference a cell, positive for the worse: of logarithms, of shares the shares themselves. What
  is within a start (requests, seconds) is no evidence of its own: two processes of one build differ for as long as they live.
* Worse: not by chance, corrected for the number of gating cells (Holm 1979), and by the margin at least. Better: the mirror of
  it. Same: worse by the margin is refused. All three by the signed-rank test, at what the look may spend (`looks.py`).
* Everything else is unsure, and says how many more pairs would probably decide it.
* Cells that do not gate are held to a false-discovery rate instead (Benjamini and Hochberg 1995), and decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev
from typing import Final, TypeVar

from loadgate.judge.looks import CONFIRMATION
from loadgate.judge.multiple import benjamini_hochberg, holm
from loadgate.judge.signedrank import hodges_lehmann, interval, p_greater
from loadgate.record.comparison import Change

ALPHA: Final = 0.05
"""One-sided, over all looks and, for the worse, over all cells that gate."""
POWER: Final = 0.8
"""With which probability the smallest detectable change would have been found."""
EFFICIENCY: Final = 3.0 / math.pi
"""Of the signed-rank test against a mean, where noise is normal (Hodges and Lehmann 1956)."""
_NORMAL: Final = NormalDist()

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Cell:
    """The differences of one figure, one a pair, and the margin from which on one matters, on their scale (> 0)."""

    differences: tuple[float, ...]
    margin: float
    gates: bool = True


@dataclass(frozen=True, slots=True)
class Effect:
    """What the pairs say of a cell, on the scale of its differences.

    `low` and `high` are the 95 % interval, infinite with fewer than 6 pairs. `p` is of "not worse", corrected. `detectable` is
    the smallest change for the worse that so many pairs find with 80 % power. `missing` is how many more would probably decide,
    0 where it is decided.
    """

    word: Change
    estimate: float
    low: float
    high: float
    p: float
    detectable: float
    pairs: int
    missing: int = 0


def judge(cells: Mapping[Key, Cell], alpha: float = ALPHA) -> dict[Key, Effect]:
    """The effect of every cell at a look that may spend `alpha` in each direction; with 0 it decides nothing."""
    worse = _corrected(cells, {key: p_greater(cell.differences) for key, cell in cells.items()})
    better = _corrected(cells, {key: p_greater([-one for one in cell.differences]) for key, cell in cells.items()})
    return {key: _effect(cell, worse[key], better[key], alpha) for key, cell in cells.items()}


def confirms(fresh: Sequence[float]) -> bool:
    """Whether fresh pairs alone say that a cell is worse, at any of the looks that they were enough for."""
    return any(len(fresh) >= look.pairs and p_greater(fresh[: look.pairs]) <= look.alpha for look in CONFIRMATION)


def _corrected(cells: Mapping[Key, Cell], ps: Mapping[Key, float]) -> dict[Key, float]:
    """A cell without any difference can never be decided by chance, so there is nothing to correct for it (Tarone 1990)."""
    found: dict[Key, float] = dict.fromkeys(cells, 1.0)
    for correct, gates in ((holm, True), (benjamini_hochberg, False)):
        keys = [key for key, cell in cells.items() if cell.gates is gates and any(cell.differences)]
        found.update(zip(keys, correct([ps[key] for key in keys]), strict=True))
    return found


def _effect(cell: Cell, worse: float, better: float, alpha: float) -> Effect:
    differences = cell.differences
    estimate = hodges_lehmann(differences)
    low, high = interval(differences)
    word = Change.UNSURE
    if worse <= alpha and estimate >= cell.margin:
        word = Change.WORSE
    elif better <= alpha and estimate <= -cell.margin:
        word = Change.BETTER
    elif p_greater([cell.margin - one for one in differences]) <= alpha:
        word = Change.SAME
    pairs = len(differences)
    spread = stdev(differences) if pairs > 1 else math.nan
    missing = 0 if word is not Change.UNSURE else _missing(cell, estimate, spread, alpha)
    return Effect(word, estimate, low, high, worse, _detectable(spread, pairs, alpha), pairs, missing)


def _detectable(spread: float, pairs: int, alpha: float) -> float:
    return _reach(alpha) * spread / math.sqrt(EFFICIENCY * pairs) if pairs else math.nan


def _missing(cell: Cell, estimate: float, spread: float, alpha: float) -> int:
    """Pairs until the estimate, should it stay, is told from no change or from the margin, whichever it is farther from."""
    pairs = len(cell.differences)
    if math.isnan(spread):
        return 0
    distance = max(cell.margin - estimate, estimate if estimate >= cell.margin else 0.0)
    if not distance:
        return 0
    return max(1, math.ceil((_reach(alpha) * spread / distance) ** 2 / EFFICIENCY) - pairs)


def _reach(alpha: float) -> float:
    return _NORMAL.inv_cdf(1.0 - (alpha or ALPHA)) + _NORMAL.inv_cdf(POWER)
