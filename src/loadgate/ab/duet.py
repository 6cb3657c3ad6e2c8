"""One load on two arms: a virtual user of the one schedule is a user of each arm, and a planned start is one arm's turn."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from loadgate.ab.order import ARMS, Arm, Turns
from loadgate.load.users import UserPool, UserVu
from loadgate.script.role import Outcome


class DuetVu:
    """A user of each arm, of whom one iterates at a time."""

    __slots__ = ("_now", "_turns", "_users")

    def __init__(self, users: Mapping[Arm, UserVu], turns: Turns) -> None:
        self._users = users
        self._turns = turns
        self._now = users[Arm.BASE]

    def iterate(self, planned: float) -> Coroutine[Any, Any, Outcome]:
        self._now = self._users[self._turns.of(planned)]
        return self._now.iterate(planned)

    def drop(self) -> None:
        self._now.drop()

    def abandon(self, attempts: int) -> None:
        self._now.abandon(attempts)


class DuetPool:
    """Makes such users of the users of two pools."""

    def __init__(self, pools: Mapping[Arm, UserPool], turns: Turns) -> None:
        self._pools = pools
        self._turns = turns

    def acquire_new(self) -> DuetVu:
        return DuetVu({arm: self._pools[arm].acquire_new() for arm in ARMS}, self._turns)

    def close(self) -> None:
        """Drop the connections of every user there ever was."""
        for pool in self._pools.values():
            pool.close()
