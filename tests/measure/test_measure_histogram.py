from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.measure.histogram import SUB_BUCKETS, TOP, Histogram, bucket_of, lower_bound

ERROR = 1 / 256
PERCENTILES = (0.0, 0.1, 1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)

SIZES = st.one_of(
    st.floats(2.0**-20, 2.0**63),
    st.floats(0.5, 2.0),
    st.integers(0, 40 * SUB_BUCKETS).map(lambda index: lower_bound(index + 1)),
    st.integers(1, 40 * SUB_BUCKETS).map(lambda index: math.nextafter(lower_bound(index + 1), 0.0)),
)
POSITIVE = st.lists(SIZES, min_size=1, max_size=60)
ANY = st.lists(st.one_of(SIZES, SIZES.map(lambda size: -size), st.just(0.0)), min_size=1, max_size=60)


def neighbours(values: list[float], p: float) -> float:
    """The greater size of the two samples between which a percentile lies."""
    ordered = sorted(values)
    place = p / 100 * (len(ordered) - 1)
    return max(abs(ordered[math.floor(place)]), abs(ordered[math.ceil(place)]))


@given(POSITIVE, st.floats(0.0, 100.0))
def test_percentile_is_within_one_in_256_of_numpys_for_any_distribution(values: list[float], p: float) -> None:
    exact = float(np.percentile(values, p))
    assert Histogram.of(values).percentile(p) == pytest.approx(exact, rel=ERROR * 1.000001)


@given(ANY, st.floats(0.0, 100.0))
def test_percentile_of_any_sign_is_within_one_in_256_of_its_neighbours(values: list[float], p: float) -> None:
    error = abs(Histogram.of(values).percentile(p) - float(np.percentile(values, p)))
    assert error <= neighbours(values, p) * ERROR * 1.000001


@given(ANY)
def test_percentiles_ascend_between_the_exact_extremes(values: list[float]) -> None:
    found = Histogram.of(values).percentiles(PERCENTILES)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (min(values), max(values))


@pytest.mark.parametrize(
    "values",
    [
        [7.3],
        [7.3] * 1000,
        [0.0] * 1000,
        [1.0, 1000.0],
        [0.0, 1000.0],
        [0.0, 0.0, 5.0],
        [-3.0, -3.0],
        [-3.0, 4.0],
        [1.0, math.nextafter(2.0, 0.0)],
        [1.0] * 500 + [math.nextafter(1.0 + ERROR, 0.0)] * 500,
        [math.nextafter(2.0, 0.0)] * 500 + [2.0] * 500,
        [1.0] * 999 + [60_000.0],
        [0.001] + [60_000.0] * 999,
        [0.0] * 990 + [12.5] * 10,
        [-1.0] * 10 + [0.0] * 10 + [1.0] * 10,
    ],
    ids=lambda values: f"{len(values)} from {values[0]:g} to {values[-1]:g}",
)
def test_percentiles_of_extreme_distributions_hold_the_bound(values: list[float]) -> None:
    found = Histogram.of(values).percentiles(PERCENTILES)
    for p, value, exact in zip(PERCENTILES, found, np.percentile(values, PERCENTILES).tolist(), strict=True):
        assert abs(value - exact) <= neighbours(values, p) * ERROR, (p, value, exact)


def test_percentiles_of_one_or_two_samples_and_of_equal_ones_are_exact() -> None:
    assert Histogram.of([7.3]).percentiles((0, 50, 100)) == [7.3] * 3
    assert Histogram.of([7.3] * 9).percentiles((1, 50, 99)) == [7.3] * 3
    assert Histogram.of([1.0, 1001.0]).percentiles((25, 50, 99)) == [251.0, 501.0, 991.0]
    assert Histogram.of([0.0] * 9 + [5.0]).percentiles((50, 80)) == [0.0, 0.0]


def test_percentile_beyond_the_scale_is_the_nearest_extreme() -> None:
    histogram = Histogram.of([1.0, 2.0, 3.0])
    assert (histogram.percentile(-5), histogram.percentile(140)) == (1.0, 3.0)


def test_a_thousand_million_samples_twice_keep_exact_counts_and_the_bound() -> None:
    low, high = Histogram.of([5.0]), Histogram.of([1000.0])
    histogram = Histogram()
    for bit in range(30):
        if 10**9 >> bit & 1:
            histogram.merge(low)
            histogram.merge(high)
        low.merge(low.copy())
        high.merge(high.copy())
    assert histogram.count == 2 * 10**9
    assert histogram.total == 1005.0 * 10**9
    p25, p50, p75 = histogram.percentiles((25, 50, 75))
    assert p25 == pytest.approx(5.0, rel=ERROR)
    assert p50 == pytest.approx(502.5, rel=ERROR)
    assert p75 == pytest.approx(1000.0, rel=ERROR)
    assert histogram.share_at_most(999.0) == 0.5
    histogram.shrink()
    assert histogram.count == sum(count for _, _, count in histogram.buckets())


