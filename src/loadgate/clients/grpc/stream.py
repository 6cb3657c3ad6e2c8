"""A call in which one side or both send any number of messages, as a scenario holds it.

    async with user.grpc.stream("chat.Chat/Talk") as stream:
        await stream.send({"text": "hello"})
        await stream.end()
        async for message in stream:
            ...
    stream.reply.ok

Leaving the block ends our side and waits for the server's status; what it still sends is counted and dropped. A loop over
the messages that was left early cancels the call instead, unless `end` is called after it. One sample, from the opening to
the status, whichever way it ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.grpc.call import Call
from loadgate.clients.grpc.channel import Channel
from loadgate.clients.grpc.message import Deframer, fault_of_flag, plain
from loadgate.clients.grpc.method import Message, MessageError, no_reader
from loadgate.clients.grpc.reply import GrpcReply
from loadgate.clients.grpc.request import Request

Messages = Iterable[Message] | AsyncIterable[Message]

_MOST_HELD: Final = 2 * 1024 * 1024
"""Bytes of messages that wait to be read before the server is kept from sending more."""


class GrpcStream(Call):
    """Iterate over it for the messages that come; `send` and `end` for those that go. Neither raises for what the server does.

    `reply` is None until the call has ended.
    """

    __slots__ = (
        "_arrived",
        "_channel",
        "_count",
        "_counters",
        "_deframer",
        "_discards",
        "_error",
        "_held",
        "_iterating",
        "_messages",
        "_sender",
        "_sent_some",
        "_source",
        "_written",
        "reply",
    )

    def __init__(
        self,
        request: Request,
        channel: Channel,
        planned: float,
        owner: object,
        *,
        message: bytes | None = None,
        source: Messages | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(request, message or b"", planned, loop.create_future(), owner, ends=message is not None)
        self._channel = channel
        self._source = source
        self._sender: asyncio.Task[None] | None = None
        self._deframer = Deframer()
        self._messages: deque[tuple[int, bytes]] = deque()
        self._held = 0
        self._count = 0
        self._counters = request.step.counters()
        self._arrived: asyncio.Future[None] | None = None
        self._written: asyncio.Future[None] | None = None
        self._iterating = False
        self._discards = False
        self._sent_some = False
        self._error: BaseException | None = None
        self.reply: GrpcReply | None = None

    # -- what scenarios use

    async def __aenter__(self) -> Self:
        self._counters[0].total += 1
        self._counters[1].total += bool(self.outgoing)
        self._channel.start(self)
        if self._source is not None:
            self._sender = asyncio.create_task(self._send_all(self._source))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, asyncio.CancelledError):
                self._abandon()
            elif error is not None or (self._iterating and self.reply is None):
                self.cancel()
            elif self.reply is None:
                await self._finish()
        except asyncio.CancelledError:
            self._abandon()
            raise
        finally:
            await self._stop_sender()
        if self._error is not None and error is None:
            raise self._error

    async def send(self, message: Message) -> bool:
        """Send one message, and wait until it has left; False where the call had ended. Raises ValueError for what cannot
        be sent: a message that does not fit, or one after the end.
        """
        data = self.request.method.wire(message)
        while self.reply is None and self._written is not None:
            await asyncio.shield(self._written)  # another message is on its way
        if self.reply is not None:
            return False
        if self.ends:
            raise ValueError("a message after the end of what is sent")
        self.outgoing, self.at = data, 0
        self._written = asyncio.get_running_loop().create_future()
        self._flush()
        if self._written is not None:
            await asyncio.shield(self._written)
        if self.outgoing:
            return False
        self._counters[1].total += 1
        return True

    async def end(self) -> None:
        """Say that nothing more will be sent. The server may go on."""
        self._iterating = False
        while self.reply is None and self._written is not None:
            await asyncio.shield(self._written)
        if self.reply is None and not self.ends:
            self.ends = True
            self._flush()

    def cancel(self) -> None:
        """End the call at once: its status is CANCELLED, which counts as no failure since it was meant."""
        if self.reply is None and self._channel.give_up(self):
            self.cancelled(perf_counter())

    def __aiter__(self) -> Self:
        self._iterating = True
        return self

    async def __anext__(self) -> Any:
        message = await self.receive()
        if message is None:
            self._iterating = False
            raise StopAsyncIteration
        return message

    async def receive(self) -> Any:
        """The next message: its fields, or its bytes where there is no schema; None when the call has ended.

        Raises MessageError for one that cannot be read.
        """
        while not self._messages:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self.reply is not None:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        flag, data = self._messages.popleft()
        self._held -= len(data)
        if self._held < _MOST_HELD:
            self._read_on()
        method = self.request.method
        try:
            data = plain(flag, data)
        except ExchangeError as fault:
            self.request.step.spoiled(fault)
            raise MessageError(str(fault)) from None
        return data if method.decoder is no_reader else method.decode(data)

    # -- what the connection tells

    def repeatable(self, most: int) -> bool:
        return super().repeatable(most) and not self._sent_some

    def take(self, data: bytes) -> bool:
        for flag, message in self._deframer.feed(data):
            fault = fault_of_flag(flag, self.head.encoding if self.head is not None else "")
            if fault:
                raise ExchangeError(ErrorKind.PROTOCOL, fault)
            self._count += 1
            self._counters[2].total += 1
            if not self._discards:
                self._messages.append((flag, message))
                self._held += len(message)
        if self._messages:
            _wake(self._arrived)
        return self._held < _MOST_HELD

    def fault(self, encoding: str) -> str:
        if self._deframer.pending:
            return f"status OK after {self._deframer.pending:,} bytes of a message that is not whole"
        if self.request.method.server_streaming or self._count == 1:
            return ""
        return f"status OK with {self._count:,} messages in the reply to a call that has one"

    def drained(self) -> None:
        self._sent_some = self._sent_some or bool(self.outgoing)
        super().drained()
        self._release()

    def rewind(self) -> None:
        super().rewind()
        self._deframer = Deframer()

    def deliver(self, reply: GrpcReply) -> None:
        self.reply = reply
        super().deliver(reply)
        self._release()
        _wake(self._arrived)

    def drop(self) -> None:
        super().drop()
        for waiter in (self._arrived, self._written):
            if waiter is not None:
                waiter.cancel()
        if self._sender is not None:
            self._sender.cancel()

    # -- its own

    def _flush(self) -> None:
        connection = self._channel.connection_of(self)
        if connection is not None:
            connection.sender.flush(self)

    def _read_on(self) -> None:
        if self.reply is None:
            connection = self._channel.connection_of(self)
            if connection is not None:
                connection.read_on(self)

    def _release(self) -> None:
        """Whoever waits for a message to leave need wait no longer."""
        written, self._written = self._written, None
        _wake(written)

    async def _send_all(self, source: Messages) -> None:
        try:
            if isinstance(source, AsyncIterable):
                async for message in source:
                    if not await self.send(message):
                        return
            else:
                for message in source:
                    if not await self.send(message):
                        return
            await self.end()
        except Exception as error:  # the scenario's own, to be raised where it reads
            self._error = error
            self.cancel()
            _wake(self._arrived)

    async def _finish(self) -> None:
        """Our side is done: wait for the server's."""
        self._discards = True
        self._messages.clear()
        self._held = 0
        self._read_on()
        if self._sender is not None:
            either: set[asyncio.Future[Any]] = {self._sender, self.waiter}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        else:
            await self.end()
        if self.reply is None:
            await self.waiter

    def _abandon(self) -> None:
        if self.reply is None and self._channel.give_up(self):
            self.drop()

    async def _stop_sender(self) -> None:
        if self._sender is not None and not self._sender.done():
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
