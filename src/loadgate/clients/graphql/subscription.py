"""What a scenario holds as `subscription`: one operation whose results come one after the other.

Its exchange goes from `subscribe` to the first event; every event is counted, and timed from the one before it. An event that
holds errors, or that `next` waited for in vain, is a failed exchange, and so is an end other than in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from loadgate.clients.base import ErrorKind, Fault
from loadgate.clients.graphql.event import GraphqlEvent
from loadgate.clients.graphql.judge import GraphqlJudge
from loadgate.clients.http.request import checked_timeout
from loadgate.clients.websocket.inbox import MOST, MOST_SIZE, Inbox

if TYPE_CHECKING:
    from loadgate.clients.graphql.socket import GraphqlSocket
    from loadgate.clients.graphql.step import SubscriptionStep
    from loadgate.clients.websocket.client import WsClient

_OPENED: Final = 101
"""Status of what the server said over a session that is open, as in k6."""


class Subscription:
    """Made by `GraphqlClient.subscribe`, begun by `async with` and stopped at its end (or by `stop`).

    `next` asks for an event: it must come within the timeout. `async for` listens, for as long as the subscription lasts; its
    last event is the failure by which that ended, if it was one. Nothing of the network raises.
    """

    __slots__ = (
        "_before",
        "_connect",
        "_due",
        "_id",
        "_inbox",
        "_judge",
        "_last",
        "_lost",
        "_payload",
        "_planned",
        "_since",
        "_socket",
        "_start",
        "_step",
        "_told",
        "_ws",
        "error",
        "error_text",
        "events",
        "timeout",
    )

    def __init__(
        self,
        ws: WsClient,
        connect: Callable[[], GraphqlSocket],
        step: SubscriptionStep,
        payload: str,
        judge: GraphqlJudge,
        timeout: float,
    ) -> None:
        self._before = 0.0
        self._connect = connect
        self._due = True
        self._id = ""
        self._inbox: Inbox[GraphqlEvent] = Inbox(ws.http.loop)
        self._judge = judge
        self._last: GraphqlEvent | None = None
        self._lost: tuple[BaseException, float] | None = None
        self._payload = payload
        self._planned = 0.0
        self._since = 0.0
        self._socket: GraphqlSocket | None = None
        self._start = 0.0
        self._step = step
        self._told = False
        self._ws = ws
        self.error: ErrorKind | None = None
        """Why it could not be begun, or why it ended other than in order."""
        self.error_text = ""
        self.events = 0
        """How many have come."""
        self.timeout = timeout
        """Seconds for the opening of the connection, and for each event that `next` waits for."""

    @property
    def name(self) -> str:
        """The step it counts for."""
        return self._step.name

    # -- what scenarios use

    async def __aenter__(self) -> Self:
        if self._id:
            raise RuntimeError("a subscription is begun once: subscribe again")
        http = self._ws.http
        self._since = self._start = self._before = perf_counter()
        self._planned, http.planned = http.planned or self._start, 0.0
        try:
            while True:
                socket = self._socket = self._connect()
                self._id = socket.admit(self)
                if await socket.ready() or self._last is not None:
                    break
            if self._last is None:
                self._step.begun.total += 1.0
                self._start = self._before = perf_counter()
                await socket.subscribe(self._id, self._payload)
        except asyncio.CancelledError as interruption:
            self._interrupted(interruption, self._since)
            self._leave(interruption)
            raise
        self._since = 0.0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> GraphqlEvent:
        event = self._inbox.get() or self._last or await self._inbox.wait(None)
        if event is self._last:
            if self._told or event.error is None:
                raise StopAsyncIteration
            self._told = True
        return event

    async def next(self, timeout: float | None = None) -> GraphqlEvent:
        """The next event. Its `ok` is False where none came within `timeout` seconds, a failed exchange, or none will come."""
        kept = self._inbox.get()
        if kept is not None:
            return kept
        if self._last is not None:
            await asyncio.sleep(0)  # a scenario that asks again and again must let the loop turn
            return self._last
        limit = self.timeout if timeout is None else checked_timeout(timeout)
        since = self._since = perf_counter()
        try:
            return await self._inbox.wait(limit)
        except TimeoutError:
            now = perf_counter()
            text = f"no event within {limit:g} s" + (f", after {self.events:,} that came" if self.events else "")
            self._fail(Fault(ErrorKind.TIMEOUT, text), since, now)
            return self._event(now, Fault(ErrorKind.TIMEOUT, text))
        except asyncio.CancelledError as interruption:
            self._interrupted(interruption, since)
            raise
        finally:
            self._since = 0.0

    async def stop(self) -> None:
        """Have the server send no more events. Those that are there can still be read."""
        self._halt("stopped by the scenario")

    # -- what the connection tells

    def arrived(self, content: bytes, end: float) -> None:
        """An event came whole at `end` (clock s)."""
        step, recorder = self._step, self._ws.stack.recorder
        step.events.total += 1.0
        fault = self._judge.fault(content)
        if fault is not None:
            self._fail(fault, self._before, end, _OPENED)
        else:
            self._answered(end)
        event = self._event(end, fault, content)
        if self.events:
            recorder.add(step.gap, event.wait)
        self.events += 1
        self._before = end
        if not self._inbox.put(event):
            text = f"more than {MOST:,} events, or {MOST_SIZE:,} bytes, that no `next` took: dropped"
            recorder.error("unread", step.name, text)

    def completed(self, end: float) -> None:
        """The server has no more events."""
        self._answered(end)
        self._finish(end, "completed by the server")

    def refused(self, errors: bytes, end: float) -> None:
        """The server ends it with `errors`, a list in JSON. Where they are allowed, that is as good as an event."""
        content = b'{"errors":' + errors + b"}"
        fault = self._judge.fault(content)
        if fault is not None:
            self.failed(fault, end, _OPENED, content)
        else:
            self._answered(end)
            self._inbox.put(self._event(end, None, content))
            self._finish(end, "refused by the server")

    def failed(self, fault: Fault, now: float, status: int = 0, content: bytes = b"") -> None:
        """It could not be begun, or its connection has ended; `status` is that of HTTP, where there was one."""
        self._fail(fault, self._before, now, status)
        self.error, self.error_text = fault.kind, fault.text
        self._finish(now, fault=fault, content=content)

    def cut_off(self, patience: float, now: float) -> None:
        """Record an event that `next` has waited for longer than `patience` (s) as missing."""
        if self._since and now - self._since > patience:
            self._fail(_missing(now - self._since), self._since, now)
            self._since = 0.0

    def dropped(self) -> None:
        """It ends with its user, without a sample."""
        self._finish(perf_counter(), fault=Fault(ErrorKind.RESET, "dropped with its user"))

    # -- helpers

    def _event(self, now: float, fault: Fault | None, content: bytes = b"") -> GraphqlEvent:
        wait = (now - self._before) * 1e3
        if fault is None:
            return GraphqlEvent(content, now, wait)
        return GraphqlEvent(content, now, wait, fault.kind, fault.text)

    def _answered(self, end: float) -> None:
        """End the exchange, unless it has ended."""
        if self._due:
            self._due = False
            self._ws.stack.recorder.exchange(self._step.answered, 0, 0, self._planned, self._start, end, end)

    def _fail(self, fault: Fault, since: float, now: float, status: int = 0) -> None:
        """One failed exchange: the one from the start, while it has no end, else one that was waited for from `since` on."""
        planned, start = (self._planned, self._start) if self._due else (since, since)
        self._due = False
        self._step.fail(fault.kind, fault.text, 0, planned, start, now, status)

    def _finish(self, now: float, text: str = "", fault: Fault | None = None, content: bytes = b"") -> None:
        """There are no more events, for the reason in `text` or `fault`."""
        last = self._last = self._event(now, fault, content)
        last.last = True
        last.error_text = last.error_text or text
        self._inbox.end(last)

    def _halt(self, text: str) -> None:
        if self._last is None:
            if self._socket is not None:
                self._socket.stop(self._id)
            self._finish(perf_counter(), text)

    def _interrupted(self, interruption: BaseException, since: float) -> None:
        """Remember that an event was waited for, unless `cut_off` has recorded it."""
        if self._since:
            self._lost = interruption, since

    def _leave(self, error: BaseException | None) -> None:
        """Stop at the end of the scenario's block. One that was interrupted in its wait leaves that to the client."""
        if self._lost is not None and self._lost[0] is error:
            self._ws.give_up(_Lost(self, self._lost[1]))
        self._halt("stopped by the scenario")


class _Lost:
    """An event that was waited for from `since` (clock s) until the scenario was interrupted."""

    __slots__ = ("_since", "_subscription")

    def __init__(self, subscription: Subscription, since: float) -> None:
        self._since = since
        self._subscription = subscription

    def fail(self, kind: ErrorKind, text: str, now: float) -> None:
        self._subscription._fail(Fault(kind, text), self._since, now)

    def give_up(self, patience: float, now: float) -> None:
        if now - self._since > patience:
            self._subscription._fail(_missing(now - self._since), self._since, now)


def _missing(seconds: float) -> Fault:
    return Fault(ErrorKind.UNANSWERED, f"no event {seconds:.3g} s after it was waited for, when its user was given up")