@pytest.mark.parametrize("most", [255, 256, 2**16 - 1, 2**16, 2**17, 2**32 - 1, 2**32, 2**34])
@pytest.mark.parametrize("far", [1, 5000], ids=["neighbours", "far apart"])
def test_counts_of_any_size_survive_shrinking_and_merging(most: int, far: int) -> None:
    counts = np.zeros(far + 1, np.int64)
    counts[0], counts[-1] = most, 1
    histogram = Histogram.of_counts(5, counts, 1.0, lower_bound(5), lower_bound(5 + far))
    histogram.shrink()
    other = histogram.copy()
    other.merge(histogram)
    assert [count for _, _, count in other.buckets()] == [2 * most, 2]
    other.shrink()
    assert [count for _, _, count in other.buckets()] == [2 * most, 2]
    assert [count for _, _, count in histogram.buckets()] == [most, 1]


@given(SIZES)
def test_a_bucket_holds_its_values_and_is_at_most_one_in_256_wide(value: float) -> None:
    index = int(bucket_of(np.array([value]))[0])
    low, high = lower_bound(index), lower_bound(index + 1)
    assert low <= value < high
    assert high - low <= low * ERROR
    assert int(bucket_of(np.array([-value]))[0]) == -index


def test_sizes_outside_the_buckets_count_at_the_edges_between_the_exact_extremes() -> None:
    tiny = Histogram.of([2.0**-30, 2.0**-25, -(2.0**-25)])
    assert abs(tiny.percentile(50)) <= 2.0**-20
    assert (tiny.minimum, tiny.maximum) == (-(2.0**-25), 2.0**-25)
    huge = Histogram.of([2.0**70, 2.0**71, 2.0**72])
    assert 2.0**70 < huge.percentile(50) < 2.0**72
    assert -(2.0**70) > Histogram.of([-(2.0**70), -(2.0**71), -(2.0**72)]).percentile(50) > -(2.0**72)
    assert 0.0 <= huge.share_at_most(2.0**71) <= 1.0
    assert int(bucket_of(np.array([1e300]))[0]) == TOP


@given(ANY)
def test_count_sum_and_extremes_are_exact(values: list[float]) -> None:
    histogram = Histogram.of(values)
    assert histogram.count == len(values)
    assert histogram.total == float(np.sum(values))
    assert (histogram.minimum, histogram.maximum) == (min(values), max(values))
    assert histogram.mean == float(np.sum(values)) / len(values)


@given(ANY, ANY, st.booleans(), st.booleans())
def test_merging_is_as_if_all_had_been_recorded_in_one(
    left: list[float], right: list[float], left_rests: bool, right_rests: bool
) -> None:
    one, other = Histogram.of(left), Histogram.of(right)
    if left_rests:
        one.shrink()
    if right_rests:
        other.shrink()
    before = other.to_sparse()
    one.merge(other)
    assert one == Histogram.of(left + right)
    assert one.count == len(left) + len(right)
    assert one.total == pytest.approx(math.fsum(left + right), rel=1e-9, abs=1e-9 * max(map(abs, left + right)))
    assert other.to_sparse() == before


@given(ANY, ANY)
def test_recording_in_two_calls_is_recording_in_one(first: list[float], second: list[float]) -> None:
    histogram = Histogram.of(first)
    histogram.record_many(np.array(second))
    assert histogram == Histogram.of(first + second)


@given(ANY, ANY)
def test_a_copy_and_its_origin_do_not_touch_each_other(values: list[float], more: list[float]) -> None:
    for rests in (False, True):
        origin = Histogram.of(values)
        if rests:
            origin.shrink()
        copy = origin.copy()
        copy.record_many(np.array(more))
        assert origin == Histogram.of(values)
        origin.record_many(np.array(more))
        assert copy == origin == Histogram.of(values + more)


@given(ANY)
def test_shrinking_changes_nothing_that_can_be_seen(values: list[float]) -> None:
    plain, shrunk = Histogram.of(values), Histogram.of(values)
    shrunk.shrink()
    shrunk.shrink()
    assert shrunk == plain
    assert shrunk.buckets() == plain.buckets()
    assert shrunk.percentiles(PERCENTILES) == plain.percentiles(PERCENTILES)
    assert shrunk.share_at_most(values[0]) == plain.share_at_most(values[0])


@pytest.mark.parametrize("spread", [0.3, 3.0], ids=["narrow: all buckets in use", "wide: few of them"])
def test_shrinking_gives_memory_back(spread: float) -> None:
    histogram = Histogram.of(np.random.default_rng(1).lognormal(1.6, spread, 2_000))
    before = histogram.nbytes
    histogram.shrink()
    assert histogram.nbytes < before / 3


@given(ANY)
def test_the_sparse_form_keeps_everything(values: list[float]) -> None:
    histogram = Histogram.of(values)
    back = Histogram.from_sparse(histogram.to_sparse())
    assert back == histogram
    assert (back.count, back.total) == (histogram.count, histogram.total)
    assert back.percentiles(PERCENTILES) == histogram.percentiles(PERCENTILES)
    back.record_many(np.array(values))
    assert back.count == 2 * len(values)


