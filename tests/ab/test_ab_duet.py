"""A duet on the virtual clock: one schedule, and each planned start goes to a user of one arm."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from loadgate.ab.duet import DuetPool
from loadgate.ab.order import ARMS, Arm, Turns
from loadgate.clock import VirtualClock
from loadgate.load.executors import LoadStats, Stop, run
from loadgate.script.role import Outcome
from tests.support.fake_vus import spec
from tests.support.virtual_loop import EPOCH, VirtualLoop, run_virtual

RATE = 16.0


@dataclass
class Users:
    """The pool of one arm. `asked` are planned starts, in seconds since the origin, and the number of the user."""

    seconds: float
    asked: list[tuple[float, int]] = field(default_factory=list)
    made: int = 0
    dropped: list[int] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    closed: bool = False

    def acquire_new(self) -> SleepyUser:
        self.made += 1
        return SleepyUser(self, self.made)

    def close(self) -> None:
        self.closed = True


@dataclass
class SleepyUser:
    pool: Users
    number: int

    def iterate(self, planned: float) -> Coroutine[Any, Any, Outcome]:
        self.pool.asked.append((planned - EPOCH, self.number))
        return self._sleep()

    async def _sleep(self) -> Outcome:
        await asyncio.sleep(self.pool.seconds)
        return Outcome.DONE

    def drop(self) -> None:
        self.pool.dropped.append(self.number)

    def abandon(self, attempts: int) -> None:
        self.pool.abandoned.append(attempts)


def duet(base: Users, head: Users, *, duration: float = 10.0, most: int = 1_000) -> tuple[LoadStats, Turns]:
    """Play both arms by one constant arrival rate."""
    turns = Turns(3, 1, RATE, duration)
    turns.begin(EPOCH)
    load = spec("constant-arrival-rate", rate=RATE, duration=duration, max_vus=most, graceful_stop=1.0)

    async def main(loop: VirtualLoop, clock: VirtualClock) -> LoadStats:
        stats, stop = LoadStats(), Stop()
        pool = DuetPool({Arm.BASE: base, Arm.HEAD: head}, turns)  # type: ignore[dict-item]
        await run(load, pool, clock, stats, stop)
        pool.close()
        return stats

    return run_virtual(main), turns


def test_each_planned_start_is_the_turn_of_one_arm_and_both_have_as_many() -> None:
    base, head = Users(0.01), Users(0.01)
    stats, turns = duet(base, head)
    assert stats.completed == 160
    assert len(base.asked) == len(head.asked) == 80
    for arm, users in zip(ARMS, (base, head), strict=True):
        assert {turns.of(EPOCH + at) for at, _ in users.asked} == {arm}
    assert sorted(at for at, _ in (*base.asked, *head.asked)) == [n / RATE for n in range(160)]


def test_a_virtual_user_is_a_user_of_each_arm() -> None:
    base, head = Users(0.1), Users(0.1)
    stats, _ = duet(base, head)
    assert base.made == head.made == stats.allocated == 2


def test_a_slow_arm_does_not_move_the_starts_of_the_other() -> None:
    quick, slow = Users(0.01), Users(0.9)
    duet(quick, slow)
    beside = Users(0.01)
    duet(beside, Users(0.01))
    assert [at for at, _ in quick.asked] == [at for at, _ in beside.asked]


def test_starts_without_a_free_user_are_dropped_from_either_arm_alike() -> None:
    base, head = Users(1.0), Users(1.0)
    stats, _ = duet(base, head, most=4)
    assert stats.dropped > 80
    assert abs(len(base.asked) - len(head.asked)) <= 10


def test_what_is_cut_off_is_given_up_by_the_user_it_is_of() -> None:
    base, head = Users(0.0), Users(0.0)
    turns = Turns(3, 1, RATE, 1.0)
    vu = DuetPool({Arm.BASE: base, Arm.HEAD: head}, turns).acquire_new()  # type: ignore[dict-item]
    planned = next(n / RATE for n in range(16) if turns.of(n / RATE) is Arm.HEAD)
    vu.iterate(planned).close()
    vu.drop()
    vu.abandon(5)
    assert (head.dropped, head.abandoned, base.dropped, base.abandoned) == ([1], [5], [], [])


def test_closing_closes_the_users_of_both() -> None:
    base, head = Users(0.01), Users(0.01)
    duet(base, head, duration=1.0)
    assert base.closed and head.closed
