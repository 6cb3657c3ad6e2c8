"""Calls and samples of a function in this process. No test asserts how fast anything is; slow ones are loose."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from loadgate.bench.timing import LEAST, calibrated, time_awaits, time_calls
from loadgate.errors import LoadgateError
from tests.support.command import until


class Counted:
    """A function that takes `seconds` and knows how often it was called."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls = 0
        self._seconds = seconds

    def __call__(self) -> None:
        self.calls += 1
        if self._seconds:
            time.sleep(self._seconds)


def test_samples_are_as_many_calls_as_asked_for_after_one_of_warm_up() -> None:
    call = Counted()
    values, loops = time_calls(call, samples=4, loops=8)
    assert (len(values), loops) == (4, 8)
    assert call.calls == 1 + 4 * 8
    assert all(value > 0.0 for value in values)


def test_the_number_of_calls_is_a_power_of_two_that_takes_long_enough() -> None:
    call = Counted(0.0005)
    values, loops = time_calls(call, samples=2)
    assert loops in (1, 2, 4, 8, 16, 32)  # on a machine that stalls, fewer seem enough
    assert call.calls == 1 + (2 * loops - 1) + 2 * loops
    assert all(value >= 500_000 for value in values)


def test_a_call_that_takes_long_enough_is_a_sample() -> None:
    call = Counted(LEAST / 1e9)
    assert calibrated(call) == 1
    assert call.calls == 1


def test_a_first_call_that_is_slow_does_not_decide_on_the_number() -> None:
    seconds = [0.05]

    def warms_up() -> None:
        if seconds:
            time.sleep(seconds.pop())

    assert time_calls(warms_up, samples=1)[1] > 64


def test_the_collector_stays_on_and_has_collected_before_the_first_sample() -> None:
    seen = []

    def call() -> None:
        seen.append((gc.isenabled(), gc.get_stats()[2]["collections"]))

    time_calls(call, samples=1, loops=1)
    assert [enabled for enabled, _ in seen] == [True, True]
    assert seen[1][1] > seen[0][1]


def test_what_has_to_be_awaited_is_not_timed() -> None:
    with pytest.raises(LoadgateError, match="has to be awaited"):
        time_calls(lambda: asyncio.sleep(0.0), samples=1)


def test_each_awaited_call_is_a_sample() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.001)

    values = asyncio.run(time_awaits(call, samples=5))
    assert (len(values), calls) == (5, 6)
    assert all(value >= 1_000_000 * 0.9 for value in values)


@pytest.mark.slow
def test_a_function_that_sleeps_two_milliseconds_takes_two() -> None:
    def near() -> bool:
        values, _ = time_calls(Counted(0.002), samples=5)
        return 2_000_000 <= sorted(values)[2] <= 4_000_000

    until(near)
