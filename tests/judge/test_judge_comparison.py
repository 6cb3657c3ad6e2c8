from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from loadgate.config.gate import GateSpec, LimitSpec
from loadgate.judge.comparison import compare
from loadgate.judge.multiple import benjamini_hochberg, holm
from loadgate.judge.noise import Noise, learn
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.comparison import Change, Learned, Row
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word
from tests.support.results import FAILED, P95, RATE, result

GATE = GateSpec()
P99 = SeriesName("", "http_req_duration", "p99")
CHECKS = SeriesName("", "checks", "share")
KNOWN = Noise(0.01, 20.0)


def row(base: Result, head: Result, noise: Noise | None = None) -> Row:
    (only,) = compare(
        [base], [head], gate=GATE, noise={name.series: noise for name in base.figures} if noise else None
    ).rows
    return only


# -- directions: the guide's checker took every metric for lower-is-better


def test_throughput_that_doubled_is_an_improvement_and_a_tenth_of_it_a_regression() -> None:
    assert row(result({RATE: 1250.0}), result({RATE: 2500.0})).word is Change.BETTER
    fallen = row(result({RATE: 1000.0}), result({RATE: 100.0}))
    assert fallen.word is Change.WORSE
    assert fallen.change == pytest.approx(-0.9)
    assert fallen.harm == pytest.approx(0.9)


def test_times_that_doubled_are_worse_and_halved_are_better() -> None:
    assert row(result({P95: 40.0}), result({P95: 80.0})).word is Change.WORSE
    assert row(result({P95: 40.0}), result({P95: 20.0})).word is Change.BETTER


# -- what is missing is a row


def test_a_figure_on_one_side_alone_is_a_row_with_a_word() -> None:
    compared = compare([result({P95: 1.0, RATE: 5.0})], [result({P95: 1.0, FAILED: 0.0})], gate=GATE)
    words = {row.series: row.word for row in compared.rows}
    assert (words[RATE], words[FAILED]) == (Change.MISSING, Change.NEW)


def test_a_figure_that_is_not_a_number_was_not_measured() -> None:
    assert row(result({P95: 1.0}), result({P95: math.nan})).word is Change.MISSING


def test_a_percentile_that_had_too_few_samples_is_unsure_and_not_missing() -> None:
    """A slower service gets fewer requests: that must not make its regression an invalid run."""
    p50, p95 = SeriesName("", "http_req_duration", "p50"), SeriesName("", "http_req_duration", "p95")
    compared = compare([result({p50: 4.0, p95: 5.0})], [result({p50: 12.0})], gate=GATE)
    assert {row.series: row.word for row in compared.rows} == {p50: Change.WORSE, p95: Change.UNSURE}
    compared = compare([result({p50: 12.0})], [result({p50: 4.0, p95: 5.0})], gate=GATE)
    assert {row.series: row.word for row in compared.rows} == {p50: Change.BETTER, p95: Change.UNSURE}


# -- zero


def test_a_baseline_of_zero_is_no_division() -> None:
    found = row(result({P95: 0.0}), result({P95: 5.0}))
    assert (found.word, found.change) == (Change.WORSE, math.inf)
    assert row(result({P95: 0.0}), result({P95: 0.0})).word is Change.SAME
    assert row(result({RATE: 0.0}), result({RATE: 5.0})).word is Change.BETTER


def test_errors_are_counts_and_differences() -> None:
    base, head = Estimate(0.0, 0.0, math.inf, 10_000), Estimate(0.02, 0.0014, math.inf, 10_000)
    found = row(result({FAILED: base}), result({FAILED: head}))
    assert (found.word, found.base_counts, found.head_counts) == (Change.WORSE, (0, 10_000), (200, 10_000))
    assert found.low < 0.02 < found.high
    assert row(result({FAILED: base}), result({FAILED: base})).word is Change.SAME


def test_a_few_errors_more_are_not_beyond_the_limit() -> None:
    base, head = Estimate(0.0, 0.0, math.inf, 10_000), Estimate(0.002, 0.00045, math.inf, 10_000)
    assert row(result({FAILED: base}), result({FAILED: head})).word is Change.SAME


