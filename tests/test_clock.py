from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import uvloop

from loadgate import clock as clock_module
from loadgate.clock import Clock, SystemClock, VirtualClock
from tests.support.virtual_loop import EPOCH, VirtualLoop, run_virtual

Main = Callable[[SystemClock], Awaitable[None]]


@pytest.fixture(params=["timerfd", "loop alarm"])
def on_uvloop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Main], None]:
    """Runs `main(clock)` on uvloop, once over a timerfd and once as on a system that has none."""
    if request.param == "timerfd":
        if sys.platform != "linux":
            pytest.skip("timerfd is Linux only")
    else:
        monkeypatch.setattr(clock_module, "_open_alarm", clock_module._LoopAlarm)

    def run(main: Main) -> None:
        async def with_clock() -> None:
            clock = SystemClock()
            try:
                await main(clock)
            finally:
                clock.close()

        uvloop.run(with_clock())

    return run


def test_callbacks_run_in_order_of_time_and_never_early(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        base = clock.now()
        ran: list[tuple[int, float]] = []

        def note(offset: int, due: float) -> None:
            ran.append((offset, clock.now() - due))

        for offset in (7, 1, 5, 0, 3, 9):  # in 0.4 ms: between the milliseconds that uvloop can tell apart
            due = base + offset * 0.0004
            clock.call_at(due, partial(note, offset, due))
        await clock.sleep_until(base + 0.005)
        assert [offset for offset, _ in ran] == [0, 1, 3, 5, 7, 9]
        assert min(late for _, late in ran) >= 0

    on_uvloop(main)


def test_same_time_means_the_order_in_which_they_were_set(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        due, ran = clock.now() + 0.002, list[int]()
        for number in range(20):
            clock.call_at(due, partial(ran.append, number))
        await clock.sleep_until(due)
        assert ran == list(range(20))

    on_uvloop(main)


def test_an_earlier_deadline_set_later_is_kept(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        base, order = clock.now(), list[str]()
        late = asyncio.ensure_future(clock.sleep_until(base + 0.03))
        late.add_done_callback(lambda _: order.append("late"))
        await asyncio.sleep(0)
        await clock.sleep_until(base + 0.003)
        order.append("early")
        await late
        assert order == ["early", "late"]

    on_uvloop(main)


def test_a_cancelled_callback_never_runs_even_if_cancelled_by_one_of_the_same_time(
    on_uvloop: Callable[[Main], None],
) -> None:
    async def main(clock: SystemClock) -> None:
        due, ran = clock.now() + 0.002, list[str]()
        before = clock.call_at(due, lambda: ran.append("before"))
        clock.call_at(due, lambda: victim.cancel())
        victim = clock.call_at(due, lambda: ran.append("victim"))
        before.cancel()
        before.cancel()
        await clock.sleep_until(due)
        victim.cancel()
        assert ran == []

    on_uvloop(main)


def test_a_cancelled_sleeper_leaves_the_others_alone(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        due = clock.now() + 0.005
        sleepers = [asyncio.ensure_future(clock.sleep_until(due)) for _ in range(4)]
        await asyncio.sleep(0)
        sleepers[1].cancel()
        results = await asyncio.gather(*sleepers, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None), type(None)]
        assert clock.now() >= due

    on_uvloop(main)


def test_an_error_in_a_callback_is_reported_and_spares_the_rest(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        reported: list[BaseException] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        due, ran = clock.now() + 0.002, list[str]()
        clock.call_at(due, lambda: 1 // 0)
        clock.call_at(due, lambda: ran.append("next"))
        await clock.sleep_until(due + 0.001)
        assert ran == ["next"]
        assert [type(error) for error in reported] == [ZeroDivisionError]

    on_uvloop(main)


def test_a_callback_that_sets_itself_in_the_past_does_not_keep_the_loop(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        def again() -> None:
            clock.call_at(clock.now() - 1.0, again)

        again()
        await asyncio.wait_for(asyncio.sleep(0.01), timeout=5.0)

    on_uvloop(main)


def test_nan_is_refused_and_harms_nobody(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        due, ran = clock.now() + 0.002, list[int]()
        for number in range(8):
            with pytest.raises(ValueError, match="NaN"):
                clock.call_at(float("nan"), int)
            with pytest.raises(ValueError, match="NaN"):
                await clock.sleep_until(float("nan"))
            clock.call_at(due - number * 0.0001, partial(ran.append, number))
        await asyncio.wait_for(clock.sleep_until(due), timeout=5.0)
        assert ran == [7, 6, 5, 4, 3, 2, 1, 0]

    on_uvloop(main)


@pytest.mark.parametrize("far", [1e10, 1e300, float("inf")])
def test_a_deadline_beyond_what_alarms_can_count_to_keeps_nobody_waiting(
    on_uvloop: Callable[[Main], None], far: float
) -> None:
    async def main(clock: SystemClock) -> None:
        clock.call_at(far, int)
        await asyncio.wait_for(clock.sleep_until(clock.now() + 0.002), timeout=5.0)
        await asyncio.wait_for(clock.sleep_until(clock.now() + 0.002), timeout=5.0)
        called = asyncio.Event()
        clock.call_at(-far, called.set)
        await asyncio.wait_for(called.wait(), timeout=5.0)

    on_uvloop(main)


def test_sleeping_until_the_past_gives_the_others_a_turn(on_uvloop: Callable[[Main], None]) -> None:
    async def main(clock: SystemClock) -> None:
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await clock.sleep_until(clock.now() - 1.0)
        assert turns == [1]

    on_uvloop(main)


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux only")
def test_wake_ups_are_finer_than_the_milliseconds_of_uvloop() -> None:
    """The median says what the timer does; the tail says what else this machine is doing."""

    async def main() -> list[float]:
        clock, late = SystemClock(), list[float]()
        for _ in range(200):
            due = clock.now() + 0.0007
            await clock.sleep_until(due)
            late.append(clock.now() - due)
        clock.close()
        return sorted(late)

    late = uvloop.run(main())
    assert late[0] >= 0
    assert late[100] < 0.0003


def test_ten_thousand_waiters_are_woken_and_cancelled_ones_do_not_pile_up() -> None:
    async def main() -> None:
        clock = SystemClock()
        due = clock.now() + 0.05
        for _ in range(20):
            for handle in [clock.call_at(due, int) for _ in range(1000)]:
                handle.cancel()
        assert clock._timer is not None
        assert len(clock._timer._heap) < 2000
        ran: list[int] = []
        for number in range(10_000):
            clock.call_at(due + number * 1e-7, partial(ran.append, number))
        await clock.sleep_until(due + 0.002)
        assert ran == list(range(10_000))
        assert not clock._timer._heap
        clock.close()

    uvloop.run(main())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors through /proc")
def test_a_clock_serves_one_loop_after_another_and_leaves_no_descriptor() -> None:
    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    async def wait(clock: SystemClock) -> None:
        await clock.sleep_until(clock.now() + 0.001)

    uvloop.run(wait(SystemClock()))
    before = descriptors()
    clock = SystemClock()
    for run in (uvloop.run, asyncio.run, uvloop.run):
        run(wait(clock))
    clock.close()
    uvloop.run(wait(SystemClock()))  # not closed: the garbage collector has to
    assert descriptors() == before


def test_the_clock_is_the_performance_counter() -> None:
    before = time.perf_counter()
    assert before <= SystemClock().now() <= time.perf_counter()


def test_virtual_time_jumps_and_is_exact() -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        times: list[float] = []

        async def wait(clock: Clock, until: float) -> None:
            await clock.sleep_until(until)
            times.append(clock.now())

        await asyncio.gather(*(wait(clock, EPOCH + t) for t in (3600.1, 0.3, 86_400.7, -5.0)))
        assert times == [EPOCH, EPOCH + 0.3, EPOCH + 3600.1, EPOCH + 86_400.7]

    run_virtual(main)


def test_a_virtual_clock_refuses_nan_too() -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        with pytest.raises(ValueError, match="NaN"):
            await clock.sleep_until(float("nan"))

    run_virtual(main)


def test_a_virtual_program_that_would_hang_fails_instead() -> None:
    async def main(loop: VirtualLoop, clock: VirtualClock) -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="would hang"):
        run_virtual(main)


def test_importing_the_clock_alone_brings_in_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, asyncio, ctypes; before = set(sys.modules); import loadgate.clock; "
        "print({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "{'loadgate'}"
