"""What a scenario holds as `user.http`: one user's requests, connections and cookies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Collection, Mapping
from contextlib import suppress
from time import perf_counter, time
from typing import Any, Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.connection import Connection
from loadgate.clients.http.content import FilePart
from loadgate.clients.http.cookies import CookieJar
from loadgate.clients.http.head import Head
from loadgate.clients.http.request import CREDENTIALS, Auth, Request, encode_body, header_line
from loadgate.clients.http.response import Headers, Response
from loadgate.clients.http.stack import Context, HttpStack
from loadgate.clients.transport import ConnectMarks, Origin

CONNECTIONS_PER_ORIGIN: Final = 6
"""Connections one user opens to one origin when it sends several requests at once: k6's `batchPerHost`."""

_PREPARED: Final = 4096
"""Prepared requests kept per context; URLs with ids in them would otherwise be kept for ever."""

_Waiting = tuple[Request, bytes, float, float, "asyncio.Future[Response]"]
"""Request, its bytes, when it was planned and when it was asked for (clock seconds), and who waits for the reply."""


class HttpClient:
    """Requests of one user over kept-alive connections of its own, with its own cookies.

    Every request method returns an awaitable of `Response`. A transport error does not raise: the response then has
    status 0 and `error` set. What cannot be sent at all (a relative URL, a broken header) raises ValueError.
    """

    __slots__ = (
        "_connection",
        "_cookies",
        "_headers",
        "_loop",
        "_others",
        "_tasks",
        "context",
        "planned",
        "queue",
        "stack",
    )

    def __init__(self, stack: HttpStack, context: Context) -> None:
        self.stack = stack
        self.context = context
        self.planned = 0.0
        """Clock seconds the next request should have started at, or 0: the latency of that request counts from it."""
        self.queue: dict[Origin, deque[_Waiting]] | None = None
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._others: list[Connection] | None = None
        self._tasks: dict[asyncio.Task[None], tuple[Origin, asyncio.Future[Response]]] | None = None
        self._cookies: CookieJar | None = None
        self._headers: dict[str, str] | None = None

    # -- what scenarios use

    @property
    def headers(self) -> dict[str, str]:
        """Header fields sent with each request of this user, unless the request has its own of that name."""
        if self._headers is None:
            self._headers = {}
        return self._headers

    @property
    def cookies(self) -> CookieJar:
        if self._cookies is None:
            self._cookies = CookieJar()
        return self._cookies

    @property
    def group(self) -> str:
        return self.context.tags.get("group", "")

    @group.setter
    def group(self, group: str) -> None:
        self.tags = {**self.context.tags, "group": group}

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of every sample this user's requests leave from now on."""
        return self.context.tags

    @tags.setter
    def tags(self, tags: Mapping[str, str]) -> None:
        self.context = self.stack.context(tags)

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | str | bytes | None = None,
        files: Mapping[str, FilePart] | None = None,
        timeout: float | None = None,
        redirects: int | None = None,
        auth: Auth | None = None,
        tags: Mapping[str, str] | None = None,
        name: str | None = None,
        expect: Collection[int] | int | None = None,
    ) -> Awaitable[Response]:
        """Send a request.

        `url` is absolute or a path on the target. `name` is the step it counts for; without it the step is the method
        and the path, so give one where paths hold ids. `data` is form fields (mapping) or a raw body; `files` makes a
        multipart body. `auth` is a bearer token or (user, password). `expect` lists the statuses that are no failure
        (default 200 to 399). `timeout` is in seconds, over connect, send and the whole reply.
        """
        body, content_type = encode_body(json=json, data=data, files=files)
        context = self.stack.context({**self.context.tags, **tags}) if tags else self.context
        expected = frozenset((expect,)) if isinstance(expect, int) else frozenset(expect) if expect else None
        method = method.upper()
        builder = self.stack.builder
        if name is None:
            name = f"{method} {builder.locate(url)[1].partition('?')[0]}"
        request = builder.build(
            method,
            url,
            context.step(method, name, expected),
            params=params,
            headers=headers,
            body=body,
            content_type=content_type,
            auth=auth,
            timeout=timeout,
            redirects=redirects,
        )
        return self.send(request)

    def get(self, url: str, **options: Any) -> Awaitable[Response]:
        # as `_ask` does, without the call: this is the hot path of most scenarios
        if options:
            return self.request("GET", url, **options)
        return self.send(self.context.prepared.get(("GET", url)) or self._plain("GET", url))

    def head(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("HEAD", url, options)

    def options(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("OPTIONS", url, options)

    def delete(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("DELETE", url, options)

    def post(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("POST", url, options)

    def put(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("PUT", url, options)

    def patch(self, url: str, **options: Any) -> Awaitable[Response]:
        return self._ask("PATCH", url, options)

    def _ask(self, method: str, url: str, options: dict[str, Any]) -> Awaitable[Response]:
        if options:
            return self.request(method, url, **options)
        return self.send(self.context.prepared.get((method, url)) or self._plain(method, url))

    def _plain(self, method: str, url: str) -> Request:
        """A request without options, made once per context and URL: then only its bytes are sent."""
        prepared = self.context.prepared
        if len(prepared) >= _PREPARED:
            prepared.clear()
        request = prepared[method, url] = self.prepare(method, url)
        return request

    # -- what prepared steps and the engine use

    def prepare(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        name: str | None = None,
        expected: frozenset[int] | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        redirects: int | None = None,
    ) -> Request:
        """Make a request to be sent many times, by this user or by any other of the run."""
        builder = self.stack.builder
        if name is None:
            name = f"{method} {builder.locate(url)[1].partition('?')[0]}"
        return builder.build(
            method,
            url,
            self.context.step(method, name, expected),
            headers=headers,
            body=body,
            content_type=content_type,
            auth=auth,
            timeout=timeout,
            redirects=redirects,
        )

    def send(self, request: Request) -> Awaitable[Response]:
        """Send a prepared request. At most one future and no task, while a connection is idle."""
        waiter: asyncio.Future[Response] = self._loop.create_future()
        planned = self.planned
        self.planned = 0.0
        wire = request.wire if self._headers is None and self._cookies is None else self._own_wire(request)
        connection = self._connection
        if connection is not None and connection.request is None and connection.origin is request.origin:
            connection.send(request, wire, planned, waiter)
        else:
            called = perf_counter()
            self._dispatch((request, wire, planned or called, called, waiter))
        return waiter

    def close(self) -> None:
        """Drop every connection and whatever is in flight; who waits for a reply is cancelled. More may be sent."""
        for line in (self.queue or {}).values():
            for waiting in line:
                waiting[4].cancel()
        self.queue = None
        for task in list(self._tasks or ()):
            task.cancel()
        for connection in self._connections():
            connection.drop()

    def cut_off(self, patience: float) -> None:
        """Record requests that have waited longer than `patience` (s) as unanswered, and give them up."""
        for connection in self._connections():
            connection.cut_off(patience)

    # -- finding a connection

    def _connections(self) -> list[Connection]:
        first = [self._connection] if self._connection is not None else []
        return first + (self._others or [])

    def _dispatch(self, waiting: _Waiting) -> None:
        """Use an idle connection, open another, or wait for one."""
        if self._place(waiting):
            return
        origin = waiting[0].origin
        self.queue = self.queue or {}
        self.queue.setdefault(origin, deque()).append(waiting)
        # a scenario that gave up waiting must not be kept waiting by what it gave up
        for task, (opening, waiter) in (self._tasks or {}).items():
            if opening is origin and waiter.done():
                task.cancel()
        for connection in self._connections():
            if connection.origin is origin and connection.abandoned:
                connection.fail(ErrorKind.TIMEOUT, "given up by the scenario before the reply was whole")

    def _place(self, waiting: _Waiting, *, queued: bool = False) -> bool:
        """Send on an idle connection or begin to open one; False if all that may be open are busy."""
        request, wire, planned, called, waiter = waiting
        origin = request.origin
        in_use = sum(opening is origin for opening, _ in (self._tasks or {}).values())
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
        task = self._loop.create_task(self._open(waiting))
        self._tasks = self._tasks or {}
        self._tasks[task] = (waiting[0].origin, waiting[4])
        task.add_done_callback(self._opened)

    async def _open(self, waiting: _Waiting) -> None:
        request, wire, planned, called, waiter = waiting
        marks = ConnectMarks(blocked=perf_counter() - called)
        connection = Connection(self, request.origin, self._loop)
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
        if self._connection is None:
            self._connection = connection
        else:
            self._others = self._others or []
            self._others.append(connection)
        if waiter.done():
            connection.park()
        else:
            connection.send_first(request, wire, planned, waiter, marks)

    def _opened(self, task: asyncio.Task[None]) -> None:
        assert self._tasks is not None
        _, waiter = self._tasks.pop(task)
        if task.cancelled():
            waiter.cancel()
        elif (error := task.exception()) is not None and not waiter.done():
            waiter.set_exception(error)
        self.pump()

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

    # -- what connections report

    def following(self, request: Request, head: Head) -> Request | None:
        """The request a redirect asks for, or None where it is not to be followed."""
        location = Headers(head.raw)["location"]
        with suppress(UnicodeDecodeError):  # servers send UTF-8 where only ASCII may stand
            location = location.encode("latin-1").decode("utf-8")
        return self.stack.builder.follow(request, location, head.status)

    def finish(
        self,
        request: Request,
        head: Head,
        response: Response,
        waiter: asyncio.Future[Response],
        following: Request | None,
    ) -> None:
        """A reply that came the long way: keep its cookies, go on to where it points, or hand it over."""
        if head.sets_cookie:
            now = time()
            for line in response.headers.get_all("set-cookie"):
                self.cookies.store(line, request.origin.host, request.target, now)
        if not waiter.done():
            if following is None:
                waiter.set_result(response)
            else:
                called = perf_counter()
                self._dispatch((following, self._own_wire(following), called, called, waiter))
        self.pump()

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
        if self._connection is connection:
            self._connection = self._others.pop() if self._others else None
        elif self._others and connection in self._others:
            self._others.remove(connection)

    def _own_wire(self, request: Request) -> bytes:
        """The request's bytes with this user's own headers and cookies in them."""
        lines = [
            header_line(name, value)
            for name, value in (self._headers or {}).items()
            if not request.has_header(name) and not (request.away and name.lower() in CREDENTIALS)
        ]
        origin = request.origin
        if self._cookies and not request.has_header("cookie"):
            value = self._cookies.header(origin.host, request.target, tls=origin.tls, now=time(), foreign=request.away)
            if value:
                lines.append(header_line("cookie", value))
        return request.head + b"".join(lines) + b"\r\n" + request.body if lines else request.wire
