"""Timing one function in this process: nanoseconds per call.

Rules, pyperf's unless said otherwise ("How perf works", "Run a benchmark"):
* A sample is as many calls as take 10 ms, a power of two, or one call: the clock's resolution and what it costs to read are
  then nothing. Calls of async functions are samples by themselves, since what they wait for is what is asked about.
* What comes before the samples is warm-up: the first call, which imports and fills caches, and those that find the number.
* Python's collector stays on: the program that the function is part of runs with it too. It is run once before the first
  sample, so that what loading left behind is not collected on the function's account.
* The cost of the loop itself (some 30 ns a call) is not taken off: it is the same in every run, and what is left after a
  subtraction has the noise of both.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from itertools import repeat
from time import perf_counter_ns
from typing import Any, Final

from loadgate.errors import LoadgateError

LEAST: Final = 10_000_000
"""Nanoseconds that a sample takes at least."""
MOST_LOOPS: Final = 2**32


def time_calls(call: Callable[[], Any], samples: int, loops: int = 0) -> tuple[list[float], int]:
    """`samples` times the nanoseconds per call, of `loops` calls each; and that number, found where 0 is given.

    Raises what `call` raises, and LoadgateError where it returns something to be awaited.
    """
    first = call()
    if isawaitable(first):
        if hasattr(first, "close"):
            first.close()
        raise LoadgateError("it returns something that has to be awaited", "make it `async def`, and await it there")
    loops = loops or calibrated(call)
    gc.collect()
    return [_taken(call, loops) / loops for _ in range(samples)], loops


def calibrated(call: Callable[[], Any], least: int = LEAST) -> int:
    """The power of two of calls that take `least` ns, or 1."""
    loops = 1
    while _taken(call, loops) < least and loops < MOST_LOOPS:
        loops *= 2
    return loops


async def time_awaits(call: Callable[[], Awaitable[Any]], samples: int) -> list[float]:
    """`samples` times the nanoseconds of one call, after one that does not count. Raises what `call` raises."""
    await call()
    gc.collect()
    values = []
    for _ in range(samples):
        begun = perf_counter_ns()
        await call()
        values.append(float(perf_counter_ns() - begun))
    return values


def _taken(call: Callable[[], Any], loops: int) -> int:
    again = repeat(None, loops)
    begun = perf_counter_ns()
    for _ in again:
        call()
    return perf_counter_ns() - begun
