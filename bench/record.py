"""What keeping the record costs the event loop: `python bench/record.py`.

A run of 120 windows with 100 series, 60 of them trends, is encoded for the first time, and again when one window more is
there, as it is every few seconds of a run. Then it is written, and read. Bar: the next encode takes less than 10 ms, which
delays no request enough to be seen in a percentile.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from loadgate.measure.health import Health, HealthSample
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from loadgate.record.environment import Code, read_environment
from loadgate.record.file import RunFile, read_run
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series
from loadgate.record.verdict import Verdict, Word

WINDOWS = 120
STEPS = 10
SAMPLES = 1_000
ROUNDS = 7
BAR_MS = 10.0

TRENDS = ("duration", "latency", "waiting", "receiving", "sending", "blocked")
"""The last three are zero nearly always, as they are over kept connections."""


def series() -> list[tuple[Metric, dict[str, str]]]:
    """Ten of each step: six trends, three counters, a rate."""
    found: list[tuple[Metric, dict[str, str]]] = []
    for step in range(STEPS):
        tags = {"name": f"GET /users/{step}", "status": "200", "scenario": "default", "expected_response": "true"}
        found += [(Metric(f"http_req_{trend}", Kind.TREND, "ms"), tags) for trend in TRENDS]
        found += [(Metric(name, Kind.COUNTER, "count"), tags) for name in ("http_reqs", "data_sent", "data_received")]
        found.append((Metric("http_req_failed", Kind.RATE, "share", Direction.LOWER), tags))
    return found


def tally(metric: Metric, random: np.random.Generator) -> Tally:
    if metric.kind is Kind.COUNTER:
        return CounterTally(float(random.integers(1, 10_000)))
    if metric.kind is Kind.RATE:
        return RateTally(1, SAMPLES)
    histogram = Histogram()
    if metric.name.removeprefix("http_req_") in TRENDS[:3]:
        histogram.record_many(random.lognormal(1.6, 0.5, SAMPLES))
    else:
        histogram.record_zeros(SAMPLES)
    return TrendTally(histogram)


def window(number: int, of: list[tuple[Metric, dict[str, str]]], random: np.random.Generator) -> Window:
    made = Window(
        float(number), number + 1.0, False, {key: tally(metric, random) for key, (metric, _) in enumerate(of)}
    )
    made.shrink()
    return made


def make_run() -> Run:
    random = np.random.default_rng(1)
    of = series()
    windows = tuple(window(number, of, random) for number in range(WINDOWS))
    totals = Window(0.0, 0.0)
    for each in windows:
        totals = totals.joined(each)
    return Run(
        id="bench",
        state=RunState.RUNNING,
        started=0.0,
        duration=float(WINDOWS),
        definition=Definition("bench", "bench.py", "http://127.0.0.1:3000", 0.0, 1, 120.0, "0" * 16, "loadgate run"),
        environment=read_environment({}),
        code=Code(),
        loads=(LoadRecord("default", "constant-vus", "10 VUs for 2m", 1, 1, 0, 0, 10, 10),),
        series=tuple(Series(metric, tags, totals.tallies[key]) for key, (metric, tags) in enumerate(of)),
        windows=windows,
        errors=(),
        health=Health(True, 0.3, 0.4, 0, 0, 0, ()),
        health_samples=tuple(HealthSample(float(at), 0.3, 0.4) for at in range(WINDOWS)),
        thresholds=(),
        verdict=Verdict(Word.PASS),
    )


def best(call: Callable[[], object]) -> float:
    """Milliseconds, the least of `ROUNDS`."""
    least = float("inf")
    for _ in range(ROUNDS):
        begun = perf_counter()
        call()
        least = min(least, perf_counter() - begun)
    return least * 1e3


def main() -> int:
    run = make_run()
    random = np.random.default_rng(2)
    of = series()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = best(lambda: RunFile(folder).encode(run))
        file = RunFile(folder)
        data = file.encode(run)
        more = [replace(run, windows=(*run.windows[1:], window(WINDOWS, of, random))) for _ in range(ROUNDS)]
        turns = iter(more)
        following = best(lambda: file.encode(next(turns)))
        unchanged = best(lambda: file.encode(more[-1]))
        written = best(lambda: file.write(data))
        synced = best(lambda: file.write(data, final=True))
        read = best(lambda: read_run(folder))
    print(f"{WINDOWS} windows of {len(run.series)} series, {len(data) / 1e6:.2f} MB, least of {ROUNDS}")
    for title, ms in (
        ("first encode", first),
        ("next encode, one window more", following),
        ("encode again, nothing new", unchanged),
        ("write (in a thread)", written),
        ("write and wait for the disk", synced),
        ("read and decode", read),
    ):
        print(f"{title:<34} {ms:8.2f} ms")
    if following > BAR_MS:
        print(f"missed: the next encode took {following:.1f} ms, the bar is {BAR_MS:g} ms")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
