from __future__ import annotations

import asyncio

import pytest

from loadgate.clock import VirtualClock
from loadgate.config.load import LoadSpec
from loadgate.load.executors import LoadStats, Stop, run
from loadgate.script.role import Outcome
from tests.support.fake_vus import play, spec
from tests.support.virtual_loop import VirtualLoop, run_virtual


def test_constant_vus_all_start_at_once_and_iterate_without_pause() -> None:
    outcome = play(spec("constant-vus", vus=3, duration=1.0), seconds=0.25)
    assert outcome.made == [0.0] * 3
    assert outcome.starts == [0.0] * 3 + [0.25] * 3 + [0.5] * 3 + [0.75] * 3
    assert {entry.planned for entry in outcome.log} == {0.0}
    assert (outcome.stats.started, outcome.stats.completed, outcome.stats.dropped) == (12, 12, 0)


def test_constant_vus_let_the_last_iteration_finish_within_the_graceful_stop() -> None:
    outcome = play(spec("constant-vus", vus=1, duration=1.0, graceful_stop=0.75), seconds=0.75)
    assert [(entry.start, entry.end) for entry in outcome.log] == [(0.0, 0.75), (0.75, 1.5)]
    assert outcome.ended == 1.5


def test_constant_vus_interrupt_what_outlasts_the_graceful_stop() -> None:
    outcome = play(spec("constant-vus", vus=2, duration=1.0, graceful_stop=0.25), seconds=0.75)
    assert outcome.cuts == [(0, 1.25), (1, 1.25)]
    assert (outcome.stats.started, outcome.stats.completed, outcome.stats.interrupted) == (4, 2, 2)
    assert outcome.ended == 1.25


def test_no_graceful_stop_interrupts_at_the_end() -> None:
    outcome = play(spec("constant-vus", vus=1, duration=1.0, graceful_stop=0.0), seconds=0.75)
    assert outcome.cuts == [(0, 1.0)]


def test_start_time_delays_the_load() -> None:
    outcome = play(spec("constant-vus", vus=1, duration=1.0, start_time=2.5), seconds=0.5)
    assert outcome.made == [2.5]
    assert outcome.starts == [2.5, 3.0]
    assert outcome.ended == 3.5


@pytest.mark.parametrize(
    "load",
    [
        spec("constant-vus", vus=2, duration=1.0),
        spec("ramping-vus", [(1.0, 2)], start_vus=2),
        spec("shared-iterations", vus=2, iterations=10**9),
        spec("per-vu-iterations", vus=2, iterations=10**9),
    ],
    ids=lambda load: load.executor.value,
)
def test_a_scenario_that_waits_for_nothing_does_not_keep_the_loop(load: LoadSpec) -> None:
    class Spinner:
        count = 0

        def acquire_new(self) -> Spinner:
            return self

        def abandon(self, attempts: int) -> None:
            pass

        def drop(self) -> None:
            pass

        async def iterate(self, planned: float) -> Outcome:
            self.count += 1
            assert self.count < 10_000, "the loop never had a turn"
            return Outcome.DONE

    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        stop, stats = Stop(), LoadStats()
        load_run = asyncio.ensure_future(run(load, Spinner(), clock, stats, stop))
        while stats.completed < 1000:
            await asyncio.sleep(0)
        stop.request()
        await load_run

    run_virtual(main)


def test_per_vu_iterations_gives_each_vu_its_own() -> None:
    outcome = play(spec("per-vu-iterations", vus=2, iterations=3), seconds=lambda vu, nth: 0.25 * (vu + 1))
    assert [entry.start for entry in outcome.log if entry.vu == 0] == [0.0, 0.25, 0.5]
    assert [entry.start for entry in outcome.log if entry.vu == 1] == [0.0, 0.5, 1.0]
    assert outcome.ended == 1.5
    assert outcome.stats.planned == 6


def test_per_vu_iterations_cut_off_by_max_duration_are_dropped() -> None:
    outcome = play(spec("per-vu-iterations", vus=2, iterations=10, max_duration=1.0), seconds=0.75)
    assert outcome.starts == [0.0, 0.0, 0.75, 0.75]
    assert (outcome.stats.completed, outcome.stats.dropped, outcome.stats.planned) == (4, 16, 20)
    assert outcome.ended == 1.5


def test_shared_iterations_go_to_whoever_is_free() -> None:
    outcome = play(spec("shared-iterations", vus=2, iterations=6), seconds=lambda vu, nth: (0.25, 1.125)[vu])
    assert [entry.vu for entry in outcome.log] == [0, 1, 0, 0, 0, 0]
    assert (outcome.stats.completed, outcome.stats.dropped) == (6, 0)
    assert outcome.ended == 1.25


def test_shared_iterations_cut_off_by_max_duration_are_dropped_and_the_rest_may_finish() -> None:
    load = spec("shared-iterations", vus=2, iterations=10, max_duration=1.0, graceful_stop=0.25)
    outcome = play(load, seconds=lambda vu, nth: ((0.75, 0.5), (0.75, 0.625))[nth][vu])
    assert outcome.starts == [0.0, 0.0, 0.5, 0.75]
    assert outcome.cuts == [(0, 1.25)]
    stats = outcome.stats
    assert (stats.completed, stats.interrupted, stats.dropped, stats.planned) == (3, 1, 6, 10)


def test_a_single_vu_may_be_cut_while_others_were_done_long_ago() -> None:
    load = spec("per-vu-iterations", vus=3, iterations=1, max_duration=1.0, graceful_stop=0.5)
    outcome = play(load, seconds=lambda vu, nth: (0.25, 0.5, 9.0)[vu])
    assert outcome.cuts == [(2, 1.5)]
    assert (outcome.stats.completed, outcome.stats.interrupted, outcome.stats.dropped) == (2, 1, 0)


def test_a_vu_that_has_nothing_more_to_do_leaves_and_what_it_leaves_undone_is_dropped() -> None:
    outcome = play(spec("per-vu-iterations", vus=2, iterations=5), seconds=0.25, stop_after=2)
    assert outcome.starts == [0.0, 0.0, 0.25, 0.25]
    assert (outcome.stats.completed, outcome.stats.stopped, outcome.stats.dropped) == (2, 2, 6)
    assert outcome.ended == 0.5


def test_a_load_whose_vus_have_all_left_is_over() -> None:
    assert play(spec("constant-vus", vus=3, duration=60.0), seconds=0.25, stop_after=1).ended == 0.25
