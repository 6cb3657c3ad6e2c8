"""An HTTP/2 server that says exactly what a test tells it to, frame for frame, on the client's own event loop.

`answer` gives the actions for a request that is whole: bytes (one write each), a number (seconds to wait), or one of the
words of `raw_server.py`. Settings are sent and acknowledged without being told; windows are not looked after.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from loadgate.clients.grpc.message import prefixed
from loadgate.http2 import ACK, END_STREAM, PREFACE, Decoder, Frame, FrameReader, Kind, encode_headers, frames
from tests.support.raw_server import CLOSE, RESET, SILENCE, Act

Action = bytes | float | Act
HEADERS = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK = (b"grpc-status", b"0")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `connection` and `number` count from 0, `number` over all connections."""

    connection: int
    number: int
    stream: int
    fields: dict[bytes, bytes]
    body: bytes


Answer = Callable[[Asked], Iterable[Action]]


def head(stream: int, *fields: tuple[bytes, bytes], end: bool = False) -> bytes:
    return frames.headers(stream, encode_headers(fields or HEADERS), end=end)


def trailers(stream: int, *fields: tuple[bytes, bytes]) -> bytes:
    return frames.headers(stream, encode_headers(fields or (OK,)), end=True)


def message(stream: int, data: bytes = b"hi") -> bytes:
    return frames.data(stream, prefixed(data), end=False)


def whole(stream: int, data: bytes = b"hi") -> bytes:
    """A plain reply with status OK."""
    return head(stream) + message(stream, data) + trailers(stream)


class H2Server:
    """Listens on loopback from `async with` to its end. With `byte_by_byte` every byte is a write and a turn of the loop.
    With `early` a request is answered at its head.
    """

    def __init__(
        self,
        answer: Answer = lambda asked: [whole(asked.stream)],
        *,
        greeting: bytes = frames.settings({}),
        byte_by_byte: bool = False,
        early: bool = False,
    ) -> None:
        self.answer = answer
        self.early = early
        self.greeting = greeting
        self.byte_by_byte = byte_by_byte
        self.connections = 0
        self.asked: list[Asked] = []
        self.frames: list[Frame] = []
        """All that came, but for what belongs to requests."""
        self.failures: list[BaseException] = []
        self.peers: list[Peer] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: Peer(self), "127.0.0.1", 0)
        self.url = f"grpc://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self.tasks:
            task.cancel()
        for peer in self.peers:
            peer.transport.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0.001)
        for failure in self.failures:
            raise failure


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: H2Server) -> None:
        self.server = server
        self.number = server.connections
        server.connections += 1
        server.peers.append(self)
        self.begun = b""
        self.reader = FrameReader()
        self.decoder = Decoder()
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.bodies: dict[int, bytes] = {}
        self.lock = asyncio.Lock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.server.greeting:
            self.run([self.server.greeting])

    def data_received(self, data: bytes) -> None:
        if self.begun != PREFACE:
            missing = len(PREFACE) - len(self.begun)
            self.begun, data = self.begun + data[:missing], data[missing:]
            if not PREFACE.startswith(self.begun):
                self.server.failures.append(AssertionError(f"not the preface: {self.begun!r}"))
        try:
            for frame in self.reader.feed(data):
                self.take(frame)
        except Exception as error:
            self.server.failures.append(error)

    def take(self, frame: Frame) -> None:
        if frame.kind == Kind.HEADERS:
            self.heads[frame.stream] = dict(self.decoder.decode(frame.payload))
            self.bodies[frame.stream] = b""
            if self.server.early:
                self.ask(frame.stream)
        elif frame.kind == Kind.DATA:
            if frame.stream in self.bodies:
                self.bodies[frame.stream] += frame.payload
        else:
            self.server.frames.append(frame)
            if frame.kind == Kind.SETTINGS and not frame.flags & ACK:
                self.run([frames.SETTINGS_ACK])
            return
        if frame.flags & END_STREAM and not self.server.early:
            self.ask(frame.stream)

    def ask(self, stream: int) -> None:
        asked = Asked(self.number, len(self.server.asked), stream, self.heads.pop(stream), self.bodies.pop(stream))
        self.server.asked.append(asked)
        self.run(self.server.answer(asked))

    def run(self, actions: Iterable[Action]) -> None:
        task = asyncio.get_running_loop().create_task(self.act(list(actions)))
        self.server.tasks.add(task)
        task.add_done_callback(self.server.tasks.discard)

    async def act(self, actions: list[Action]) -> None:
        for action in actions:
            if self.transport.is_closing():
                return
            if isinstance(action, bytes):
                size = 1 if self.server.byte_by_byte else len(action)
                async with self.lock:  # frames of several answers do not mix
                    for at in range(0, len(action), size):
                        if self.transport.is_closing():
                            return
                        self.transport.write(action[at : at + size])
                        await asyncio.sleep(0)
                        await asyncio.sleep(0)
            elif isinstance(action, int | float):
                await asyncio.sleep(action)
            elif action is CLOSE:
                self.transport.close()
            elif action is RESET:
                peer = self.transport.get_extra_info("socket")
                with suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
            else:
                assert action is SILENCE
