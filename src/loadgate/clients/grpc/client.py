"""What a scenario holds as `user.grpc`: one user's calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from typing import Protocol, cast

from loadgate.clients.grpc.call import Call
from loadgate.clients.grpc.method import Message
from loadgate.clients.grpc.reply import GrpcReply
from loadgate.clients.grpc.request import Request
from loadgate.clients.grpc.stack import Context, GrpcStack
from loadgate.clients.grpc.status import Expected
from loadgate.clients.grpc.stream import GrpcStream, Messages


class Pace(Protocol):
    """Whoever knows when the user's next exchange should have started: its HTTP client, or `GrpcPace`."""

    planned: float


class GrpcPace:
    """The pace of a user that speaks nothing but gRPC."""

    __slots__ = ("planned",)

    def __init__(self) -> None:
        self.planned = 0.0


class GrpcClient:
    """Calls of one user over a connection of its own, or over the one that all users share.

    Neither a status nor a transport error raises: the reply then has that status, and `error` set. What cannot be sent at
    all (an unknown method, a message that does not fit) raises LoadgateError or ValueError.
    """

    __slots__ = ("_channel", "_loop", "_pace", "_shares", "context", "metadata", "stack")

    def __init__(self, stack: GrpcStack, context: Context, pace: Pace | None = None) -> None:
        """Whichever of the protocols that have one `pace` comes first takes its planned start."""
        self.stack = stack
        self.context = context
        self.metadata: dict[str, str | bytes] = {}
        """Sent with each call of this user, unless the call has its own of that name. Names in `-bin` take bytes."""
        self._pace = pace or GrpcPace()
        self._loop = asyncio.get_running_loop()
        self._channel, self._shares = stack.channel()

    @property
    def planned(self) -> float:
        """Clock seconds the next call should have started at, or 0: the latency of that call counts from it."""
        return self._pace.planned

    @planned.setter
    def planned(self, planned: float) -> None:
        self._pace.planned = planned

    # -- what scenarios use

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of every sample this user's calls leave from now on."""
        return self.context.tags

    @tags.setter
    def tags(self, tags: Mapping[str, str]) -> None:
        self.context = self.stack.context(tags)

    @property
    def group(self) -> str:
        return self.context.tags.get("group", "")

    @group.setter
    def group(self, group: str) -> None:
        self.tags = {**self.context.tags, "group": group}

    def unary(
        self,
        method: str,
        message: Message = None,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout: float | None = None,
        name: str | None = None,
        expect: Expected = "OK",
        tags: Mapping[str, str] | None = None,
    ) -> Awaitable[GrpcReply]:
        """Call `package.Service/Method` with one message, for one.

        `message` has the fields by their names in the `.proto` file. `name` is the step it counts for, the method without
        it. `expect` names the statuses that are no failure. `timeout` is in seconds, over connecting and the whole call; the
        server is told (`grpc-timeout`).
        """
        # what is usual costs one look-up and no keyword argument: this is the hot path of most scenarios
        if (
            metadata is None
            and timeout is None
            and name is None
            and tags is None
            and expect == "OK"
            and not self.metadata
        ):
            request = self.context.prepared.get(method)
            if request is None:
                request = self._prepared(method, False)
        else:
            request = self._prepared(method, False, metadata, timeout, name, expect, tags)
        if request.streams:
            raise ValueError(f"`{method}` is {request.method.kind.replace('_', '-')}: call it with `stream`")
        return self.send(request, request.wire(message))

    def stream(
        self,
        method: str,
        message: Message | Messages = None,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout: float | None = None,
        name: str | None = None,
        expect: Expected = "OK",
        tags: Mapping[str, str] | None = None,
    ) -> GrpcStream:
        """Call a method with streams, to be used in `async with`; options are those of `unary`.

        A single message is all that is sent. Of several (an iterable, also an asynchronous one) each is sent when the one
        before has left. With None, a method that takes a single message gets an empty one; else the scenario sends.
        """
        return self.open(self._prepared(method, True, metadata, timeout, name, expect, tags), message)

    # -- what prepared steps and the engine use

    def prepare(
        self,
        method: str,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout: float | None = None,
        name: str | None = None,
        expect: Expected = "OK",
    ) -> Request:
        """Make a call to be sent many times, by this user or by any other of the run. Raises as `unary`."""
        return self._prepared(method, False, metadata, timeout, name, expect)

    def send(self, request: Request, message: bytes) -> Awaitable[GrpcReply]:
        """Send a prepared unary call; `message` is what `request.method.wire` makes. One future and no task, while the
        connection is open.
        """
        waiter: asyncio.Future[GrpcReply] = self._loop.create_future()
        pace = self._pace
        call = Call(request, message, pace.planned, waiter, self)
        pace.planned = 0.0
        self._channel.start(call)
        return waiter

    def open(self, request: Request, message: Message | Messages = None) -> GrpcStream:
        """`stream` for a prepared call."""
        planned, self.planned = self.planned, 0.0
        several = not isinstance(message, Mapping | bytes) and isinstance(message, Iterable | AsyncIterable)
        if not several and (message is not None or not request.method.client_streaming):
            data = request.method.wire(cast(Message, message))
            return GrpcStream(request, self._channel, planned, self, message=data)
        return GrpcStream(request, self._channel, planned, self, source=cast("Messages | None", message))

    def close(self) -> None:
        """Drop whatever is in flight; who waits for a reply is cancelled. More may be sent."""
        if self._shares:
            self._channel.drop(self)
        else:
            self._channel.close()

    def cut_off(self, patience: float) -> None:
        """Record calls that have waited longer than `patience` (s) as unanswered, and give them up."""
        self._channel.cut_off(patience, self if self._shares else None)

    def _prepared(
        self,
        method: str,
        streams: bool,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout: float | None = None,
        name: str | None = None,
        expect: Expected = "OK",
        tags: Mapping[str, str] | None = None,
    ) -> Request:
        """The prepared call of these options, made once per context."""
        context = self.stack.context({**self.context.tags, **tags}) if tags else self.context
        own = {**self.metadata, **(metadata or {})}
        expected = expect if isinstance(expect, str | int) else frozenset(expect)
        plain = not own and timeout is None and name is None and expected == "OK" and not streams
        key = method if plain else (method, streams, tuple(sorted(own.items())), timeout, name, expected)
        found = context.prepared.get(key)
        if found is None:
            made = self.stack.request(
                context,
                self.stack.method(method, streams=streams),
                metadata=own,
                timeout=timeout,
                name=name,
                expect=expected,
            )
            found = context.keep(key, made)
        return found
