"""Which functions are listed as slower, from samples that were made up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from loadgate.judge.profile import MOST, SPREAD, Profile, grown
from loadgate.record.explained import Counted, Grown
from loadgate.record.stacks import Frame, Stack

MAIN, HANDLE, PARSE, RENDER = (
    Frame(name, "app.py", at) for at, name in enumerate(("main", "handle", "parse", "render"), 1)
)


def profile(*stacks: tuple[int, Stack], requests: float = 1000.0) -> Profile:
    return Profile(Counter({stack: count for count, stack in stacks}), requests, 0.0025)


def names(rows: tuple[Grown, ...]) -> list[tuple[str, Counted]]:
    return [(row.function.name, row.counted) for row in rows]


def calls(parse: int, render: int, requests: float = 1000.0) -> Profile:
    return profile((parse, (MAIN, HANDLE, PARSE)), (render, (MAIN, HANDLE, RENDER)), requests=requests)


def test_a_function_that_takes_longer_is_listed_and_neither_its_callers_nor_the_others() -> None:
    (row,) = grown(calls(400, 100), calls(400, 300))
    assert (row.function, row.counted, row.caller) == (RENDER, Counted.SELF, HANDLE)
    assert row.base == pytest.approx(100 * 0.0025 / 1000)
    assert row.head == pytest.approx(300 * 0.0025 / 1000)
    assert row.growth == pytest.approx(0.0005)
    assert row.error == pytest.approx(20 * 0.0025 / 1000)  # the root of 100 and 300 samples
    assert row.base_share == pytest.approx(0.2)
    assert row.head_share == pytest.approx(300 / 700)


def test_what_grows_is_the_time_per_request() -> None:
    assert grown(calls(400, 100), calls(800, 200, requests=2000.0)) == ()
    assert names(grown(calls(400, 100), calls(400, 100, requests=500.0))) == [
        ("parse", Counted.SELF),
        ("render", Counted.SELF),
    ]


def test_a_larger_share_of_less_time_is_no_growth() -> None:
    assert grown(calls(4000, 1000), calls(400, 1000)) == ()


def test_growth_that_two_starts_of_one_build_may_have_is_not_listed() -> None:
    assert grown(calls(0, 1_000_000), calls(0, round(1_000_000 * (1.0 + 0.9 * SPREAD)))) == ()
    assert grown(calls(0, 1_000_000), calls(0, round(1_000_000 * (1.0 + 1.1 * SPREAD)))) != ()


def test_a_function_that_is_new_is_listed() -> None:
    (row,) = grown(calls(400, 0), calls(400, 50))
    assert (row.function, row.base, row.base_share) == (RENDER, 0.0, 0.0)


def test_a_function_that_moved_in_its_file_is_the_same_and_has_the_line_of_the_head() -> None:
    moved = Frame("parse", "app.py", 40)
    assert grown(profile((400, (MAIN, PARSE))), profile((400, (MAIN, moved)))) == ()
    (row,) = grown(profile((400, (MAIN, PARSE))), profile((800, (MAIN, moved))))
    assert row.function == moved


def spread(each: int) -> Profile:
    """`render` calls forty functions, which are alike; `parse` takes as much as all of them."""
    small = [(each, (MAIN, HANDLE, RENDER, Frame(f"cell_{number}", "cells.py", number))) for number in range(40)]
    return profile((400, (MAIN, HANDLE, PARSE)), *small)


def test_of_growth_that_is_spread_over_callees_the_innermost_caller_is_listed() -> None:
    (row,) = grown(spread(10), spread(15))
    assert (row.function, row.counted, row.caller) == (RENDER, Counted.TOTAL, HANDLE)
    assert row.growth == pytest.approx(200 * 0.0025 / 1000)


def test_a_function_that_calls_itself_is_counted_once_and_is_not_its_own_caller() -> None:
    (row,) = grown(profile((100, (MAIN, RENDER, RENDER))), profile((300, (MAIN, RENDER, RENDER))))
    assert (row.function, row.caller) == (RENDER, MAIN)
    assert row.head == pytest.approx(300 * 0.0025 / 1000)


def test_those_in_themselves_come_first_and_the_largest_growth_of_a_kind() -> None:
    base, head = calls(400, 100).stacks, calls(600, 500).stacks
    rows = grown(Profile({**base, **spread(10).stacks}, 1000, 0.01), Profile({**spread(15).stacks, **head}, 1000, 0.01))
    assert names(rows)[:2] == [("render", Counted.SELF), ("parse", Counted.SELF)]


def test_at_most_ten_are_listed() -> None:
    sides = [
        profile(*((count, (MAIN, Frame(f"f{number}", "app.py", number))) for number in range(2 * MOST)))
        for count in (100, 300)
    ]
    assert len(grown(*sides)) == MOST


def test_nothing_sampled_is_nothing_grown() -> None:
    assert grown(profile(), profile()) == ()


def sampled(lot: np.random.Generator, growth: float) -> Profile:
    """Sixty functions of a service, from frequent to rare, of which each gives so many samples by chance; 600 on average."""
    weights = 1.0 / np.arange(1, 61)
    counts = lot.poisson(600.0 * weights / weights.sum() * (1.0 + growth))
    return profile(*((int(n), (MAIN, HANDLE, Frame(f"f{at}", "app.py", at))) for at, n in enumerate(counts) if n))


@pytest.mark.parametrize("growth", [0.0, SPREAD])
def test_any_function_is_listed_by_chance_in_one_profile_of_twenty_at_most(growth: float) -> None:
    lot, trials = np.random.default_rng(7), 400
    false = sum(bool(grown(sampled(lot, 0.0), sampled(lot, growth))) for _ in range(trials))
    assert false <= 0.05 * trials, f"{false} of {trials}"


def test_a_function_that_takes_twice_as_long_is_found() -> None:
    lot, trials = np.random.default_rng(7), 100
    found = 0
    for _ in range(trials):
        head = dict(sampled(lot, 0.0).stacks)
        (second,) = (stack for stack in head if stack[-1].name == "f1")
        head[second] += int(lot.poisson(64.0))  # it gives 64 on average
        found += ("f1", Counted.SELF) in names(grown(sampled(lot, 0.0), Profile(head, 1000.0, 0.0025)))
    assert found >= 0.8 * trials, f"{found} of {trials}"
