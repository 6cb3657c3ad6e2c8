"""One client's WebSocket: frames in, messages to its session, control frames answered, the close handshake.

Rules:
* Pings are answered at once, however long a message is held back, until so many wait that nothing is read.
* A client that does not read its messages is not read either.
* Whoever closes first sends a close frame and waits `_LINGER` for the other's; what comes meanwhile is thrown away. The
  server closes the connection (RFC 6455 7.1.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from loadgate.target.http.connection import Site, reset
from loadgate.target.websocket.frames import (
    CLOSE,
    PING,
    PONG,
    Failure,
    FrameReader,
    close_code,
    close_payload,
    frame,
)

_LINGER: Final = 1.0


class Session(Protocol):
    """What is served over one WebSocket."""

    def begin(self) -> None:
        """The client has its 101."""

    def message(self, kind: int, payload: bytes) -> None:
        """A whole message, TEXT or BINARY; text is valid UTF-8."""

    def resume(self) -> None:
        """The client reads again (see `WebSocket.paused`)."""

    def end(self) -> None:
        """Nothing is to be sent any more. Called once."""


class WebSocket(asyncio.Protocol):
    """The protocol of a connection after its upgrade. `paused` is True while the client does not read."""

    __slots__ = ("_closing", "_deaf", "_frames", "_session", "_site", "_stopped", "_timer", "paused", "transport")

    def __init__(self, site: Site, transport: asyncio.Transport, make: Callable[[WebSocket], Session]) -> None:
        self._site = site
        self._frames = FrameReader()
        self._closing = False
        self._deaf = False  # after a frame that could not be read
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self.paused = False
        self.transport = transport
        site.connections.add(self)
        self._session = make(self)
        transport.set_protocol(self)
        self._session.begin()

    def send(self, kind: int, payload: bytes) -> None:
        """Send a whole message. Without effect once the close handshake has begun."""
        if not self._closing:
            self.transport.write(frame(kind, payload))

    def send_half(self, kind: int, payload: bytes) -> None:
        """Send the first half of a message's frame, then end the connection without a close frame."""
        if not self._closing:
            whole = frame(kind, payload)
            self.transport.write(whole[: len(whole) // 2])
            self._end_session()
            self.transport.close()

    def read(self, on: bool) -> None:
        """Stop or go on taking messages. Control frames wait with them."""
        self._stopped = not on
        self._listen()

    def close(self, code: int, reason: str = "") -> None:
        """Begin the close handshake."""
        if self._closing:
            return
        self.transport.write(frame(CLOSE, close_payload(code, reason)))
        self._end_session()
        self._listen()
        self._timer = asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)

    def reset(self) -> None:
        self._end_session()
        reset(self.transport)

    def leave(self) -> None:
        """The target ends."""
        self.close(1001, "the target ends")

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        frames, failure = self._frames.take(data)
        for kind, payload in frames:
            if kind < CLOSE:
                if not self._closing:
                    self._session.message(kind, payload)
            elif kind == PING:
                self.send(PONG, payload)
            elif kind == CLOSE:
                self._closed_by_client(payload)
                return
        if failure is not None:
            self._fail(failure)

    def connection_lost(self, error: Exception | None) -> None:
        self._site.connections.discard(self)
        self._site.metrics.open -= 1
        if self._timer is not None:
            self._timer.cancel()
        self._end_session()

    def pause_writing(self) -> None:
        self.paused = True
        self._listen()

    def resume_writing(self) -> None:
        self.paused = False
        self._listen()
        if not self._closing:
            self._session.resume()

    def _closed_by_client(self, payload: bytes) -> None:
        if not self._closing:
            try:
                answer = close_payload(close_code(payload)) if payload else b""
            except Failure as failure:
                self._fail(failure)
                return
            self.transport.write(frame(CLOSE, answer))
            self._end_session()
        self.transport.close()

    def _fail(self, failure: Failure) -> None:
        """Say what was wrong, and drain the rest: closing over unread bytes would reset the connection."""
        if self._closing:
            self.transport.close()
            return
        self._deaf = True
        self.close(failure.code, failure.reason)

    def _listen(self) -> None:
        if self.transport.is_closing():
            return
        if (self._stopped or self.paused) and not self._closing:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _end_session(self) -> None:
        if not self._closing:
            self._closing = True
            self._session.end()
