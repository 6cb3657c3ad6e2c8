"""One script in one run: setup, the roles of its loads, teardown."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Final

from loadgate.clients.http import HttpClient, HttpStack
from loadgate.clock import Clock
from loadgate.errors import LoadgateError, Problem
from loadgate.measure.recorder import Recorder
from loadgate.script.failure import describe_plain, problem_of
from loadgate.script.methods import grpc_of_target
from loadgate.script.queries import check_with_target
from loadgate.script.role import Role
from loadgate.script.scenario import Hook, Script
from loadgate.script.shared import Shared
from loadgate.script.user import User

HOOK_LIMIT: Final = 60.0
"""Seconds that setup and teardown may take each: k6's defaults."""


class ScriptError(LoadgateError):
    """Setup or teardown of a script raised; `problem` shows where."""

    def __init__(self, problem: Problem, exit_code: int) -> None:
        super().__init__(problem.render())
        self.problem = problem
        self.exit_code = exit_code


class Performance:
    """Made on the event loop of the run. `env` is what scripts see as `user.env`."""

    def __init__(
        self,
        script: Script,
        *,
        recorder: Recorder,
        http: HttpStack,
        clock: Clock,
        env: Mapping[str, str],
        seed: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._script = script
        self._env = env
        self._shared = Shared(recorder=recorder, http=http, clock=clock, wall=wall, seed=seed, metrics=script.metrics)

    @property
    def resent_calls(self) -> int:
        """gRPC calls that were sent once more because the server had not looked at them."""
        return 0 if self._shared.grpc is None else self._shared.grpc.resent

    async def prepare(self) -> None:
        """`setup`, which may take no longer than `HOOK_LIMIT`. Raises LoadgateError."""
        try:
            async with asyncio.timeout(HOOK_LIMIT):
                await self.setup()
        except TimeoutError:
            raise LoadgateError(f"setup of {self._script.name} took longer than {HOOK_LIMIT:g} s") from None

    async def finish(self) -> str:
        """`teardown`, which may take no longer than `HOOK_LIMIT`; what went wrong with it, "" where nothing did."""
        try:
            async with asyncio.timeout(HOOK_LIMIT):
                await self.teardown()
        except TimeoutError:
            return f"teardown of {self._script.name} took longer than {HOOK_LIMIT:g} s"
        except ScriptError as error:
            return error.message
        return ""

    async def setup(self) -> None:
        """Run the script's setup, if it has one, and keep what it returns. Raises ScriptError (exit code 2).

        Before that its queries and calls are checked, by what the target says of itself if that is to be asked for. Raises
        ConfigError.
        """
        if self._script.queries:
            await check_with_target(self._script.queries, self._shared.http)
        self._shared.grpc = await grpc_of_target(self._script.calls, self._script.schema, self._shared.http)
        if self._script.setup is not None:
            try:
                self._shared.setup_data = await self._call(self._script.setup, "setup", exit_code=2)
            except BaseException:  # there will be no teardown
                self._close()
                raise

    async def teardown(self) -> None:
        """Run the script's teardown, if it has one. Raises ScriptError (exit code 1: the run itself was measured)."""
        try:
            if self._script.teardown is not None:
                await self._call(self._script.teardown, "teardown", exit_code=1)
        finally:
            self._close()

    def _close(self) -> None:
        if self._shared.grpc is not None:
            self._shared.grpc.close()

    def role(
        self,
        exec: str | None = None,
        *,
        load: str | None = None,
        tags: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Role:
        """What the users of one load do: the scenario `exec`, or the weighted mix of all. Raises ConfigError.

        `load`, `tags` and `env` are the load's own: the first names it in the tag `scenario`, the others are added.
        """
        scenarios = self._script.scenarios if exec is None else (self._script.scenario(exec),)
        return Role(self._shared, scenarios, load=load, tags=tags or {}, env={**self._env, **(env or {})})

    async def _call(self, hook: Hook, kind: str, exit_code: int) -> object:
        """Call a hook with a user of its own (number 0, group `::setup` as in k6)."""
        ledger = self._shared.ledger({"group": f"::{kind}"})
        user = User(self._shared, ledger, HttpClient(self._shared.http, ledger.context), 0, self._env)
        try:
            result = hook(user) if inspect.signature(hook).parameters else hook()
            return await result if inspect.isawaitable(result) else result
        except BaseException as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise
            message = f"{kind} of {self._script.name} failed: {describe_plain(error)}"
            raise ScriptError(problem_of(error, message), exit_code) from None
        finally:
            user.close()
