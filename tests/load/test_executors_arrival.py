from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.load.executors import LoadStats, Stop
from loadgate.load.executors.arrival import pacer_of
from tests.support.fake_vus import play, spec, until
from tests.support.virtual_loop import VirtualLoop

RATES = st.sampled_from([0.0, 1.0, 7.0, 32.0])


def test_constant_rate_starts_on_the_dot_however_long_iterations_take() -> None:
    outcome = play(spec("constant-arrival-rate", rate=8.0, duration=1.0), seconds=0.75)
    assert outcome.starts == [n / 8 for n in range(8)]
    assert [entry.planned for entry in outcome.log] == outcome.starts
    assert (outcome.stats.planned, outcome.stats.completed, outcome.stats.dropped) == (8, 8, 0)
    assert outcome.ended == 1.625


def test_ramping_rate_starts_as_its_pacer_says() -> None:
    load = spec("ramping-arrival-rate", [(2.0, 8.0), (0.0, 2.0), (2.0, 2.0)], start_rate=0.0)
    outcome = play(load, seconds=0.25)
    assert outcome.starts == pytest.approx(list(pacer_of(load).dues()))
    assert outcome.stats.planned == 12


def test_the_start_that_falls_on_the_very_end_is_made() -> None:
    outcome = play(spec("ramping-arrival-rate", [(1.0, 4.0)], start_rate=4.0), seconds=0.125)
    assert outcome.starts == [0.25, 0.5, 0.75, 1.0]
    assert outcome.ended == 1.125


def test_start_time_moves_the_plan() -> None:
    outcome = play(spec("constant-arrival-rate", rate=2.0, duration=1.0, start_time=5.0), seconds=0.25)
    assert [(entry.planned, entry.start) for entry in outcome.log] == [(5.0, 5.0), (5.5, 5.5)]


def test_a_load_lasts_as_long_as_its_stages_say_even_at_rate_zero() -> None:
    outcome = play(spec("ramping-arrival-rate", [(1.0, 2.0), (0.0, 0.0), (10.0, 0.0)], start_rate=2.0), seconds=0.25)
    assert (len(outcome.log), outcome.ended) == (2, 11.0)


def test_free_vus_are_reused_the_last_one_first() -> None:
    """Three are busy at once in the beginning; later one is enough, and it is always the one that was busy last."""
    outcome = play(
        spec("constant-arrival-rate", rate=8.0, duration=2.0, pre_allocated_vus=5),
        seconds=lambda vu, nth: 0.3125 if nth == 0 else 0.05,
    )
    assert [entry.vu for entry in outcome.log][:3] == [0, 1, 2]
    assert [entry.vu for entry in outcome.log][3:] == [0, 1] + [2] * 11
    assert outcome.stats.allocated == 5


def test_pre_allocated_vus_are_made_at_the_start_and_more_on_the_spot() -> None:
    outcome = play(spec("constant-arrival-rate", rate=4.0, duration=1.0, pre_allocated_vus=2, max_vus=3), seconds=0.7)
    assert outcome.made == [0.0, 0.0, 0.5]
    assert outcome.starts == [0.0, 0.25, 0.5, 0.75]
    assert outcome.stats.dropped == 0
    assert (outcome.stats.allocated, outcome.stats.max_allocated) == (3, 3)


def test_a_due_iteration_without_a_vu_is_dropped_and_not_made_up_for() -> None:
    outcome = play(spec("constant-arrival-rate", rate=4.0, duration=2.0, max_vus=2), seconds=0.875)
    assert outcome.starts == [0.0, 0.25, 1.0, 1.25]
    assert (outcome.stats.planned, outcome.stats.started, outcome.stats.dropped) == (8, 4, 4)


def test_a_late_loop_starts_all_that_is_overdue_each_with_its_own_planned_time() -> None:
    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        await until(0.3125)
        loop.jump(0.5)

    outcome = play(spec("constant-arrival-rate", rate=8.0, duration=1.0), seconds=0.125, meanwhile=meanwhile)
    assert [entry.planned for entry in outcome.log] == [n / 8 for n in range(8)]
    assert outcome.starts == [0.0, 0.125, 0.25, 0.8125, 0.8125, 0.8125, 0.8125, 0.875]
    assert outcome.stats.dropped == 0


def test_a_loop_late_past_the_end_still_starts_what_was_due() -> None:
    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        await until(0.5625)
        loop.jump(3.0)

    outcome = play(spec("constant-arrival-rate", rate=8.0, duration=1.0), seconds=0.0625, meanwhile=meanwhile)
    assert [entry.planned for entry in outcome.log] == [n / 8 for n in range(8)]
    assert outcome.starts[5:] == [3.5625] * 3


def test_iterations_that_outlast_the_graceful_stop_are_interrupted() -> None:
    load = spec("constant-arrival-rate", rate=4.0, duration=1.0, graceful_stop=0.5)
    outcome = play(load, seconds=lambda vu, nth: 9.0 if (vu, nth) == (0, 2) else 0.125)
    assert outcome.cuts == [(0, 1.5)]
    assert (outcome.stats.started, outcome.stats.completed, outcome.stats.interrupted) == (4, 3, 1)
    assert outcome.ended == 1.5


@settings(max_examples=60, deadline=None)
@given(
    RATES,
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 2.0]), RATES), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.04, 0.3, 2.0]),
    st.lists(st.tuples(st.floats(0, 4), st.floats(0, 2)), max_size=2),
)
def test_every_planned_start_is_made_or_dropped_and_none_is_early(
    start_rate: float,
    stages: list[tuple[float, float]],
    pre_allocated: int,
    more: int,
    seconds: float,
    stalls: list[tuple[float, float]],
) -> None:
    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        for at, length in sorted(stalls):
            await until(at)
            loop.jump(length)

    load = spec(
        "ramping-arrival-rate",
        stages,
        start_rate=start_rate,
        pre_allocated_vus=pre_allocated,
        max_vus=pre_allocated + more,
    )
    outcome = play(load, seconds, meanwhile)
    planned = list(pacer_of(load).dues())
    stats = outcome.stats
    assert stats.planned == len(planned)
    assert stats.started == len(outcome.log)
    assert stats.allocated <= pre_allocated + more
    assert {round(entry.planned, 6) for entry in outcome.log} <= {round(due, 6) for due in planned}
    assert all(entry.planned <= entry.start for entry in outcome.log)
    if not stalls:
        assert all(entry.planned == entry.start for entry in outcome.log)


def test_a_vu_that_has_nothing_more_to_do_is_replaced_until_there_may_be_no_more() -> None:
    outcome = play(spec("constant-arrival-rate", rate=4.0, duration=2.0, max_vus=3), seconds=0.125, stop_after=2)
    assert (outcome.stats.started, outcome.stats.dropped, outcome.stats.allocated) == (6, 2, 3)
