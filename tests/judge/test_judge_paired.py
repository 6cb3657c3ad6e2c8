"""Four words for a cell, and when more pairs would help."""

from __future__ import annotations

import math

import pytest

from loadgate.judge.paired import Cell, Effect, confirms, judge
from loadgate.record.comparison import Change

MARGIN = math.log(1.05)
NOISE = (0.011, -0.014, 0.004, -0.007, 0.009, -0.002, 0.013, -0.012, 0.001, -0.003)


def effect(shift: float, *, pairs: int = 10, noise: float = 1.0, margin: float = MARGIN, gates: bool = True) -> Effect:
    differences = tuple(shift + noise * one for one in NOISE[:pairs])
    return judge({"cell": Cell(differences, margin, gates)}, 0.02)["cell"]


@pytest.mark.parametrize(
    ("shift", "word"),
    [(0.08, Change.WORSE), (-0.08, Change.BETTER), (0.0, Change.SAME), (0.02, Change.SAME), (-0.02, Change.SAME)],
)
def test_the_word_for_a_shift(shift: float, word: Change) -> None:
    found = effect(shift)
    assert found.word is word
    assert found.low < shift < found.high
    assert found.estimate == pytest.approx(shift, abs=0.002)
    assert (found.missing, found.pairs) == (0, 10)


def test_near_the_margin_is_unsure_and_says_how_many_pairs_are_missing() -> None:
    below, far = effect(MARGIN - 0.004), effect(0.02, noise=5.0)
    assert (below.word, far.word) == (Change.UNSURE, Change.UNSURE)
    assert below.missing > 5
    assert 0 < far.missing < below.missing * 10
    assert far.detectable == pytest.approx(5.0 * effect(0.02).detectable)


def test_a_sure_difference_below_the_margin_is_the_same() -> None:
    found = effect(0.02)
    assert found.low > 0.0
    assert found.word is Change.SAME


def test_few_pairs_decide_nothing() -> None:
    found = effect(0.5, pairs=4)
    assert (found.word, found.low, found.high) == (Change.UNSURE, -math.inf, math.inf)
    assert found.missing > 0


def test_more_gating_cells_ask_for_more() -> None:
    """5 pairs of one sign are one in 32, which is enough for one cell of its own at 4 %, and not for one of five."""
    sure = Cell((0.1, 0.11, 0.12, 0.13, 0.14), 0.05)
    doubtful = Cell((0.1, -0.11, 0.12, -0.13, 0.14), 0.05)
    assert judge({0: sure}, 0.04)[0].word is Change.WORSE
    assert judge({0: sure, 1: doubtful, 2: doubtful, 3: doubtful, 4: doubtful}, 0.04)[0].word is Change.UNSURE
    informing = {number: Cell(doubtful.differences, 0.05, gates=False) for number in range(1, 5)}
    assert judge({0: sure, **informing}, 0.04)[0].word is Change.WORSE


def test_fresh_pairs_confirm_or_do_not() -> None:
    assert confirms([0.1, 0.2, -0.01, 0.3, 0.1, 0.2]), "the smallest of six may be of the other sign"
    assert not confirms([0.1, 0.2, -0.15, 0.3, 0.1, 0.2])
    assert not confirms([-0.1] * 10)
    assert not confirms([0.1] * 5), "five are too few"
    assert not confirms([0.1, 0.2, -0.15, 0.3, 0.1, 0.2, 0.1, 0.2, 0.1]), "nine are none of the looks"
    assert confirms([0.1, 0.2, -0.15, 0.3, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2])
    assert not confirms([0.1, 0.2, -0.15, 0.3, 0.1, 0.2, 0.1, -0.2, 0.1, -0.2])


def test_no_pairs_are_unsure() -> None:
    found = judge({"cell": Cell((), MARGIN)})["cell"]
    assert (found.word, found.pairs) == (Change.UNSURE, 0)
    assert math.isnan(found.estimate)
