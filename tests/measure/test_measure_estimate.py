from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.measure.histogram import Histogram


def blocks(seed: int, count: int, size: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.lognormal(2.0, 0.5, size) for _ in range(count)]


def test_percentiles_are_those_of_all_samples_and_not_means_of_the_blocks() -> None:
    fast, slow = np.full(900, 1.0), np.full(100, 100.0)
    found = estimate.percentiles([Histogram.of(fast), Histogram.of(slow)], [50.0, 95.0])
    assert found[0].value == pytest.approx(1.0, rel=1 / 256)
    assert found[1].value == pytest.approx(100.0, rel=1 / 256)
    assert {each.count for each in found} == {1000}


def test_the_error_of_a_percentile_is_that_of_many_repetitions() -> None:
    ps = [50.0, 95.0]
    found = [estimate.percentiles([Histogram.of(each) for each in blocks(seed, 16, 300)], ps) for seed in range(60)]
    for at in range(2):
        spread = np.std([math.log(each[at].value) for each in found], ddof=1)
        errors = [each[at].error or 0.0 for each in found]
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(spread, rel=0.25)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(0.0, 1e6), max_size=30), max_size=20))
def test_blocks_of_any_shape_have_the_percentiles_of_their_samples(values: list[list[float]]) -> None:
    (found,) = estimate.percentiles([Histogram.of(each) for each in values], [50.0])
    flat = [value for each in values for value in each]
    assert found.count == len(flat)
    assert found.error is None or found.error >= 0.0
    if flat:
        assert min(flat) <= found.value <= max(flat)
    else:
        assert math.isnan(found.value)


def test_few_blocks_say_nothing_of_their_error() -> None:
    histograms = [Histogram.of(each) for each in blocks(1, 4, 100)]
    assert estimate.percentiles(histograms, [50.0])[0].error is None
    assert estimate.rate([10.0] * 4, [1.0] * 4).error is None


def test_a_rate_is_what_happened_by_the_time_it_took() -> None:
    found = estimate.rate([100.0, 110.0, 90.0, 105.0, 95.0], [1.0] * 5)
    error = float(np.std([100, 110, 90, 105, 95], ddof=1)) / 5**0.5 / 100
    assert found == Estimate(100.0, pytest.approx(error, rel=1e-3), 4.0, 500)  # type: ignore[arg-type]
    assert math.isnan(estimate.rate([], []).value)


def test_a_share_of_independent_samples_has_the_binomial_error() -> None:
    random = np.random.default_rng(3)
    passes = random.binomial(1000, 0.1, 16).tolist()
    found = estimate.share(passes, [1000] * 16)
    value = sum(passes) / 16_000
    error = math.sqrt(value * (1 - value) / 16_000)
    assert found == Estimate(value, pytest.approx(error), math.inf, 16_000)  # type: ignore[arg-type]


def test_failures_that_come_in_bursts_are_worth_less_than_their_number() -> None:
    even, burst = [10] * 16, [160] + [0] * 15
    apart, together = estimate.share(even, [1000] * 16), estimate.share(burst, [1000] * 16)
    assert apart.value == together.value == 0.01
    assert together.error is not None and apart.error is not None
    assert together.error == pytest.approx(0.01)  # one of sixteen blocks had them all
    assert together.error > 10 * apart.error
    assert (apart.freedom, together.freedom) == (math.inf, 15.0)


def test_repeated_samples_have_the_error_of_their_mean() -> None:
    found = estimate.mean([9.0, 10.0, 11.0, 10.0])
    error = float(np.std([9, 10, 11, 10], ddof=1)) / 2 / 10
    assert found == Estimate(10.0, pytest.approx(error), 3.0, 4)  # type: ignore[arg-type]
    assert estimate.mean([5.0]) == Estimate(5.0, None, 0.0, 1)
    assert math.isnan(estimate.median([math.nan]).value)


@pytest.mark.parametrize(("count", "most"), [(5, 1.6), (10, 1.35), (40, 1.15), (400, 1.1)])
@pytest.mark.parametrize("wild", [0.0, 0.02])
def test_the_error_of_a_median_is_that_of_many_repetitions(count: int, most: float, wild: float) -> None:
    """Few samples give it too large, never too small; a wild one in fifty does not change it."""
    random = np.random.default_rng(11)
    values = np.exp(0.2 * random.normal(size=(2000, count))) * np.where(random.random((2000, count)) < wild, 50.0, 1.0)
    found = [estimate.median(row) for row in values]
    spread = float(np.std([math.log(each.value) for each in found]))
    typical = float(np.median([each.error for each in found if each.error is not None]))
    assert 0.93 * spread < typical < most * spread
    assert {each.freedom for each in found} == {count - 1.0}


def test_one_wild_sample_leaves_a_median_as_sure_as_it_was() -> None:
    calm = estimate.median([10.0, 10.1, 9.9, 10.2, 9.8, 10.05, 9.95, 10.15, 9.85, 10.0])
    wild = estimate.median([10.0, 10.1, 9.9, 10.2, 9.8, 10.05, 9.95, 10.15, 9.85, 900.0])
    assert wild.value == pytest.approx(calm.value, rel=0.01)
    assert (wild.error or 1.0) < 2.0 * (calm.error or 0.0)
    assert estimate.median([5.0]) == Estimate(5.0, None, 0.0, 1)
    assert estimate.median([3.0, 3.0, 3.0]) == Estimate(3.0, 0.0, 2.0, 3)
    assert estimate.mean([1e308, -1e308, 1e308]).error is None


def test_an_interval_gives_its_error_back() -> None:
    assert estimate.interval(10.0, 8.04, 11.96).error == pytest.approx(0.1)
    assert estimate.interval(0.0, -1.0, 1.0).error is None
    assert estimate.interval(1e-320, 1.0, 2.0).error is None
    assert estimate.interval(1.0, -math.inf, 2.0).error is None


def test_a_deviation_gives_the_error_of_the_mean() -> None:
    values = [9.0, 10.0, 11.0, 10.0]
    assert estimate.spread(10.0, float(np.std(values, ddof=1)), 4) == estimate.mean(values)
    assert [estimate.spread(10.0, given, 4).error for given in (math.nan, math.inf, -1.0)] == [None] * 3
    assert estimate.spread(10.0, 1.0, 1).error is None
