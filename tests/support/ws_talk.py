"""Runs a test of the WebSocket client as `http_talk` does one of HTTP, and a server that says what a test tells it to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from loadgate.clients.websocket import WsClient, WsStack
from loadgate.clients.websocket.handshake import accept
from tests.support.http_talk import Talk, talk

T = TypeVar("T")


class WsTalk:
    """A run's stack with its users, and what its recorder has counted."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.stack = WsStack(talk.stack)
        self.recorder = talk.recorder
        self._users: list[WsClient] = []

    def user(self, **tags: str) -> WsClient:
        user = self.stack.client(self.talk.user(**tags))
        self._users.append(user)
        return user

    def close(self) -> None:
        for user in self._users:
            user.close()

    def counts(self, metric: str = "ws_messages") -> dict[str, int]:
        """Exchanges by kind of error, or by status where there was none."""
        found: dict[str, int] = {}
        for tags, tally in self.talk._tallies(metric):
            key = tags.get("error") or tags["status"]
            found[key] = found.get(key, 0) + int(tally.total)
        return found

    def total(self, metric: str) -> float:
        return self.talk.total(metric)

    def samples(self, metric: str) -> int:
        return self.talk.trend(metric).count

    def errors(self) -> Mapping[str, tuple[int, str]]:
        return self.talk.errors()


def ws_talk(main: Callable[[WsTalk], Awaitable[T]], **options: Any) -> T:
    """Run `main` with a stack of its own; nothing may be left behind (`http_talk.talk`)."""

    async def run(here: Talk) -> T:
        ws = WsTalk(here)
        try:
            return await main(ws)
        finally:
            ws.close()

    return talk(run, **options)


class Peer:
    """One connection of a client, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.head = b""
        self.codes: list[int] = []
        """Codes of the close frames that came."""

    @property
    def key(self) -> str:
        return self.field("sec-websocket-key")

    def field(self, name: str) -> str:
        for line in self.head.decode("latin-1").split("\r\n"):
            found, _, value = line.partition(":")
            if found.lower() == name:
                return value.strip()
        return ""

    async def read_head(self) -> None:
        self.head = await self._reader.readuntil(b"\r\n\r\n")

    def reply(self, *lines: str, status: str = "101 Switching Protocols", key: str | None = None) -> bytes:
        """The reply that accepts the handshake."""
        accepted = f"Sec-WebSocket-Accept: {accept(key or self.key)}"
        head = [f"HTTP/1.1 {status}", "Upgrade: websocket", "Connection: Upgrade", accepted, *lines]
        return "\r\n".join(head).encode() + b"\r\n\r\n"

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        for _ in range(3):  # so that the client, on the same loop, has read this piece before the next is written
            await asyncio.sleep(0)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the client, unmasked. Raises IncompleteReadError at its end."""
        first, second = await self._reader.readexactly(2)
        assert second & 0x80, "a client's frame has to be masked"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        key = await self._reader.readexactly(4)
        payload = await self._reader.readexactly(size)
        plain = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
        if first & 0x0F == 8 and plain:
            self.codes.append(int.from_bytes(plain[:2], "big"))
        return first, plain

    async def to_the_end(self, *, answer: bool = True) -> None:
        """Read frames until the client is gone; its close frame is answered, unless told otherwise."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, payload = await self.frame()
                if first & 0x0F == 8 and answer:
                    await self.say(frame(8, payload))
                    return

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        peer: socket.socket = self._writer.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class RawWs:
    """Listens on loopback while it is entered; `serve` is run for each connection, after the request was read."""

    def __init__(
        self, serve: Callable[[Peer], Awaitable[None]], *, path: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._serve = serve
        self._path = path
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        self.finished = 0
        """Connections whose `serve` has come to its end."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/ws"

    async def __aenter__(self) -> Self:
        if self._path:
            self._server = await asyncio.start_unix_server(self._connected, self._path)
        else:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        failures = []
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, AssertionError):
                failures.append(outcome)
        if failures and error is None:
            raise failures[0]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer)
        self.peers.append(peer)
        try:
            await peer.read_head()
            await self._serve(peer)
            self.finished += 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, bits: int = 0) -> bytes:
    """A server's frame."""
    size = len(payload)
    head = bytes(((0x80 if fin else 0) | bits | opcode,))
    if size < 126:
        return head + bytes((size,)) + payload
    if size < 0x10000:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload
