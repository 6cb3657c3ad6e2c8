from __future__ import annotations

import math

import pytest

from loadgate.report.figures import figure, length, time_scale


@pytest.mark.parametrize(
    ("value", "unit", "statistic", "text"),
    [
        (31.42, "ms", "p(95)", "31.4 ms"),
        (0.001, "share", "rate", "0.10 %"),
        (1250.0, "count", "rate", "1,250/s"),
        (1250.0, "count", "count", "1,250"),
        (2_500_000.0, "bytes", "count", "2.50 MB"),
        (2_500_000.0, "bytes", "rate", "2.50 MB/s"),
        (math.nan, "bytes", "rate", "n/a"),
        (4.5, "", "avg", "4.50"),
        (math.nan, "ms", "max", "n/a"),
    ],
)
def test_a_figure_takes_the_format_of_its_unit(value: float, unit: str, statistic: str, text: str) -> None:
    assert figure(value, unit, statistic) == text


@pytest.mark.parametrize(("seconds", "text"), [(240.004, "4m"), (12.345, "12.3s"), (59.97, "1m"), (0.0, "0s")])
def test_measured_lengths_are_not_told_to_the_nanosecond(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("times", "unit", "shown"),
    [
        ([0.04, 0.4], "us", "400"),
        ([0.04, 4.0], "ms", "0.40"),
        ([20_000.0, 90_000.0], "s", "0.0004"),
        ([math.nan], "ms", "0.40"),
        ([], "ms", "0.40"),
    ],
)
def test_one_unit_is_chosen_for_a_table_of_times(times: list[float], unit: str, shown: str) -> None:
    scale = time_scale(times)
    assert scale.unit == unit
    assert scale.text(0.4) == shown
