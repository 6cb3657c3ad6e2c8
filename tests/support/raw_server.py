"""A server that says exactly what a test tells it to, byte for byte, and remembers what it was sent.

It lives on the client's own event loop. What a request is answered with is a list of actions: bytes (one write each), a
number (seconds to wait), or one of the words below. After the last action the connection is kept for the next request.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self, cast


class Act(Enum):
    """Actions that are not bytes."""

    CLOSE = "close in an orderly way (FIN)"
    HALF_CLOSE = "say no more (FIN), but go on listening"
    RESET = "break the connection (RST)"
    SILENCE = "never answer, until the client is gone"
    READ_BODY = "read a body that was held back for `100 Continue`"


CLOSE, HALF_CLOSE, RESET, SILENCE, READ_BODY = Act.CLOSE, Act.HALF_CLOSE, Act.RESET, Act.SILENCE, Act.READ_BODY

Action = bytes | float | Act
Answer = Iterable[Action]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Received:
    """One request; `connection` and `number` count from 0, `number` over all connections."""

    connection: int
    number: int
    method: str
    target: str
    head: bytes
    headers: dict[str, str]
    body: bytes


def reply(body: bytes = b"ok", status: str = "200 OK", *lines: str) -> bytes:
    """A whole reply with its length stated."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def chunked(body: bytes, *lines: str, size: int = 7) -> bytes:
    """A whole reply in chunks of `size` bytes."""
    head = "\r\n".join(["HTTP/1.1 200 OK", "transfer-encoding: chunked", *lines]).encode("latin-1") + b"\r\n\r\n"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def in_turn(*answers: Answer) -> Callable[[Received], Answer]:
    """The first answer to the first request, and so on; the last one to all that follow."""
    return lambda request: answers[min(request.number, len(answers) - 1)]


class RawServer:
    """Listens on loopback (or on the Unix socket `path`) from `async with` to its end.

    `answer` gives the actions for a request; a sequence of actions is given to every one. `greeting` is said before any
    request. Without `read_bodies` no more than 1 KB is taken of a request before READ_BODY asks for it. Leaving raises
    what went wrong in the server itself, and what requests were sent before their turn.
    """

    def __init__(
        self,
        answer: Callable[[Received], Answer] | Answer = (OK,),
        *,
        host: str = "127.0.0.1",
        path: str = "",
        tls: ssl.SSLContext | None = None,
        greeting: Answer = (),
        read_bodies: bool = True,
        receive_buffer: int = 0,
    ) -> None:
        if callable(answer):
            self._answer = answer
        else:
            always = list(answer)
            self._answer = lambda _: always
        self._host = host
        self._path = path
        self._tls = tls
        self._greeting = list(greeting)
        self._read_bodies = read_bodies
        self._receive_buffer = receive_buffer
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._peers: set[_Peer] = set()
        self.port = 0
        self.connections = 0
        self.requests: list[Received] = []
        self.bodies: list[bytes] = []
        """Bodies that came after `100 Continue` or without it, by READ_BODY."""

    @property
    def open_connections(self) -> int:
        return sum(peer.transport is not None and not peer.ended for peer in self._peers)

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._path:
            self._server = await loop.create_unix_server(self._peer, self._path, ssl=self._tls)
        else:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            if self._receive_buffer:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            listener.bind((self._host, 0))
            self.port = listener.getsockname()[1]
            self._server = await loop.create_server(self._peer, sock=listener, ssl=self._tls, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self._peers:
            peer.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.001)  # transports close in the loop's next turns
        if self._failures and error is None:
            raise self._failures[0]

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until `fact` holds of what was received. Raises TimeoutError after five seconds."""
        async with asyncio.timeout(5.0):
            while not fact():
                await asyncio.sleep(0.001)

    def _peer(self) -> _Peer:
        peer = _Peer(self.connections, self._connected, most=10**9 if self._read_bodies else 1024)
        self.connections += 1
        self._peers.add(peer)
        return peer

    def _connected(self, peer: _Peer) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(peer))
        self._tasks.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)

    async def _serve(self, peer: _Peer) -> None:
        with suppress(_GoneError):
            await self._act(peer, self._greeting, 0)
            while True:
                request, held = await self._read(peer)
                self.requests.append(request)
                await self._act(peer, self._answer(request), held)

    async def _read(self, peer: _Peer) -> tuple[Received, int]:
        """The next request, and the length of a body that is not read yet."""
        head = await peer.take_to(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        length = int(headers.get("content-length", "0"))
        held = length if "expect" in headers or not self._read_bodies else 0
        body = b"" if held else await peer.take(length)
        return Received(peer.number, len(self.requests), method, target, head, headers, body), held

    async def _act(self, peer: _Peer, actions: Answer, held: int) -> None:
        for action in actions:
            if isinstance(action, bytes):
                if peer.buffer and not held:
                    raise AssertionError(f"sent before the reply was whole: {bytes(peer.buffer[:80])!r}")
                await peer.say(action)
            elif isinstance(action, float | int):
                await asyncio.sleep(action)
            elif action is READ_BODY:
                self.bodies.append(await peer.take(held))
            elif action is HALF_CLOSE:
                assert peer.transport is not None
                peer.transport.write_eof()
                await peer.wait(lambda: False)
            elif action is SILENCE:
                await peer.wait(lambda: False)
            else:
                peer.end(reset=action is RESET)
                raise _GoneError


class _GoneError(Exception):
    """The connection is over."""


class _Peer(asyncio.Protocol):
    def __init__(self, number: int, connected: Callable[[_Peer], None], *, most: int) -> None:
        self.number = number
        self._most = most
        self._wanted = 0
        self.buffer = bytearray()
        self.ended = False
        self.transport: asyncio.Transport | None = None
        """None until there is a connection: a TLS handshake may fail before."""
        self._connected = connected
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._changed.set()
        if self.transport is not None and len(self.buffer) >= max(self._most, self._wanted):
            self.transport.pause_reading()  # so that what is not asked for stays with the client

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def wait(self, fact: Callable[[], bool]) -> None:
        while not fact():
            if self.ended:
                raise _GoneError
            self._changed.clear()
            await self._changed.wait()

    async def take_to(self, mark: bytes) -> bytes:
        await self.wait(lambda: mark in self.buffer)
        return await self.take(self.buffer.index(mark) + len(mark))

    async def take(self, count: int) -> bytes:
        if len(self.buffer) < count:
            self._wanted = count
            self._read_on()
        await self.wait(lambda: len(self.buffer) >= count)
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        self._wanted = 0
        if len(self.buffer) < self._most:
            self._read_on()
        return taken

    def _read_on(self) -> None:
        if self.transport is not None and not self.ended and not self.transport.is_closing():
            self.transport.resume_reading()

    async def say(self, data: bytes) -> None:
        if self.ended:
            raise _GoneError
        assert self.transport is not None
        self.transport.write(data)
        await self._writable.wait()
        for _ in range(3):  # so that the client, on the same loop, has read this piece before the next is written
            await asyncio.sleep(0)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def end(self, *, reset: bool) -> None:
        assert self.transport is not None
        if reset:
            peer = self.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()
