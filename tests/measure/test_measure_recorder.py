from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.measure import names
from loadgate.measure import recorder as recorder_module
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN, Kind, Metric
from loadgate.measure.names import OTHER
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from tests.support.measured import START, Exchanges, declare

BUFFER = 4096
TREND, RATE, COUNTER, GAUGE = (Metric(f"a_{kind}", kind, "") for kind in Kind)
CHECKS, ITERATIONS, REQS = BUILTIN["checks"], BUILTIN["iterations"], BUILTIN["http_reqs"]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(start=START)


# -- single values


def brute(kind: Kind, values: np.ndarray) -> Tally:
    if kind is Kind.TREND:
        return TrendTally(Histogram.of(values))
    if kind is Kind.RATE:
        return RateTally(int((values != 0).sum()), len(values))
    if kind is Kind.COUNTER:
        return CounterTally(float(values.sum()))
    return GaugeTally(float(values[-1]), float(values.min()), float(values.max()))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 5, 300, BUFFER, 9001]), st.sampled_from([1, 4, 50]))
def test_every_kind_of_single_values_agrees_with_numpy(seed: int, count: int, series: int) -> None:
    recorder = Recorder(start=START)
    random = np.random.default_rng(seed)
    kinds = [(TREND, RATE, COUNTER, GAUGE)[number % 4] for number in range(series)]
    ids = [recorder.series(metric, {"n": str(number)}) for number, metric in enumerate(kinds)]
    picked = random.integers(0, series, count)
    values = random.integers(-1000, 1000, count) / 8  # sums are exact in any order
    for number, value in zip(picked.tolist(), values.tolist(), strict=True):
        recorder.add(ids[number], value)
    window = recorder.close_window(START + 1)
    for number, metric in enumerate(kinds):
        own = values[picked == number]
        tally = window.tallies.get(ids[number])
        if not len(own):
            assert tally is None
        elif isinstance(tally, GaugeTally):
            assert (tally.last, tally.minimum, tally.maximum) == (own[-1], own.min(), own.max())
            assert tally.order == np.flatnonzero(picked == number)[-1] + 1
        else:
            assert tally == brute(metric.kind, own)


def test_a_buffer_that_fills_in_mid_window_loses_nothing(recorder: Recorder) -> None:
    trend, gauge = recorder.series(TREND, {}), recorder.series(GAUGE, {})
    for number in range(3 * BUFFER + 7):
        recorder.add(trend, float(number))
    recorder.add(gauge, 9.0)
    for number in range(BUFFER):
        recorder.add(trend, float(number))
    window = recorder.close_window(START + 1)
    values = [*range(3 * BUFFER + 7), *range(BUFFER)]
    assert window.tallies[trend] == TrendTally(Histogram.of(np.array(values, np.float64)))
    assert window.tallies[gauge] == GaugeTally(9.0, 9.0, 9.0, 3 * BUFFER + 8)


@pytest.mark.parametrize("late_rows", [60, BUFFER + 5])
@pytest.mark.parametrize("steps", [0, 1, 3, 7, 1000])
def test_samples_that_come_while_a_window_is_closed_belong_to_the_next(steps: int, late_rows: int) -> None:
    piecewise, at_once = Recorder(start=START), Recorder(start=START)
    first, second = Exchanges.random(5, 300, 2, late=True), Exchanges.random(6, late_rows, 2, pieces=True)
    windows = {}
    for recorder in (piecewise, at_once):
        ids = declare(recorder, 2)
        trend, live = recorder.series(TREND, {}), recorder.counter(COUNTER, {})
        first.feed(recorder, ids)
        recorder.phase(ids[0], "connecting", 0.25)
        recorder.add(trend, 1.0)
        live.total += 1.0
        closing = recorder.closing(START + 1)
        for _ in range(steps if recorder is piecewise else 1000):
            closing.step()
        second.feed(recorder, ids)
        recorder.phase(ids[0], "connecting", 0.5)
        recorder.add(trend, 2.0)
        live.total += 2.0
        later = recorder.close_window(START + 2)
        windows[recorder] = (closing.finish(), later)
        assert list(recorder.windows) == [closing.window, later]
    assert windows[piecewise] == windows[at_once]
    assert piecewise.totals() == at_once.totals()


