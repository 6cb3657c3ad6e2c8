"""The connections of one user: kept, at most six to an origin, and a line of the requests that wait for one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.connection import Connection
from loadgate.clients.http.head import Head
from loadgate.clients.http.request import Request
from loadgate.clients.http.response import Response
from loadgate.clients.transport import ConnectMarks, Origin

if TYPE_CHECKING:
    from loadgate.clients.http.stack import HttpStack

CONNECTIONS_PER_ORIGIN: Final = 6
"""Connections one user opens to one origin when it sends several requests at once: k6's `batchPerHost`."""

_Waiting = tuple[Request, bytes, float, float, "asyncio.Future[Response]"]
"""Request, its bytes, when it was planned and when it was asked for (clock seconds), and who waits for the reply."""


class ConnectionPool(ABC):
    """Finds a connection for each request: an idle one, a new one, or the next that comes free.

    The client is a pool rather than has one: two objects that know each other would stay, when their user is gone, until
    the garbage collector comes by. Nearly every user has one connection, so what is for more is made when it is needed.
    """

    __slots__ = ("_first", "_opening", "_others", "loop", "queue", "stack")

    def __init__(self, stack: HttpStack) -> None:
        self._first: Connection | None = None
        self.loop = asyncio.get_running_loop()
        self._opening: dict[asyncio.Task[None], tuple[Origin, asyncio.Future[Response]]] | None = None
        self._others: list[Connection] | None = None
        self.queue: dict[Origin, deque[_Waiting]] | None = None
        self.stack = stack

    # -- what the client does with replies

    @abstractmethod
    def following(self, request: Request, head: Head) -> Request | None:
        """The request a redirect asks for, or None where it is not to be followed."""

    @abstractmethod
    def finish(
        self,
        request: Request,
        head: Head,
        response: Response,
        waiter: asyncio.Future[Response],
        following: Request | None,
    ) -> None:
        """Take a reply that came the long way."""

    # -- what the client asks for

    def _dispatch(self, waiting: _Waiting) -> None:
        """Use an idle connection, open another, or wait for one."""
        if self._place(waiting):
            return
        origin = waiting[0].origin
        self.queue = self.queue or {}
        self.queue.setdefault(origin, deque()).append(waiting)
        # a scenario that gave up waiting must not be kept waiting by what it gave up
        for task, (opening, waiter) in (self._opening or {}).items():
            if opening is origin and waiter.done():
                task.cancel()
        for connection in self._connections():
            if connection.origin is origin and connection.abandoned:
                connection.fail(ErrorKind.TIMEOUT, "given up by the scenario before the reply was whole")

    def close(self) -> None:
        """Drop every connection and whatever is in flight; who waits for a reply is cancelled. More may be sent."""
        for line in (self.queue or {}).values():
            for waiting in line:
                waiting[4].cancel()
        self.queue = None
        for task in list(self._opening or ()):
            task.cancel()
        for connection in self._connections():
            connection.drop()

    def cut_off(self, patience: float) -> None:
        """Record requests that have waited longer than `patience` (s) as unanswered, and give them up."""
        for connection in self._connections():
            connection.cut_off(patience)

    # -- finding a connection

    def _connections(self) -> list[Connection]:
        first = [self._first] if self._first is not None else []
        return first + (self._others or [])

    def _place(self, waiting: _Waiting, *, queued: bool = False) -> bool:
        """Send on an idle connection or begin to open one; False if all that may be open are busy."""
        request, wire, planned, called, waiter = waiting
        origin = request.origin
        in_use = sum(opening is origin for opening, _ in (self._opening or {}).values())
        for connection in self._connections():
            if connection.origin is origin:
                if connection.request is None:
                    if queued:
                        marks = ConnectMarks(blocked=perf_counter() - called)
                        connection.send_first(request, wire, planned, waiter, marks)
                    else:
                        connection.send(request, wire, planned, waiter)
                    return True
                in_use += 1
        if in_use < CONNECTIONS_PER_ORIGIN:
            self._connect(waiting)
            return True
        return False

    def _connect(self, waiting: _Waiting) -> None:
        task = self.loop.create_task(self._open(waiting))
        self._opening = self._opening or {}
        self._opening[task] = (waiting[0].origin, waiting[4])
        task.add_done_callback(self._opened)

    async def _open(self, waiting: _Waiting) -> None:
        request, wire, planned, called, waiter = waiting
        marks = ConnectMarks(blocked=perf_counter() - called)
        connection = Connection(self, request.origin, self.loop)
        try:
            connector = self.stack.connector
            transport = await connector.open(request.origin, lambda: connection, marks, request.timeout)
            if transport.is_closing():
                raise ExchangeError(ErrorKind.RESET, "connection closed before the request was sent")
        except ExchangeError as error:
            now = perf_counter()
            times = (planned, now, now, now)
            phases = (marks.blocked, marks.connecting, marks.tls_handshaking, 0.0)
            self.stack.recorder.exchange(request.step.failure(error.kind), 0, 0, *times)
            self.failed(request, error.kind, str(error), times, phases, waiter)
            return
        connection.use(transport)
        if self._first is None:
            self._first = connection
        else:
            self._others = self._others or []
            self._others.append(connection)
        if waiter.done():
            connection.park()
        else:
            connection.send_first(request, wire, planned, waiter, marks)

    def _opened(self, task: asyncio.Task[None]) -> None:
        assert self._opening is not None
        _, waiter = self._opening.pop(task)
        if task.cancelled():
            waiter.cancel()
        elif (error := task.exception()) is not None and not waiter.done():
            waiter.set_exception(error)
        self.pump()

    # -- what connections report

    def pump(self) -> None:
        """A connection may have come free: serve who waits for one, first come first served."""
        queue = self.queue
        if not queue:
            return
        for origin, line in list(queue.items()):
            while line and (line[0][4].done() or self._place(line[0], queued=True)):
                line.popleft()
            if not line:
                del queue[origin]

    def failed(
        self,
        request: Request,
        kind: ErrorKind,
        text: str,
        times: tuple[float, float, float, float],
        phases: tuple[float, float, float, float],
        waiter: asyncio.Future[Response],
    ) -> None:
        """An exchange ended without a usable reply; its sample is recorded already."""
        self.stack.recorder.error(kind.value, request.step.name, text)
        if not waiter.done():
            waiter.set_result(Response(request, 0, False, None, b"", 0, *times, phases, kind, text))
        self.pump()

    def resend(self, request: Request, wire: bytes, planned: float, waiter: asyncio.Future[Response]) -> None:
        """The idle connection had been closed by the server: once more, and on a new one."""
        if not waiter.done():
            self.stack.resent += 1
            self._connect((request, wire, planned, perf_counter(), waiter))
        self.pump()

    def forget(self, connection: Connection) -> None:
        """`connection` is closed."""
        if self._first is connection:
            self._first = self._others.pop() if self._others else None
        elif self._others and connection in self._others:
            self._others.remove(connection)
