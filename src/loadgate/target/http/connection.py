"""One client's connection: requests in, replies out in the order of the requests, faults on purpose.

The hot path is one dictionary lookup: a connection at rest that is sent bytes which were seen before as exactly one
request without a body knows what they ask for (`Site.known`). Everything else goes through the reader.

Rules:
* Requests of one connection are answered one after the other; what a client pipelines waits in a queue. A full queue and
  a client that does not read its replies both stop the reading, so that memory stays bounded.
* `_free` is True only when the next bytes begin a request and may be answered at once.
* A reply of status 101 is the connection's last: it goes to the switch of its endpoint. A client that sends more before it
  has that reply is refused (RFC 6455 4.1).
* A refused request ends the connection, but the input is drained for a while first: closing over unread bytes would make
  the kernel reset the connection and the client lose the reply (RFC 9112 9.6).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from functools import partial
from typing import Final, cast

from msgspec import Struct, field

from loadgate.clock import Clock, Handle
from loadgate.target.faults import Kind, Outcome
from loadgate.target.http.control import Control
from loadgate.target.http.probes import BLOCK
from loadgate.target.http.reply import Reply, empty_reply, error_reply
from loadgate.target.http.request import MOST_BODY, Refusal, Request, RequestReader
from loadgate.target.http.routes import Call, Routes
from loadgate.target.known import Known
from loadgate.target.listener import Guest
from loadgate.target.metrics import Metrics, Tally

MOST_QUEUED: Final = 32
_LINGER: Final = 1.0
"""Seconds the input of a refused connection is drained."""
_RESET: Final = struct.pack("ii", 1, 0)
_NOTHING: Final = empty_reply(200)
_BLOCK: Final = memoryview(BLOCK)
UPGRADE_KINDS: Final = frozenset({Kind.STATUS})
"""A handshake fails by its status; the other faults are for the messages."""
_ANSWERED: Final = frozenset({Kind.PARTIAL, Kind.ERRORS, Kind.FIELD})
"""The faults of requests that are carried out all the same, or answered by whoever knows the protocol."""


class Site(Struct, eq=False):
    """What all connections of a listener share."""

    routes: Routes
    metrics: Metrics
    control: Control
    clock: Clock
    refused: Tally
    known: Known[Call] = field(default_factory=Known)
    """Bytes that are one whole request without a body, kept alive under HTTP/1.1, to what they ask for."""
    connections: set[Guest] = field(default_factory=set)


class _Exchange(Struct, eq=False):
    """A reply that was not written at once. `delay` is in milliseconds, `started` when the request was begun with."""

    call: Call
    reply: Reply
    delay: float
    fault: Outcome | None
    started: float
    left: int = 0  # bytes of the stream still to be sent

    def fields(self) -> bytes:
        """The header lines that are not the reply's own."""
        lines = b""
        if self.delay:
            lines += b"x-loadgate-delay-ms: %.3f\r\n" % self.delay
        if self.fault is not None:
            lines += b"x-loadgate-fault: %b\r\n" % self.fault.kind.encode()
        if self.closes:
            return lines + b"connection: close\r\n"
        return lines if self.call.request.plain else lines + b"connection: keep-alive\r\n"

    @property
    def closes(self) -> bool:
        return self.call.request.close or (self.fault is not None and self.fault.kind is Kind.PARTIAL)


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection."""

    __slots__ = (
        "_advancing",
        "_deaf",
        "_eof",
        "_exchange",
        "_free",
        "_known",
        "_now",
        "_paused",
        "_queue",
        "_queued_bytes",
        "_reader",
        "_reading",
        "_site",
        "_timer",
        "_write",
        "transport",
    )

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known = site.known
        self._now = site.clock.now
        self._free = False
        self._reader: RequestReader | None = None
        self._queue: deque[Call | Refusal] | None = None
        self._queued_bytes = 0
        self._exchange: _Exchange | None = None
        self._timer: Handle | None = None
        self._advancing = False
        self._paused = False  # the client does not read
        self._reading = True
        self._eof = False
        self._deaf = False  # what comes in is thrown away

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write = self.transport.write
        self._free = True
        site = self._site
        site.connections.add(self)
        site.metrics.connections += 1
        site.metrics.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._free = False
        self._site.connections.discard(self)
        self._site.metrics.open -= 1
        if self._exchange is not None and not self._deaf:
            self._site.metrics.abandoned += 1
        self._deaf = True
        self._exchange = self._queue = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._free:
            call = self._known.get(data)
            if call is not None:
                self._answer(call)
                return
        self._receive(data)

    def leave(self) -> None:
        self.transport.close()

    def eof_received(self) -> bool:
        """A client may close its side and still wait for what it asked: keep ours open until that is answered."""
        self._eof = True
        return not self._deaf and (self._exchange is not None or bool(self._queue))

    def pause_writing(self) -> None:
        self._paused = True
        self._free = False

    def resume_writing(self) -> None:
        self._paused = False
        if self._exchange is not None and self._exchange.left:
            self._stream(self._exchange)
        else:
            self._advance()

    def _receive(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._reader is None:
            self._reader = RequestReader()
        was_free = self._free
        ready = self._reader.take(data)
        if self._queue is None:
            self._queue = deque()
        for request in ready:
            if isinstance(request, Request):
                call = self._site.routes.resolve(request)
                self._queue.append(call)
                self._queued_bytes += len(request.body)
                if was_free and request.cacheable and len(ready) == 1 and self._reader.between:
                    self._known.learn(data, call)
            else:
                self._queue.append(request)
        self._advance()

    def _advance(self) -> None:
        """Answer what is queued, as far as that goes, and find out what state that leaves."""
        if self._advancing:
            return
        self._advancing = True
        queue = self._queue
        while queue and self._exchange is None and not self._paused and not self._deaf:
            item = queue.popleft()
            if isinstance(item, Refusal):
                self._refuse(item)
            else:
                self._queued_bytes -= len(item.request.body)
                self._answer(item)
        self._advancing = False
        if self._deaf:
            return
        reader = self._reader
        idle = self._exchange is None and not self._paused and not queue
        if idle and reader is not None and reader.continues:
            reader.continues = False
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._free = idle and not self._paused and (reader is None or reader.between)
        if self._eof:
            if idle:
                self._end()
        elif (queue is not None and len(queue) > MOST_QUEUED) or self._queued_bytes > MOST_BODY:
            self._read(False)
        else:
            self._read(True)

    def _read(self, on: bool) -> None:
        if on is not self._reading:
            self._reading = on
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _answer(self, call: Call) -> None:
        started = self._now()
        endpoint = call.endpoint
        injector = self._site.control.injector
        if injector is None or endpoint.control:
            reply = endpoint.handler(call)
            if reply.plain and call.request.plain:
                self._write(reply.wire)
                endpoint.tally.count(reply.status, self._now() - started)
                return
            self._begin(_Exchange(call, reply, reply.delay, None, started))
            return
        manner = endpoint.manner
        delay, fault = injector.draw(call.path, started, manner.protocol)
        kinds = UPGRADE_KINDS if call.request.upgrade and manner.switch is not None else manner.kinds
        if fault is not None and fault.kind not in kinds:
            fault = None
        if fault is not None and fault.kind not in _ANSWERED:
            reply = _injected(call, fault)
        elif manner.informed is not None:
            reply = manner.informed(call, delay, fault)
        else:
            reply = endpoint.handler(call)
        self._begin(_Exchange(call, reply, delay + reply.delay, fault, started))

    def _begin(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._free = False
        metrics = self._site.metrics
        if exchange.fault is not None:
            metrics.faults[exchange.fault.kind] += 1
        if exchange.delay:
            metrics.hold(exchange.delay)
            due = exchange.started + exchange.delay / 1000.0
            self._timer = self._site.clock.call_at(due, partial(self._send, exchange))
        else:
            self._send(exchange)

    def _send(self, exchange: _Exchange) -> None:
        self._timer = None
        kind = None if exchange.fault is None else exchange.fault.kind
        if kind is Kind.RESET:
            self._reset()
            return
        if kind is Kind.TIMEOUT:
            self._fall_silent()
            return
        reply = exchange.reply
        if reply.status == 101 and (self._queue or (self._reader is not None and not self._reader.between)):
            self._exchange = None
            self._refuse(Refusal(400, "nothing may be sent before the connection was upgraded"))
            return
        head = b"%b%b\r\n" % (reply.head, exchange.fields())
        body = reply.body
        exchange.left = reply.stream
        if kind is Kind.PARTIAL:
            if exchange.left:
                exchange.left //= 2
            elif body:
                body = body[: len(body) // 2]
            else:  # there is no body to cut short
                head = head[: len(head) // 2]
        self._write(head + body)
        if exchange.left:
            self._stream(exchange)
        else:
            self._finish(exchange)

    def _stream(self, exchange: _Exchange) -> None:
        """Send the next block, one a turn of the loop, so that other connections get theirs."""
        if self._exchange is not exchange or self._paused:
            return
        block = _BLOCK[: exchange.left]
        exchange.left -= len(block)
        self._write(block)
        if not exchange.left:
            self._finish(exchange)
        elif not self._paused:
            asyncio.get_running_loop().call_soon(self._stream, exchange)

    def _finish(self, exchange: _Exchange) -> None:
        exchange.call.endpoint.tally.count(exchange.reply.status, self._now() - exchange.started)
        self._exchange = None
        if exchange.reply.status == 101:
            self._switch(exchange.call)
        elif exchange.closes:
            self._end()
        else:
            self._advance()

    def _end(self) -> None:
        """Close, once what was written is sent."""
        self._deaf = True
        self._free = False
        self._queue = None
        self.transport.close()

    def _switch(self, call: Call) -> None:
        """Hand the connection over. It is still open in the metrics; whoever takes it counts its end."""
        if self._eof:
            self._end()
            return
        self._deaf = True
        self._queue = None
        self._site.connections.discard(self)
        self._read(True)
        switch = call.endpoint.manner.switch
        assert switch is not None
        switch(call, self.transport)

    def _reset(self) -> None:
        self._exchange = None
        self._deaf = True
        reset(self.transport)

    def _fall_silent(self) -> None:
        """Never answer again, but notice when the client gives up."""
        self._deaf = True
        self._queue = None
        if self._eof:
            self.transport.close()
        else:
            self._read(True)

    def _refuse(self, refusal: Refusal) -> None:
        reply = error_reply(refusal.status, refusal.message, b"connection: close\r\n")
        self._site.refused.count(refusal.status, 0.0)
        self._write(reply.wire)
        self._deaf = True
        self._free = False
        self._queue = None
        if self._eof:
            self.transport.close()
            return
        self._read(True)
        self.transport.write_eof()
        loop = asyncio.get_running_loop()
        loop.call_later(_LINGER, self.transport.abort)


def reset(transport: asyncio.Transport) -> None:
    """End the connection with an RST, now."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _injected(call: Call, fault: Outcome) -> Reply:
    """What is sent instead of the answer."""
    if fault.kind is not Kind.STATUS:
        return _NOTHING
    reply = error_reply(fault.code, "injected fault")
    return reply.without_body() if call.request.method == "HEAD" else reply
