"""What runs a declarative step of any protocol: tags, captures, expectations, and the pause after it.

A protocol adds a subclass of `ExchangeRun` that sends and makes a `Reply` of what came; `compiler.COMPILERS` knows it by its
spec.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from loadgate.script.expression import Unresolved
from loadgate.script.jsonpath import MISSING
from loadgate.script.reply import Capture, Expectation, Reply
from loadgate.script.user import User

if TYPE_CHECKING:
    from loadgate.clients.websocket.session import WsSession
    from loadgate.script.data import Feeder, Row


class Iteration:
    """What holds while a user goes through the steps once: captured values, a row of each data file, the session it is in."""

    __slots__ = ("_feeders", "_rows", "captures", "session", "user")

    def __init__(self, user: User, feeders: Mapping[str, Feeder]) -> None:
        self._feeders = feeders
        self._rows: dict[str, Row] | None = None
        self.captures: dict[str, Any] = {}
        self.session: WsSession | None = None
        self.user = user

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def iteration(self) -> int:
        return self.user.iteration

    @property
    def random(self) -> Random:
        return self.user.random

    def row(self, feeder: str) -> Row:
        """The row drawn from `feeder` for this iteration. Raises StopUser where none is left."""
        if self._rows is None:
            self._rows = {}
        row = self._rows.get(feeder)
        if row is None:
            row = self._rows[feeder] = self._feeders[feeder].next(self.user)
        return row

    def wall(self) -> float:
        return self.user.shared.wall()


class Step(Protocol):
    """One step of a scenario."""

    def run(self, scope: Iteration) -> Awaitable[None]: ...


Came = TypeVar("Came")
"""What a protocol's client gives for an exchange."""


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """What holds for a step whatever it sends. `think`: seconds from and to, after the reply."""

    name: str
    expectations: tuple[Expectation, ...] = ()
    captures: tuple[Capture, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    think: tuple[float, float] | None = None

    @property
    def plain(self) -> bool:
        """Whether there is nothing to do but send and look at the status."""
        return not (self.expectations or self.captures or self.tags or self.think)


class ExchangeRun(ABC, Generic[Came]):
    """One exchange under `rules`. Captures are taken before expectations are looked at.

    Sending and looking are two methods, so that a client's future is waited for as it is: a coroutine between costs more.
    """

    __slots__ = ("rules",)

    def __init__(self, rules: ExchangeRules) -> None:
        self.rules = rules

    @abstractmethod
    def send(self, scope: Iteration) -> Awaitable[Came]:
        """Send. Raises Unresolved for a template that cannot be filled in, ValueError that names the step for what cannot
        be sent."""

    @abstractmethod
    def reply(self, user: User, came: Came) -> Reply:
        """Record the check of the status, if there is one, and hand over what expectations and captures see."""

    async def run(self, scope: Iteration) -> None:
        user, rules = scope.user, self.rules
        outer = user.ledger
        if rules.tags:
            user.enter(outer.with_tags(rules.tags))
        try:
            reply = self.reply(user, await self.send(scope))
            if rules.expectations or rules.captures:
                _examine(rules, reply, scope)
        except Unresolved as error:
            user.shared.recorder.error("skipped", rules.name, _unresolved(error))
        finally:
            if rules.tags:
                user.enter(outer)
        if rules.think is not None:
            await user.think(*rules.think)


def _examine(rules: ExchangeRules, reply: Reply, scope: Iteration) -> None:
    user = scope.user
    for capture in rules.captures:
        value = capture.take(reply)
        if value is not MISSING:
            scope.captures[capture.name] = value
        else:
            scope.captures.pop(capture.name, None)
            note(user, capture.check, f"{capture.place} is not in the reply, {reply.summary}")
        user.check(value is not MISSING, capture.check)
    for expectation in rules.expectations:
        try:
            wrong = expectation.wrong(reply, scope)
        except Unresolved as error:
            wrong = _unresolved(error)
        if not user.check(wrong is None, expectation.name):
            note(user, expectation.name, wrong or "")


def note(user: User, check: str, text: str) -> None:
    """Keep what came instead of what `check` wants as a sample."""
    user.shared.recorder.error("check", check, text)


def _unresolved(error: Unresolved) -> str:
    return f"`{error}` was not captured in this iteration"