def test_negative_values_of_an_authors_trend_keep_their_sign(recorder: Recorder) -> None:
    trend = recorder.series(TREND, {})
    for value in (-5.0, -1.0, 0.0, 2.0):
        recorder.add(trend, value)
    tally = recorder.close_window(START + 1).tallies[trend]
    assert isinstance(tally, TrendTally)
    assert (tally.histogram.minimum, tally.histogram.total) == (-5.0, -4.0)
    assert tally.histogram.percentile(100 / 3) == pytest.approx(-1.0, rel=1 / 256)


# -- counted in place


def test_a_window_takes_live_rates_and_counters_and_they_begin_anew(recorder: Recorder) -> None:
    rate, counter = recorder.rate(CHECKS, {"check": "ok"}), recorder.counter(ITERATIONS, {})
    rate.total, rate.passes, counter.total = 5, 3, 7.0
    first = recorder.close_window(START + 1)
    assert (rate, counter) == (RateTally(0, 0), CounterTally(0.0))
    rate.total, rate.passes, counter.total = 2, 2, 1.0
    second = recorder.close_window(START + 2)
    checks, iterations = recorder.series(CHECKS, {"check": "ok"}), recorder.series(ITERATIONS, {})
    assert first.tallies == {checks: RateTally(3, 5), iterations: CounterTally(7.0)}
    assert second.tallies == {checks: RateTally(2, 2), iterations: CounterTally(1.0)}
    assert recorder.totals() == {checks: RateTally(5, 7), iterations: CounterTally(8.0)}


def test_a_live_tally_is_the_same_object_for_the_same_series(recorder: Recorder) -> None:
    assert recorder.rate(CHECKS, {"a": "1", "b": "2"}) is recorder.rate(CHECKS, {"b": "2", "a": "1"})
    assert recorder.counter(ITERATIONS, {}) is recorder.counter(ITERATIONS, {})
    assert recorder.rate(CHECKS, {"a": "1"}) is not recorder.rate(CHECKS, {"a": "2"})


def test_live_counts_and_added_samples_of_one_series_come_together(recorder: Recorder) -> None:
    rate, counter = recorder.rate(CHECKS, {}), recorder.counter(ITERATIONS, {})
    checks, iterations = recorder.series(CHECKS, {}), recorder.series(ITERATIONS, {})
    rate.total, rate.passes, counter.total = 3, 1, 4.0
    recorder.add(checks, 1.0)
    recorder.add(checks, 0.0)
    recorder.add(iterations, 2.0)
    window = recorder.close_window(START + 1)
    assert window.tallies == {checks: RateTally(2, 5), iterations: CounterTally(6.0)}
    rate.total += 1
    assert window.tallies[checks] == RateTally(2, 5), "the window has its own"


def test_live_tallies_without_samples_leave_no_trace_in_a_window(recorder: Recorder) -> None:
    recorder.rate(CHECKS, {})
    recorder.counter(ITERATIONS, {})
    assert recorder.close_window(START + 1).tallies == {}
    rate = recorder.rate(CHECKS, {})
    rate.total = 4
    assert recorder.close_window(START + 2).tallies == {recorder.series(CHECKS, {}): RateTally(0, 4)}


def test_samples_added_to_a_series_of_exchanges_come_on_top(recorder: Recorder) -> None:
    (exchange,) = declare(recorder, 1)
    recorder.exchange(exchange, 10, 20, START, START, START, START)
    sent = recorder.series(BUILTIN["data_sent"], {"name": "s0"})
    recorder.add(sent, 5.0)
    recorder.counter(BUILTIN["data_sent"], {"name": "s0"}).total += 100.0
    assert recorder.close_window(START + 1).tallies[sent] == CounterTally(115.0)


