"""Ends that were not planned: stop requests, errors, cancellation. The same rules hold for all six executors."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from loadgate.clock import VirtualClock
from loadgate.config.load import LoadSpec
from loadgate.errors import InvalidRun
from loadgate.load.executors import LoadStats, Stop, Vu, run
from loadgate.load.executors.base import ATTEMPTS, PATIENCE
from loadgate.script.role import Outcome
from tests.support.fake_vus import FakePool, Meanwhile, play, spec, until
from tests.support.virtual_loop import EPOCH, VirtualLoop, run_virtual

ALL = {
    load.executor.value: load
    for load in (
        spec("constant-vus", vus=2, duration=60.0),
        spec("per-vu-iterations", vus=2, iterations=100),
        spec("shared-iterations", vus=2, iterations=100),
        spec("ramping-vus", [(60.0, 2)], start_vus=2),
        spec("constant-arrival-rate", rate=4.0, duration=60.0, max_vus=2),
        spec("ramping-arrival-rate", [(60.0, 4.0)], start_rate=4.0, max_vus=2),
    )
}
each = pytest.mark.parametrize("load", ALL.values(), ids=ALL.keys())


def requests(*at: float, grace: float | None = None) -> Meanwhile:
    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        for t in at:
            await until(t)
            if grace is None:
                stop.request()
            else:
                stop.request(grace)

    return meanwhile


@each
def test_a_stop_lets_running_iterations_finish_and_starts_no_more(load: LoadSpec) -> None:
    outcome = play(load, seconds=1.4, meanwhile=requests(1.95))
    assert max(outcome.starts) < 1.95
    assert outcome.stats.interrupted == 0
    assert 1.95 < outcome.ended <= 3.35
    assert outcome.ended == max(entry.end or 0.0 for entry in outcome.log)


@each
def test_a_stop_waits_no_longer_than_the_grace_given(load: LoadSpec) -> None:
    outcome = play(load, seconds=9.0, meanwhile=requests(2.0, grace=0.5))
    assert {cut for _, cut in outcome.cuts} == {2.5}
    assert outcome.ended == 2.5
    assert outcome.stats.interrupted == 2


@each
def test_a_stop_waits_no_longer_than_the_graceful_stop(load: LoadSpec) -> None:
    outcome = play(load, seconds=99.0, meanwhile=requests(2.0))
    assert {cut for _, cut in outcome.cuts} == {2.0 + load.graceful_stop}


@each
def test_a_second_stop_interrupts_at_once(load: LoadSpec) -> None:
    outcome = play(load, seconds=9.0, meanwhile=requests(2.0, 2.25))
    assert {cut for _, cut in outcome.cuts} == {2.25}
    assert outcome.ended == 2.25


def test_a_stop_shortens_the_graceful_stop_that_is_under_way() -> None:
    outcome = play(spec("constant-vus", duration=1.0), seconds=99.0, meanwhile=requests(2.0, grace=0.5))
    assert outcome.cuts == [(0, 2.5)]


def test_a_stop_does_not_lengthen_the_graceful_stop_that_is_under_way() -> None:
    load = spec("constant-vus", duration=1.0, graceful_stop=2.0)
    outcome = play(load, seconds=99.0, meanwhile=requests(2.0))
    assert outcome.cuts == [(0, 3.0)]


@pytest.mark.parametrize("executor", ["per-vu-iterations", "shared-iterations"])
def test_what_a_stop_leaves_undone_is_not_dropped(executor: str) -> None:
    outcome = play(spec(executor, vus=2, iterations=100), seconds=1.0, meanwhile=requests(2.5))
    assert (outcome.stats.completed, outcome.stats.dropped) == (6, 0)


@each
def test_a_stop_before_the_start_time_means_nothing_runs(load: LoadSpec) -> None:
    delayed = spec(load.executor.value, [(s.duration, s.target) for s in load.stages], start_time=30.0)
    outcome = play(delayed, meanwhile=requests(2.0))
    assert (outcome.log, outcome.made, outcome.ended) == ([], [], 2.0)


def test_a_stop_requested_earlier_holds_for_a_later_run() -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        stop, stats, pool = Stop(), LoadStats(), FakePool(clock, lambda vu, nth: 1.0)
        stop.request()
        await run(ALL["constant-vus"], pool, clock, stats, stop)
        assert (pool.made, clock.now()) == ([], EPOCH)

    run_virtual(main)


@each
def test_an_error_in_a_vu_ends_the_run_with_that_error(load: LoadSpec) -> None:
    def seconds(vu: int, nth: int) -> float:
        if vu == 1 and nth == 1:
            raise ZeroDivisionError("a bug in the scenario layer")
        return 0.75

    stats_seen: list[LoadStats] = []

    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        stats_seen.append(stats)

    with pytest.raises(ZeroDivisionError, match="a bug"):
        play(load, seconds, meanwhile)
    assert stats_seen[0].active == 0


@each
def test_an_error_while_making_a_vu_ends_the_run_with_that_error(load: LoadSpec) -> None:
    class Broken:
        def acquire_new(self) -> Vu:
            raise ZeroDivisionError("no VU")

    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        with pytest.raises(ZeroDivisionError, match="no VU"):
            await run(load, Broken(), clock, LoadStats(), Stop())

    run_virtual(main)


@each
def test_a_vu_cancelled_by_somebody_else_is_an_error_and_not_a_silent_loss(load: LoadSpec) -> None:
    def seconds(vu: int, nth: int) -> float:
        raise asyncio.CancelledError

    with pytest.raises(InvalidRun, match="cancelled the task of its user"):
        play(load, seconds)


@each
def test_cancelling_the_run_leaves_no_task(load: LoadSpec) -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        pool, stats = FakePool(clock, lambda vu, nth: 9.0), LoadStats()
        task = asyncio.ensure_future(run(load, pool, clock, stats, Stop()))
        await until(2.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert clock.now() == EPOCH + 2.0
        assert [entry.cut for entry in pool.log] == [2.0, 2.0]

    run_virtual(main)  # which checks that no task is left


def test_a_vu_that_swallows_its_cancellation_is_cancelled_again() -> None:
    class Stubborn:
        cancelled = 0

        def acquire_new(self) -> Stubborn:
            return self

        def abandon(self, attempts: int) -> None:
            pass

        def drop(self) -> None:
            pass

        async def iterate(self, planned: float) -> Outcome:
            while self.cancelled < 3:
                try:
                    await asyncio.sleep(100.0)
                except asyncio.CancelledError:
                    self.cancelled += 1
            return Outcome.DONE

    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        stubborn = Stubborn()
        await run(spec("constant-vus", duration=1.0, graceful_stop=1.0), stubborn, clock, LoadStats(), Stop())
        assert (stubborn.cancelled, clock.now()) == (3, EPOCH + 4.0)

    run_virtual(main)


@each
def test_a_vu_that_cannot_be_cancelled_is_abandoned(load: LoadSpec) -> None:
    class Deaf:
        abandoned: ClassVar[list[int]] = []

        def acquire_new(self) -> Deaf:
            return self

        def drop(self) -> None:
            pass

        def abandon(self, attempts: int) -> None:
            self.abandoned.append(attempts)

        async def iterate(self, planned: float) -> Outcome:
            while not over:
                try:
                    await asyncio.sleep(100.0)
                except asyncio.CancelledError:
                    pass
            return Outcome.DONE

    over = False

    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        nonlocal over
        stop, stats, deaf = Stop(), LoadStats(), Deaf()
        ends = asyncio.create_task(run(load, deaf, clock, stats, stop))
        await until(2.0)
        stop.request()
        stop.request()
        await ends
        assert clock.now() == EPOCH + 2.0 + ATTEMPTS * PATIENCE
        assert deaf.abandoned == [ATTEMPTS, ATTEMPTS]
        assert (stats.interrupted, stats.active) == (2, 0)
        over = True  # and the loop, which checks that no task is left, can end
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await task

    run_virtual(main)


def test_an_iteration_may_ask_for_the_stop_itself() -> None:
    stop = Stop()

    class Quitter:
        def acquire_new(self) -> Quitter:
            return self

        def abandon(self, attempts: int) -> None:
            pass

        def drop(self) -> None:
            pass

        async def iterate(self, planned: float) -> Outcome:
            await asyncio.sleep(0.5)
            stop.request()
            stop.request()
            await asyncio.sleep(9.0)
            return Outcome.DONE

    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        stats = LoadStats()
        await run(spec("constant-arrival-rate", rate=1.0, duration=60.0), Quitter(), clock, stats, stop)
        assert (clock.now(), stats.started, stats.interrupted) == (EPOCH + 0.5, 1, 1)

    run_virtual(main)


def test_an_iteration_given_out_but_cancelled_before_it_began_counts_as_interrupted() -> None:
    """The late loop hands out what is due at the end, and the grace of nothing cancels it in the same moment."""

    async def meanwhile(loop: VirtualLoop, stop: Stop, stats: LoadStats) -> None:
        await until(0.25)
        loop.jump(5.0)

    load = spec("constant-arrival-rate", rate=2.0, duration=1.0, graceful_stop=0.0)
    outcome = play(load, seconds=0.125, meanwhile=meanwhile)
    assert (outcome.stats.planned, outcome.stats.started, outcome.stats.interrupted) == (2, 2, 1)


def test_loads_with_one_origin_share_it() -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> list[float]:
        stop, pool = Stop(), FakePool(clock, lambda vu, nth: 0.25)
        loads = [spec("constant-vus", duration=0.5), spec("constant-vus", duration=0.5, start_time=1.0)]
        await until(0.5)
        await asyncio.gather(*(run(load, pool, clock, LoadStats(), stop, EPOCH + 2.0) for load in loads))
        return [entry.start for entry in pool.log]

    assert run_virtual(main) == [2.0, 2.25, 3.0, 3.25]