def test_the_sparse_form_of_nothing_is_nothing() -> None:
    form = Histogram().to_sparse()
    assert form == {"sum": 0.0, "min": None, "max": None, "gaps": [], "counts": []}
    assert Histogram.from_sparse(form) == Histogram()


@pytest.mark.parametrize(
    "change",
    [
        {"counts": [1]},
        {"counts": [1, -1]},
        {"counts": [1, 0]},
        {"counts": ["x", 1]},
        {"counts": [None, 1]},
        {"counts": [2**70, 1]},
        {"gaps": [5, 0]},
        {"gaps": [5, -2]},
        {"gaps": [5, TOP]},
        {"gaps": [-TOP - 1, 1]},
        {"gaps": [[5], [1]], "counts": [[1], [1]]},
        {"min": None},
        {"max": "high"},
        {"min": 9.0, "max": 1.0},
        {"min": float("nan")},
        {"max": float("inf")},
    ],
    ids=str,
)
def test_a_sparse_form_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    form = {"sum": 3.0, "min": 1.0, "max": 2.0, "gaps": [5121, 256], "counts": [1, 1]}
    assert Histogram.from_sparse(form).count == 2
    with pytest.raises(ValueError, match=r"histogram|int|float"):
        Histogram.from_sparse({**form, **change})


def test_a_sparse_form_without_a_part_is_refused() -> None:
    with pytest.raises(KeyError):
        Histogram.from_sparse({"gaps": [1], "counts": [1], "sum": 1.0, "min": 1.0})


@given(ANY, st.integers(0, 59))
def test_share_at_most_errs_by_the_samples_of_one_bucket(values: list[float], pick: int) -> None:
    value = values[pick % len(values)]
    own = bucket_of(np.array([value]))[0]
    inside = int((bucket_of(np.array(values)) == own).sum())
    exact = sum(each <= value for each in values)
    share = Histogram.of(values).share_at_most(value)
    assert 0.0 <= share <= 1.0
    assert abs(share * len(values) - exact) <= inside + 1e-9


def test_share_at_most_spreads_a_bucket_evenly_and_is_exact_beyond_the_extremes() -> None:
    values = np.linspace(1.0, 100.0, 10_000)
    histogram = Histogram.of(values)
    for value in (1.5, 10.0, 33.3, 99.0):
        assert histogram.share_at_most(value) == pytest.approx(float((values <= value).mean()), abs=2e-4)
    assert (histogram.share_at_most(0.99), histogram.share_at_most(100.0)) == (0.0, 1.0)
    assert histogram.share_at_most(math.nextafter(1.0, 0.0)) == 0.0


def test_share_at_most_of_zero_counts_all_zeros() -> None:
    assert Histogram.of([0.0, 0.0, 0.0, 4.0]).share_at_most(0.0) == 0.75
    assert Histogram.of([-1.0, 0.0, 0.0, 4.0]).share_at_most(-0.5) == 0.25


def test_buckets_ascend_and_hold_every_sample() -> None:
    buckets = Histogram.of([-5.0, -1.0, 0.0, 0.0, 1.0, 1.0, 300.0]).buckets()
    assert [count for _, _, count in buckets] == [1, 1, 2, 2, 1]
    assert all(low < high for low, high, _ in buckets)
    assert [low for low, _, _ in buckets] == sorted(low for low, _, _ in buckets)


def test_zeros_do_not_stretch_the_memory_of_what_lies_far_from_them() -> None:
    histogram = Histogram.of([1000.0, 1001.0])
    before = histogram.nbytes
    histogram.record_zeros(50)
    histogram.record_many(np.zeros(50))
    assert (histogram.count, histogram.nbytes, histogram.minimum) == (102, before, 0.0)
    assert histogram.percentile(50) == 0.0


def test_no_zeros_change_nothing() -> None:
    histogram = Histogram.of([3.0])
    histogram.record_zeros(0)
    histogram.record_zeros(-2)
    assert histogram == Histogram.of([3.0])


def test_values_that_are_not_finite_are_left_out() -> None:
    histogram = Histogram.of([1.0, math.nan, math.inf, -math.inf, 3.0])
    assert (histogram.count, histogram.total, histogram.maximum) == (2, 4.0, 3.0)
    assert Histogram.of([math.nan]) == Histogram()


def test_without_samples_every_figure_is_not_a_number() -> None:
    empty = Histogram()
    empty.shrink()
    assert all(math.isnan(value) for value in (empty.mean, empty.percentile(50), empty.share_at_most(1.0)))
    assert (empty.buckets(), empty.nbytes, empty.count) == ([], 0, 0)
    other = Histogram.of([1.0])
    other.merge(empty)
    assert other == Histogram.of([1.0])


def test_equality_is_of_samples_and_says_nothing_of_other_things() -> None:
    assert Histogram.of([1.0]) != Histogram.of([1.0, 1.0])
    assert Histogram.of([1.0]) != Histogram.of([1.001])
    assert Histogram.of([1.0]) != "a histogram"
    assert repr(Histogram.of([1.0, 2.5])) == "<Histogram of 2, 1 to 2.5>"
