"""A role: what the users of one load play, under which tags, and the running of one iteration.

The load part asks it for users and has them iterate; errors of scripts end here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import cycle
from typing import Any, Final
from weakref import WeakSet

from loadgate.clients.http.client import HttpClient
from loadgate.script.failure import describe, text_of
from loadgate.script.ledger import Ledger
from loadgate.script.scenario import Scenario
from loadgate.script.shared import Shared
from loadgate.script.user import StopUser, User


class Outcome(Enum):
    """How an iteration ended."""

    DONE = "done"
    FAILED = "failed"
    """The scenario raised. Recorded; the user goes on."""
    STOPPED = "stopped"
    """The user has nothing more to do (StopUser): it must not be asked to iterate again."""


DONE: Final = Outcome.DONE  # a name of its own: looking into an enum costs more than the comparison


_ADVICE: Final = "so write `except Exception:` where it says `except:`"

_interrupted: Final = WeakSet[asyncio.Task[Any]]()
_abandoned: Final = WeakSet[asyncio.Task[Any]]()


def interrupt(task: asyncio.Task[Any]) -> None:
    """Cancel the task in which a user iterates, and with it the iteration.

    A scenario may cancel its own task too, and asyncio does not tell one from the other: tasks are remembered here.
    """
    _interrupted.add(task)
    task.cancel()


def is_interrupted(task: asyncio.Task[Any]) -> bool:
    """Whether `interrupt` was called on `task`."""
    return task in _interrupted


def abandon(task: asyncio.Task[Any]) -> None:
    """Give up waiting for a task that goes on however often it is cancelled."""
    _abandoned.add(task)


def is_abandoned(task: asyncio.Task[Any]) -> bool:
    """Whether `abandon` was called on `task`."""
    return task in _abandoned


class Role:
    """`scenarios` are mixed by weight, exactly: iterations take turns in the order `rotation` gives.

    `load` names the load in the tag `scenario`, as k6 does; without it the tag is the scenario's own name.
    """

    def __init__(
        self,
        shared: Shared,
        scenarios: Sequence[Scenario],
        *,
        load: str | None = None,
        tags: Mapping[str, str],
        env: Mapping[str, str],
    ) -> None:
        self._shared = shared
        self._env = env
        names = {tag for scenario in scenarios for tag in scenario.tags}
        self._tags: list[dict[str, str | None]] = [
            {**dict.fromkeys(names), **tags, **scenario.tags, "scenario": scenario.name if load is None else load}
            for scenario in scenarios
        ]
        self._scenarios = tuple(scenarios)
        self._alone = scenarios[0] if len(scenarios) == 1 else None
        self._now = shared.clock.now
        self._add = shared.recorder.add
        self._turns: Iterator[int] = cycle(rotation([scenario.weight for scenario in scenarios]))
        self._first: Ledger = shared.ledger({}).with_tags(self._tags[0])

    def user(self, id: int) -> User:
        """A new user; `id` counts from 1 over the whole run. It opens no connection before its first request."""
        http = HttpClient(self._shared.http, self._first.context)
        return User(self._shared, self._first, http, id, self._env)

    async def iterate(self, user: User, planned: float) -> Outcome:
        """One iteration of `user`. `planned` is the clock time it was due at, or 0 where it starts when it can.

        Records iterations, iteration_duration and iterations_failed (the share of iterations that raised). Whatever the
        scenario raises has failed its iteration and no more, KeyboardInterrupt too: signals raise errors of our own. An
        iteration that was interrupted (`interrupt`) or stopped is not counted, as in k6.
        """
        scenario = self._alone
        if scenario is None:
            turn = user.turn = next(self._turns)
            scenario = self._scenarios[turn]
            user.enter(user.ledger.with_tags(self._tags[turn]))
        now = self._now
        outcome = DONE
        user.http.planned = planned
        start = now()
        try:
            await scenario.iterate(user)
        except StopUser as stop:
            self._shared.recorder.error("stopped", scenario.name, text_of(stop) or "the scenario stopped its user")
            return Outcome.STOPPED
        except (asyncio.CancelledError, GeneratorExit) as error:
            if _from_outside(error):
                raise
            outcome = self._failed(scenario, error)
        except BaseException as error:  # a script that exits must not end the run without a verdict
            outcome = self._failed(scenario, error)
        ledger = user.ledger
        iterations, failed, duration = ledger.iterations or ledger.begin_iterations()
        iterations.total += 1.0
        failed.total += 1
        if outcome is not DONE:
            failed.passes += 1
        self._add(duration, (now() - start) * 1e3)
        user.iteration += 1
        return outcome

    def abandon(self, user: User, attempts: int) -> None:
        """Record that the iteration of `user` went on though it was cancelled `attempts` times."""
        scenario = self._scenarios[user.turn]
        text = (
            f"`{scenario.name}` did not end though it was cancelled {attempts} times: it catches everything, {_ADVICE}"
        )
        self._shared.recorder.error("script", scenario.name, text)

    def _failed(self, scenario: Scenario, error: BaseException) -> Outcome:
        self._shared.recorder.error("script", scenario.name, describe(error))
        return Outcome.FAILED


def _from_outside(error: BaseException) -> bool:
    """Whether the iteration is to end, rather than that something in it was cancelled, or its own task by itself.

    In the latter case the cancellation is taken back, for the user goes on.
    """
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs
        task = None
    if task is None or is_interrupted(task):  # without a task the coroutine is being closed
        return True
    while task.cancelling():
        task.uncancel()
    return False


def rotation(weights: Sequence[int]) -> tuple[int, ...]:
    """Indices of one round, each as often as its weight says and spread as evenly as can be.

    Smooth weighted round robin: each turn everyone gains its weight, the richest goes and pays the sum of all.
    """
    total = sum(weights)
    credit = [0] * len(weights)
    order: list[int] = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        richest = max(range(len(weights)), key=credit.__getitem__)
        credit[richest] -= total
        order.append(richest)
    return tuple(order)
