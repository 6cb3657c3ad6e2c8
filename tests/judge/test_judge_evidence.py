"""The two rules for few samples, against exact sums and against services whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadgate.config.budgets import Budget, Budgets
from loadgate.judge.budgets import judge_budgets
from loadgate.judge.evidence import DOUBT, beyond_doubt, chance, needed
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN
from loadgate.measure.tally import RateTally, TrendTally
from loadgate.record.run import Run, Series
from loadgate.record.verdict import Word
from tests.record.samples import run_of
from tests.support.made_up import MadeUp

LIMIT = 100.0


def exactly(beyond: int, count: int, share: float) -> float:
    return math.fsum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(beyond, count + 1))


@pytest.mark.parametrize(("percentile", "count"), [(50.0, 5), (90.0, 29), (95.0, 59), (99.0, 299), (99.9, 2995)])
def test_so_many_samples_does_a_percentile_take(percentile: float, count: int) -> None:
    share = 1.0 - percentile / 100.0
    assert needed(share) == count
    assert (1.0 - share) ** count <= DOUBT < (1.0 - share) ** (count - 1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_nothing_or_everything_may_lie_beyond_one_sample_tells(share: float) -> None:
    assert needed(share) == 1


@pytest.mark.parametrize("count", [1, 2, 7, 58, 298])
@pytest.mark.parametrize("share", [0.5, 0.05, 0.01, 0.001])
def test_the_chance_is_the_binomial_tail(count: int, share: float) -> None:
    for beyond in range(count + 2):
        assert chance(beyond, count, share) == pytest.approx(exactly(beyond, count, share), rel=1e-9, abs=1e-15)


def test_the_chance_of_great_numbers_is_found_at_once() -> None:
    assert chance(3, 2_000_000, 1e-6) == pytest.approx(1 - math.exp(-2) * 5, rel=1e-4)  # Poisson with mean 2
    assert chance(1_000_000, 2_000_000, 1e-6) == 0.0
    assert chance(2_000_000, 2_000_000, 1e-6) == 0.0


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_ends_are_right(share: float) -> None:
    assert chance(0, 5, share) == 1.0
    assert chance(6, 5, share) == 0.0
    assert chance(5, 5, share) == pytest.approx(share**5)


def test_one_of_one_is_one_in_twenty_however_that_is_rounded() -> None:
    assert beyond_doubt(1, 1, 0.05) and beyond_doubt(1, 1, 1.0 - 0.95)
    assert not beyond_doubt(1, 2, 0.05)


# -- services whose truth is known


def run_with(*series: Series) -> Run:
    return run_of(MadeUp().recorder, series=series)


def word_of_times(times: np.ndarray[tuple[int], np.dtype[np.float64]], percentile: float) -> Word:
    budget = Budget("http", "", f"p{percentile:g}_latency_ms", LIMIT, "ms", percentile=percentile)
    series = Series(BUILTIN["http_req_duration"], {}, TrendTally(Histogram.of(times)))
    (result,) = judge_budgets(Budgets((budget,)), run_with(series))
    return result.word


def times_with(beyond: float, count: int, random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """`count` times in ms of a service of which a share `beyond` of all lies beyond the limit."""
    return np.exp(0.5 * (random.standard_normal(count) - normal_quantile(1.0 - beyond))) * LIMIT


def normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


def rate_of(word: Word, percentile: float, beyond: float, count: int, rounds: int = 1000) -> float:
    random = np.random.default_rng(20)
    words = [word_of_times(times_with(beyond, count, random), percentile) for _ in range(rounds)]
    return words.count(word) / rounds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("percentile", "count"), [(95.0, 1), (95.0, 7), (95.0, 20), (95.0, 58), (99.0, 2), (99.0, 40), (99.0, 298)]
)
def test_with_few_samples_a_service_at_its_limit_seldom_fails_and_never_passes(percentile: float, count: int) -> None:
    share = 1.0 - percentile / 100.0
    failed = rate_of(Word.FAIL, percentile, share, count)
    print(f"p{percentile:g}, {count} samples, at the limit: {failed:.1%} fail")
    assert failed <= DOUBT + 3.0 * math.sqrt(DOUBT * (1.0 - DOUBT) / 1000)
    assert rate_of(Word.PASS, percentile, share / 10.0, count, rounds=100) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("percentile", "count"), [(95.0, 59), (99.0, 299)])
def test_with_just_enough_samples_a_service_beyond_its_limit_seldom_passes(percentile: float, count: int) -> None:
    share = 1.0 - percentile / 100.0
    passed = [rate_of(Word.PASS, percentile, times * share, count) for times in (1.0, 2.0, 3.0, 4.0)]
    print(f"p{percentile:g}, {count} samples, 1, 2, 3, 4 times as many beyond: {passed} pass")
    assert passed[0] < 0.65  # at the limit itself it is a toss
    assert passed[1] < 0.20
    assert passed[2] < 0.04
    assert passed[3] < 0.01


@pytest.mark.slow
def test_a_service_that_fails_too_often_is_found_with_few_requests() -> None:
    random = np.random.default_rng(4)
    budget = Budget("http", "", "max_error_rate", 0.01, "share")

    def words(truth: float, count: int) -> list[Word]:
        found = []
        for failed in random.binomial(count, truth, 1000).tolist():
            series = Series(BUILTIN["http_req_failed"], {}, RateTally(failed, count))
            found += [result.word for result in judge_budgets(Budgets((budget,)), run_with(series))]
        return found

    for count in (1, 30, 298):
        assert words(0.01, count).count(Word.FAIL) / 1000 <= DOUBT + 0.021
        assert Word.PASS not in words(0.01, count)
    assert words(0.5, 20).count(Word.FAIL) / 1000 > 0.99
    assert words(0.001, 299).count(Word.PASS) / 1000 > 0.95
