"""A program started again and again: what it takes until it answers, what it weighs, how fast it ends.

Each start is one value of every figure, in an order that is always the same: start, until ready; memory; the first request;
a few warm ones on the same connection; memory again; stop.
"""

from __future__ import annotations

import asyncio
import math
from statistics import median
from typing import Final

from loadgate.clients.http.client import HttpClient
from loadgate.clients.http.response import Response
from loadgate.clients.http.stack import HttpStack, stack_for
from loadgate.clock import Clock
from loadgate.config.bench import StartsSpec
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun, redact_url
from loadgate.load.ready import answers, await_ready, ready_url
from loadgate.measure.recorder import Recorder
from loadgate.probe.kept import Command, Ended, Keeper
from loadgate.program import end_of
from loadgate.record.starts import Launch

LAST_WORDS: Final = 0.2
"""Seconds in which a program that breaks a connection off may turn out to have ended."""


class Starter:
    """Starts `target` as often as it is asked to. `keeper` runs no other program meanwhile."""

    def __init__(self, target: TargetSpec, spec: StartsSpec, keeper: Keeper, clock: Clock, user_agent: str) -> None:
        assert target.start is not None
        self._target = target
        self._spec = spec
        self._keeper = keeper
        self._clock = clock
        self._command = Command(target.start.argv, target.start.folder, target.start.env)
        self._agent = user_agent
        self._url = ready_url(target)
        self.cpu = 0.0
        """CPU seconds the programs have used so far."""
        self._number = 0

    async def check(self) -> None:
        """Raise InvalidRun where something answers before anything was started."""
        if await answers(self._stack(), self._url):
            raise InvalidRun(
                f"something listens at {redact_url(self._target.url or '')} already, before the target was started",
                "end it: what would be measured is not what is started",
            )

    async def launch(self) -> Launch:
        """One start. Raises InvalidRun, which says the how manieth it is, where it comes to nothing."""
        self._number += 1
        try:
            return await self._launch()
        except InvalidRun as error:
            raise InvalidRun(f"start {self._number}: {error.message}", error.hint) from None

    async def _launch(self) -> Launch:
        keeper, spec = self._keeper, self._spec
        http = self._stack()
        started = await keeper.start(self._command)
        ready = await await_ready(
            http, self._url, self._target.ready, self._clock, since=started.at, ended=lambda: self._ended() is not None
        )
        if ready is None:
            raise InvalidRun(f"the target ended before it was ready: {end_of(self._ended())}")
        memory = (await keeper.read(pss=False)).rss
        client = http.client({})
        try:
            first = await self._ask(client)
            warm = [(await self._ask(client)).timings.duration for _ in range(spec.requests)]
        except InvalidRun:
            await asyncio.wait({keeper.ended}, timeout=LAST_WORDS)
            self._refuse_end()
            raise
        finally:
            client.close()
        loaded = await keeper.read(pss=False)
        self._refuse_end()
        stopped = await keeper.stop(self._target.stop)
        self.cpu += (await keeper.read(pss=False)).cpu or 0.0
        return Launch(
            port_open=(ready.port_open - started.at) * 1e3,
            startup=(ready.answered - started.at) * 1e3,
            first_request=first.timings.latency,
            warm_request=median(warm) if warm else math.nan,
            memory=_known(memory),
            loaded_memory=_known(loaded.rss) if warm else math.nan,
            shutdown=math.nan if stopped.killed else stopped.seconds * 1e3,
        )

    async def _ask(self, client: HttpClient) -> Response:
        request = self._spec.request
        response = await client.request(request.method, request.path)
        if not response.ok:
            what = f"status {response.status}" if response.status else response.error_text
            raise InvalidRun(
                f"{request.method} {redact_url(request.path)} failed just after the target was ready: {what}",
                "say with `request` under `bench.starts`, or with --request, what may be asked of it",
            )
        return response

    def _stack(self) -> HttpStack:
        """Requests that count nowhere."""
        return stack_for(self._target, Recorder(start=self._clock.now()), self._agent)

    def _refuse_end(self) -> None:
        if (ended := self._ended()) is not None:
            raise InvalidRun(f"the target ended while it was asked: {end_of(ended)}")

    def _ended(self) -> Ended | None:
        return self._keeper.ended_now()


def _known(value: int | None) -> float:
    return math.nan if value is None else float(value)
