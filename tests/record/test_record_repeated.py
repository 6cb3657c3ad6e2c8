"""Repeated values as the record keeps them."""

from __future__ import annotations

import pytest

from loadgate.measure.metric import Direction
from loadgate.measure.spread import spread_of
from loadgate.record.repeated import repeated_of
from loadgate.record.result import SeriesName

SERIES = SeriesName("", "parse/1000", "median")


def test_all_values_are_kept_in_order_beside_their_spread() -> None:
    values = [10.4, 10.1, 99.0, 10.2, 10.3, 10.5, 10.0, 10.2]
    found = repeated_of(SERIES, "ns", Direction.LOWER, values, warmups=2, settled=False, advice=["be quiet"])
    assert found.values == tuple(values)
    assert found.spread == spread_of(values)
    assert found.spread.outliers == 1
    assert (found.series, found.unit, found.direction) == (SERIES, "ns", Direction.LOWER)
    assert (found.warmups, found.settled, found.advice) == (2, False, ("be quiet",))


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        repeated_of(SERIES, "ns", Direction.LOWER, [1.0, float("nan")])
