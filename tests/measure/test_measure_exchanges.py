from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.measure import cells
from loadgate.measure.exchanges import PHASES, ROW, ROW_TYPE
from loadgate.measure.groups import Groups
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from tests.support.measured import START, Exchanges, declare

FIELDS = [field.name for field in fields(Exchanges)]
BUFFER = 4096
"""Rows after which a recorder counts them."""


def held(recorder: Recorder, window: Window, metric: str, step: int) -> Tally:
    return window.tallies[recorder.series(BUILTIN[metric], {"name": f"s{step}"})]


def histogram(recorder: Recorder, window: Window, metric: str, step: int) -> Histogram:
    tally = held(recorder, window, metric, step)
    assert isinstance(tally, TrendTally)
    return tally.histogram


def counted(recorder: Recorder, window: Window, metric: str, step: int) -> float:
    tally = held(recorder, window, metric, step)
    assert isinstance(tally, CounterTally)
    return tally.total


def assert_same(found: Histogram, values: np.ndarray) -> None:
    """As good as NumPy: exact figures, and percentiles within the bound or a microsecond."""
    assert found.count == len(values)
    assert found.total == pytest.approx(float(values.sum()), rel=1e-12)
    assert found.minimum == values.min()
    assert found.maximum == values.max()
    places = (1, 25, 50, 90, 99, 99.9)
    for value, exact in zip(found.percentiles(places), np.percentile(values, places).tolist(), strict=True):
        assert value == pytest.approx(exact, rel=1 / 256, abs=1e-3)


def assert_window(recorder: Recorder, window: Window, exchanges: Exchanges) -> None:
    trends = exchanges.trends()
    for step in range(int(exchanges.series.max()) + 1):
        own = exchanges.series == step
        if not own.any():
            continue
        assert counted(recorder, window, "http_reqs", step) == own.sum()
        assert counted(recorder, window, "data_sent", step) == exchanges.sent[own].sum()
        assert counted(recorder, window, "data_received", step) == exchanges.received[own].sum()
        assert held(recorder, window, "http_req_failed", step) == RateTally(0, int(own.sum()))
        for metric, values in trends.items():
            assert_same(histogram(recorder, window, metric, step), np.maximum(values[own], 0.0))
        for phase in PHASES:
            zeros = histogram(recorder, window, f"http_req_{phase}", step)
            assert (zeros.count, zeros.total, zeros.maximum) == (own.sum(), 0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.one_of(st.integers(1, 200), st.sampled_from([BUFFER - 1, BUFFER, BUFFER + 1, 9000])),
    st.sampled_from([1, 2, 7, 60]),
    st.booleans(),
    st.booleans(),
)
def test_every_figure_of_random_exchanges_agrees_with_numpy(
    seed: int, count: int, steps: int, late: bool, pieces: bool
) -> None:
    recorder = Recorder(start=START)
    exchanges = Exchanges.random(seed, count, steps, late=late, pieces=pieces)
    exchanges.feed(recorder, declare(recorder, steps))
    window = recorder.close_window(START + 1.0)
    assert_window(recorder, window, exchanges)
    assert recorder.clock_anomalies == 0


def test_chunks_of_different_shape_add_up_in_one_window() -> None:
    """On plan, late, in pieces: trends that were counted together in one buffer and apart in the next."""
    recorder = Recorder(start=START)
    ids = declare(recorder, 3)
    shapes = [(False, False), (True, False), (True, True), (False, True), (False, False)]
    parts = [Exchanges.random(seed, BUFFER, 3, late=late, pieces=pieces) for seed, (late, pieces) in enumerate(shapes)]
    for part in parts:
        part.feed(recorder, ids)
    whole = Exchanges(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))
    assert_window(recorder, recorder.close_window(START + 1.0), whole)


def test_a_window_begins_with_nothing_of_the_last_one() -> None:
    recorder = Recorder(start=START)
    ids = declare(recorder, 80)
    for seed in range(4):
        exchanges = Exchanges.random(seed, 5000, 80, late=True, pieces=True)
        exchanges.feed(recorder, ids)
        assert_window(recorder, recorder.close_window(START + seed + 1.0), exchanges)
    assert recorder.close_window(START + 9.0).tallies == {}


@pytest.mark.slow
def test_hundreds_of_series_beyond_the_matrix_agree_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_LOOSE", 3000)  # sorted several times in a window
    recorder = Recorder(start=START)
    ids = declare(recorder, 300)
    for seed in range(2):
        exchanges = Exchanges.random(seed, 20_000, 300, late=True, pieces=True)
        exchanges.feed(recorder, ids)
        assert_window(recorder, recorder.close_window(START + seed + 1.0), exchanges)


