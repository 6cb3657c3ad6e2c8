"""Declarative steps at work: each runs for one user in one iteration.

A step whose request has no template is built once for each set of tags and then only sent: this is also what `--url`
runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, Step, note
from loadgate.script.reply import HttpReply, Reply
from loadgate.script.request import RequestPlan
from loadgate.script.user import User

if TYPE_CHECKING:
    from loadgate.clients.http.request import Request
    from loadgate.clients.http.response import Response
    from loadgate.script.data import Feeder


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


class RequestRun(ExchangeRun["Response"]):
    """Sends one request. `status_check` without statuses in the plan means the client's own idea of an expected one."""

    __slots__ = ("_fixed", "_plan", "_status_check")

    def __init__(self, plan: RequestPlan, rules: ExchangeRules, *, status_check: str | None) -> None:
        super().__init__(rules)
        self._fixed = plan.fixed
        self._plan = plan
        self._status_check = status_check

    def send(self, scope: Iteration) -> Awaitable[Response]:
        user = scope.user
        return user.http.send(user.ledger.requests.get(self) or self._prepare(scope))

    def reply(self, user: User, came: Response) -> Reply:
        if self._status_check is not None:
            check_status(user, came, self._status_check)
        return HttpReply(came)

    def _prepare(self, scope: Iteration) -> Request:
        request = prepare(self._plan, self.rules.name, scope.user, scope)
        if self._fixed:
            scope.user.ledger.requests[self] = request
        return request


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
        note(user, check, f"got {HttpReply(response).summary}")


def prepare(plan: RequestPlan, name: str, user: User, scope: Iteration) -> Request:
    """The request of a step. Raises ValueError that names the step where it cannot be made."""
    try:
        return plan.prepare(user.http, scope)
    except (ValueError, LookupError) as error:
        raise ValueError(f"step `{name}`: {error}") from None


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
