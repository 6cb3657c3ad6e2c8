"""Users as the executors see them: a pool for each load, which makes one at a time and closes them all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

from loadgate.load.executors.base import Pool
from loadgate.script.role import Outcome, Role
from loadgate.script.user import User


class Crowd(Pool, Protocol):
    """The users of one load, who are closed with it."""

    def close(self) -> None:
        """Drop the connections of every user there ever was."""


class UserVu:
    """One user and the role it plays."""

    __slots__ = ("_iterate", "_patience", "_role", "user")

    def __init__(self, role: Role, user: User, patience: Callable[[], float]) -> None:
        self._patience = patience
        self._role = role
        self._iterate = role.iterate
        self.user = user

    def iterate(self, planned: float) -> Coroutine[Any, Any, Outcome]:
        # not a coroutine itself: one layer less to go through at each wake-up
        return self._iterate(self.user, planned)

    def drop(self) -> None:
        _give_up(self.user, self._patience())

    def abandon(self, attempts: int) -> None:
        self._role.abandon(self.user, attempts)


class UserPool:
    """The users of one load. `ids` numbers them; loads of one run share it.

    `patience` says after how many seconds without a reply a request that is given up counts as unanswered.
    """

    def __init__(self, role: Role, ids: Iterator[int], patience: Callable[[], float] = lambda: 1.0) -> None:
        self._patience = patience
        self._role = role
        self._ids = ids
        self._users: list[User] = []

    def acquire_new(self) -> UserVu:
        user = self._role.user(next(self._ids))
        self._users.append(user)
        return UserVu(self._role, user, self._patience)

    def close(self) -> None:
        """Drop the connections of every user there ever was."""
        patience = self._patience()
        for user in self._users:
            _give_up(user, patience)


def _give_up(user: User, patience: float) -> None:
    """Drop the connections of `user`.

    Requests that have waited longer than `patience` (s) are first recorded as unanswered: that they have no end must not
    mean that nobody hears of them.
    """
    user.cut_off(patience)
    user.close()
