from __future__ import annotations

import math

import pytest

from loadgate.record.verdict import ThresholdResult
from loadgate.report.limits import limit_rows, limit_used


def result(operator: str, bound: float, observed: float, *, unit: str = "ms", passed: bool = True) -> ThresholdResult:
    return ThresholdResult("metric", f"avg{operator}{bound:g}", "avg", operator, bound, unit, observed, passed)


@pytest.mark.parametrize(
    ("limit", "used"),
    [
        (result("<", 500.0, 125.0), 0.25),
        (result("<=", 500.0, 750.0, passed=False), 1.5),
        (result("<", math.inf, 750.0), 0.0),
        (result(">", 100.0, 200.0, unit="count"), 0.5),
        (result(">=", 100.0, 50.0, unit="count", passed=False), 2.0),
        (result(">", 100.0, 0.0, unit="count", passed=False), math.inf),
        (result(">", 0.95, 0.99, unit="share"), 0.2),
        (result(">", 0.95, 1.0, unit="share"), 0.0),
        (result(">", 0.95, 0.9, unit="share", passed=False), 2.0),
        (result("<", 0.01, 0.005, unit="share"), 0.5),
    ],
)
def test_how_much_of_a_limit_was_used_grows_towards_the_limit(limit: ThresholdResult, used: float) -> None:
    assert limit_used(limit) == pytest.approx(used)
    assert (used <= 1.0) == limit.passed


@pytest.mark.parametrize(
    "limit",
    [
        result("==", 5.0, 5.0),
        result("!=", 5.0, 4.0),
        result("<", 0.0, 1.0, passed=False),
        result(">", 0.0, 1.0),
        result(">=", 1.0, 1.0, unit="share"),
        result("<", 5.0, math.nan, passed=False),
    ],
)
def test_some_limits_cannot_be_used_in_part(limit: ThresholdResult) -> None:
    assert limit_used(limit) is None


def test_broken_limits_come_first_then_the_most_used() -> None:
    rows = limit_rows(
        [
            result("<", 100.0, 10.0),
            result("<", 100.0, 90.0),
            result("<", 100.0, math.nan, passed=False),
            result("<", 100.0, 300.0, passed=False),
            result("==", 1.0, 1.0),
        ]
    )
    assert [row.observed for row in rows if row.measured] == [300.0, 90.0, 10.0, 1.0]
    assert [row.passed for row in rows] == [False, False, True, True, True]
    assert not rows[1].measured


def test_a_limit_over_a_window_says_so() -> None:
    limit = ThresholdResult("m", "p(95)<5", "p(95)", "<", 5.0, "ms", 4.0, True, over=90.0)
    assert limit_rows([limit])[0].expression == "p(95)<5 over 1m30s"
