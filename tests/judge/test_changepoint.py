from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.series import bump, history, line, step
from loadgate.judge.changepoint import find_changes
from loadgate.judge.scan import NULL, TAILS, abrupt, normal_scores, search, tail

NAN = math.nan
Floats = NDArray[np.float64]


def places(values: Floats | Sequence[float]) -> list[int]:
    return [change.index for change in find_changes(values).changes]


def quiet(n: int = 100, seed: int = 1) -> Floats:
    return history("white", (seed,), np.zeros(n))


def test_a_step_is_found_with_its_place_levels_and_interval() -> None:
    found = find_changes(history("white", (2,), step(100, 60, 0.2)))
    assert found.runs == 100
    assert found.p < 0.001
    assert found.drift is None
    [change] = found.changes
    assert change.index == 60
    assert change.before == pytest.approx(100, rel=0.03)
    assert change.after == pytest.approx(120, rel=0.03)
    assert change.change == pytest.approx(change.after / change.before - 1)
    assert change.interval[0] < 0.2 < change.interval[1]
    assert change.interval[1] - change.interval[0] < 0.08
    assert change.p < 0.001


@pytest.mark.slow
@pytest.mark.parametrize("factor", [10.0, 2.0, 0.1])
@pytest.mark.parametrize(("before", "after"), [(20, 5), (5, 20), (20, 9), (15, 15), (50, 5), (30, 9), (5, 5)])
def test_a_step_far_beyond_the_noise_is_found_in_few_runs(before: int, after: int, factor: float) -> None:
    random = np.random.default_rng((30, before, after))
    levels = np.repeat([100.0, 100.0 * factor], (before, after))
    series = [find_changes(levels * np.exp(random.normal(0.0, 0.01, before + after))) for _ in range(100)]
    assert sum([change.index for change in found.changes] == [before] for found in series) >= 99
    assert all(found.drift is None and found.p <= 0.01 for found in series)
    assert all(change.p <= 0.01 for found in series for change in found.changes)


def test_abrupt_steps_are_found_beside_each_other_and_beside_small_ones() -> None:
    random = np.random.default_rng(31)
    for levels, edges in (
        ((100, 1000, 2000), (12, 17)),  # five runs, and five
        ((100, 112, 1000), (30, 60)),
        ((1000, 100, 112), (15, 45)),
    ):
        sizes = np.diff([0, *edges, edges[-1] + max(5, edges[-1] - edges[0])])
        found = [places(np.repeat(levels, sizes) * np.exp(random.normal(0.0, 0.01, sizes.sum()))) for _ in range(20)]
        assert found.count(list(edges)) >= 19


def test_an_abrupt_step_stays_where_it_is() -> None:
    """Also where two levels alone would put the highest runs before it on its other side."""
    assert places([0.0] * 6 + [1.5] * 2 + [3.0] * 2 + [4.6] * 200) == [10]


@pytest.mark.parametrize("wild", [[24], [10], [23, 24], [10, 11], [21, 22, 23, 24], [10, 11, 12, 13], [0, 1, 2, 3]])
def test_fewer_than_five_runs_far_off_are_no_change(wild: list[int]) -> None:
    random = np.random.default_rng(32)
    for factor in (2.0, 10.0):
        for _ in range(20):
            values = 100 * np.exp(random.normal(0.0, 0.01, 25))
            values[wild] *= factor
            assert places(values) == []


def test_an_abrupt_step_needs_every_run_beyond_every_run_by_a_gap_of_4_sigma() -> None:
    low, high = [0.0, 1.0] * 5, [10.0, 11.0] * 5  # standard deviation within: sqrt(5 / 18), 0.527
    at, p = abrupt(np.array(low + high), 5)
    assert at == 10
    assert p == pytest.approx(11 * 2 / math.comb(20, 10))
    assert abrupt(np.array(high + low), 5)[1] < 0.01
    assert abrupt(np.array(low + [value - 6.88 for value in high]), 5)[1] < 0.01  # a gap of 2.12
    assert abrupt(np.array(low + [value - 6.90 for value in high]), 5)[1] == 1.0  # of 2.10
    assert abrupt(np.array([*low, *high[:-1], 0.5]), 5)[1] == 1.0
    assert abrupt(np.array(low + high[:4]), 5)[1] == 1.0
    assert abrupt(np.array(low + high), 11)[1] == 1.0
    assert abrupt(np.zeros(20), 5)[1] == 1.0
    assert abrupt(np.arange(20.0), 5)[1] == 1.0