def test_one_series_alone_in_a_buffer_may_lie_beyond_the_matrix() -> None:
    recorder = Recorder(start=START)
    ids = declare(recorder, 101)
    many = Exchanges.random(1, BUFFER, 100)
    one = Exchanges.random(2, BUFFER, 1, late=True)
    many.feed(recorder, ids[:100])
    one.feed(recorder, ids[100:])
    window = recorder.close_window(START + 1.0)
    assert_window(recorder, window, many)
    assert_same(histogram(recorder, window, "http_req_duration", 100), one.trends()["http_req_duration"])
    assert_same(histogram(recorder, window, "http_req_latency", 100), one.trends()["http_req_latency"])


@given(st.lists(st.sampled_from([0, 1, 5, 255, 65_535, 65_536, 65_537, 131_072, 2**31 - 1]), min_size=1, max_size=50))
def test_rows_are_grouped_by_series_of_any_number_and_keep_their_order(series: list[int]) -> None:
    groups = Groups(np.array(series, np.int32))
    places = groups.ordered(np.arange(len(series), dtype=np.float64)).tolist()
    assert groups.distinct == sorted(set(series))
    for number, start, length in zip(groups.distinct, groups.starts.tolist(), groups.lengths.tolist(), strict=True):
        assert places[start : start + length] == [at for at, each in enumerate(series) if each == number]


def test_a_recorder_packs_a_row_as_numpy_reads_it() -> None:
    row = ROW.pack(7, 11, 2**40, 0.25, 1.5, 2.5, 3.5, 4.5)
    (read,) = np.frombuffer(row, ROW_TYPE).tolist()
    assert (read[0], *read[2:]) == (7, 11, 2**40, 0.25, 1.5, 2.5, 3.5, 4.5)
    assert ROW.size == ROW_TYPE.itemsize


def test_bodies_of_several_gigabytes_are_counted() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    for _ in range(3):
        recorder.exchange(series, 2**33, 2**34, START, START, START + 1, START + 2)
    window = recorder.close_window(START + 3)
    assert counted(recorder, window, "data_sent", 0) == 3 * 2**33
    assert counted(recorder, window, "data_received", 0) == 3 * 2**34


def test_service_time_counts_from_the_start_and_latency_from_the_plan() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    recorder.exchange(series, 1, 2, START, START + 0.5, START + 0.75, START + 1.0, 0.125)
    window = recorder.close_window(START + 1)
    found = {metric: histogram(recorder, window, metric, 0).mean for metric in Exchanges.random(1, 1, 1).trends()}
    assert found == {
        "http_req_duration": 500.0,
        "http_req_latency": 1000.0,
        "http_req_waiting": 125.0,
        "http_req_receiving": 250.0,
        "http_req_sending": 125.0,
    }


def test_phases_count_as_zero_for_exchanges_without_one() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    for _ in range(4):
        recorder.exchange(series, 1, 2, START, START, START + 1, START + 1)
    recorder.phase(series, "connecting", 0.003)
    recorder.phase(series, "blocked", 0.001)
    recorder.phase(series, "blocked", -0.5)
    window = recorder.close_window(START + 1)
    connecting, blocked = (histogram(recorder, window, f"http_req_{name}", 0) for name in ("connecting", "blocked"))
    assert (connecting.count, connecting.total, connecting.maximum, connecting.minimum) == (4, 3.0, 3.0, 0.0)
    assert (blocked.count, blocked.total) == (4, 1.0)
    assert histogram(recorder, window, "http_req_tls_handshaking", 0).total == 0.0


def test_a_phase_waits_for_its_exchange_to_end() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    recorder.phase(series, "connecting", 0.003)
    assert recorder.close_window(START + 1).tallies == {}
    recorder.exchange(series, 1, 2, START, START, START + 1.5, START + 1.5)
    window = recorder.close_window(START + 2)
    assert histogram(recorder, window, "http_req_connecting", 0).total == 3.0


def test_failed_exchanges_are_passes_of_the_failure_rate() -> None:
    recorder = Recorder(start=START)
    series = recorder.exchange_series("http", {"name": "s0", "status": "0"}, failed=True)
    recorder.exchange(series, 0, 0, START, START, START + 1, START + 1)
    recorder.exchange(series, 0, 0, START, START, START + 1, START + 1)
    window = recorder.close_window(START + 2)
    failed = window.tallies[recorder.series(BUILTIN["http_req_failed"], {"name": "s0", "status": "0"})]
    assert failed == RateTally(2, 2)


