"""What all users of a run share for gRPC: the recorder, the connector, the schema, and the bytes of prepared calls."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadgate.clients.grpc.channel import Channel
from loadgate.clients.grpc.head import Heads
from loadgate.clients.grpc.method import Method
from loadgate.clients.grpc.request import Request, header_block
from loadgate.clients.grpc.status import Expected, expected_codes
from loadgate.clients.grpc.step import Step
from loadgate.clients.transport import ConnectMarks, Connector, Origin, TlsOptions, parse_origin
from loadgate.measure.recorder import Recorder

if TYPE_CHECKING:
    from loadgate.clients.grpc.client import GrpcClient, Pace
    from loadgate.clients.grpc.schema import Schema

_KEPT: Final = 4096
"""Steps and prepared calls kept per context; names with ids in them would otherwise be kept for ever."""


@dataclass(slots=True)
class GrpcConnector(Connector):
    """A connector whose TLS offers HTTP/2 alone. It cannot be the one of HTTP/1.1, which offers that."""

    def __post_init__(self) -> None:
        Connector.__post_init__(self)
        if self._context is not None:
            self._context.set_alpn_protocols(["h2"])

    async def _handshake(self, origin: Origin, transport: asyncio.Transport, marks: ConnectMarks) -> asyncio.Transport:
        if self._context is None:
            context: ssl.SSLContext = self.tls.context()
            context.set_alpn_protocols(["h2"])
            self._context = context
        return await Connector._handshake(self, origin, transport, marks)


class Context:
    """The tags that hold for a stretch of a scenario, and the calls prepared under them."""

    __slots__ = ("_recorder", "_steps", "prepared", "tags")

    def __init__(self, recorder: Recorder, tags: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._steps: dict[tuple[str, str, frozenset[int]], Step] = {}
        self.tags = tags
        self.prepared: dict[object, Request] = {}

    def step(self, method: Method, name: str, expected: frozenset[int]) -> Step:
        key = (method.path, name, expected)
        step = self._steps.get(key)
        if step is None:
            if len(self._steps) >= _KEPT:
                self._steps.clear()  # the recorder knows their series, so one made anew goes on where it was
            service, _, own = method.name.rpartition("/")
            tags = {**self.tags, "name": name, "service": service, "method": own, "rpc_type": method.kind}
            step = self._steps[key] = Step(self._recorder, name, tags, expected)
        return step

    def keep(self, key: object, request: Request) -> Request:
        if len(self.prepared) >= _KEPT:
            self.prepared.clear()
        self.prepared[key] = request
        return request


class GrpcStack:
    """gRPC for one run, on one event loop.

    `target_url` is `grpc://host:port` or `grpcs://host:port` (TLS); `http://` and `https://` mean the same, and a bare
    `host:port` is without TLS. `metadata` goes with each call, `timeout` (s) is the deadline of calls that have no other.
    With `shared` all users have one connection, as a program with one channel would; else each has its own. Without a
    schema, messages are bytes. Raises LoadgateError or ValueError for options that cannot be used.
    """

    def __init__(
        self,
        recorder: Recorder,
        target_url: str,
        *,
        connector: GrpcConnector | None = None,
        tls: TlsOptions | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout: float = 60.0,
        schema: Schema | None = None,
        shared: bool = False,
        user_agent: str = "loadgate",
    ) -> None:
        self.recorder = recorder
        self.origin = grpc_origin(target_url)
        self.connector = connector or GrpcConnector(tls or TlsOptions())
        self.schema = schema
        self.heads = Heads()
        self.resent = 0
        """Calls sent once more because the server had not looked at them."""
        self._metadata = dict(metadata or {})
        self._timeout = timeout
        self._user_agent = user_agent
        self._shared = shared
        self._channel: Channel | None = None
        self._contexts: dict[tuple[tuple[str, str], ...], Context] = {}
        self._raw: dict[str, Method] = {}

    def context(self, tags: Mapping[str, str]) -> Context:
        """The context of these tags; equal tags share one."""
        key = tuple(sorted(tags.items()))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = Context(self.recorder, dict(key))
        return context

    def client(self, tags: Mapping[str, str], pace: Pace | None = None) -> GrpcClient:
        """A new user's client. It opens nothing until its first call. `pace` knows the user's planned start."""
        from loadgate.clients.grpc.client import GrpcClient

        return GrpcClient(self, self.context(tags), pace)

    def channel(self) -> tuple[Channel, bool]:
        """The channel of a new user, and whether others have it too."""
        if not self._shared:
            return Channel(self), False
        if self._channel is None:
            self._channel = Channel(self)
        return self._channel, True

    def close(self) -> None:
        """Close the shared channel; users close their own."""
        if self._channel is not None:
            self._channel.close()

    def method(self, name: str, *, streams: bool = False) -> Method:
        """The method `package.Service/Method`; raises LoadgateError with the nearest name where the schema has none such.

        Without a schema any name will do; `streams` then says that both sides may send several messages.
        """
        if self.schema is not None:
            return self.schema.method(name)
        path = f"/{name.removeprefix('/')}"
        if path.count("/") != 2 or path.endswith("/") or not path.isascii():
            raise ValueError(f"`{name}` is no gRPC method: write `package.Service/Method`")
        return Method(path, client_streaming=streams, server_streaming=streams)

    def request(
        self,
        context: Context,
        method: Method,
        *,
        metadata: Mapping[str, str | bytes],
        timeout: float | None,
        name: str | None,
        expect: Expected,
    ) -> Request:
        """A call to be sent many times. Raises ValueError for options that cannot be used."""
        seconds = self._timeout if timeout is None else timeout
        step = context.step(method, name or method.name, expected_codes(expect))
        merged = {**self._metadata, **metadata}
        return Request(method, step, header_block(method, self.origin, merged, seconds, self._user_agent), seconds)


def grpc_origin(url: str) -> Origin:
    """Where a target's URL leads. Raises ValueError with a sentence for anything that is no place of a gRPC server."""
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "grpc", url
    known = {"grpc": "http", "grpcs": "https"}.get(scheme, scheme)
    origin, target = parse_origin(f"{known}://{rest}")
    if target != "/":
        raise ValueError(f"`{url}` has a path: a gRPC target is only a host and a port")
    return origin
