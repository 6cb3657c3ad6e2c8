from __future__ import annotations

import re
from dataclasses import replace

import pytest

from loadgate.record.repeated import Repeated
from loadgate.report.repeated import NAMES, repeated_lines, repeated_rows
from loadgate.report.style import Ink
from tests.support.sample_runs import SAMPLES, repeated


def shown(*figures: Repeated, width: int = 100) -> str:
    rows = repeated_rows(replace(SAMPLES["empty"](), repeated=figures))
    return "\n".join("".join(part for part, _ in line).rstrip() for line in repeated_lines(rows, width))


def test_without_any_there_is_no_section() -> None:
    assert shown() == ""


def test_starts_come_first_in_the_order_of_their_life_whatever_was_recorded_when() -> None:
    benchmark = repeated("", "ns", [1.0, 2.0], "parse/1000")
    text = shown(benchmark, *(repeated(metric, "ms", [1.0, 2.0]) for metric in reversed(NAMES)))
    places = [text.index(f"  {name} ") for name in NAMES.values()]
    assert places == sorted(places)
    assert text.index("parse/1000") > places[-1]


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("ms", 251.5, "252 ms"),
        ("ms", 0.0421, "42.1 us"),
        ("ms", 12_345.0, "12.3 s"),
        ("ns", 184.0, "184 ns"),
        ("ns", 0.5, "0.50 ns"),
        ("ns", 999.9, "1.00 us"),
        ("ns", 1.25e6, "1.25 ms"),
        ("us", 12.0, "12.0 us"),
        ("s", 0.25, "250 ms"),
        ("s", 90.0, "90.0 s"),
        ("bytes", 38_100_000.0, "38.1 MB"),
        ("bytes", 512.0, "512 B"),
        ("bytes", 0.0, "0 B"),
        ("share", 0.125, "12.5 %"),
        ("1/s", 1234.0, "1,234/s"),
        ("count", 12_345.0, "12,345"),
        ("jobs", 3.5, "3.50 jobs"),
        ("", 3.5, "3.50"),
    ],
)
def test_a_value_has_the_unit_that_fits(unit: str, value: float, said: str) -> None:
    text = shown(repeated("own", unit, [value]))
    assert text.splitlines()[-1].split("  ")[-1].strip() == said


def test_one_value_says_nothing_of_how_it_varies() -> None:
    text = shown(repeated("target_startup_time", "ms", [251.0]))
    assert "measured once" in text
    assert re.search(r"figure +value$", text, re.MULTILINE)
    assert "median" not in text
    assert "MAD" not in text


def test_ends_of_an_interval_are_in_the_unit_of_the_median() -> None:
    text = shown(repeated("own", "ms", [0.9, 0.92, 0.95, 0.99, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]))
    assert re.search(r"1\.15 ms +0\.92 to 1\.50 ms", text)
    assert "0.90 to 1.60 ms" in text


def test_too_few_values_have_no_interval() -> None:
    text = shown(repeated("own", "ms", [1.0, 2.0, 3.0]))
    assert "2.00 ms" in text
    assert "interval" not in text
    assert "1.00 to 3.00 ms" in text


def test_outliers_are_counted_where_there_is_no_room_for_their_column_too() -> None:
    figure = repeated("target_startup_time", "ms", [*(250.0 + n / 10 for n in range(19)), 900.0])
    assert re.search(r"20 \(1\)", shown(figure))
    for width in (60, 100):
        assert "measured 20 times each, after 1 to warm up; 1 far outlier left out" in re.sub(
            r"\s+", " ", shown(figure, width=width)
        )


def test_what_did_not_settle_is_named_with_what_can_be_done_the_same_advice_once() -> None:
    advice = ("set the governor `performance`",)
    shaky = [repeated("", "ns", [100.0, 200.0], step, settled=False, advice=advice) for step in ("a", "b")]
    text = shown(*shaky, repeated("", "ns", [1.0, 1.0], "c"))
    assert "not settled at the end: a, b" in text
    assert text.count("governor") == 1
    assert "- a, b: set the governor" in text
    assert "not settled at the end: all figures" in shown(*shaky)
    rows = repeated_rows(replace(SAMPLES["empty"](), repeated=tuple(shaky)))
    assert any(ink is Ink.DOUBT for line in repeated_lines(rows, 100) for _, ink in line)


def test_a_step_and_a_metric_are_both_named() -> None:
    assert "GET /users: first request" in shown(repeated("target_first_request", "ms", [1.0], "GET /users"))
    assert re.search(r"^ +parse/1000 ", shown(repeated("", "ns", [1.0], "parse/1000")), re.MULTILINE)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("benchmark_time", "parse/1000"),
        ("benchmark_memory", "parse/1000: peak memory"),
        ("command_time", "parse/1000"),
        ("command_cpu", "parse/1000: CPU time"),
    ],
)
def test_a_benchmark_is_called_by_its_name(metric: str, name: str) -> None:
    assert re.search(rf"^  {name}  +1\.00", shown(repeated(metric, "ms", [1.0], "parse/1000")), re.MULTILINE)
