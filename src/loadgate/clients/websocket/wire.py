"""One WebSocket connection as bytes: opening and closing handshake, frames in and out. What messages mean is the session's.

A frame is written straight to its socket, past the transport, as requests of HTTP are and for the same reason: uvloop would
keep it until the end of the loop's turn, and that time would count as the server's.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from enum import IntEnum
from os import write
from time import perf_counter
from typing import Final, cast

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.head import LIMIT as HEAD_LIMIT
from loadgate.clients.http.head import Head, fault
from loadgate.clients.transport import ConnectMarks, Connector, Origin, describe
from loadgate.clients.websocket.composer import Composer
from loadgate.clients.websocket.frames import (
    ABNORMAL,
    CLOSE,
    GOING_AWAY,
    NO_CODE,
    NORMAL,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    FrameError,
    close_payload,
    masked,
    read_close,
)
from loadgate.clients.websocket.handshake import Offer
from loadgate.clients.websocket.reader import MessageReader

CLOSE_WAIT: Final = 2.0
"""Seconds a server has to answer our close frame, and to close the connection after its own (RFC 6455 section 7.1.1)."""
_UNDER_PRESSURE: Final = 64 * 1024
"""Bytes the server has not taken yet from which on a sender waits for it; of answers to pings, beyond which it is left."""


class State(IntEnum):
    """How far a connection is. Nothing goes back."""

    NEW = 0
    OPENING = 1
    OPEN = 2
    CLOSING = 3
    """Our close frame is sent, and the server's has not come."""
    CLOSED = 4
    """Nothing will come any more that counts; the connection itself may stand for a moment."""