def test_good_and_failed_exchanges_under_the_same_tags_add_up() -> None:
    recorder = Recorder(start=START)
    (good,) = declare(recorder, 1)
    bad = recorder.exchange_series("http", {"name": "s0"}, failed=True)
    assert good != bad
    for series, seconds in ((good, 1.0), (bad, 2.0), (good, 3.0)):
        recorder.exchange(series, 10, 20, START, START, START + seconds, START + seconds)
    window = recorder.close_window(START + 3)
    assert held(recorder, window, "http_req_failed", 0) == RateTally(1, 3)
    assert counted(recorder, window, "http_reqs", 0) == 3
    assert counted(recorder, window, "data_received", 0) == 60
    assert_same(histogram(recorder, window, "http_req_duration", 0), np.array([1000.0, 2000.0, 3000.0]))


@pytest.mark.parametrize(
    ("times", "anomalies"),
    [
        ((0.0, 0.0, 1.0, 1.0), 0),
        ((0.0, 2.0, 1.0, 1.0), 1),
        ((3.0, 0.0, 1.0, 1.0), 1),
        ((0.0, 0.0, 2.0, 1.0), 1),
        ((2.0, 2.0, 1.5, 1.0), 1),
        ((0.0, 0.0, 1.0000001, 1.0), 0),
    ],
    ids=["in order", "ended before it began", "before its plan", "before its first byte", "all", "rounding"],
)
def test_an_exchange_whose_time_runs_backwards_is_counted_once_and_its_time_is_zero(
    times: tuple[float, float, float, float], anomalies: int
) -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    recorder.exchange(series, 1, 2, START, START, START + 1.0, START + 1.0)
    recorder.exchange(series, 1, 2, *(START + time for time in times))
    window = recorder.close_window(START + 5)
    assert recorder.clock_anomalies == anomalies
    assert counted(recorder, window, "http_reqs", 0) == 2
    for metric in Exchanges.random(1, 1, 1).trends():
        found = histogram(recorder, window, metric, 0)
        assert found.count == 2
        assert found.minimum >= 0.0
    planned, start, _, end = times
    assert histogram(recorder, window, "http_req_duration", 0).minimum == max(0.0, end - start) * 1e3
    assert histogram(recorder, window, "http_req_latency", 0).minimum == min(1.0, max(0.0, end - planned)) * 1e3


def test_anomalies_of_different_exchanges_add_up_over_buffers() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    for _ in range(2):
        recorder.exchange(series, 1, 2, START, START + 2, START + 2, START + 1)
        recorder.exchange(series, 1, 2, START + 3, START + 1, START + 2, START + 2)
        recorder.exchange(series, 1, 2, START, START, START + 2, START + 1)
        for _ in range(BUFFER - 3):
            recorder.exchange(series, 1, 2, START, START, START + 1, START + 1)
    recorder.exchange(series, 1, 2, START, START, START, START)
    recorder.close_window(START + 5)
    assert recorder.clock_anomalies == 6


def test_sending_is_no_part_of_waiting_where_the_reply_comes_in_one_piece() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    recorder.exchange(series, 1, 2, START, START, START + 1.0, START + 1.0, 0.25)
    window = recorder.close_window(START + 1)
    assert histogram(recorder, window, "http_req_waiting", 0).total == 750.0
    assert histogram(recorder, window, "http_req_sending", 0).total == 250.0


def test_rounding_of_a_long_upload_is_no_anomaly() -> None:
    """The reply's first byte comes with the last of the request, so that nothing is left for waiting."""
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    random = np.random.default_rng(3)
    for began, sending in random.uniform(1e5, 1e6, (500, 2)).tolist():
        first = began + sending
        recorder.exchange(series, 1, 2, began, began, first, first + 0.001, first - began)
    window = recorder.close_window(START + 1)
    assert recorder.clock_anomalies == 0
    assert histogram(recorder, window, "http_req_waiting", 0).maximum < 1e-3


def test_times_below_a_microsecond_and_above_two_hours_keep_their_exact_extremes() -> None:
    recorder = Recorder(start=START)
    (series,) = declare(recorder, 1)
    for seconds in (2**-22, 2**-22, 1.0, 16384.0, 16384.0):
        recorder.exchange(series, 1, 2, START, START, START + seconds, START + seconds)
    found = histogram(recorder, recorder.close_window(START + 1), "http_req_duration", 0)
    assert (found.minimum, found.maximum, found.count) == (2**-22 * 1e3, 16_384_000.0, 5)
    assert found.percentile(50) == pytest.approx(1000.0, rel=1 / 256)
