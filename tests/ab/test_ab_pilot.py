"""What is chosen for an A/B test: what was given stays, and the rest fits the time."""

from __future__ import annotations

import pytest

from loadgate.ab.order import Arm
from loadgate.ab.pilot import LEAST, LONGEST_WARMUP, MOST, PAIRS, SHARE, WARMUP, Chosen, Speed, fitted
from loadgate.ab.plan import AbPlan, ArmSpec
from loadgate.config.gate import GateSpec
from loadgate.config.profile import profile_from_flags
from loadgate.config.target import TargetSpec
from loadgate.judge.looks import CONFIRMATION, FEWEST
from loadgate.script.source import url_script


def chosen(
    *,
    capacity: float = 1_000.0,
    cold: int = 0,
    start: float = 0.2,
    time: float = 90.0,
    capacity_time: float = 0.0,
    **given: float,
) -> Chosen:
    """What is chosen with `given`: rate, length, warmup, pairs."""
    arm = ArmSpec(TargetSpec(url="http://127.0.0.1:1"), "")
    plan = AbPlan(
        script=url_script("/"),
        profile=profile_from_flags(),
        arms={Arm.BASE: arm, Arm.HEAD: arm},
        gate=GateSpec(),
        seed=1,
        time=time,
        capacity=capacity_time,
        **given,  # type: ignore[arg-type]
    )
    return fitted(plan, Speed(capacity, cold), start)


def took(found: Chosen) -> float:
    """Seconds of all pairs there may be, with those that confirm."""
    return (found.pairs + CONFIRMATION[-1].pairs) * (2.0 * found.start + found.pace.warmup + found.pace.length)


def test_what_is_given_stays() -> None:
    found = chosen(rate=77.0, length=0.25, warmup=0.0, pairs=9, time=1.0)
    assert (found.pace.rate, found.pace.length, found.pace.warmup, found.pairs) == (77.0, 0.25, 0.0, 9)


@pytest.mark.parametrize("time", [45.0, 90.0, 300.0])
@pytest.mark.parametrize("start", [0.0, 0.05, 0.4, 1.0])
def test_pairs_fill_the_time_and_no_more(time: float, start: float) -> None:
    found = chosen(time=time, start=start)
    assert found.pace.warmup == WARMUP
    assert LEAST <= found.pace.length <= MOST
    assert FEWEST <= found.pairs <= 3 * PAIRS
    if found.pairs > FEWEST:
        assert took(found) <= time * 1.001
    if found.pairs < 3 * PAIRS:
        assert took(found) > time - took(found) / (found.pairs + CONFIRMATION[-1].pairs)


def test_a_service_that_is_slow_to_start_gets_fewer_pairs() -> None:
    quick, slow = chosen(start=0.1), chosen(start=2.0)
    assert FEWEST <= slow.pairs < quick.pairs


def test_a_length_that_is_given_says_how_many_pairs_fit() -> None:
    short, long = chosen(length=1.0), chosen(length=3.0)
    assert (short.pace.length, long.pace.length) == (1.0, 3.0)
    assert short.pairs > long.pairs
    assert took(short) <= 90.0 and took(long) <= 90.0


def test_pairs_that_are_given_say_how_long_each_is() -> None:
    few, many = chosen(pairs=8), chosen(pairs=18)
    assert few.pace.length > many.pace.length
    assert took(few) == pytest.approx(90.0)


def test_each_start_is_given_the_work_that_warmed_the_base_up() -> None:
    assert chosen(cold=100).pace.warmup == WARMUP
    slow = chosen(cold=1_500)
    assert slow.pace.warmup == pytest.approx(10.0), "1,500 at half of 300 a second"
    assert slow.pairs < chosen().pairs
    assert chosen(cold=10**6).pace.warmup == LONGEST_WARMUP
    assert chosen(cold=10**6, warmup=0.5).pace.warmup == 0.5


def test_the_time_without_a_schedule_is_part_of_each_pair() -> None:
    plain, both = chosen(time=300.0), chosen(time=300.0, capacity_time=2.0)
    assert both.pace.length == pytest.approx(plain.pace.length - 2.0)
    assert chosen(length=1.0, capacity_time=2.0).pairs < chosen(length=1.0).pairs


def test_the_rate_is_a_share_of_what_the_base_can_do_within_limits() -> None:
    assert chosen(capacity=1_000.0).pace.rate == SHARE * 1_000.0
    assert chosen(capacity=0.5).pace.rate == 1.0
    assert chosen(capacity=1e6).pace.rate == 4_000.0
