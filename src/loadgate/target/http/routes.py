"""Who answers what: path templates, methods, and the answers to everything that is not there.

A template is literal segments and `{names}`. HEAD comes with GET and OPTIONS with everything; a path that exists but not
for the method is 405 with an `allow` field, any other path 404.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from loadgate.target.chaos import is_control
from loadgate.target.faults import KINDS, Kind, Outcome
from loadgate.target.http.query import decoded
from loadgate.target.http.reply import Reply, empty_reply, error_reply
from loadgate.target.http.request import Request
from loadgate.target.metrics import Metrics, Tally


class Call:
    """One request on its way to its handler. `args` are the values of the template's names, in order, decoded."""

    __slots__ = ("args", "endpoint", "path", "query", "request")

    def __init__(self, request: Request, endpoint: Endpoint, path: str, query: str, args: tuple[str, ...]) -> None:
        self.request = request
        self.endpoint = endpoint
        self.path = path
        self.query = query
        self.args = args


Handler = Callable[[Call], Reply]


class Manner:
    """How requests of a protocol that is spoken over HTTP differ from others.

    `kinds` are the faults they may have. `informed` answers in place of the handler when something is injected: it is told
    the delay in milliseconds and the fault, and does as `errors` and `field` demand. `switch` takes the connection over
    after a reply of status 101.
    """

    __slots__ = ("informed", "kinds", "protocol", "switch")

    def __init__(
        self,
        protocol: str,
        kinds: frozenset[Kind],
        informed: Callable[[Call, float, Outcome | None], Reply] | None = None,
        switch: Callable[[Call, asyncio.Transport], None] | None = None,
    ) -> None:
        self.protocol = protocol
        self.kinds = kinds
        self.informed = informed
        self.switch = switch


PLAINLY: Final = Manner("http", KINDS["http"])


class Endpoint:
    """One method of one template. A `control` endpoint is never delayed nor broken."""

    __slots__ = ("control", "handler", "manner", "tally")

    def __init__(self, handler: Handler, tally: Tally, manner: Manner = PLAINLY, *, control: bool) -> None:
        self.handler = handler
        self.tally = tally
        self.manner = manner
        self.control = control


class _Route:
    """All methods of one template."""

    def __init__(self, segments: tuple[str, ...]) -> None:
        self.segments = segments
        self.endpoints: dict[str, Endpoint] = {}
        self.rejected: Endpoint

    def match(self, segments: list[str]) -> tuple[str, ...] | None:
        """The values of the template's names, or None."""
        args: list[str] = []
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern[:1] == "{" and segment:
                args.append(segment)
            elif pattern != segment:
                return None
        return tuple(args)


class Routes:
    """The table. `add` all first, then `resolve`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._literal: dict[str, _Route] = {}
        self._patterns: dict[int, list[_Route]] = {}
        self._all: list[_Route] = []
        self._missing = Endpoint(_missing, metrics.tally("ANY", "(unknown)"), control=False)
        self._whole = Endpoint(_whole, metrics.tally("OPTIONS", "*"), control=True)

    def add(self, template: str, manner: Manner = PLAINLY, **handlers: Handler) -> None:
        """Handlers by method in capitals."""
        route = _Route(tuple(template.split("/")))
        self._all.append(route)
        if "{" in template:
            self._patterns.setdefault(len(route.segments), []).append(route)
        else:
            self._literal[template] = route
        if "GET" in handlers:
            handlers = {"HEAD": _bodiless(handlers["GET"]), **handlers}
        allow = f"allow: {', '.join(sorted([*handlers, 'OPTIONS']))}\r\n".encode()
        options = empty_reply(204, allow)
        control = is_control(template)
        for method, handler in {**handlers, "OPTIONS": lambda call: options}.items():
            route.endpoints[method] = Endpoint(handler, self._metrics.tally(method, template), manner, control=control)
        route.rejected = Endpoint(_rejection(allow), self._metrics.tally("ANY", template), control=control)

    @property
    def templates(self) -> list[str]:
        return ["/".join(route.segments) for route in self._all]

    def resolve(self, request: Request) -> Call:
        """The request with its endpoint; there always is one. Targets may be in absolute form (RFC 9112 3.2.2)."""
        target = request.target
        if target[:1] != "/":
            if target == "*" and request.method == "OPTIONS":
                return Call(request, self._whole, target, "", ())
            _, scheme, rest = target.partition("://")
            target = "/" + rest.partition("/")[2] if scheme else target
        path, _, query = target.partition("?")
        if "%" in path:
            path = decoded(path)
        route, args = self._find(path)
        if route is None:
            return Call(request, self._missing, path, query, ())
        return Call(request, route.endpoints.get(request.method, route.rejected), path, query, args)

    def covers(self, prefix: str) -> bool:
        """Whether any path can begin with the segments of `prefix`."""
        parts = prefix.rstrip("/").split("/")
        return any(
            len(parts) <= len(route.segments)
            and all(mine[:1] == "{" or mine == part for mine, part in zip(route.segments, parts, strict=False))
            for route in self._all
        )

    def _find(self, path: str) -> tuple[_Route | None, tuple[str, ...]]:
        route = self._literal.get(path)
        if route is not None:
            return route, ()
        segments = path.split("/")
        for candidate in self._patterns.get(len(segments), ()):
            args = candidate.match(segments)
            if args is not None:
                return candidate, args
        return None, ()


NOT_FOUND: Final = "there is nothing at this path"
_NO_SUCH: Final = error_reply(404, NOT_FOUND)
_NO_SUCH_HEAD: Final = _NO_SUCH.without_body()
_OPTIONS: Final = empty_reply(204, b"allow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n")


def _missing(call: Call) -> Reply:
    return _NO_SUCH_HEAD if call.request.method == "HEAD" else _NO_SUCH


def _whole(call: Call) -> Reply:
    return _OPTIONS


def _bodiless(get: Handler) -> Handler:
    return lambda call: get(call).without_body()


def _rejection(allow: bytes) -> Handler:
    reply = error_reply(405, "this path does not take this method", allow)
    bodiless = reply.without_body()
    return lambda call: bodiless if call.request.method == "HEAD" else reply
