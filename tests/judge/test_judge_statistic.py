from __future__ import annotations

import math

import pytest

from loadgate.config.threshold_grammar import parse_threshold
from loadgate.judge.statistic import statistic, worse
from loadgate.measure.histogram import Histogram
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally

TREND = TrendTally(Histogram.of([*(float(value) for value in range(1, 100)), 1050.0]))
RATE = RateTally(passes=3, total=4)
COUNTER = CounterTally(120.0)
GAUGE = GaugeTally(last=5.0, minimum=1.0, maximum=9.0)


@pytest.mark.parametrize(
    ("expression", "tally", "wanted"),
    [
        ("avg<1", TREND, 60.0),
        ("min<1", TREND, 1.0),
        ("max<1", TREND, 1050.0),
        ("med<1", TREND, 50.5),
        ("p(50)<1", TREND, 50.5),
        ("p(95)<1", TREND, 95.05),
        ("p(99.9)<1", TREND, 955.86),
        ("p(0)<1", TREND, 1.0),
        ("p(100)<1", TREND, 1050.0),
        ("rate<1", RATE, 0.75),
        ("count<1", COUNTER, 120.0),
        ("rate<1", COUNTER, 12.0),
        ("value<1", GAUGE, 5.0),
    ],
)
def test_each_statistic_of_each_kind_is_k6s(expression: str, tally: Tally, wanted: float) -> None:
    assert statistic(parse_threshold("m", expression), tally, 10.0) == pytest.approx(wanted, rel=0.012)


@pytest.mark.parametrize("expression", ["avg<1", "min<1", "max<1", "med<1", "p(95)<1"])
def test_a_trend_that_holds_nothing_is_no_data(expression: str) -> None:
    assert math.isnan(statistic(parse_threshold("m", expression), TrendTally(), 10.0))


@pytest.mark.parametrize("expression", ["avg<1", "rate<1", "count<1", "value<1"])
def test_nothing_at_all_is_no_data(expression: str) -> None:
    assert math.isnan(statistic(parse_threshold("m", expression), None, 10.0))


def test_a_rate_without_samples_and_a_counter_without_time_are_no_data() -> None:
    assert math.isnan(statistic(parse_threshold("m", "rate<1"), RateTally(), 10.0))
    assert math.isnan(statistic(parse_threshold("m", "rate<1"), COUNTER, 0.0))


@pytest.mark.parametrize(
    ("expression", "tally"),
    [("rate<1", TREND), ("avg<1", RATE), ("value<1", COUNTER), ("count<1", GAUGE), ("p(95)<1", COUNTER)],
)
def test_a_statistic_the_kind_has_not_is_an_error(expression: str, tally: Tally) -> None:
    with pytest.raises(TypeError, match="has no"):
        statistic(parse_threshold("m", expression), tally, 10.0)


@pytest.mark.parametrize(
    ("expression", "one", "other", "wanted"),
    [
        ("avg<5", 3.0, 4.0, 4.0),
        ("avg<=5", 7.0, 4.0, 7.0),
        ("avg>5", 3.0, 4.0, 3.0),
        ("avg>=5", 9.0, 7.0, 7.0),
        ("avg==5", 4.0, 8.0, 8.0),
        ("avg!=5", 4.0, 8.0, 4.0),
        ("avg<5", math.nan, 4.0, 4.0),
        ("avg>5", 4.0, math.nan, 4.0),
    ],
)
def test_the_worse_of_two_values_depends_on_the_operator(
    expression: str, one: float, other: float, wanted: float
) -> None:
    threshold = parse_threshold("m", expression)
    assert worse(threshold, one, other) == wanted
    assert worse(threshold, other, one) == wanted


def test_no_data_twice_stays_no_data() -> None:
    assert math.isnan(worse(parse_threshold("m", "avg<5"), math.nan, math.nan))
