"""What one build against itself shows: exact intervals, pooled noise, and which jobs count for what."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loadgate.config.gate import Limit
from loadgate.judge.calibration import JobEvidence, calibrated, exact_interval, figure_noises, smallest_change
from loadgate.measure.metric import Direction
from loadgate.record.calibration import Budget
from loadgate.record.comparison import Change, Comparison, Row, Side
from loadgate.record.result import SeriesName
from tests.support.sample_ab import CPU, P50
from tests.support.sample_calibration import CALIBRATION

OF_STEP = CPU._replace(step="GET /")
BUDGETS = (Budget(1, 8), Budget(10, 26))


def row(series: SeriesName = CPU, word: Change = Change.SAME, **limit: float | bool) -> Row:
    return Row(series, "ms", Direction.LOWER, Limit(**{"change": 0.02, **limit}), word, base=2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hits", "count", "high"), [(0, 20, 0.1684), (0, 100, 0.0362), (1, 100, 0.0545)])
def test_intervals_are_those_of_the_tables(hits: int, count: int, high: float) -> None:
    assert exact_interval(hits, count)[1] == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (1, 20), (7, 20), (20, 20), (3, 500)])
def test_at_either_end_as_many_or_more_and_as_few_or_less_are_one_case_in_forty(hits: int, count: int) -> None:
    def share_of(numbers: range, share: float) -> float:
        return math.fsum(math.comb(count, n) * share**n * (1.0 - share) ** (count - n) for n in numbers)

    low, high = exact_interval(hits, count)
    assert (low == 0.0) is (hits == 0)
    assert (high == 1.0) is (hits == count)
    if hits:
        assert share_of(range(hits, count + 1), low) == pytest.approx(0.025, rel=1e-9)
    if hits < count:
        assert share_of(range(hits + 1), high) == pytest.approx(0.025, rel=1e-9)


def test_noise_is_within_jobs_and_over_all_of_them() -> None:
    jobs = [JobEvidence([row()], {CPU: (level - 0.01, level + 0.01)}) for level in (0.0, 0.5, -0.5)]
    (figure,) = figure_noises(jobs, BUDGETS)
    assert figure.noise == pytest.approx(0.01 * math.sqrt(2.0))
    assert figure.pairs == 6


def test_a_figure_is_counted_in_the_jobs_where_it_looked_worse_and_in_those_that_it_failed() -> None:
    spread = {CPU: (0.01, -0.01), P50: (0.01, -0.01)}
    jobs = [
        JobEvidence([row(word=Change.WORSE), row(P50)], spread, frozenset({CPU})),
        JobEvidence([row(word=Change.UNSURE), row(P50)], spread, frozenset({CPU})),
        JobEvidence([row(), row(P50, Change.WORSE, gating=False)], spread),
    ]
    found = {figure.series: figure for figure in figure_noises(jobs, BUDGETS)}
    assert (found[CPU].worse, found[CPU].alarms) == (2, 1)
    assert (found[P50].worse, found[P50].alarms) == (0, 0)


def test_each_figure_that_gates_makes_all_find_less_and_one_that_never_moves_does_not() -> None:
    def found(*more: JobEvidence) -> float | None:
        rows, spread = [row()], {CPU: (0.01, -0.01, 0.02)}
        for each in more:
            rows += each.rows
            spread |= each.differences  # type: ignore[arg-type]
        return figure_noises([JobEvidence(rows, spread)], BUDGETS)[0].detectable[1]

    alone = found()
    still = found(JobEvidence([row(P50)], {P50: (0.0, 0.0, 0.0)}))
    moving = found(JobEvidence([row(P50)], {P50: (0.01, -0.02, 0.0)}))
    assert alone == still
    assert alone is not None and moving is not None and moving > alone


def test_a_figure_of_one_pair_a_job_has_no_noise_to_tell_of() -> None:
    assert figure_noises([JobEvidence([row()], {CPU: (0.1,)})], BUDGETS) == ()


def test_with_more_figures_than_patterns_of_signs_nothing_is_found() -> None:
    assert smallest_change(0.03, 8, 12, share=False) is not None
    assert smallest_change(0.03, 8, 13, share=False) is None


def test_a_share_is_found_in_points_and_all_else_relative() -> None:
    points = smallest_change(0.5, 16, 4, share=True)
    relative = smallest_change(0.5, 16, 4, share=False)
    assert points is not None and relative is not None
    assert relative == pytest.approx(math.expm1(points))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (row(), True),
        (row(change=0.2), False),
        (row(floor=0.4), False),
        (row(gating=False), False),
        (row(OF_STEP), False),
        (row(SeriesName("", "never_seen", "")), False),
    ],
)
def test_a_limit_is_named_where_it_gates_and_is_smaller_than_what_is_found(changed: Row, named: bool) -> None:
    side = Side("base", ("1",))
    of_step = replace(CALIBRATION.figures[3], series=OF_STEP)
    held = replace(CALIBRATION, figures=(*CALIBRATION.figures, of_step))
    known = calibrated(held, "d1", Comparison(side, side, (changed,)), 12)
    assert bool(known.notes) is named
    assert (known.jobs, known.alarms, known.same_definition) == (20, 0, True)


def test_a_limit_that_no_change_reaches_is_said_to_be_so() -> None:
    side = Side("base", ("1",))
    crowded = replace(CALIBRATION, figures=tuple(replace(CALIBRATION.figures[3], series=CPU) for _ in range(40)))
    (note,) = calibrated(crowded, "d1", Comparison(side, side, (row(),)), 8).notes
    assert note.endswith("smaller than what 8 pairs can find here: no change of any size")
