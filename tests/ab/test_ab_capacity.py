"""What one arm did when it was asked as fast as it answers: what counts, and when it says more of the generator."""

from __future__ import annotations

from typing import cast

import pytest

from loadgate.ab.capacity import Burst
from loadgate.ab.order import Arm, capacity_order
from loadgate.load.engine import EndState, RunEnd
from loadgate.measure.health import HealthSample
from loadgate.program import Program
from tests.support.made_up import MadeUp


def burst(cpu: float, late_ms: float = 0.0) -> Burst:
    """One of a second and a moment. In the second the generator took so much of a core and was late once."""
    found = Burst(cast(Program, None), MadeUp().recorder)
    found.end = RunEnd(
        EndState.COMPLETE, 1.001, "", (HealthSample(1.0, cpu, late_ms), HealthSample(1.001, 0.0, 0.0)), {}
    )
    return found


@pytest.mark.parametrize(
    ("cpu", "late_ms", "said"),
    [
        (0.3, 0.0, ""),
        (0.79, 0.0, ""),
        (0.81, 0.0, "the generator took 80.9 % of one core (at most 80.0 %)"),
        (1.0, 0.0, "the generator took 99.9 % of one core (at most 80.0 %)"),
        (0.3, 200.0, "the generator was late: "),
    ],
)
def test_a_generator_that_is_the_limit_is_said_to_be(cpu: float, late_ms: float, said: str) -> None:
    assert burst(cpu, late_ms).limit.startswith(said)
    assert bool(burst(cpu, late_ms).limit) is bool(said)


def test_slices_are_two_of_each_arm_in_couples_by_lot() -> None:
    orders = [capacity_order(5, number) for number in range(200)]
    assert all({order[0], order[1]} == {order[2], order[3]} == set(Arm) for order in orders)
    for couple in (0, 2):
        first = sum(order[couple] is Arm.BASE for order in orders)
        assert 70 < first < 130, "each couple is a fair lot"
    assert len(set(orders)) == 4, "one lot for each couple"
    assert orders == [capacity_order(5, number) for number in range(200)]
    assert orders != [capacity_order(6, number) for number in range(200)]
