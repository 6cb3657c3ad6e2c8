from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.measure import windows
from loadgate.measure.histogram import Histogram
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import FEWEST_WINDOWS, MOST_WINDOWS, Window, WindowLog, merged


def seconds(count: int, warmup: int = 0) -> Iterator[Window]:
    """`count` windows of a second, each with its own number as a trend's value and one request."""
    for second in range(count):
        tallies: dict[int, Tally] = {0: TrendTally(Histogram.of([float(second + 1)])), 1: CounterTally(1.0)}
        yield Window(float(second), second + 1.0, second < warmup, tallies)


def filled(count: int, warmup: int = 0) -> WindowLog:
    log = WindowLog()
    for window in seconds(count, warmup):
        log.append(window)
    return log


@pytest.fixture
def joins(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """Every window that came of a join."""
    made: list[Window] = []
    joined = Window.joined

    def noted(self: Window, later: Window) -> Window:
        made.append(joined(self, later))
        return made[-1]

    monkeypatch.setattr(Window, "joined", noted)
    return made


def test_a_log_with_room_keeps_the_windows_as_they_are() -> None:
    given = list(seconds(MOST_WINDOWS, warmup=3))
    log = WindowLog()
    for window in given:
        log.append(window)
    assert all(kept is window for kept, window in zip(log, given, strict=True))
    assert (log[0], log[-1], len(log), log.doubling) == (given[0], given[-1], MOST_WINDOWS, 1)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1500), st.integers(0, 300))
def test_nothing_is_lost_however_often_windows_are_joined(count: int, warmup: int) -> None:
    log = filled(count, warmup)
    assert len(log) <= MOST_WINDOWS
    assert all(earlier.end == later.start for earlier, later in pairwise(log))
    for counts in (True, False):
        own = [window for window in log if window.warmup is counts]
        numbers = [second + 1 for second in range(count) if (second < warmup) is counts]
        assert sum(window.width for window in own) == len(numbers)
        total = merged({n: window.tallies[0] for n, window in enumerate(own)}, list(range(len(own))))
        assert (total is None) is (not numbers)
        if isinstance(total, TrendTally):
            assert total.histogram == Histogram.of([float(number) for number in numbers])
    for window in log:
        assert window.warmup is (window.start < warmup)
        assert window.tallies[1] == CounterTally(window.width)


@settings(max_examples=30, deadline=None)
@given(st.integers(MOST_WINDOWS, 3000), st.integers(0, 100))
@pytest.mark.slow
def test_windows_have_two_widths_but_for_a_few(count: int, warmup: int) -> None:
    log = filled(count, warmup)
    odd = [window for window in list(log)[:-1] if window.width not in (log.doubling, log.doubling / 2)]
    assert len(odd) <= log.doubling.bit_length()
    assert all(window.width <= log.doubling for window in log)


def test_the_oldest_windows_are_joined_first() -> None:
    widths = [window.width for window in filled(MOST_WINDOWS + 30)]
    older = widths.index(1.0)
    assert widths[:older] == [2.0] * older
    assert Counter(widths) == {2.0: 30, 1.0: 90}
    assert widths[-15:] == [2.0] * 15, "new ones have the width that the old ones are getting"


def test_an_hour_is_covered_evenly() -> None:
    log = filled(3600)
    assert len(log) in (MOST_WINDOWS - 1, MOST_WINDOWS)
    assert set(Counter(window.width for window in log)) <= {16.0, 32.0}


def test_no_append_costs_more_than_one_join(joins: list[Window]) -> None:
    log = WindowLog()
    for window in seconds(2000, warmup=33):
        before = len(joins)
        log.append(window)
        assert len(joins) - before <= 1


def test_the_newest_window_grows_to_the_present_width_without_touching_what_was_appended() -> None:
    log = filled(10 * MOST_WINDOWS)
    given = [Window(at, at + 1.0, False, {1: CounterTally(1.0)}) for at in (1200.0, 1201.0, 1202.0)]
    for window in given:
        log.append(window)
    assert (log[-1].end, log[-1].width) == (1203.0, 3.0)
    assert given == [Window(at, at + 1.0, False, {1: CounterTally(1.0)}) for at in (1200.0, 1201.0, 1202.0)]


def test_windows_of_changing_kind_that_cannot_be_joined_stay() -> None:
    log = WindowLog()
    for second in range(MOST_WINDOWS + 5):
        log.append(Window(float(second), second + 1.0, second % 2 == 0))
    assert len(log) == MOST_WINDOWS + 5


def test_a_run_that_takes_too_much_memory_gets_fewer_windows(
    monkeypatch: pytest.MonkeyPatch, joins: list[Window]
) -> None:
    monkeypatch.setattr(windows, "MOST_BYTES", 200_000)
    log = WindowLog()
    for second in range(1000):
        series = 1 if second < 100 else 10
        before = len(joins)
        log.append(Window(float(second), second + 1.0, False, {n: CounterTally(1.0) for n in range(series)}))
        assert len(joins) - before <= 3
    assert 45 <= len(log) <= 60
    assert log._sizes == [window.nbytes for window in log]
    assert sum(window.nbytes for window in log) <= 200_000
    for second in range(1000, 1300):
        log.append(Window(float(second), second + 1.0, False, {n: CounterTally(1.0) for n in range(1000)}))
    assert len(log) == FEWEST_WINDOWS
    assert sum(window.width for window in log) == 1300.0


def test_a_full_log_that_takes_too_much_memory_gets_rid_of_it_two_joins_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = filled(MOST_WINDOWS)
    monkeypatch.setattr(windows, "MOST_BYTES", 1)
    for window in list(seconds(2 * MOST_WINDOWS))[MOST_WINDOWS : MOST_WINDOWS + 70]:
        log.append(window)
    assert len(log) == FEWEST_WINDOWS


def test_the_size_of_a_window_is_that_of_its_counts_and_of_each_tally() -> None:
    histogram = Histogram.of([1.0, 1.5, 3.0])
    histogram.shrink()
    window = Window(0.0, 1.0, False, {0: CounterTally(1.0), 1: TrendTally(histogram)})
    assert window.nbytes == 2 * 400 + histogram.nbytes


def test_a_joined_window_holds_both_and_leaves_them_as_they_were() -> None:
    first = Window(0.0, 1.0, False, {0: CounterTally(1.0), 1: RateTally(1, 2)})
    second = Window(1.0, 3.0, False, {0: CounterTally(2.0), 2: TrendTally(Histogram.of([5.0]))})
    both = first.joined(second)
    assert (both.start, both.end, both.width, both.warmup) == (0.0, 3.0, 3.0, False)
    assert both.tallies == {0: CounterTally(3.0), 1: RateTally(1, 2), 2: TrendTally(Histogram.of([5.0]))}
    assert first.tallies == {0: CounterTally(1.0), 1: RateTally(1, 2)}
    assert second.tallies == {0: CounterTally(2.0), 2: TrendTally(Histogram.of([5.0]))}


def test_merged_is_none_where_no_series_has_samples() -> None:
    tallies: dict[int, Tally] = {0: CounterTally(1.0), 4: CounterTally(2.0)}
    assert merged(tallies, [1, 2]) is None
    assert merged(tallies, [0, 1, 4]) == CounterTally(3.0)
    assert tallies[0] == CounterTally(1.0)
