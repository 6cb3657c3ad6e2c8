"""Reading and printing of durations, rates, sizes and shares."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.units import (
    UnitError,
    format_bytes,
    format_clock,
    format_count,
    format_duration,
    format_ms,
    format_number,
    format_rate,
    format_share,
    parse_duration,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        (" 30s ", 30.0),
        ("0.1s0.2s", 0.3),  # exact decimal addition: binary floats would give 0.30000000000000004
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("30", "`30` is a duration without a unit\n  = give a unit, for example 30s or 30ms"),
        ("-5s", "`-5s` is a negative duration\n  = a duration must be 0 or more"),
        ("soon", "`soon` is not a duration\n  = give a number and a unit, for example 30s, 500ms or 1m30s"),
        ("", "`` is not a duration\n  = give a number and a unit, for example 30s, 500ms or 1m30s"),
    ],
)
def test_a_wrong_duration_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text", ["nan", "inf", "infs", "1e3s", "1 s", "1s1", "s", "٣s", "30S", "1,5s", "9" * 400 + "s"]
)
def test_what_only_looks_like_a_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_printed_duration_reads_back_as_the_same_number(nanoseconds: int) -> None:
    seconds = nanoseconds / 1_000_000_000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_reading_arbitrary_text_raises_nothing_but_a_unit_error(text: str) -> None:
    for read in (parse_duration, parse_rate, parse_size):
        try:
            assert math.isfinite(read(text))
        except UnitError:
            continue


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        ("500/s", 500.0),
        ("30/m", 0.5),
        ("36/h", 0.01),
        ("500", 500.0),
        (500, 500.0),
        (0.5, 0.5),
        ("1.5 / s", 1.5),
    ],
)
def test_a_rate_is_read_per_second(value: str | float, rate: float) -> None:
    assert parse_rate(value) == rate


@pytest.mark.parametrize("value", ["fast", "500/day", "-1/s", -1, "nan", float("nan"), float("inf"), "1e3/s", ""])
def test_a_wrong_rate_is_refused(value: str | float) -> None:
    with pytest.raises(UnitError, match="is not a rate"):
        parse_rate(value)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("512", 512),
        (512, 512),
        ("10MB", 10_000_000),
        ("64KiB", 65_536),
        ("64 kib", 65_536),
        ("1.5kB", 1500),
        ("7B", 7),
    ],
)
def test_a_size_is_read_in_bytes(value: str | int, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["10M", "-1", "0.3B", "big", -1])
def test_a_wrong_size_is_refused(value: str | int) -> None:
    with pytest.raises(UnitError):
        parse_size(value)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.0, "0 ms"),
        (0.042, "42.0 us"),
        (0.42, "0.42 ms"),
        (6.8, "6.80 ms"),
        (9.999, "10.0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (1250.0, "1.25 s"),
        (84_200.0, "84.2 s"),
        (99_999.0, "1.67 min"),
        (7_200_000.0, "2.00 h"),
        (math.nan, "n/a"),
        (math.inf, "inf ms"),
    ],
)
def test_a_time_is_printed_in_the_unit_that_fits(milliseconds: float, text: str) -> None:
    assert format_ms(milliseconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.00001, "<0.01 %"),
        (0.001, "0.10 %"),
        (0.5, "50.0 %"),
        (0.99999, ">99.9 %"),
        (1.0, "100 %"),
        (math.nan, "n/a"),
    ],
)
def test_a_share_near_none_or_all_is_not_printed_as_none_or_all(share: float, text: str) -> None:
    assert format_share(share) == text


def test_rates_counts_sizes_and_clocks_are_printed_for_people() -> None:
    assert [format_rate(rate) for rate in (0.0, 0.001, 0.42, 61.23, 1253.4)] == [
        "0/s",
        "<0.01/s",
        "0.42/s",
        "61.2/s",
        "1,253/s",
    ]
    assert [format_count(count) for count in (0, 14680, math.nan)] == ["0", "14,680", "n/a"]
    assert [format_bytes(size) for size in (0, 512, 1500, 10_000_000, 999_999, 2.5e12)] == [
        "0 B",
        "512 B",
        "1.50 kB",
        "10.0 MB",
        "1.00 MB",
        "2.50 TB",
    ]
    assert [format_clock(seconds) for seconds in (0, 84.2, 3684, -1)] == [
        "00:00",
        "01:24",
        "1:01:24",
        "00:00",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.42, "0.42"),
        (61.24, "61.2"),
        (1250.4, "1,250"),
        (-7.0, "-7.00"),
        (0.0042, "0.0042"),
        (0.0000031, "3.1e-06"),
        (math.nan, "n/a"),
        (math.inf, "inf"),
    ],
)
def test_a_number_without_a_unit_shows_three_digits_and_never_hides_a_small_one(value: float, text: str) -> None:
    assert format_number(value) == text


def test_a_rate_no_machine_can_start_is_a_slip_of_the_keyboard() -> None:
    assert parse_rate("10000000/s") == 1e7
    with pytest.raises(UnitError, match="more than any machine can start"):
        parse_rate("999999999999999/s")
