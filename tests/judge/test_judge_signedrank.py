"""The signed-rank test against counting all patterns of signs, and what belongs to it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.judge.signedrank import hodges_lehmann, interval, p_greater, walsh

DIFFERENCES = st.lists(st.one_of(st.floats(-3, 3), st.integers(-3, 3).map(float)), max_size=9)


def counted(differences: list[float]) -> float:
    """The share of all patterns of signs with a sum of positive ranks that is as large or larger."""
    sizes = sorted(map(abs, differences))
    ranks = [(2 * sizes.index(abs(one)) + 1 + sizes.count(abs(one))) / 2 for one in differences]
    weight = sum(rank for rank, one in zip(ranks, differences, strict=True) if one > 0)
    signed = [rank for rank, one in zip(ranks, differences, strict=True) if one]
    patterns = list(itertools.product((0, 1), repeat=len(signed)))
    sums = [sum(itertools.compress(signed, pattern)) for pattern in patterns]
    return sum(one >= weight for one in sums) / len(patterns)


@given(DIFFERENCES)
def test_p_is_the_share_of_all_patterns_of_signs(differences: list[float]) -> None:
    assert p_greater(differences) == pytest.approx(counted(differences), abs=1e-12)


def test_p_of_known_cases() -> None:
    assert p_greater([]) == 1.0
    assert p_greater([0.0, 0.0]) == 1.0
    assert p_greater([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == 1 / 64
    assert p_greater([1.0, 2.0, 3.0, 4.0, 5.0, -6.0]) == pytest.approx(14 / 64)  # the sums of 1 to 6 from 15 up
    assert p_greater([-1.0, -2.0]) == 1.0


def test_the_interval_is_what_the_test_does_not_refuse() -> None:
    """Shifts just inside both ends are kept, shifts just outside are refused, at the two-sided 5 %."""
    random = np.random.default_rng(3)
    for count in (6, 7, 8, 10, 15, 30):
        differences = random.standard_t(3, count).tolist()
        low, high = interval(differences)
        nudge = 1e-9
        for shift, kept in ((low + nudge, True), (low - nudge, False)):
            assert (p_greater([one - shift for one in differences]) > 0.025) is kept, (count, "low")
        for shift, kept in ((high - nudge, True), (high + nudge, False)):
            assert (p_greater([shift - one for one in differences]) > 0.025) is kept, (count, "high")
        assert low < hodges_lehmann(differences) < high


@pytest.mark.parametrize("count", [0, 1, 5])
def test_too_few_pairs_know_nothing(count: int) -> None:
    assert interval([1.0] * count) == (-math.inf, math.inf)


def test_the_estimate_is_hardly_moved_by_a_wild_pair() -> None:
    assert math.isnan(hodges_lehmann([]))
    assert walsh([1.0, 3.0]).tolist() == [1.0, 2.0, 3.0]
    assert hodges_lehmann([1.0, 2.0, 3.0, 4.0, 1000.0]) == pytest.approx(3.0)