class Wire(asyncio.Protocol, ABC):
    """`close_code` and `close_reason` are the server's, once it has closed: 1005 without a code, 1006 without a handshake."""

    __slots__ = (
        "_between",
        "_closing_timer",
        "_composer",
        "_drained",
        "_fd",
        "_gone",
        "_head",
        "_loop",
        "_offer",
        "_opened",
        "_reader",
        "_socket",
        "_transport",
        "_unread",
        "close_code",
        "close_reason",
        "origin",
        "state",
        "subprotocol",
    )

    def __init__(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._socket = -1
        self._offer: Offer | None = None
        self._head = bytearray()
        self._opened: asyncio.Future[Head] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closing_timer: asyncio.TimerHandle | None = None
        self._reader = MessageReader()
        self._between = False
        """Whether the next byte begins a message that may be finished in one go."""
        self._unread = 0
        """Bytes of answers since all was taken that was written."""
        self._composer = Composer()
        self.origin = origin
        self.state = State.NEW
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason = ""

    # -- what the session does with it

    @abstractmethod
    def _message(self, content: str | bytes, size: int, end: float) -> None:
        """Take a message that was whole at `end` (clock s) and took `size` bytes on the wire."""

    @abstractmethod
    def _control(self, sent: int, received: int) -> None:
        """Count the bytes of frames that are no messages."""

    @abstractmethod
    def _ponged(self, payload: bytes, end: float) -> None:
        """Take the answer to a ping."""

    @abstractmethod
    def _ended(self, kind: ErrorKind | None, text: str) -> None:
        """The session is over, once; `kind` is None where both sides closed it in order."""

    @abstractmethod
    def _note(self, kind: ErrorKind, text: str) -> None:
        """Count an error by which no message was lost."""

    @abstractmethod
    def _forget(self) -> None:
        """The connection is gone for good."""

    # -- opening

    async def _open(self, connector: Connector, handshake: bytes, offer: Offer, timeout: float) -> Head:
        """Connect, and have the server accept `offer`, all of it within the connect timeout and `timeout` (s).

        Raises ExchangeError; the connection is gone then.
        """
        timeout = min(timeout, connector.connect_timeout)
        self.state = State.OPENING
        self._offer = offer
        began = perf_counter()
        try:
            transport = await connector.open(self.origin, lambda: self, ConnectMarks(), timeout)
            self._use(transport)
            if transport.is_closing():
                raise ExchangeError(ErrorKind.RESET, "connection closed before the handshake was sent")
            self._opened = self._loop.create_future()
            self._write(handshake)
            try:
                async with asyncio.timeout(max(0.001, timeout - (perf_counter() - began))):
                    return await self._opened
            except TimeoutError:
                got = f"after {len(self._head):,} bytes of it" if self._head else "with no byte of it"
                text = f"no whole reply to the handshake within {timeout:g} s, {got}"
                raise ExchangeError(ErrorKind.TIMEOUT, text) from None
        except BaseException:
            self._shut()
            raise
        finally:
            if self._opened is not None and self._opened.done() and not self._opened.cancelled():
                self._opened.exception()  # seen, even where the wait for it was cancelled in the same turn
            self._opened = None

    def _use(self, transport: asyncio.Transport) -> None:
        """Write to `transport` from now on: after a TLS handshake it is another one than was connected."""
        self._transport = transport
        # so that resume_writing says when the last byte has left
        transport.set_write_buffer_limits(high=0, low=0)
        socket = transport.get_extra_info("socket")
        self._socket = self._fd = -1 if transport.get_extra_info("sslcontext") else socket.fileno()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def _read_handshake(self, data: bytes) -> None:
        """Take bytes of the reply to the handshake, and what may follow it."""
        self._head += data
        opened = self._opened
        if opened is None or opened.done() or self._offer is None:
            return
        try:
            while (cut := self._head.find(b"\r\n\r\n")) >= 0:
                head = Head(bytes(self._head[:cut]))  # no two are alike, so there is no use in keeping them
                if 100 <= head.status < 200 and head.status != 101:  # interim replies may come before any reply
                    del self._head[: cut + 4]
                    continue
                agreement = self._offer.accepted(head)
                self.subprotocol = agreement.subprotocol
                self._composer = Composer(agreement.deflate)
                self._reader = MessageReader(agreement.deflate)
                self._control(0, cut + 4)
                rest = bytes(self._head[cut + 4 :])
                self._head.clear()
                self.state = State.OPEN
                self._between = True
                opened.set_result(head)
                if rest:
                    self.data_received(rest)
                return
            if len(self._head) > HEAD_LIMIT or not b"HTTP/1.".startswith(self._head[:7]):
                raise ExchangeError(ErrorKind.PROTOCOL, fault(bytes(self._head)))
        except ExchangeError as error:
            opened.set_exception(error)

    # -- writing

    def _write(self, data: bytes) -> None:
        """Write now what the socket takes, and leave the rest to the transport."""
        if self._fd >= 0:
            try:
                written = write(self._fd, data)
            except OSError:  # full, or broken, which the transport will find out and report
                written = 0
            self._write_rest(data, written)
        else:
            self._write_rest(data, 0)

    def _write_rest(self, data: bytes, written: int) -> None:
        """Leave to the transport what the socket did not take of `data`."""
        if written != len(data) and self._transport is not None:
            self._fd = -1  # until the rest has left, nothing may pass it
            self._transport.write(data[written:])

    def resume_writing(self) -> None:
        self._fd = self._socket
        self._release()

    async def _drain(self, limit: float) -> bool:
        """Wait while much is written that the server has not taken; False where it takes longer than `limit` seconds."""
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() <= _UNDER_PRESSURE:
            return True
        if self._drained is None:
            self._drained = self._loop.create_future()
        done, _ = await asyncio.wait((self._drained,), timeout=limit)
        return bool(done)

    def _release(self) -> None:
        """Let go on who waits in `_drain`."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # -- reading

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Take what came; all that is unusual goes to `_read`."""

    def _read(self, data: bytes, end: float) -> None:
        state = self.state
        if state == State.OPENING:
            self._read_handshake(data)
            return
        if state == State.CLOSED:
            return
        self._between = False
        try:
            for opcode, content, size in self._reader.feed(data):
                if opcode <= 2:
                    self._message(content, size, end)
                else:
                    assert isinstance(content, bytes)
                    self._control(0, size)
                    if opcode == CLOSE:
                        self._closed_by_server(content)
                    elif opcode == PING:
                        if self._may_answer(size):
                            self._send_control(PONG, content)
                    else:
                        self._ponged(content, end)
                if self.state == State.CLOSED:
                    return  # nothing counts behind a close frame
        except FrameError as error:
            self._break(error)
            return
        self._between = self.state == State.OPEN and not self._reader.begun

    def _send_control(self, opcode: int, payload: bytes = b"") -> None:
        frame = masked(opcode, payload)
        self._control(len(frame), 0)
        self._write(frame)

    def _may_answer(self, size: int) -> bool:
        """Whether `size` bytes may answer a ping. A server that asks on and on and reads nothing would fill the memory."""
        if self._transport is None or not self._transport.get_write_buffer_size():
            self._unread = 0
        self._unread += size
        if self._unread <= _UNDER_PRESSURE:
            return True
        self._break(FrameError(PROTOCOL_ERROR, "more and more pings, by a server that reads no answer"))
        return False

    def _break(self, error: FrameError) -> None:
        """The server sent what it may not: tell it, and be gone (RFC 6455 section 7.1.7)."""
        if self.state == State.OPEN:
            self._send_control(CLOSE, close_payload(error.code))
        self._end(error.kind, str(error))
        if self._transport is not None:
            self._closing_timer = self._closing_timer or self._loop.call_later(CLOSE_WAIT, self._shut)
            self._transport.close()

    # -- closing

    def _closed_by_server(self, payload: bytes) -> None:
        code, reason = read_close(payload)
        self.close_code, self.close_reason = code, reason
        ours = self.state == State.CLOSING
        if not ours:
            self._send_control(CLOSE, payload[:2])
        # the server is to close the connection, so that the ports that wait for stragglers are its own
        if self._closing_timer is not None:
            self._closing_timer.cancel()
        self._closing_timer = self._loop.call_later(CLOSE_WAIT, self._shut)
        in_order = ours or code in (NORMAL, GOING_AWAY, NO_CODE)
        self._end(
            None if in_order else ErrorKind.RESET, f"closed {code} by the server" + (f": {reason}" if reason else "")
        )

    async def _close(self, code: int, reason: str) -> None:
        """The closing handshake from our side: done when the server has answered, at the latest after CLOSE_WAIT."""
        payload = close_payload(code, reason)
        if self.state == State.OPEN:
            self.state = State.CLOSING
            self._between = False
            self._closing_timer = self._loop.call_later(CLOSE_WAIT, self._close_unanswered)
            self._send_control(CLOSE, payload)
        if self.state == State.CLOSING:
            if self._gone is None:
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)

    def _close_unanswered(self) -> None:
        text = f"the server did not answer the close frame within {CLOSE_WAIT:g} s"
        self._note(ErrorKind.TIMEOUT, text)
        self._end(None, text)
        self._shut()

    def drop(self) -> None:
        """Be gone at once, with a word to the server (1001) where the session is open. No question gets its answer."""
        if self.state == State.OPEN:
            self._send_control(CLOSE, close_payload(GOING_AWAY))
        if self._opened is not None:
            self._opened.cancel()
        self._end(None, "dropped")
        self._shut()

    def _end(self, kind: ErrorKind | None, text: str) -> None:
        was, self.state = self.state, State.CLOSED
        self._between = False
        if was in (State.OPEN, State.CLOSING):
            self._control(0, self._reader.untold)
            if self.close_code is None:
                self.close_code = ABNORMAL
            self._ended(kind, text)
        self._release()
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _shut(self) -> None:
        """Let go of the connection."""
        self.state = State.CLOSED
        self._fd = self._socket = -1  # the number may soon belong to another connection
        if self._closing_timer is not None:
            self._closing_timer.cancel()
            self._closing_timer = None
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fd = self._socket = -1
        self._transport = None
        if self._closing_timer is not None:
            self._closing_timer.cancel()
            self._closing_timer = None
        opened = self._opened
        if opened is not None and not opened.done():
            opened.set_exception(self._lost_while_opening(exc))
        elif self.state == State.CLOSING:
            self._end(None, "the server closed the connection without a close frame")
        elif self.state == State.OPEN:
            how = describe(exc) if exc is not None else "the server closed the connection without a close frame"
            if self._reader.begun:
                self._end(ErrorKind.CUT, f"message cut short: {how}")
            else:
                self._end(ErrorKind.RESET, how)
        self._forget()

    def _lost_while_opening(self, exc: Exception | None) -> ExchangeError:
        if isinstance(exc, ssl.SSLError):  # TLS 1.3 servers judge the client's certificate after the handshake
            return ExchangeError(ErrorKind.TLS, f"{self.origin}: {describe(exc)}")
        how = describe(exc) if exc is not None else "connection closed"
        if self._head:
            return ExchangeError(ErrorKind.CUT, f"{how} within the reply to the handshake")
        return ExchangeError(ErrorKind.RESET, f"{how} before the reply to the handshake")


__all__ = ["CLOSE_WAIT", "TEXT", "State", "Wire"]