# -- windows and totals


def test_totals_are_all_windows_after_the_warm_up(recorder: Recorder) -> None:
    recorder.warmup = 2.0
    ids = declare(recorder, 3)
    live, added = recorder.counter(ITERATIONS, {}), recorder.series(TREND, {})
    parts = [Exchanges.random(seed, 500, 3, late=True) for seed in range(5)]
    for second, part in enumerate(parts):
        part.feed(recorder, ids)
        live.total += 10.0
        recorder.add(added, float(second))
        window = recorder.close_window(START + second + 1)
        assert (window.start, window.end, window.warmup) == (second, second + 1, second < 2)
    totals = recorder.totals()
    assert totals[recorder.series(ITERATIONS, {})] == CounterTally(30.0)
    assert totals[added] == TrendTally(Histogram.of([2.0, 3.0, 4.0]))
    for step in range(3):
        durations = [part.trends()["http_req_duration"][part.series == step] for part in parts[2:]]
        duration = totals[recorder.series(BUILTIN["http_req_duration"], {"name": f"s{step}"})]
        assert duration == TrendTally(Histogram.of(np.concatenate(durations)))
        assert totals[recorder.series(REQS, {"name": f"s{step}"})] == CounterTally(sum(map(len, durations)))
    assert [window.warmup for window in recorder.windows] == [True, True, False, False, False]


def test_a_window_that_begins_within_the_warm_up_belongs_to_it_as_a_whole() -> None:
    recorder = Recorder(start=START, warmup=1.0)
    trend = recorder.series(TREND, {})
    warm = []
    for end in (0.5, 1.5, 1.75):
        recorder.add(trend, end)
        warm.append(recorder.close_window(START + end).warmup)
    assert warm == [True, True, False]
    assert recorder.totals() == {trend: TrendTally(Histogram.of([1.75]))}


def test_totals_of_a_run_that_ended_in_its_warm_up_are_empty() -> None:
    recorder = Recorder(start=START, warmup=10.0)
    recorder.add(recorder.series(TREND, {}), 1.0)
    recorder.close_window(START + 5)
    assert recorder.totals() == {}
    assert len(recorder.windows) == 1


def test_totals_do_not_change_with_what_is_done_to_a_window(recorder: Recorder) -> None:
    counter = recorder.series(COUNTER, {})
    recorder.add(counter, 1.0)
    window = recorder.close_window(START + 1)
    window.tallies[counter] = CounterTally(99.0)
    recorder.add(counter, 2.0)
    recorder.close_window(START + 2)
    assert recorder.totals() == {counter: CounterTally(3.0)}


def test_beginning_anew_forgets_what_setup_measured(recorder: Recorder) -> None:
    (exchange,) = declare(recorder, 1)
    trend, live = recorder.series(TREND, {}), recorder.rate(CHECKS, {})
    recorder.exchange(exchange, 1, 2, START, START, START, START)
    recorder.add(trend, 1.0)
    recorder.error("reset", "s0", "gone")
    live.total = 3
    recorder.begin(START + 7)
    assert (live.total, len(recorder.errors)) == (0, 0)
    recorder.add(trend, 4.0)
    window = recorder.close_window(START + 8)
    assert (window.start, window.end) == (0.0, 1.0)
    assert window.tallies == {trend: TrendTally(Histogram.of([4.0]))}


def test_errors_are_dated_by_the_window_they_came_in(recorder: Recorder) -> None:
    recorder.error("reset", "s0", "first")
    recorder.close_window(START + 4)
    recorder.error("reset", "s0", "second")
    (error,) = recorder.errors
    assert (error.count, error.first, error.last, error.sample) == (2, 0.0, 4.0, "first")