@pytest.mark.parametrize(("before", "after"), [(0.0, 1.0), (-0.1, 0.1), (1.0, 0.0)])
def test_a_figure_around_zero_is_held_against_the_noise_of_its_history(before: float, after: float) -> None:
    noise = learn([np.random.default_rng(4).normal(0.0, 1.0, 20)], share=False)
    found = row(result({P95: before}), result({P95: after}), noise)
    assert found.noise is Learned.HISTORY
    assert found.word is Change.UNSURE
    far = row(result({P95: 0.0}), result({P95: 20.0}), noise)
    assert (far.word, far.low) == (Change.WORSE, math.inf)


def test_figures_below_zero_tell_nothing_without_a_history() -> None:
    assert row(result({P95: -1.0}), result({P95: 3.0})).word is Change.UNSURE


def test_a_share_without_a_count_is_known_to_a_few_points() -> None:
    found = row(result({FAILED: 0.001}), result({FAILED: 0.9}))
    assert found.word is Change.WORSE
    assert found.detectable < 0.1


def test_all_checks_passed_can_still_be_told_from_what_could_be_missed() -> None:
    every = Estimate(1.0, 0.0, math.inf, 1000)
    found = row(result({CHECKS: every}), result({CHECKS: every}))
    assert 0.0 < found.detectable < 0.01


# -- units


def test_times_in_different_units_are_compared_as_times() -> None:
    def figures(value: float, unit: str) -> Result:
        return replace(result({}), figures=(Figure(P95, unit, Direction.LOWER, Estimate(value)),))

    slower = row(figures(1000.0, "us"), figures(2.0, "ms"))
    assert slower.word is Change.WORSE
    assert slower.base == pytest.approx(1.0)
    assert slower.head == pytest.approx(2.0)
    assert row(figures(1.0, "ms"), figures(1000.0, "us")).change == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("unit", "direction"), [("MB", Direction.LOWER), ("ms", Direction.HIGHER)])
def test_figures_that_mean_something_else_are_not_compared(unit: str, direction: Direction) -> None:
    other = replace(result({}, id="b"), figures=(Figure(P95, unit, direction, Estimate(5.0)),))
    compared = compare([result({P95: 5.0})], [other], gate=GATE)
    assert any("told in different ways" in mismatch for mismatch in compared.mismatches)


@pytest.mark.parametrize("side", ["base", "head"])
def test_an_invalid_run_is_compared_with_nothing(side: str) -> None:
    invalid = replace(result({P95: 5.0}), word=Word.INVALID)
    sides = ([invalid], [result({P95: 5.0})])
    compared = compare(*(sides if side == "base" else sides[::-1]), gate=GATE)
    assert compared.mismatches == (f"the {side} is an invalid run, which measured nothing",)


# -- what gates


@pytest.mark.parametrize(
    ("series", "unit", "gates"),
    [
        (SeriesName("", "grpc_req_failed", "share"), "share", True),
        (SeriesName("", "error_rate", ""), "share", True),
        (SeriesName("", "checks", "share"), "share", True),
        (SeriesName("", "cache_hits", "share"), "share", False),
        (SeriesName("", "grpc_req_duration", "p95"), "ms", True),
        (SeriesName("", "http_req_waiting", "p95"), "ms", False),
    ],
)
def test_errors_of_every_protocol_may_fail_a_build(series: SeriesName, unit: str, gates: bool) -> None:
    assert GATE.limit(*series, unit, str(series)).gating is gates


# -- the three conditions


def test_a_change_below_the_absolute_floor_is_none() -> None:
    found = row(result({P95: 0.20}), result({P95: 0.29}), KNOWN)
    assert found.low > 0.10
    assert found.word is Change.SAME


def test_a_change_below_the_relative_limit_is_none() -> None:
    assert row(result({P95: 100.0}), result({P95: 106.0}), KNOWN).word is Change.SAME


def test_a_change_that_could_be_chance_is_unsure() -> None:
    found = row(result({P95: 100.0}), result({P95: 115.0}), Noise(0.10, 20.0))
    assert found.low < 0.0 < found.high
    assert found.word is Change.UNSURE


def test_limits_can_be_given_by_pattern_and_the_last_one_counts() -> None:
    limits = (LimitSpec("http_req_duration*", 0.5), LimitSpec("*p95", 0.01, gating=False))
    (found,) = compare(
        [result({P95: 100.0})], [result({P95: 105.0})], gate=GateSpec(limits=limits), noise={P95: Noise(0.005, 30.0)}
    ).rows
    assert (found.word, found.limit.gating) == (Change.WORSE, False)


