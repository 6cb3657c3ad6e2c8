"""When a program counts as warm, by its speed in slices of time."""

from __future__ import annotations

import random

import pytest

from loadgate.ab.warming import FEWEST, cold_slices


@pytest.mark.parametrize(
    ("speeds", "cold"),
    [
        ([100.0] * 6, 0),
        ([95.0, 104.0, 98.0, 102.0, 100.0, 99.0], 0),
        ([20.0, 100.0, 100.0, 100.0, 100.0, 100.0], 0),
        ([20.0, 30.0, 50.0, 100.0, 100.0, 100.0, 100.0, 100.0], 2),
        ([20.0, 30.0, 50.0, 70.0, 100.0, 100.0, 100.0], 3),
        ([100.0, 100.0, 5.0, 100.0, 100.0, 100.0], 0),
        ([100.0, 100.0, 100.0, 50.0, 50.0, 50.0], 0),
    ],
)
def test_the_first_slices_are_cold_until_the_level_is_near(speeds: list[float], cold: int) -> None:
    assert cold_slices(speeds) == cold


@pytest.mark.parametrize("speeds", [[], [100.0] * (FEWEST - 1), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0]])
def test_too_few_and_what_still_becomes_faster_say_nothing(speeds: list[float]) -> None:
    assert cold_slices(speeds) is None


def test_a_program_that_is_warm_from_the_start_is_said_to_be_cold_in_few_pilots() -> None:
    """With a spread of 5 % from slice to slice one pilot in fifty at most gives its starts more than the usual warm-up."""
    lot = random.Random(3)
    pilots = [cold_slices([lot.gauss(100.0, 5.0) for _ in range(FEWEST)]) for _ in range(2_000)]
    assert sum(found != 0 for found in pilots) <= 40
