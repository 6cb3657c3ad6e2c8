from __future__ import annotations

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Kind
from loadgate.measure.tally import KIND_OF, CounterTally, GaugeTally, RateTally, Tally, TrendTally, merge_into, put

EACH: list[Tally] = [TrendTally(Histogram.of([1.0])), RateTally(1, 2), CounterTally(3.0), GaugeTally(1.0, 0.0, 2.0, 4)]


def test_every_kind_of_metric_has_its_tally() -> None:
    assert {KIND_OF[type(tally)] for tally in EACH} == set(Kind)


@pytest.mark.parametrize("tally", EACH, ids=lambda tally: type(tally).__name__)
def test_merging_into_nothing_takes_a_copy(tally: Tally) -> None:
    before = tally.copy()
    held: dict[int, Tally] = {}
    merge_into(held, 7, tally)
    assert held[7] == tally
    assert held[7] is not tally
    merge_into(held, 7, tally)
    assert tally == before


def test_putting_into_nothing_keeps_the_tally_itself_and_adds_to_what_is_there() -> None:
    tally, held = CounterTally(1.0), dict[int, Tally]()
    put(held, 3, tally)
    assert held[3] is tally
    put(held, 3, CounterTally(2.0))
    assert held == {3: CounterTally(3.0)}
    put(held, 3, tally)
    assert tally == CounterTally(3.0), "putting what is there does not count it twice"


def test_rates_and_counters_add_up() -> None:
    rate, counter = RateTally(1, 4), CounterTally(0.5)
    rate.merge(RateTally(2, 2))
    counter.merge(CounterTally(-2.0))
    assert (rate, rate.rate, counter) == (RateTally(3, 6), 0.5, CounterTally(-1.5))
    assert math.isnan(RateTally().rate)


def test_trends_merge_their_histograms() -> None:
    trend = TrendTally(Histogram.of([1.0]))
    copy = trend.copy()
    trend.merge(TrendTally(Histogram.of([2.0])))
    assert trend == TrendTally(Histogram.of([1.0, 2.0]))
    assert copy == TrendTally(Histogram.of([1.0]))


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=5))
def test_gauges_merged_in_any_order_keep_what_was_set_last(values: list[float]) -> None:
    gauges = [GaugeTally(value, value, value, order) for order, value in enumerate(values, 1)]
    for order in permutations(gauges):
        whole = order[0].copy()
        for gauge in order[1:]:
            whole.merge(gauge)
        assert whole == GaugeTally(values[-1], min(values), max(values), len(values))


def test_of_gauges_without_an_order_the_one_merged_in_is_the_later() -> None:
    gauge = GaugeTally(1.0, 1.0, 1.0)
    gauge.merge(GaugeTally(5.0, 0.0, 9.0))
    assert gauge == GaugeTally(5.0, 0.0, 9.0)
