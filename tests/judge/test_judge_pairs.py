"""Pairs of starts become rows: which differences count, on which scale, and what gates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from loadgate.config.gate import GateSpec, LimitSpec
from loadgate.judge.pairs import Pair, compare_pairs, confirmed
from loadgate.record.comparison import Change, Comparison, Learned, Row
from loadgate.record.result import SeriesName
from loadgate.record.starts import STARTUP
from tests.support.results import FAILED, RATE, result

P50 = SeriesName("", "http_req_duration", "p50")
CPU = SeriesName("", "target_cpu_per_request", "")
CHECKS = SeriesName("", "checks", "share")
NOISE = (0.004, -0.006, 0.002, -0.001, 0.005, -0.003, 0.001, -0.004, 0.003, -0.002)


def pairs(
    base: Mapping[SeriesName, float], head: Mapping[SeriesName, float], noise: Sequence[float] = NOISE
) -> list[Pair]:
    return [
        (result(base), result({series: value * math.exp(each) for series, value in head.items()})) for each in noise
    ]


def rows(comparison: Comparison) -> dict[SeriesName, Row]:
    return {row.series: row for row in comparison.rows}


def test_a_slower_head_is_worse_by_so_much() -> None:
    row = rows(compare_pairs(pairs({P50: 2.0, CPU: 100.0}, {P50: 2.3, CPU: 100.0}), gate=GateSpec()))
    assert row[P50].word is Change.WORSE
    assert row[P50].change == pytest.approx(0.15, abs=0.005)
    assert row[P50].low < 0.15 < row[P50].high
    assert row[P50].base == 2.0
    assert row[P50].head == pytest.approx(2.3, rel=0.01)
    assert (row[P50].noise, row[P50].noise_runs) == (Learned.PAIRS, 10)
    assert row[CPU].word is Change.SAME


def test_fewer_requests_a_second_are_worse_but_are_the_plan_s_doing() -> None:
    row = rows(compare_pairs(pairs({RATE: 100.0}, {RATE: 80.0}), gate=GateSpec()))[RATE]
    assert row.word is Change.WORSE
    assert row.change == pytest.approx(-0.2, abs=0.005)
    assert row.low < row.change < row.high
    assert not row.limit.gating


@pytest.mark.parametrize(
    ("series", "gates"),
    [(STARTUP, False), (RATE, False), (P50, True), (SeriesName("", "target_startup_memory", ""), True)],
)
def test_what_gates_unless_the_user_says_otherwise(series: SeriesName, gates: bool) -> None:
    found = pairs({series: 100.0}, {series: 100.0})
    assert rows(compare_pairs(found, gate=GateSpec()))[series].limit.gating is gates
    for said in (True, False):
        gate = GateSpec(limits=(LimitSpec(series.metric, gating=said), LimitSpec("other", gating=not said)))
        assert rows(compare_pairs(found, gate=gate))[series].limit.gating is said


def test_shares_differ_by_points_and_zero_is_a_share_like_any_other() -> None:
    found = [(result({FAILED: 0.0, CHECKS: 1.0}), result({FAILED: 0.02 + each, CHECKS: 0.9})) for each in NOISE]
    row = rows(compare_pairs(found, gate=GateSpec()))
    assert row[FAILED].change == pytest.approx(0.02, abs=0.001)
    assert (row[FAILED].word, row[CHECKS].word) == (Change.WORSE, Change.WORSE)
    assert row[CHECKS].change == pytest.approx(-0.1)


def test_a_pair_without_a_figure_on_one_side_is_none_for_it() -> None:
    found = pairs({P50: 2.0, CPU: 100.0}, {P50: 2.0, CPU: 100.0})
    found[3] = (result({P50: 2.0}), found[3][1])
    found[4] = (result({P50: 2.0, CPU: 0.0}), found[4][1])
    row = rows(compare_pairs(found, gate=GateSpec()))
    assert (row[P50].noise_runs, row[CPU].noise_runs) == (10, 8)


@pytest.mark.parametrize(("side", "word"), [(0, Change.MISSING), (1, Change.NEW)])
def test_a_figure_of_one_side_alone_is_named(side: int, word: Change) -> None:
    sides: list[dict[SeriesName, float]] = [{P50: 2.0}, {P50: 2.0}]
    sides[side][CPU] = 100.0
    assert rows(compare_pairs(pairs(sides[0], sides[1]), gate=GateSpec()))[CPU].word is word


def test_over_all_steps_a_percentile_is_the_geometric_mean_of_theirs() -> None:
    """One endpoint of two is 21 % slower: both together are 10 %, however rare that one is."""
    one, two = P50._replace(step="a"), P50._replace(step="b")
    base, head = {P50: 2.0, one: 1.0, two: 4.0}, {P50: 2.0, one: 1.21, two: 4.0}
    row = rows(compare_pairs(pairs(base, head), gate=GateSpec()))
    assert row[P50].change == pytest.approx(0.1, abs=0.005)
    assert row[P50].base == pytest.approx(2.0)
    assert row[P50].head == pytest.approx(2.2, rel=0.01)
    assert row[one].limit.gating
    assert row[two].limit.gating


def test_the_only_step_does_not_gate_beside_all_of_them() -> None:
    one = P50._replace(step="a")
    row = rows(compare_pairs(pairs({P50: 2.0, one: 2.0}, {P50: 2.0, one: 2.0}), gate=GateSpec()))
    assert (row[P50].limit.gating, row[one].limit.gating) == (True, False)


def test_a_floor_is_a_margin_where_it_is_more_and_the_user_says_so() -> None:
    """20 % of 0.2 ms is 0.04 ms."""
    found = pairs({P50: 0.2}, {P50: 0.24})
    assert rows(compare_pairs(found, gate=GateSpec()))[P50].word is Change.WORSE
    gate = GateSpec(limits=(LimitSpec(P50.metric, floor=0.1),))
    assert rows(compare_pairs(found, gate=gate))[P50].word is Change.SAME


def test_without_a_look_nothing_is_decided() -> None:
    row = rows(compare_pairs(pairs({P50: 2.0}, {P50: 3.0}), gate=GateSpec(), alpha=0.0))[P50]
    assert row.word is Change.UNSURE
    assert row.detectable > 0.0


def test_pairs_in_which_a_figure_is_not_on_both_sides_confirm_nothing() -> None:
    fresh = pairs({P50: 2.0}, {P50: 2.3}, NOISE[:6])
    fresh[2] = (result({}), fresh[2][1])
    assert not confirmed(P50, fresh), "five pairs are too few"


def test_an_end_before_the_first_fresh_pair_confirms_nothing() -> None:
    assert not confirmed(P50, [])


def test_fresh_pairs_confirm_one_figure() -> None:
    fresh = pairs({P50: 2.0, CPU: 100.0}, {P50: 2.3, CPU: 100.0}, NOISE[:6])
    assert confirmed(P50, fresh)
    assert not confirmed(CPU, fresh)
    assert not confirmed(FAILED, fresh), "what was not measured again is not confirmed"
