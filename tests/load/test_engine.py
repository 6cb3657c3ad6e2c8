"""The engine on a virtual clock: windows, warm-up, who says stop, and what it sees of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from loadgate.clock import VirtualClock
from loadgate.config.load import LoadSpec
from loadgate.load.engine import EndState, Engine, Progress, RunEnd
from loadgate.measure.recorder import Recorder
from loadgate.measure.select import Selection
from loadgate.measure.tally import CounterTally, GaugeTally
from loadgate.script.role import Outcome
from tests.support.fake_vus import spec
from tests.support.virtual_loop import EPOCH, VirtualLoop, run_virtual


class Sleepers:
    """A pool whose VUs sleep for `seconds` an iteration."""

    def __init__(self, seconds: float, spin: Callable[[], None] | None = None) -> None:
        self._seconds = seconds
        self._spin = spin
        self.closed = False

    def acquire_new(self) -> Sleepers:
        return self

    async def iterate(self, planned: float) -> Outcome:
        if self._spin is not None:
            self._spin()
        await asyncio.sleep(self._seconds)
        return Outcome.DONE

    def drop(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def play(
    load: LoadSpec,
    seconds: float,
    *,
    window: float = 1.0,
    warmup: float = 0.0,
    on_window: Callable[[Progress], str | None] = lambda progress: None,
    meanwhile: Callable[[VirtualLoop, Engine], None] | None = None,
    spin: Callable[[VirtualLoop], None] | None = None,
) -> tuple[RunEnd, Recorder, list[Progress]]:
    seen: list[Progress] = []

    def watch(progress: Progress) -> str | None:
        seen.append(progress)
        return on_window(progress)

    async def main(loop: VirtualLoop, clock: VirtualClock) -> tuple[RunEnd, Recorder, list[Progress]]:
        recorder = Recorder(start=EPOCH, warmup=warmup)
        pool = Sleepers(seconds, None if spin is None else lambda: spin(loop))
        engine = Engine(
            [load],
            {load.name: pool},  # type: ignore[dict-item]
            recorder,
            clock,
            window=window,
            warmup=warmup,
            on_window=watch,
        )
        if meanwhile is not None:
            meanwhile(loop, engine)
        end = await engine.run(clock.now())
        assert pool.closed
        return end, recorder, seen

    return run_virtual(main)


def counter(recorder: Recorder, metric: str) -> float:
    tally = Selection(recorder, metric).tally(recorder.totals())
    assert tally is None or isinstance(tally, CounterTally)
    return 0.0 if tally is None else tally.total


def test_windows_follow_one_another_and_the_last_ends_with_the_run() -> None:
    end, recorder, seen = play(spec("constant-vus", vus=2, duration=2.0), 0.75)
    assert [(window.start, window.end) for window in recorder.windows] == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.25)]
    assert (end.state, end.duration, len(seen)) == (EndState.COMPLETE, 2.25, 3)


def test_a_window_ends_exactly_where_the_warm_up_does() -> None:
    _, recorder, _ = play(spec("constant-vus", vus=1, duration=2.0), 0.5, warmup=0.625)
    assert [(window.end, window.warmup) for window in recorder.windows] == [(0.625, True), (1.0, False), (2.0, False)]


def test_what_is_dropped_is_a_metric_and_open_models_have_a_plan() -> None:
    load = spec("constant-arrival-rate", rate=4.0, duration=2.0, max_vus=1)
    end, recorder, _ = play(load, 1.0)
    dropped = counter(recorder, "dropped_iterations")
    assert dropped == end.stats["load"].dropped > 0
    assert sum(sample.planned for sample in end.health) == 8
    assert sum(sample.started for sample in end.health) == 8 - dropped


def test_closed_models_plan_no_starts() -> None:
    end, recorder, _ = play(spec("per-vu-iterations", vus=1, iterations=10, max_duration=1.0), 0.3)
    assert {(sample.planned, sample.started, sample.dropped) for sample in end.health} == {(0, 0, 0)}
    assert counter(recorder, "dropped_iterations") == 6


def test_users_in_the_middle_of_an_iteration_are_the_vus() -> None:
    _, recorder, _ = play(spec("constant-vus", vus=4, duration=2.0), 0.75)
    tally = Selection(recorder, "vus").tally(recorder.totals())
    assert isinstance(tally, GaugeTally)
    assert (tally.maximum, tally.last) == (4, 4)


def gauge(recorder: Recorder, metric: str) -> GaugeTally:
    tally = Selection(recorder, metric).tally(recorder.totals())
    assert isinstance(tally, GaugeTally)
    return tally


def test_vus_that_are_free_again_at_the_end_of_each_window_were_busy() -> None:
    load = spec("constant-arrival-rate", rate=2.0, duration=3.0, start_time=0.25)
    _, recorder, _ = play(load, 0.125)
    tally = gauge(recorder, "vus")
    assert (tally.minimum, tally.maximum, tally.last) == (1, 1, 1)


@pytest.mark.parametrize(
    "load",
    [
        spec("per-vu-iterations", vus=3, iterations=2, max_duration=9.0),
        spec("ramping-vus", [(0.5, 3.0), (0.5, 3.0), (0.5, 0.0)], start_vus=0, graceful_ramp_down=1.0),
    ],
)
def test_vus_that_came_and_went_within_one_window_were_busy(load: LoadSpec) -> None:
    _, recorder, _ = play(load, 0.25, window=60.0)
    assert gauge(recorder, "vus").maximum == 3


def test_a_window_without_load_between_others_has_no_busy_vus() -> None:
    load = spec("ramping-arrival-rate", [(1.5, 2.0), (0.0, 0.0), (3.0, 0.0), (0.0, 2.0), (1.5, 2.0)], start_rate=2.0)
    _, recorder, _ = play(load, 0.125)
    tally = gauge(recorder, "vus")
    assert (tally.minimum, tally.maximum) == (0, 1)


def test_vus_that_come_back_from_a_turn_of_the_loop_are_busy_in_each_window() -> None:
    _, recorder, _ = play(spec("constant-vus", vus=8, duration=40.0), 0.5)
    assert gauge(recorder, "vus").minimum == 8


def test_loads_one_after_another_in_one_window_are_not_busy_at_once() -> None:
    load = spec("constant-arrival-rate", rate=4.0, duration=0.75)
    loads = [replace(load, name="first"), replace(load, name="second", start_time=1.0)]

    async def main(loop: VirtualLoop, clock: VirtualClock) -> Recorder:
        recorder = Recorder(start=EPOCH)
        pools = {load.name: Sleepers(0.125) for load in loads}
        engine = Engine(
            loads,
            pools,  # type: ignore[arg-type]
            recorder,
            clock,
            window=10.0,
            warmup=0.0,
            on_window=lambda progress: None,
        )
        await engine.run(clock.now())
        return recorder

    assert gauge(run_virtual(main), "vus").maximum == 1


def test_a_reason_given_at_a_window_stops_the_run() -> None:
    end, _, seen = play(
        spec("constant-vus", vus=1, duration=60.0),
        0.375,
        on_window=lambda progress: "too slow" if progress.elapsed >= 2.0 else None,
    )
    assert (end.state, end.reason, end.duration) == (EndState.ABORTED, "too slow", 2.25)
    assert len(seen) <= 3


def test_one_interruption_lets_iterations_finish_and_two_do_not() -> None:
    def after(*times: float) -> Callable[[VirtualLoop, Engine], None]:
        def set_up(loop: VirtualLoop, engine: Engine) -> None:
            for time in times:
                loop.call_at(EPOCH + time, engine.interrupt)

        return set_up

    load = spec("constant-vus", vus=1, duration=60.0)
    drained, _, _ = play(load, 5.0, meanwhile=after(1.0))
    assert (drained.state, drained.duration, drained.stats["load"].completed) == (EndState.INTERRUPTED, 5.0, 1)
    cut, _, _ = play(load, 5.0, meanwhile=after(1.0, 1.5))
    assert (cut.state, cut.duration, cut.stats["load"].interrupted) == (EndState.INTERRUPTED, 1.5, 1)


def test_a_loop_that_stands_still_is_late_for_every_look_it_missed() -> None:
    end, _, _ = play(spec("constant-vus", vus=1, duration=1.0), 0.5, spin=lambda loop: loop.jump(0.25))
    [first, *_] = end.health
    assert first.loop_lag_ms == pytest.approx(250.0, abs=20.0)
    assert first.late[0] > 0.3, "of a second, half was spent standing still"


def test_an_error_of_whoever_watches_ends_the_run_at_once() -> None:
    times = []

    def fail(progress: Progress) -> None:
        times.append(progress.elapsed)
        raise RuntimeError("no screen left")

    with pytest.raises(RuntimeError, match="no screen left"):
        play(spec("constant-vus", vus=1, duration=60.0), 0.5, on_window=fail)
    assert len(times) == 1


def test_an_error_in_a_pool_is_raised_and_everything_is_closed() -> None:
    def fail() -> None:
        raise RuntimeError("no more users")

    with pytest.raises(RuntimeError, match="no more users"):
        play(spec("constant-vus", vus=1, duration=1.0), 0.5, spin=lambda loop: fail())
