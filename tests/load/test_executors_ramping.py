from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.load.staircase import staircase
from tests.support.fake_vus import play, spec

SHORT = st.sampled_from([0.0, 0.5, 1.0, 2.0])


def test_vus_start_and_stop_on_the_staircase() -> None:
    outcome = play(spec("ramping-vus", [(4.0, 4), (4.0, 0)], start_vus=0), seconds=0.375)
    first = {entry.vu: entry.start for entry in reversed(outcome.log)}
    last = {entry.vu: entry.start for entry in outcome.log}
    assert first == {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    # VU k is asked to stop at 8 - k, and its last iteration began before that.
    assert all(8 - vu - 0.375 <= start < 8 - vu for vu, start in last.items())
    assert outcome.stats.interrupted == 0
    assert outcome.stats.max_allocated == 4


def test_start_vus_run_from_the_start_and_a_jump_is_at_once() -> None:
    outcome = play(spec("ramping-vus", [(2.0, 2), (0.0, 5), (1.0, 5)], start_vus=2), seconds=0.5)
    assert outcome.made == [0.0, 0.0, 2.0, 2.0, 2.0]


def test_a_stopped_vu_finishes_its_iteration_within_the_graceful_ramp_down() -> None:
    load = spec("ramping-vus", [(1.0, 2), (0.0, 1), (4.0, 1)], start_vus=2, graceful_ramp_down=2.0)
    outcome = play(load, seconds=lambda vu, nth: (0.5, 2.75)[vu])
    assert [(entry.start, entry.end) for entry in outcome.log if entry.vu == 1] == [(0.0, 2.75)]
    assert outcome.stats.interrupted == 0


def test_a_stopped_vu_is_interrupted_when_the_graceful_ramp_down_is_over() -> None:
    load = spec("ramping-vus", [(1.0, 2), (0.0, 1), (4.0, 1)], start_vus=2, graceful_ramp_down=1.0)
    outcome = play(load, seconds=lambda vu, nth: (0.5, 2.75)[vu])
    assert outcome.cuts == [(1, 2.0)]
    assert outcome.stats.interrupted == 1
    assert outcome.ended == 5.0


def test_no_graceful_ramp_down_interrupts_at_the_step() -> None:
    load = spec("ramping-vus", [(1.0, 1), (0.0, 0), (1.0, 0)], start_vus=1, graceful_ramp_down=0.0)
    assert play(load, seconds=9.0).cuts == [(0, 1.0)]


def test_a_vu_wanted_back_while_it_finishes_just_goes_on() -> None:
    load = spec("ramping-vus", [(1.0, 1), (0.0, 0), (1.0, 0), (0.0, 1), (2.0, 1)], start_vus=1, graceful_ramp_down=1.5)
    outcome = play(load, seconds=2.5)
    assert outcome.starts == [0.0, 2.5]
    assert outcome.cuts == []


@pytest.mark.parametrize("graceful", [1.0, 1.25])
def test_a_vu_wanted_back_by_the_end_of_its_ramp_down_is_spared(graceful: float) -> None:
    """k6 handles a start before an interruption that falls on the same moment."""
    stages = [(1.0, 1), (0.0, 0), (1.0, 0), (0.0, 1), (2.0, 1)]
    outcome = play(spec("ramping-vus", stages, start_vus=1, graceful_ramp_down=graceful), seconds=2.5)
    assert outcome.cuts == []


def test_an_interrupted_vu_comes_back_as_the_same_vu() -> None:
    load = spec("ramping-vus", [(1.0, 1), (0.0, 0), (1.0, 0), (0.0, 1), (2.0, 1)], start_vus=1, graceful_ramp_down=0.5)
    outcome = play(load, seconds=2.5, meanwhile=None)
    assert outcome.made == [0.0]
    assert [(entry.start, entry.cut, entry.end) for entry in outcome.log] == [(0.0, 1.5, None), (2.0, None, 4.5)]
    assert (outcome.stats.started, outcome.stats.completed, outcome.stats.interrupted) == (2, 1, 1)


def test_vus_that_went_come_back_before_new_ones_are_made() -> None:
    stages = [(1.0, 3), (0.0, 1), (1.0, 1), (0.0, 4), (1.0, 4)]
    outcome = play(spec("ramping-vus", stages, start_vus=3), seconds=0.25)
    assert outcome.made == [0.0, 0.0, 0.0, 2.0]
    assert [entry.vu for entry in outcome.log if entry.start == 2.0] == [1, 2, 3, 0]


def test_at_the_end_those_still_wanted_have_the_graceful_stop() -> None:
    load = spec("ramping-vus", [(1.0, 2)], start_vus=2, graceful_ramp_down=0.25, graceful_stop=1.0)
    assert play(load, seconds=9.0).cuts == [(0, 2.0), (1, 2.0)]


def test_a_ramp_down_to_zero_at_the_very_end_is_bound_by_both() -> None:
    stages = [(1.0, 1), (0.0, 0)]
    by_ramp = spec("ramping-vus", stages, start_vus=1, graceful_ramp_down=0.25, graceful_stop=1.0)
    by_stop = spec("ramping-vus", stages, start_vus=1, graceful_ramp_down=1.0, graceful_stop=0.25)
    assert play(by_ramp, seconds=9.0).cuts == [(0, 1.25)]
    assert play(by_stop, seconds=9.0).cuts == [(0, 1.25)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.lists(st.tuples(SHORT, st.integers(0, 4)), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.25, 1.0, 30.0]),
    st.sampled_from([0.0, 0.25, 30.0]),
    st.sampled_from([0.09, 0.31, 1.7]),
)
def test_whatever_the_stages_no_vu_starts_an_iteration_outside_its_time(
    start_vus: int, stages: list[tuple[float, int]], ramp_down: float, stop: float, seconds: float
) -> None:
    load = spec("ramping-vus", stages, start_vus=start_vus, graceful_ramp_down=ramp_down, graceful_stop=stop)
    outcome = play(load, seconds=seconds)
    steps = list(staircase(start_vus, stages))
    end = sum(length for length, _ in stages)
    for entry in outcome.log:
        assert entry.vu < max(step.vus for step in steps if step.at <= entry.start + 1e-9)
        assert any(step.vus > entry.vu for step in steps if step.at <= entry.start + 1e-9)
        stopped = entry.cut if entry.cut is not None else entry.end
        assert stopped is not None
        assert stopped <= end + stop + 1e-9
        wanted = [step for step in steps if step.at <= entry.start + 1e-9][-1].vus > entry.vu
        at_a_step = any(abs(step.at - entry.start) < 1e-9 for step in steps)
        assert wanted or at_a_step, "started while it should have been stopped"
    busy = Counter((entry.vu, entry.start) for entry in outcome.log)
    assert all(count == 1 for count in busy.values()), "one VU had two tasks"


def test_a_vu_that_has_nothing_more_to_do_is_not_called_back() -> None:
    outcome = play(spec("ramping-vus", [(1.0, 0), (1.0, 2)], start_vus=2), seconds=0.25, stop_after=1)
    assert [entry.vu for entry in outcome.log] == [0, 1]
