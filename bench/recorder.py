"""What measuring costs, in time and in memory: `taskset -c 0 python bench/recorder.py`.

Times are the best of several rounds, because noise only ever adds. The bars: a call of `exchange` under 200 ns with its
share of the bulk work, no append to the log of windows above a few milliseconds, and memory that is flat: as much after
an hour as after ten minutes.
"""

from __future__ import annotations

import argparse
import gc
import sys
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from time import perf_counter, thread_time
from typing import Final

import numpy as np

from loadgate.load.engine import GC_THRESHOLD
from loadgate.measure.exchanges import ROW_TYPE
from loadgate.measure.metric import BUILTIN, Kind, Metric
from loadgate.measure.recorder import Recorder
from loadgate.measure.windows import MOST_WINDOWS, Window, WindowLog

ROUNDS: Final = 11
BUFFER: Final = 4096
"""Rows a recorder turns into histograms at once."""
PER_SECOND: Final = 10_000
CHECKS: Final = BUILTIN["checks"]


def say(what: str, value: float, unit: str, more: str = "") -> None:
    print(f"{what:<66} {value:9.2f} {unit}{more}")


def best(call: Callable[[], object], number: int) -> float:
    """Seconds a call, the least of `ROUNDS`."""
    return min(timeit.repeat(call, number=number, repeat=ROUNDS)) / number


def recorder_of(steps: int) -> tuple[Recorder, list[int]]:
    """A recorder that knows `steps` exchange series: ten metrics with times in each."""
    recorder = Recorder(start=0.0)
    return recorder, [recorder.exchange_series("http", {"name": f"s{n}"}, failed=False) for n in range(steps)]


def rows(count: int, series: list[int], seed: int = 1, *, late: bool = False, pieces: bool = False) -> bytearray:
    """`count` rows of lognormal times around 5 ms; `late` starts lie behind their plan, `pieces` come one by one."""
    random = np.random.default_rng(seed)
    made = np.zeros(count, ROW_TYPE)
    made["series"] = random.choice(series, count)
    made["sent"], made["received"] = 90, 300
    made["planned"] = made["start"] = random.uniform(0.0, 1.0, count)
    if late:
        made["start"] += random.exponential(1e-4, count)
    made["end"] = made["first"] = made["start"] + random.lognormal(np.log(0.005), 0.7, count)
    if pieces:
        made["end"] += random.exponential(2e-4, count)
        made["sending"] = 2e-5
    return bytearray(made.tobytes())


def calls() -> None:
    """What one call costs, bulk work included."""
    loops = 10 * BUFFER
    recorder, (series,) = recorder_of(1)
    exchange = recorder.exchange

    def exchanges() -> None:
        for _ in range(loops):
            exchange(series, 90, 300, 1234.5, 1234.5, 1234.505, 1234.505)

    say("exchange(): call and bulk", best(exchanges, 1) / loops * 1e9, "ns")
    for kind in Kind:
        point = recorder.series(Metric(f"a_{kind}", kind, ""), {})
        add = recorder.add

        def points(add: Callable[[int, float], None] = add, point: int = point) -> None:
            for _ in range(loops):
                add(point, 5.25)

        say(f"add() to a {kind}: call and bulk", best(points, 1) / loops * 1e9, "ns")
    tally = recorder.rate(CHECKS, {})

    def counted() -> None:
        for _ in range(loops):
            tally.total += 1
            tally.passes += 1

    say("a rate counted in place", best(counted, 1) / loops * 1e9, "ns")


def bulk() -> None:
    """What a row costs in bulk."""
    for steps in (1, 12, 200):
        for title, late, pieces in (("on plan", False, False), ("late", True, False), ("in pieces", True, True)):
            recorder, series = recorder_of(steps)
            made = rows(BUFFER, series, late=late, pieces=pieces)
            taken = recorder._exchanges.take_rows
            seconds = best(lambda taken=taken, made=made: taken(made, BUFFER), 20)  # type: ignore[misc]
            say(f"a row in bulk: {steps} series, {title}", seconds / BUFFER * 1e9, "ns")


def closing() -> None:
    """What the end of a window costs, and the log of windows."""
    for steps in (1, 12, 200):
        recorder, series = recorder_of(steps)
        made = rows(BUFFER, series, late=True)
        least = float("inf")
        for second in range(1, 30):
            recorder._exchanges.take_rows(made, BUFFER)
            begun = perf_counter()
            recorder.close_window(float(second))
            least = min(least, perf_counter() - begun)
        say(f"close_window(): {steps} exchange series", least * 1e3, "ms")
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 100)  # as the engine has it
    log, took = WindowLog(), []
    for window in seconds_of(3 * MOST_WINDOWS, 12):
        begun = thread_time()
        log.append(window)
        took.append(thread_time() - begun)
    late = np.array(took[MOST_WINDOWS:]) * 1e3
    told = f"  (of {len(late)}; median {np.median(late):.2f})"
    say("the slowest append to a full log, 12 exchange series", late.max(), "ms CPU", told)


def seconds_of(count: int, steps: int) -> Iterator[Window]:
    """`count` windows of a second at 10,000 exchanges/s over `steps` series."""
    recorder, series = recorder_of(steps)
    recorder.windows = WindowLog()
    made = [rows(PER_SECOND, series, seed, late=True, pieces=True) for seed in range(20)]
    for second in range(count):
        recorder._exchanges.take_rows(made[second % len(made)], PER_SECOND)
        yield recorder.close_window(second + 1.0)


def memory() -> None:
    """Bytes of a whole recorder: an hour at 10,000 exchanges/s."""
    for steps in (1, 12):
        tracemalloc.start()
        recorder, series = recorder_of(steps)
        points = recorder.series(BUILTIN["iteration_duration"], {})
        sizes: dict[int, float] = {}
        random = np.random.default_rng(1)
        made = [rows(PER_SECOND, series, seed, late=True, pieces=True) for seed in range(20)]
        before = tracemalloc.get_traced_memory()[0]
        for second in range(1, 3601):
            recorder._exchanges.take_rows(made[second % len(made)], PER_SECOND)
            for value in random.lognormal(1.6, 0.7, 20).tolist():
                recorder.add(points, value)
            recorder.close_window(float(second))
            if second in (60, 120, 600, 1800, 3600):
                sizes[second // 60] = (tracemalloc.get_traced_memory()[0] - before) / 1e6
        tracemalloc.stop()
        told = ", ".join(f"{minute} min {size:.2f}" for minute, size in sizes.items())
        say(f"{steps} exchange series, {MOST_WINDOWS} windows, after an hour", sizes[60], "MB", f"  ({told})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["calls", "bulk", "closing", "memory"])
    only = parser.parse_args().only
    for name, part in {"calls": calls, "bulk": bulk, "closing": closing, "memory": memory}.items():
        if only in (None, name):
            part()
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
