"""What a scenario holds as `user.http`: one user's requests, connections and cookies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from contextlib import suppress
from time import perf_counter, time
from typing import Any, Final

from loadgate.clients.http.content import FilePart
from loadgate.clients.http.cookies import CookieJar
from loadgate.clients.http.head import Head
from loadgate.clients.http.pool import ConnectionPool
from loadgate.clients.http.request import CREDENTIALS, Auth, Request, encode_body, header_line
from loadgate.clients.http.response import Headers, Response
from loadgate.clients.http.stack import Context, HttpStack
from loadgate.clients.http.step import Judge

_PREPARED: Final = 4096
"""Prepared requests kept per context; URLs with ids in them would otherwise be kept for ever."""


class HttpClient(ConnectionPool):
    """Requests of one user over kept-alive connections of its own, with its own cookies.

    Every request method returns an awaitable of `Response`. A transport error does not raise: the response then has
    status 0 and `error` set. What cannot be sent at all (a relative URL, a broken header) raises ValueError.
    """

    __slots__ = ("_cookies", "_headers", "context", "planned")

    def __init__(self, stack: HttpStack, context: Context) -> None:
        super().__init__(stack)
        self.context = context
        self.planned = 0.0
        """Clock seconds the next request should have started at, or 0: the latency of that request counts from it."""
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
        keeps_body: bool = True,
        judge: Judge | None = None,
    ) -> Request:
        """Make a request to be sent many times, by this user or by any other of the run.

        With a `judge` its replies are looked into, and count for the judge's protocol. `keeps_body` False: nobody will read
        the bodies of its replies, so they need not be kept in memory.
        """
        builder = self.stack.builder
        if name is None:
            name = f"{method} {builder.locate(url)[1].partition('?')[0]}"
        return builder.build(
            method,
            url,
            self.context.step(method, name, expected, judge),
            headers=headers,
            body=body,
            content_type=content_type,
            auth=auth,
            timeout=timeout,
            redirects=redirects,
            keeps_body=keeps_body,
        )

    def send(self, request: Request) -> Awaitable[Response]:
        """Send a prepared request. At most one future and no task, while a connection is idle."""
        waiter: asyncio.Future[Response] = self.loop.create_future()
        planned = self.planned
        self.planned = 0.0
        wire = request.wire if self._headers is None and self._cookies is None else self.own_wire(request)
        connection = self._first
        if connection is not None and connection.request is None and connection.origin is request.origin:
            connection.send(request, wire, planned, waiter)
        else:
            called = perf_counter()
            self._dispatch((request, wire, planned or called, called, waiter))
        return waiter

    # -- what it does with replies

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
                self._dispatch((following, self.own_wire(following), called, called, waiter))

    def own_wire(self, request: Request) -> bytes:
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
