from __future__ import annotations

import math
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.load.pacer import ConstantPacer, Pacer, RampingPacer

RATES = st.one_of(st.just(0.0), st.floats(0.01, 50.0), st.integers(0, 50).map(float))
SECONDS = st.one_of(st.just(0.0), st.floats(0.001, 20.0), st.integers(0, 20).map(float))
CONSTANT = st.builds(ConstantPacer, RATES, SECONDS)
RAMPING = st.builds(RampingPacer, RATES, st.lists(st.tuples(SECONDS, RATES), max_size=6))
PACERS: st.SearchStrategy[Pacer] = st.one_of(CONSTANT, RAMPING)


@given(PACERS)
def test_dues_are_the_numbers_that_due_gives(pacer: Pacer) -> None:
    assert list(pacer.dues()) == [pacer.due(n) for n in range(pacer.total)]


@given(PACERS)
def test_due_never_decreases_and_stays_within_the_plan(pacer: Pacer) -> None:
    dues = list(pacer.dues())
    assert all(earlier <= later for earlier, later in pairwise(dues))
    assert all(0 <= due <= pacer.duration for due in dues)
    assert pacer.due(pacer.total) == math.inf


@given(PACERS, st.floats(0, 1))
def test_count_counts_the_starts_due_so_far(pacer: Pacer, where: float) -> None:
    dues = list(pacer.dues())
    for t in [where * pacer.duration, *islice(dues, 50), *(math.nextafter(due, -1.0) for due in islice(dues, 50))]:
        assert pacer.count(t) == sum(due <= t for due in dues)
    assert pacer.count(pacer.duration) == pacer.total
    assert pacer.count(-1.0) == 0


@given(RAMPING)
@pytest.mark.slow
def test_start_n_is_due_when_the_summed_rate_reaches_n_plus_one(pacer: RampingPacer) -> None:
    """The sum is taken numerically, from `rate` alone. Jumps lie between two samples, hence the tolerance."""
    times = np.linspace(0.0, pacer.duration, 20_001)
    middles = (times[1:] + times[:-1]) / 2
    areas = np.concatenate(([0.0], np.cumsum([pacer.rate(t) for t in middles.tolist()]) * (times[1] - times[0])))
    tolerance = 0.01 + 50.0 * (times[1] - times[0]) * 6
    assert abs(areas[-1] - pacer.total - 0.5) <= 0.5 + tolerance
    for n, due in enumerate(islice(pacer.dues(), 200)):
        assert np.interp(due, times, areas) == pytest.approx(n + 1, abs=tolerance)


@given(CONSTANT)
def test_constant_starts_at_once_and_never_at_the_very_end(pacer: ConstantPacer) -> None:
    for n, due in enumerate(pacer.dues()):
        assert due == n / pacer.per_second
        assert due < pacer.duration


@pytest.mark.parametrize(
    ("rate", "seconds", "total"),
    [(10.0, 1.0, 10), (10.0, 0.3, 3), (0.1, 30.0, 3), (1.5, 1.0, 2), (1 / 3, 3600.0, 1200), (0.0, 60.0, 0)],
)
def test_constant_total_is_not_off_by_rounding(rate: float, seconds: float, total: int) -> None:
    assert ConstantPacer(rate, seconds).total == total


def test_ramp_starts_are_the_roots_of_the_area() -> None:
    """0 to 10/s over 10 s: the area is t^2 / 2, so start n is due at sqrt(2 (n + 1))."""
    pacer = RampingPacer(0.0, [(10.0, 10.0)])
    assert pacer.total == 50
    assert list(pacer.dues()) == pytest.approx([math.sqrt(2 * (n + 1)) for n in range(50)])


def test_ramp_down_to_zero_mirrors_the_ramp_up() -> None:
    """10/s to 0 over 10 s: what is left after start n is an area of 50 - (n + 1) = (10 - t)^2 / 2."""
    pacer = RampingPacer(10.0, [(10.0, 0.0)])
    assert list(pacer.dues()) == pytest.approx([10 - math.sqrt(2 * (49 - n)) for n in range(50)])


def test_flat_stage_starts_after_one_period_as_in_k6() -> None:
    assert list(RampingPacer(4.0, [(1.0, 4.0)]).dues()) == [0.25, 0.5, 0.75, 1.0]


def test_a_stage_of_no_length_is_a_jump() -> None:
    pacer = RampingPacer(1.0, [(2.0, 1.0), (0.0, 4.0), (1.0, 4.0)])
    assert list(pacer.dues()) == [1.0, 2.0, 2.25, 2.5, 2.75, 3.0]
    assert (pacer.rate(1.9), pacer.rate(2.0)) == (1.0, 4.0)


def test_nothing_is_due_while_the_rate_is_zero_and_the_unfinished_start_is_carried_over() -> None:
    """1/s for 2.5 s leaves half a start, which the stage after the pause completes in half its period."""
    pacer = RampingPacer(1.0, [(2.5, 1.0), (0.0, 0.0), (60.0, 0.0), (0.0, 1.0), (2.0, 1.0)])
    assert list(pacer.dues()) == [1.0, 2.0, 63.0, 64.0]
    assert pacer.count(30.0) == 2
    assert pacer.rate(30.0) == 0.0


def test_fractions_of_many_stages_add_up_to_whole_starts() -> None:
    """Ten stages of 0.1 starts each: the sum of the floats is just below 1."""
    pacer = RampingPacer(1.0, [(0.1, 1.0)] * 10)
    assert list(pacer.dues()) == pytest.approx([1.0])


def test_far_starts_of_a_long_plan_are_exact() -> None:
    pacer = RampingPacer(0.0, [(3600.0, 10_000.0), (36_000.0, 10_000.0)])
    assert pacer.total == 378_000_000
    assert pacer.due(pacer.total - 1) == pytest.approx(39_600.0, abs=1e-9)
    assert pacer.count(pacer.due(100_000_000)) == 100_000_001
