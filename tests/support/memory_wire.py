"""A wire without sockets: replies arrive in exactly the pieces a test cuts them into, one a turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from loadgate.clients.transport import ConnectMarks, Connector, Origin

Piece = bytes | None | Exception
"""Bytes to receive; None: the peer closes; an exception: the connection breaks with it."""


class MemoryConnector(Connector):
    """Stands in for a stack's connector. `answer` gives the pieces that answer the wire's n-th request.

    Opening takes no time, but is said to have taken `opening` seconds. The first `stuck` connections never come about;
    those that are `dead` are closed before they are handed over.
    """

    def __init__(
        self,
        answer: Callable[[int], Iterable[Piece]],
        *,
        opening: float = 0.0,
        stuck: int = 0,
        dead: bool = False,
    ) -> None:
        super().__init__()
        self.opening = opening
        self.stuck = stuck
        self.dead = dead
        self.answer = answer
        self.opened = 0
        self.asked = 0
        self.sent = bytearray()

    async def open(
        self,
        origin: Origin,
        factory: Callable[[], asyncio.Protocol],
        marks: ConnectMarks,
        limit: float = float("inf"),
    ) -> asyncio.Transport:
        self.opened += 1
        if self.opened <= self.stuck:
            await asyncio.get_running_loop().create_future()
        transport = _MemoryTransport(self, factory())
        transport.protocol.connection_made(transport)
        marks.opening = self.opening
        if self.dead:
            transport.abort()
            await asyncio.sleep(0)
        return transport


class _MemoryTransport(asyncio.Transport):
    def __init__(self, wire: MemoryConnector, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        # as over TLS: what is written must go through the transport
        return True if name == "sslcontext" else default

    def is_closing(self) -> bool:
        return self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._wire.sent += data
        number = self._wire.asked
        self._wire.asked += 1
        self._next(iter(self._wire.answer(number)))

    def _next(self, pieces: Any) -> None:
        for piece in pieces:
            self._loop.call_soon(self._deliver, piece, pieces)
            return

    def _deliver(self, piece: Piece, pieces: Any) -> None:
        if self._closing:
            return
        if isinstance(piece, bytes):
            self.protocol.data_received(piece)
            self._next(pieces)
        else:
            self._end(piece)

    def abort(self) -> None:
        self._end(None)

    def close(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self.protocol.connection_lost, error)