def test_many_figures_raise_the_bar_for_each() -> None:
    """A change with p = 0.02 is worse where it is the only figure, and chance where it is one of twenty."""
    alone, many = (
        {P95: 100.0},
        {P95: 100.0} | {SeriesName(f"s{at}", "http_req_duration", "p95"): 50.0 for at in range(19)},
    )
    noise = {series: Noise(0.05, 1e9) for series in many}
    words = []
    for figures in (alone, many):
        head = figures | {P95: 100.0 * math.exp(2.326 * 0.05 * math.sqrt(2.0))}
        rows = compare([result(figures)], [result(head)], gate=GATE, noise=noise).rows
        words.append(next(row.word for row in rows if row.series == P95))
    assert words == [Change.WORSE, Change.UNSURE]


def test_what_is_counted_and_equal_is_the_same_without_any_history() -> None:
    size = Figure(SeriesName("", "heap", ""), "bytes", Direction.LOWER, Estimate(8056.0))
    base, head = (replace(result({}), figures=(size,)) for _ in range(2))
    assert row(base, head).word is Change.SAME
    assert row(result({P95: 5.0}), result({P95: 5.0})).word is Change.UNSURE


# -- noise between runs


def test_a_single_pair_without_history_says_that_its_noise_is_assumed() -> None:
    quiet = Estimate(100.0, 0.001, 15.0, 10_000)
    found = row(result({P95: quiet}), result({P95: quiet}))
    assert found.noise is Learned.ASSUMED
    assert found.high == pytest.approx(math.expm1(1.96 * 0.03 * math.sqrt(2.0)), rel=0.02)


def test_noise_from_history_widens_the_interval() -> None:
    quiet = Estimate(100.0, 0.001, 15.0, 10_000)
    narrow = row(result({P95: quiet}), result({P95: quiet}), Noise(0.02, 20.0))
    wide = row(result({P95: quiet}), result({P95: quiet}), Noise(0.10, 20.0))
    assert narrow.noise is wide.noise is Learned.HISTORY
    assert wide.high > 4 * narrow.high
    assert wide.noise_runs == 21


def test_a_run_that_was_disturbed_within_is_known_less_than_history_says() -> None:
    shaken = Estimate(100.0, 0.2, 15.0, 10_000)
    assert row(result({P95: shaken}), result({P95: shaken}), Noise(0.01, 20.0)).high > 0.5


def test_repeated_runs_tell_their_noise_themselves() -> None:
    random = np.random.default_rng(1)
    base, head = ([result({P95: 100.0 * math.exp(random.normal(0, 0.02))}) for _ in range(6)] for _ in range(2))
    (found,) = compare(base, head, gate=GATE).rows
    assert found.noise is Learned.REPEATS
    assert found.low < 0.0 < found.high < 0.06


def test_noise_is_learned_from_stretches_and_not_from_the_step_between_them() -> None:
    random = np.random.default_rng(2)
    first, second = 100.0 * np.exp(random.normal(0, 0.03, 200)), 200.0 * np.exp(random.normal(0, 0.03, 200))
    found = learn([first, second], share=False)
    assert found is not None
    assert found.spread == pytest.approx(0.03, rel=0.1)
    assert found.freedom == 398.0
    assert learn([[1.0, 1.1], [2.0]], share=False) is None


def test_the_smallest_change_that_could_be_found_is_found_four_times_of_five() -> None:
    random = np.random.default_rng(3)
    noise = Noise(0.05, 1e9)
    detectable = row(result({P95: 100.0}), result({P95: 100.0}), noise).detectable
    found = 0
    for _ in range(2000):
        base, head = (level * math.exp(random.normal(0, 0.05)) for level in (100.0, 100.0 * (1 + detectable)))
        found += row(result({P95: base}), result({P95: head}), noise).low > 0.0
    assert found / 2000 == pytest.approx(0.8, abs=0.03)


# -- what may be compared


def test_another_machine_or_definition_is_a_mismatch_and_an_unknown_one_is_not() -> None:
    base = result({P95: 1.0}, machine="4 cpus", definition="aa")
    other = compare([base], [result({P95: 1.0}, machine="8 cpus", definition="bb")], gate=GATE)
    assert len(other.mismatches) == 2
    assert "4 cpus" in other.mismatches[0] and "8 cpus" in other.mismatches[0]
    assert compare([base], [result({P95: 1.0})], gate=GATE).mismatches == ()


# -- many at once


def test_holm_and_benjamini_hochberg_are_those_of_their_papers() -> None:
    ps = [0.01, 0.04, 0.03, 0.005]
    assert holm(ps) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(ps) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []
