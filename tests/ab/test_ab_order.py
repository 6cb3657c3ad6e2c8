"""Who comes first: by fair lots that a seed gives again, and with as many turns for either arm."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from loadgate.ab.order import ARMS, FLIP, Arm, PairOrder, Turns, pair_order

SEEDS = range(4_000)
FAIR = pytest.approx(0.5, abs=0.04)
"""Five standard errors of a fair coin tossed 4,000 times."""


def turns(seed: int, rate: float, seconds: float, number: int = 1, origin: float = 0.0) -> list[Arm]:
    """The arm of each start of a constant rate, as its pacer plans them."""
    lots = Turns(seed, number, rate, seconds)
    lots.begin(origin)
    return [lots.of(origin + n / rate) for n in range(round(rate * seconds))]


def test_an_order_names_both_arms_and_its_lots_are_fair_and_independent() -> None:
    orders = [pair_order(seed, 1) for seed in SEEDS]
    assert {frozenset(each) for order in orders for each in (order.started, order.ports)} == {frozenset(ARMS)}
    share = Counter((order.started[0], order.ports[0]) for order in orders)
    assert {key: count / len(orders) for key, count in share.items()} == {
        (first, port): pytest.approx(0.25, abs=0.035) for first in ARMS for port in ARMS
    }


def test_pairs_of_one_seed_have_lots_of_their_own() -> None:
    firsts = [pair_order(7, number).started[0] for number in SEEDS]
    assert firsts.count(Arm.BASE) / len(firsts) == FAIR
    assert sum(one is other for one, other in pairwise(firsts)) / len(firsts) == FAIR


def test_a_seed_gives_the_same_lots_again() -> None:
    assert [pair_order(5, number) for number in range(50)] == [pair_order(5, number) for number in range(50)]
    assert turns(5, 100.0, 10.0) == turns(5, 100.0, 10.0)
    assert turns(5, 100.0, 10.0) != turns(6, 100.0, 10.0)
    assert turns(5, 100.0, 10.0, number=1) != turns(5, 100.0, 10.0, number=2)


def test_lots_are_those_that_were_recorded() -> None:
    """A record's seed must give its order for ever, in every version."""
    assert pair_order(1, 1) == PairOrder((Arm.HEAD, Arm.BASE), (Arm.HEAD, Arm.BASE))
    assert "".join(arm[0] for arm in turns(1, 4.0, 5.0)) == "hbhbbhbhhbbhbhhbhbhb"


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0, 5.0, 21.0, 100.0, 333.3, 4_000.0])
def test_either_arm_has_as_many_turns_at_any_rate(rate: float) -> None:
    for seed in range(20):
        counts = Counter(turns(seed, rate, 60.0 if rate < 100.0 else 5.0))
        assert abs(counts[Arm.BASE] - counts[Arm.HEAD]) <= 1, f"seed {seed}: {counts}"


def test_turns_alternate_and_who_is_first_is_drawn_each_half_second() -> None:
    rate, seconds = 40.0, 1_000.0
    found = turns(3, rate, seconds)
    half = round(rate * FLIP)
    halves = [found[at : at + half] for at in range(0, len(found), half)]
    for each in halves:
        assert all(one is not other for one, other in pairwise(each))
    firsts = [each[0] for each in halves]
    assert firsts.count(Arm.BASE) / len(firsts) == pytest.approx(0.5, abs=0.06)
    assert sum(one is other for one, other in pairwise(firsts)) / len(firsts) == pytest.approx(0.5, abs=0.06)


def test_turns_count_from_the_origin_whatever_the_clock_shows() -> None:
    assert turns(3, 333.3, 20.0, origin=1_234_567.891) == turns(3, 333.3, 20.0)


def test_a_start_after_the_end_has_a_turn_too() -> None:
    lots = Turns(1, 1, 10.0, 2.0)
    assert {lots.of(2.0 + n) for n in range(100)} <= set(ARMS)
