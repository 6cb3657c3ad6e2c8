"""Declarative steps at work: each runs for one user in one iteration.

A step whose request has no template is built once for each set of tags and then only sent: this is also what `--url`
runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from loadgate.script.expression import Unresolved
from loadgate.script.jsonpath import MISSING
from loadgate.script.reply import Capture, Expectation, Reply
from loadgate.script.request import RequestPlan
from loadgate.script.user import User

if TYPE_CHECKING:
    from loadgate.clients.http.request import Request
    from loadgate.clients.http.response import Response
    from loadgate.script.data import Feeder, Row


class Iteration:
    """What templates read while a user goes through the steps once: captured values, and a row of each data file."""

    __slots__ = ("_feeders", "_rows", "captures", "user")

    def __init__(self, user: User, feeders: Mapping[str, Feeder]) -> None:
        self._feeders = feeders
        self._rows: dict[str, Row] | None = None
        self.captures: dict[str, Any] = {}
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


class StepScenario:
    """Steps in a row, as a scenario's `iterate`."""

    __slots__ = ("_feeders", "_steps")

    def __init__(self, steps: tuple[Step, ...], feeders: Mapping[str, Feeder]) -> None:
        self._steps = steps
        self._feeders = feeders

    async def __call__(self, user: User) -> None:
        scope = Iteration(user, self._feeders)
        for step in self._steps:
            await step.run(scope)


class RequestRun:
    """Sends one request, checks the reply and keeps parts of it.

    The status check comes first and is looked at here, since nearly every step has one and nothing else. `status_check`
    without statuses in the plan means the client's own idea of an expected status (200 to 399).
    """

    __slots__ = (
        "_captures", "_expectations", "_fixed", "_name", "_plan", "_status_check", "_tags", "_think"
    )  # fmt: skip

    def __init__(
        self,
        plan: RequestPlan,
        *,
        name: str,
        status_check: str | None,
        expectations: tuple[Expectation, ...] = (),
        captures: tuple[Capture, ...] = (),
        tags: Mapping[str, str] | None = None,
        think: tuple[float, float] | None = None,
    ) -> None:
        self._captures = captures
        self._expectations = expectations
        self._fixed = plan.fixed
        self._name = name
        self._plan = plan
        self._status_check = status_check
        self._tags = tags or {}
        self._think = think

    async def run(self, scope: Iteration) -> None:
        user = scope.user
        outer = user.ledger
        if self._tags:
            user.enter(outer.with_tags(self._tags))
        try:
            request = user.ledger.requests.get(self) or self._prepare(scope)
            response = await user.http.send(request)
            if self._status_check is not None:
                check_status(user, response, self._status_check)
            if self._expectations or self._captures:
                self._examine(response, scope)
        except Unresolved as error:
            user.shared.recorder.error("skipped", self._name, _unresolved(error))
        finally:
            if self._tags:
                user.enter(outer)
        if self._think is not None:
            await user.think(*self._think)

    def _prepare(self, scope: Iteration) -> Request:
        request = prepare(self._plan, self._name, scope.user, scope)
        if self._fixed:
            scope.user.ledger.requests[self] = request
        return request

    def _examine(self, response: Response, scope: Iteration) -> None:
        user, reply = scope.user, Reply(response)
        for capture in self._captures:
            value = capture.take(reply)
            if value is not MISSING:
                scope.captures[capture.name] = value
            else:
                scope.captures.pop(capture.name, None)
                note(user, capture.check, f"{capture.place} is not in the reply, {reply.summary}")
            user.check(value is not MISSING, capture.check)
        for expectation in self._expectations:
            try:
                wrong = expectation.wrong(reply, scope)
            except Unresolved as error:
                wrong = _unresolved(error)
            if not user.check(wrong is None, expectation.name):
                note(user, expectation.name, wrong or "")


class PlainRequestRun:
    """A step that sends one fixed request and at most checks its status: what `--url` runs, and most steps of a load.

    On its own it is a scenario too. It does the same as `RequestRun` in two fifths of the time.
    """

    __slots__ = ("_name", "_plan", "_status_check")

    def __init__(self, plan: RequestPlan, *, name: str, status_check: str) -> None:
        self._name = name
        self._plan = plan
        self._status_check = status_check

    async def __call__(self, user: User) -> None:
        request = user.ledger.requests.get(self) or self._prepare(user)
        response = await user.http.send(request)
        if response.ok:
            user.check(True, self._status_check)
        else:
            check_status(user, response, self._status_check)

    def run(self, scope: Iteration) -> Awaitable[None]:
        return self(scope.user)

    def _prepare(self, user: User) -> Request:
        request = user.ledger.requests[self] = prepare(self._plan, self._name, user, Iteration(user, {}))
        return request


def check_status(user: User, response: Response, check: str) -> None:
    """Record whether the status is the expected one, with a sample where it is not."""
    if not user.check(response.ok, check):
        note(user, check, f"got {Reply(response).summary}")


def note(user: User, check: str, text: str) -> None:
    """Keep what came instead of what `check` wants as a sample."""
    user.shared.recorder.error("check", check, text)


def prepare(plan: RequestPlan, name: str, user: User, scope: Iteration) -> Request:
    """The request of a step. Raises ValueError that names the step where it cannot be made."""
    try:
        return plan.prepare(user.http, scope)
    except (ValueError, LookupError) as error:
        raise ValueError(f"step `{name}`: {error}") from None


def _unresolved(error: Unresolved) -> str:
    return f"`{error}` was not captured in this iteration"


class ThinkRun:
    """A pause between two times in seconds."""

    __slots__ = ("_high", "_low")

    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._high = high

    async def run(self, scope: Iteration) -> None:
        await scope.user.think(self._low, self._high)


class GroupRun:
    """Steps measured together."""

    __slots__ = ("_name", "_steps")

    def __init__(self, name: str, steps: tuple[Step, ...]) -> None:
        self._name = name
        self._steps = steps

    async def run(self, scope: Iteration) -> None:
        with scope.user.group(self._name):
            for step in self._steps:
                await step.run(scope)
