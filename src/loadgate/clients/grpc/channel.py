"""The way to the server for one user, or for all users of a run: one connection, the next one when it is given up, and a
line of the calls that wait for either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.grpc.call import Call
from loadgate.clients.grpc.connection import Connection

if TYPE_CHECKING:
    from loadgate.clients.grpc.stack import GrpcStack

MOST_OPENINGS = 3
"""Connections in a row that the server gave up before a call was sent on them; then those that wait fail."""


class Channel:
    """Starts calls on the present connection; opens one when there is none."""

    __slots__ = ("_connections", "_loop", "_opening", "_pumping", "_wasted", "current", "stack", "waiting")

    def __init__(self, stack: GrpcStack) -> None:
        self.stack = stack
        self.current: Connection | None = None
        self.waiting: dict[Call, None] = {}
        self._connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._opening: asyncio.Task[None] | None = None
        self._pumping = False
        self._wasted = 0

    def start(self, call: Call) -> None:
        """Send a call now if it can be, else as soon as it can."""
        current = self.current
        if current is not None and not self.waiting and current.usable:
            current.start(call)
            return
        call.called = perf_counter()
        self._watch(call)
        self.waiting[call] = None
        self.pump()

    def resend(self, calls: Iterable[Call]) -> None:
        """The server did not look at these calls: once more, before those that wait for their first time.

        At the end of a long line they might come too late again, and a third time there is not.
        """
        again = [call for call in calls if not call.abandoned]
        self.stack.resent += len(again)
        for call in again:
            call.called = call.called or call.start
            call.rewind()
            self._watch(call)
        self.waiting = dict.fromkeys(again) | self.waiting
        self.pump()

    def _watch(self, call: Call) -> None:
        left = call.called + call.request.timeout - perf_counter()
        call.timer = self._loop.call_later(max(0.0, left), self._too_late, call)

    def _too_late(self, call: Call) -> None:
        if self.waiting.pop(call, self) is not self:
            why = "the connection was not open" if self.current is None else "the server allowed no more streams"
            call.fail(ErrorKind.TIMEOUT, f"not sent within {call.request.timeout:g} s: {why}")

    def pump(self) -> None:
        """Start who waits, first come first served, or see to it that there will be a connection."""
        while self.waiting and self.current is not None and self.current.usable:
            call = next(iter(self.waiting))
            self._take(call)
            if not call.abandoned:
                self._wasted = 0
                self.current.start(call)
        if self.waiting and self.current is None and self._opening is None:
            self._opening = self._loop.create_task(self._open())
            self._opening.add_done_callback(self._opened)

    def pump_soon(self) -> None:
        """As `pump`, when what is under way is done: several places may come free at once."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump_now)

    def _pump_now(self) -> None:
        self._pumping = False
        self.pump()

    def _take(self, call: Call) -> None:
        del self.waiting[call]
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None

    # -- connections

    async def _open(self) -> None:
        connection = Connection(self, self.stack.origin, self._loop)
        marks = connection.marks
        self._connections.add(connection)
        try:
            connector = self.stack.connector
            transport = await connector.open(self.stack.origin, lambda: connection, marks)
            connection.begin(transport)
            try:
                async with asyncio.timeout(max(0.001, connector.connect_timeout - marks.opening)):
                    await asyncio.shield(connection.settled)
            except TimeoutError:
                text = f"{self.stack.origin}: no HTTP/2 settings within {connector.connect_timeout:g} s"
                raise ExchangeError(ErrorKind.CONNECT, text) from None
        except ExchangeError as error:
            connection.close()
            self._fail_waiting(error.kind, str(error))
            return
        except BaseException:
            connection.close()
            raise
        if connection.draining:
            self._wasted += 1
            if self._wasted >= MOST_OPENINGS:
                self._wasted = 0
                self._fail_waiting(ErrorKind.RESET, "the server gives up each connection before a call is sent on it")
            return
        self.current = connection
        for call in self.waiting:
            call.marks = marks

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening = None
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                for call in list(self.waiting):
                    self._take(call)
                    if not call.abandoned:
                        call.waiter.set_exception(error)
            self.pump()

    def _fail_waiting(self, kind: ErrorKind, text: str) -> None:
        for call in list(self.waiting):
            self._take(call)
            call.fail(kind, text)

    def retire(self, connection: Connection) -> None:
        """Start nothing more on `connection`, which goes on with what it has."""
        if self.current is connection:
            self.current = None

    def forget(self, connection: Connection) -> None:
        """`connection` is closed."""
        self.retire(connection)
        self._connections.discard(connection)

    # -- endings

    def connection_of(self, call: Call) -> Connection | None:
        """Where `call` is under way, if it is."""
        return next((one for one in self._connections if one.calls.get(call.stream) is call), None)

    def give_up(self, call: Call) -> bool:
        """Take a call off, wherever it is; False where it has ended. Whoever asks for this ends the call."""
        if call in self.waiting:
            self._take(call)
            return True
        connection = self.connection_of(call)
        if connection is None:
            return False
        connection.cancel(call)
        return True

    def drop(self, owner: object) -> None:
        """End the calls of a user who is gone, without samples."""
        for call in [call for call in self.waiting if call.owner is owner]:
            self._take(call)
            call.drop()
        for connection in list(self._connections):
            for call in [call for call in connection.calls.values() if call.owner is owner]:
                connection.cancel(call)
                call.drop()

    def close(self) -> None:
        """Close every connection and drop what is under way; who waits is cancelled. More may be sent."""
        for call in list(self.waiting):
            self._take(call)
            call.drop()
        if self._opening is not None:
            self._opening.cancel()
        for connection in list(self._connections):
            connection.close()

    def cut_off(self, patience: float, owner: object | None) -> None:
        """Record calls that have waited longer than `patience` (s) as unanswered, and give them up."""
        for connection in list(self._connections):
            connection.cut_off(patience, owner)