@pytest.mark.parametrize("runs", [15, 16, 40])
def test_the_largest_and_the_least_numbers_make_a_change(runs: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [fall] = find_changes([1e308] * runs + [1e-308] * runs).changes
        [rise] = find_changes([1e-308] * runs + [1e308] * runs).changes
    assert (fall.index, fall.before, fall.after) == (runs, 1e308, 1e-308)
    assert (fall.change, fall.interval) == (-1.0, (-1.0, -1.0))
    assert (rise.change, rise.interval) == (math.inf, (math.inf, math.inf))


def test_a_fall_is_negative_and_the_mirror_of_a_rise() -> None:
    rising = history("white", (2,), step(100, 60, 0.2))
    [rise], [fall] = find_changes(rising).changes, find_changes(1e4 / rising).changes
    assert fall.index == rise.index
    assert fall.change == pytest.approx(1 / (1 + rise.change) - 1, rel=1e-3)


@pytest.mark.parametrize("unit", [1e-12, 1e-3, 1e9])
def test_the_unit_of_a_metric_changes_nothing_but_the_levels(unit: float) -> None:
    values = history("AR(1) 0.3", (4,), bump(120, 40, 80, 0.3))
    plain, scaled = find_changes(values), find_changes(values * unit)
    assert [change.index for change in plain.changes] == [change.index for change in scaled.changes] == [40, 80]
    assert plain.p == scaled.p
    for one, other in zip(plain.changes, scaled.changes, strict=True):
        assert other.before == pytest.approx(one.before * unit)
        assert other.change == pytest.approx(one.change)
        assert other.interval == pytest.approx(one.interval)


def test_a_level_that_came_and_went_is_found_at_both_ends() -> None:
    assert places(history("white", (5,), bump(250, 100, 120, 0.3))) == [100, 120]
    assert places(history("white", (5,), bump(250, 100, 108, 0.3))) == [100, 108]


def test_many_changes_do_not_hide_each_other() -> None:
    levels = np.repeat([0.0, 0.2, 0.1, 0.4, 0.0, 0.3, 0.1], 40)
    assert places(history("white", (6,), levels)) == pytest.approx([40, 80, 120, 160, 200, 240], abs=2)
    # nine changes in 250 runs look like correlation to a scan of all runs; they are seen one by one more often than not
    square = np.tile(np.repeat([0.0, 0.25], 25), 5)
    counts = [len(places(history("white", (6, seed), square))) for seed in range(20)]
    assert counts.count(9) >= 10
    staircase = 0.001 * history("white", (7,), np.zeros(150)) + np.repeat([100.0, 120.0, 140.0, 150.0, 160.0], 30)
    assert places(staircase) == [30, 60, 90, 120]


@pytest.mark.parametrize("wild", [[50], [0], [99], [20, 70], [30, 60, 90], [50, 51]])
def test_wild_runs_are_no_change(wild: list[int]) -> None:
    for seed in range(20):
        values = quiet(seed=seed)
        values[wild] *= 10
        assert places(values) == []
    flat = np.full(100, 5.0)
    flat[wild] = 50.0
    assert find_changes(flat).p > 0.05


def test_a_wild_run_beside_a_step_moves_neither_its_place_nor_its_size() -> None:
    values = history("white", (2,), step(100, 60, 0.2))
    values[[30, 59, 62]] *= [10, 0.1, 10]
    [change] = find_changes(values).changes
    assert change.index == 60
    assert change.change == pytest.approx(0.2, abs=0.04)
    near = [
        places(history("white", (seed,), step(100, 60, 0.2)) * np.where(np.arange(100) == 55, 3, 1))
        for seed in range(40)
    ]
    assert sum(found == [60] for found in near) >= 28


def test_missing_runs_are_left_out_and_places_are_those_of_the_values_given() -> None:
    values = history("white", (2,), step(100, 60, 0.2))
    holes = values.copy()
    holes[[0, 10, 59, 60, 61, 99]] = [NAN, math.inf, NAN, NAN, -math.inf, NAN]
    found = find_changes(holes)
    assert found.runs == 94
    assert [change.index for change in found.changes] == [62]
    assert places([*values, *[NAN] * 50]) == [60]


@pytest.mark.parametrize(
    "values", [[], [1.0], [NAN] * 40, [1.0] * 9, [1.0, 2.0] * 4, [3.0] * 100, [0.0] * 50, [1.0, 2.0] * 50, [7, 8] * 2]
)
def test_what_has_no_change_to_find_has_p_1_or_close(values: list[float]) -> None:
    found = find_changes(values)
    assert found.changes == ()
    assert found.drift is None
    assert found.p > 0.9


def test_ten_runs_can_show_a_change_and_nine_cannot() -> None:
    found = find_changes([1.0] * 5 + [2.0] * 5)
    assert [change.index for change in found.changes] == [5]
    # two of the 252 ways of putting five large values among ten
    assert found.p == pytest.approx(2 / 252)
    assert found.changes[0].p == pytest.approx(2 / 252)
    assert places([1.0] * 4 + [2.0] * 5) == []


def test_series_without_noise_and_with_ties() -> None:
    [change] = find_changes([10] * 20 + [11] * 20).changes
    assert (change.index, change.before, change.after) == (20, 10.0, 11.0)
    assert change.interval == pytest.approx((0.1, 0.1))
    assert places([100] * 30 + [120] * 30 + [140] * 30) == [30, 60]
    rounded = np.round(history("white", (2,), step(100, 60, 0.2)) / 5)
    assert places(rounded) == [60]


def test_zero_and_negative_values() -> None:
    [up] = find_changes([0.0] * 30 + [3.0] * 30).changes
    assert (up.index, up.change, up.interval) == (30, math.inf, (-math.inf, math.inf))
    [down] = find_changes([3.0] * 30 + [0.0] * 30).changes
    assert (down.index, down.change) == (30, -1.0)
    [below] = find_changes([0.0] * 30 + [-3.0] * 30).changes
    assert below.change == -math.inf
    noise = np.log(quiet(60) / 100)
    [rise] = find_changes(noise - 10 + step(60, 30, math.e**2 - 1)).changes
    assert rise.index == 30
    assert rise.change == pytest.approx(0.2, abs=0.02)
    assert rise.interval[0] < 0.2 < rise.interval[1]


def test_rare_errors_are_no_change_and_more_of_them_are() -> None:
    random = np.random.default_rng(8)
    alarms = [find_changes(np.where(random.random(200) < 0.05, 1.0, 0.0)).p <= 0.01 for _ in range(200)]
    assert sum(alarms) <= 2
    # the median run has none before and none after: no change that could be shown
    often = np.concatenate((np.zeros(200), np.where(random.random(200) < 0.4, 1.0, 0.0)))
    assert search(often).p < 0.001
    found = find_changes(often)
    assert (found.changes, found.p) == ((), 1.0)


def test_runs_that_are_alike_are_no_changes() -> None:
    alarms = [find_changes(history("AR(1) 0.6", (27, seed), np.zeros(100))).p <= 0.01 for seed in range(100)]
    assert sum(alarms) <= 4


def test_p_is_above_alpha_exactly_when_there_is_no_change() -> None:
    for seed in range(60):
        found = find_changes(history("white", (9, seed), step(60, 30, 0.001 * seed)))
        assert bool(found.changes) == (found.p <= 0.01)


def test_no_level_is_shorter_than_asked_for() -> None:
    values = history("white", (10,), bump(200, 100, 112, 0.5))
    assert places(values) == [100, 112]
    for least in (10, 20):
        edges = [0, *(change.index for change in find_changes(values, least=least).changes), 200]
        assert min(np.diff(edges)) >= least


def test_a_creeping_level_is_a_drift_and_a_step_is_none() -> None:
    found = find_changes(history("white", (11,), line(200, 0.4)))
    assert found.drift is not None
    assert found.drift.begin == pytest.approx(100, rel=0.03)
    assert found.drift.end == pytest.approx(140, rel=0.03)
    assert found.drift.change == pytest.approx(0.4, abs=0.05)
    assert found.drift.p < 0.001
    assert find_changes(history("white", (11,), step(200, 100, 0.4))).drift is None
    assert find_changes(history("white", (11,), bump(200, 60, 140, 0.4))).drift is None
    falling = find_changes(5.0 - np.arange(600) / 100 + np.random.default_rng(1).normal(0, 0.2, 600)).drift
    assert falling is not None
    assert falling.change == pytest.approx(-1.2, abs=0.05)


@pytest.mark.parametrize("sigma", [0.0, 0.005, 0.02, 0.05])
@pytest.mark.parametrize(("runs", "change"), [(30, 1.0), (60, 0.6), (100, -0.5), (200, 0.5)])
def test_the_clearer_a_drift_the_surer_it_is_one(runs: int, change: float, sigma: float) -> None:
    noise = np.random.default_rng(28).normal(0.0, sigma, runs)
    found = find_changes(np.linspace(100.0, 100.0 * (1 + change), runs) * np.exp(noise))
    assert found.drift is not None
    assert found.drift.change == pytest.approx(change, abs=0.12)
    assert found.p < 0.001


def test_stairs_are_no_drift() -> None:
    for sigma in (0.0, 0.01, 0.02):
        noise = np.random.default_rng(29).normal(0.0, sigma, 160)
        found = find_changes(100 * np.exp(np.repeat([0.0, 0.2, 0.3, 0.6], 40) + noise))
        assert found.drift is None
        assert [change.index for change in found.changes] == pytest.approx([40, 80, 120], abs=1)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1, not 0"):
        find_changes([1.0] * 20, alpha=0.0)
    with pytest.raises(ValueError, match="least must be 5 runs or more, not 4"):
        find_changes([1.0] * 20, least=4)


def test_normal_scores_share_ties_and_know_nothing_of_the_scale() -> None:
    scores = normal_scores(np.array([[3.0, 1.0, 2.0, 2.0], [1e9, -1.0, 0.0, 0.0], [5.0, 5.0, 5.0, 5.0]]))
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0, 2] == scores[0, 3] == pytest.approx(0.0)
    assert scores[0].std() == pytest.approx(1.0)
    assert not scores[2].any()


def test_p_falls_with_the_statistic_at_every_length() -> None:
    for n in (10, 13, 99, 777, 5000, 100_000):
        ps = [tail(statistic, n) for statistic in np.linspace(-3.0, 12.0, 301)]
        assert all(one >= other for one, other in pairwise(ps))
        assert 0.0 < ps[-1] < 1e-6
        assert ps[0] == 1.0
    for n, points in NULL.items():
        assert [tail(point, n) for point in points] == pytest.approx(TAILS)


def test_the_best_split_is_that_of_brute_force() -> None:
    """Two levels, uncorrelated noise: the scan's step is the split with the largest standardized sum of scores."""
    for seed in range(10):
        values = history("white", (12, seed), step(60, 25, 0.2))
        scores = normal_scores(values[np.newaxis])[0]
        split = max(range(5, 56), key=lambda at: abs(scores[:at].sum()) / math.sqrt(at * (60 - at) / 60))
        stretch = search(values)
        assert split in (stretch.start, stretch.stop)