# -- series


def test_a_series_is_its_metric_and_its_tags_in_any_order(recorder: Recorder) -> None:
    one = recorder.series(TREND, {"a": "1", "b": "2"})
    assert recorder.series(TREND, {"b": "2", "a": "1"}) == one
    others = [recorder.series(TREND, {"a": "1"}), recorder.series(TREND, {}), recorder.series(RATE, {})]
    assert len({one, *others}) == 4
    assert recorder.describe(one).metric is TREND
    assert dict(recorder.describe(one).tags) == {"a": "1", "b": "2"}
    assert recorder.series_count == len(recorder.described()) == 4


def test_tags_of_a_series_do_not_change_with_the_callers_dict(recorder: Recorder) -> None:
    tags = {"a": "1"}
    series = recorder.series(TREND, tags)
    tags["a"] = "2"
    assert dict(recorder.describe(series).tags) == {"a": "1"}


def test_exchange_series_are_the_same_for_the_same(recorder: Recorder) -> None:
    one = recorder.exchange_series("http", {"name": "a", "status": "200"}, failed=False)
    assert recorder.exchange_series("http", {"status": "200", "name": "a"}, failed=False) == one
    assert recorder.exchange_series("http", {"name": "a", "status": "200"}, failed=True) != one


def test_names_past_the_limit_share_a_series_and_are_reported(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST_NAMES", 3)
    ids = [recorder.exchange_series("http", {"name": f"/users/{n}"}, failed=False) for n in range(3)]
    assert recorder.overflowed_names == 0
    over = [recorder.exchange_series("http", {"name": f"/users/{n}"}, failed=False) for n in range(3, 8)]
    assert len({*ids, *over}) == 4
    assert recorder.overflowed_names == 5
    assert recorder.exchange_series("http", {"name": "/users/1"}, failed=False) == ids[1]
    for exchange in over:
        recorder.exchange(exchange, 1, 2, START, START, START, START)
    window = recorder.close_window(START + 1)
    assert window.tallies[recorder.series(REQS, {"name": OTHER})] == CounterTally(5.0)
    assert recorder.series(TREND, {"name": "/new", "group": "g"}) == recorder.series(
        TREND, {"name": OTHER, "group": "g"}
    )


def test_long_names_are_cut_in_the_middle_and_their_secrets_masked_first(recorder: Recorder) -> None:
    one, two = (recorder.series(TREND, {"name": "/a" * 5000 + end, "group": "::g"}) for end in ("one", "two"))
    assert one != two
    name = recorder.describe(one).tags["name"]
    assert (len(name), name[:4], name[-5:]) == (names.MOST_NAME, "/a/a", "/aone")
    secret = f"http://ann:{'secret' * 100}@shop/{'x' * 300}"
    kept = recorder.describe(recorder.series(TREND, {"name": secret})).tags["name"]
    assert "secret" not in kept and kept.startswith("http://ann:***@shop/x")


def test_series_past_the_limit_share_one_for_each_set_of_tags(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_SERIES", 30)
    known = [recorder.series(TREND, {"user": str(n)}) for n in range(30)]
    over = [recorder.series(TREND, {"user": str(n)}) for n in range(30, 500)]
    assert len({*known, *over}) == 31
    assert recorder.series_count == 31
    assert recorder.overflowed_names == 470
    assert dict(recorder.describe(over[0]).tags) == {"user": OTHER}
    assert [recorder.series(TREND, {"user": str(n)}) for n in range(30)] == known
    for exchange in {recorder.exchange_series("http", {"name": "a", "id": str(n)}, failed=False) for n in range(50)}:
        recorder.exchange(exchange, 1, 2, START, START, START, START)
    window = recorder.close_window(START + 1)
    assert window.tallies[recorder.series(REQS, {"name": OTHER, "id": OTHER})] == CounterTally(1.0)
    assert recorder.series_count < 50
