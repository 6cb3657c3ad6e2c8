"""What `find_changes` promises about its errors, by simulation. Seeds are fixed; bounds leave room for chance only."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from bench.changepoint import any_change, near, null_points, share
from bench.series import BEYOND, NOISES, autoregressive, bump, history, line, step
from loadgate.judge.changepoint import find_changes
from loadgate.judge.scan import LEAST, NULL, TAILS, abrupt

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def at_most(series: int, rate: float) -> int:
    """How many of `series` may be alarms if their rate is `rate`, but for one time in a thousand."""
    below = 0.0
    for count in range(series + 1):
        below += math.comb(series, count) * rate**count * (1 - rate) ** (series - count)
        if below >= 0.999:
            return count
    return series


@pytest.mark.parametrize(
    ("n", "series"), [(10, 500), (30, 500), (60, 500), (100, 500), (250, 400), (1000, 200), (5000, 60)]
)
def test_a_history_without_change_shows_none(n: int, series: int) -> None:
    alarms = {noise: round(series * share(any_change, noise, np.zeros(n), series, n)) for noise in NOISES}
    assert max(alarms.values()) <= at_most(series, 0.01), alarms
    assert sum(alarms.values()) <= at_most(series * len(alarms), 0.01), alarms


@pytest.mark.parametrize(("alpha", "series"), [(0.05, 400), (0.2, 200)])
def test_alpha_is_the_share_of_false_alarms_whatever_it_is(alpha: float, series: int) -> None:
    for noise in ("white", "AR(1) 0.3", "AR(1) 0.6"):
        levels = np.zeros(80)
        alarms = sum(bool(find_changes(history(noise, (13, at), levels), alpha=alpha).changes) for at in range(series))
        assert alarms <= at_most(series, alpha), noise


def test_strong_correlation_costs_little_more_than_alpha() -> None:
    for n in (30, 100, 250):
        rows = autoregressive(np.random.default_rng(14), 400, n, 0.9)
        assert sum(find_changes(np.exp(0.05 * row)).p <= 0.01 for row in rows) <= at_most(400, 0.02)


@pytest.mark.parametrize("n", [10, 12, 15, 20, 30, 60])
def test_noise_makes_no_abrupt_steps(n: int) -> None:
    """Also where runs are alike: what `abrupt` adds to the alarms of the scan is 0.2 % at most, and nothing from 20 runs on."""
    for noise in NOISES | BEYOND:
        series = (np.log(history(noise, (33, n, at), np.zeros(n))) for at in range(1500))
        alarms = sum(abrupt(values, LEAST)[1] <= 0.01 for values in series)
        assert alarms <= at_most(1500, 0.002 if n < 20 else 0.0002), noise


@pytest.mark.parametrize("n", [10, 15, 20, 40])
def test_short_histories_without_change_show_none_even_if_runs_are_alike(n: int) -> None:
    for noise in [*NOISES, "AR(1) 0.9"]:
        alarms = round(500 * share(any_change, noise, np.zeros(n), 500, 34))
        assert alarms <= at_most(500, 0.02 if noise in BEYOND else 0.01), noise


@pytest.mark.parametrize("n", [16, 100, 500])
def test_the_null_distribution_is_what_the_source_says(n: int) -> None:
    fresh = null_points(n, 4000)
    assert fresh[: TAILS.index(0.01) + 1] == pytest.approx(NULL[n][: TAILS.index(0.01) + 1], abs=0.12)


def test_between_the_lengths_of_the_table_p_is_right_too() -> None:
    for n in (13, 43, 85, 200, 350):
        rows = autoregressive(np.random.default_rng(15), 600, n, 0.6)
        ps = np.array([find_changes(row).p for row in rows])
        assert np.count_nonzero(ps <= 0.05) <= at_most(600, 0.05)


def test_a_step_of_10_per_cent_is_found_where_it_is() -> None:
    assert share(near(50), "white", step(100, 50, 0.1), 400, 16) >= 0.95
    assert share(any_change, "AR(1) 0.3", step(100, 50, 0.1), 400, 17) >= 0.95
    assert share(any_change, "t, 3 degrees of freedom", step(100, 50, 0.1), 400, 18) >= 0.95
    assert share(any_change, "white", step(100, 88, 0.1), 400, 19) >= 0.8


@pytest.mark.parametrize("noise", ["white", "AR(1) 0.3"])
def test_a_level_of_20_runs_among_250_is_found_at_both_ends(noise: str) -> None:
    random = np.random.default_rng(20)
    hits = 0
    for at in range(200):
        # ten runs between a change and the end of the series are too few to say much of that one
        begin = int(random.integers(30, 200))
        found = find_changes(history(noise, (21, at), bump(250, begin, begin + 20, 0.3)))
        hits += near(begin, begin + 20)(found)
    assert hits >= 0.95 * 200


def test_no_change_is_invented_beside_one() -> None:
    extra = 0
    for at in range(300):
        found = find_changes(history("white", (22, at), step(200, 120, 0.2)))
        extra += len(found.changes) - 1
    assert extra <= at_most(300, 0.02)


def test_the_interval_of_a_change_covers_it() -> None:
    for noise, levels in (
        ("white", step(100, 50, 0.2)),
        ("AR(1) 0.3", step(200, 100, 0.3)),
        ("white", step(60, 48, 0.3)),
    ):
        change = math.expm1(levels[-1])
        covered = seen = 0
        for at in range(300):
            changes = find_changes(history(noise, (23, at), levels)).changes
            if len(changes) == 1:
                seen += 1
                covered += changes[0].interval[0] <= change <= changes[0].interval[1]
        assert seen >= 240
        assert seen - covered <= at_most(seen, 0.06), noise


def test_a_drift_is_told_from_a_step() -> None:
    def quiet(seed: int, at: int, levels: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(0.6 * np.log(history("white", (seed, at), levels / 0.6))))

    drifts = [find_changes(quiet(24, at, line(100, 0.2))) for at in range(300)]
    assert sum(found.drift is not None for found in drifts) >= 0.9 * 300
    for place in (20, 50, 70):
        steps = [find_changes(quiet(25, at, step(100, place, 0.2))) for at in range(300)]
        assert sum(bool(found.changes) and found.drift is None for found in steps) >= 0.95 * 300


def test_two_hundred_series_of_5000_runs_take_seconds() -> None:
    """Some 3 s of CPU where this was written: what is tested is that no series is simulated, nor any square of its runs."""
    series = [history("white", (26, at), np.zeros(5000)) for at in range(40)]
    begin = time.process_time()
    for values in series:
        find_changes(values)
    assert (time.process_time() - begin) * 200 / len(series) < 12.0
