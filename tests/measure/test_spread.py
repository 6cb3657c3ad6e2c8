"""Median, interval and outliers of repeated measurements."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import median

import numpy as np
import pytest

from loadgate.measure.spread import Spread, lower_rank, spread_of


def test_a_spread_says_all_there_is_of_a_few_values() -> None:
    found = spread_of([7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert found == Spread(count=7, median=4.0, low=1.0, high=7.0, mad=2.0, minimum=1.0, maximum=7.0, outliers=0)
    assert found.width == 1.5


@pytest.mark.parametrize("values", [[3.0], [1.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_too_few_values_have_a_median_and_no_interval(values: list[float]) -> None:
    found = spread_of(values)
    assert found.median == median(values)
    assert (found.minimum, found.maximum) == (values[0], values[-1])
    assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.width)


def test_nothing_has_no_median() -> None:
    found = spread_of([])
    assert (found.count, found.outliers) == (0, 0)
    assert math.isnan(found.median) and math.isnan(found.mad)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_was_not_measured_is_no_value(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        spread_of([1.0, value])


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 0), (5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (15, 4), (20, 6), (25, 8), (50, 18)]
)
def test_ranks_are_those_of_the_sign_test(count: int, rank: int) -> None:
    """Table A.12 of Gibbons and Chakraborti, "Nonparametric Statistical Inference", for two-sided 5 %."""
    assert lower_rank(count, 0.95) == rank


@pytest.mark.parametrize("count", [6, 10, 33, 200, 1000, 3000])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_rank_is_the_greatest_that_covers(count: int, level: float) -> None:
    def enclosed(rank: int) -> float:
        return float(1 - Fraction(2 * sum(math.comb(count, below) for below in range(rank)), 2**count))

    rank = lower_rank(count, level)
    assert enclosed(rank + 1) < level
    assert rank == 0 or enclosed(rank) >= level


def test_a_far_value_is_counted_and_left_out() -> None:
    values = [10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.6, 10.7, 10.8, 99.0]
    found = spread_of(values)
    assert (found.count, found.outliers) == (10, 1)
    assert found.median == 10.4
    assert found.maximum == 10.8
    assert found.mad == pytest.approx(0.2)
    assert found.high <= 10.8


def test_outliers_are_found_on_both_sides() -> None:
    values = [-50.0, *np.linspace(9.0, 11.0, 38).tolist(), 70.0]
    found = spread_of(values)
    assert (found.outliers, found.minimum, found.maximum) == (2, 9.0, 11.0)


def test_the_fence_is_three_interquartile_ranges_of_the_quartiles() -> None:
    inside = [0.0] * 3 + [1.0] * 3 + [2.0] * 2  # of nine, the third and the seventh are the quartiles: 0 and 2
    assert spread_of([*inside, 8.0]).outliers == 0
    assert spread_of([*inside, 8.1]).outliers == 1


def test_seven_values_have_no_outlier() -> None:
    assert spread_of([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 90.0]).outliers == 0
    assert spread_of([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 90.0]).outliers == 1


def test_a_second_behaviour_is_no_outlier() -> None:
    values = [*np.linspace(1.0, 1.1, 16).tolist(), 5.0, 5.1, 5.2, 5.3]
    found = spread_of(values)
    assert (found.outliers, found.maximum) == (0, 5.3)


def test_of_equal_values_none_is_an_outlier() -> None:
    found = spread_of([4.0] * 11 + [5.0])
    assert (found.outliers, found.low, found.high, found.mad) == (0, 4.0, 4.0, 0.0)
    assert found.width == 0.0


def test_the_interval_covers_the_median_of_all_values_too() -> None:
    """Twenty values on one side are left out: half as many ranks higher lies the median of all."""
    low, high = np.linspace(1.0, 2.0, 180), np.linspace(50.0, 60.0, 20)
    found = spread_of([*low.tolist(), *high.tolist()])
    assert found.outliers == 20
    of_all = sorted([*low.tolist(), *high.tolist()])
    assert found.low == low[lower_rank(180, 0.95) - 1]
    assert found.high == of_all[200 - lower_rank(200, 0.95)]
    mirrored = spread_of([-value for value in of_all])
    assert (mirrored.low, mirrored.high) == (-found.high, -found.low)


def test_around_zero_only_equal_values_are_narrow() -> None:
    assert spread_of([0.0] * 8).width == 0.0
    assert spread_of([-3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0, 3.0]).width == math.inf


@pytest.mark.parametrize("count", [6, 10, 22, 50])
def test_the_interval_covers_in_fixed_samples(count: int) -> None:
    random = np.random.default_rng(4)
    found = [spread_of(row.tolist()) for row in random.lognormal(0.0, 1.0, (3000, count))]
    covered = sum(each.low <= 1.0 <= each.high for each in found) / len(found)
    assert covered >= 0.945  # three standard errors below 95 % are 93.8 %, but ranks are whole and cover more
