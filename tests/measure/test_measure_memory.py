"""An hour at 10,000 exchanges a second, in seconds: rows are handed over in bulk, as the recorder's buffer holds them."""

from __future__ import annotations

import tracemalloc

import pytest

from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, TrendTally
from tests.support.measured import START, Exchanges, declare

PER_SECOND = 10_000
MINUTE = 60


def counts_memory(recorder: Recorder) -> int:
    """Bytes of all counts in the windows and in the totals."""
    groups = [*(window.tallies for window in recorder.windows), recorder.totals()]
    tallies = [tally for group in groups for tally in group.values()]
    return sum(tally.histogram.nbytes for tally in tallies if isinstance(tally, TrendTally))


@pytest.mark.slow
def test_memory_is_flat_for_an_hour_at_ten_thousand_exchanges_a_second() -> None:
    recorder = Recorder(start=START)
    ids = declare(recorder, 2)
    rate = recorder.rate(BUILTIN["checks"], {})
    seconds = [Exchanges.random(seed, PER_SECOND, 2).packed(ids) for seed in range(10)]
    at: dict[int, int] = {}
    for second in range(1, 60 * MINUTE + 1):
        recorder._exchanges.take_rows(seconds[second % 10], PER_SECOND)
        rate.total += PER_SECOND
        recorder.close_window(START + second)
        if second in (10 * MINUTE, 60 * MINUTE):
            at[second // MINUTE] = counts_memory(recorder)
    assert at[60] <= 1.1 * at[10]
    assert at[60] < 6_000_000
    total = recorder.totals()[recorder.series(BUILTIN["http_reqs"], {"name": "s0"})]
    assert isinstance(total, CounterTally)
    assert 17_900_000 < total.total < 18_100_000


@pytest.mark.slow
def test_the_whole_recorder_is_flat_whatever_is_measured() -> None:
    """As Python counts it: late starts, replies in pieces, single values, errors, live counts."""
    tracemalloc.start()
    try:
        recorder = Recorder(start=START)
        ids = declare(recorder, 1)
        trend, live = recorder.series(BUILTIN["iteration_duration"], {}), recorder.counter(BUILTIN["iterations"], {})
        parts = [Exchanges.random(seed, 1000, 1, late=True, pieces=True).packed(ids) for seed in range(10)]
        at: dict[int, int] = {}
        for second in range(1, 60 * MINUTE + 1):
            recorder._exchanges.take_rows(parts[second % 10], 1000)
            for number in range(20):
                recorder.add(trend, 1.0 + number * second % 97)
            recorder.error("reset", f"step {second}", "gone")
            live.total += 20.0
            recorder.close_window(START + second)
            if second in (10 * MINUTE, 60 * MINUTE):
                at[second // MINUTE] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert at[60] <= 1.15 * at[10]
