"""The servers that gRPC clients are measured against: `python -m bench.greeter plain` or `grpcio`, on a free port.

`plain` answers each call with the same bytes, HEADERS, DATA and trailers in one piece, as fast as frames can be told apart: the
client is what is busy. `grpcio` is the asynchronous server of gRPC's own package, which has 2,000 to 3,000 calls a second: the
client waits most of the time, and a call is one awakening of it. Both print their port and end with their standard input.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, cast

import uvloop

from bench.machine import BenchError, pinned
from loadgate.http2 import ACK, END_HEADERS, END_STREAM, PREFACE, FrameReader, Kind, encode_headers, frames

SERVERS: Final = ("plain", "grpcio")
MESSAGE: Final = b"\x0a\x0bHello bench"
_DATA: Final = len(MESSAGE).to_bytes(5, "big") + MESSAGE
_FIRST: Final = encode_headers([(b":status", b"200"), (b"content-type", b"application/grpc")])
_LAST: Final = encode_headers([(b"grpc-status", b"0"), (b"grpc-message", b"")])
_TAKEN: Final = 16_384
"""Bytes of data after which the client's window is opened again."""


def answer(stream: int) -> bytes:
    """The reply to a call."""
    return (
        frames.frame(Kind.HEADERS, END_HEADERS, stream, _FIRST)
        + frames.frame(Kind.DATA, 0, stream, _DATA)
        + frames.frame(Kind.HEADERS, END_HEADERS | END_STREAM, stream, _LAST)
    )


class Plain(asyncio.Protocol):
    """One connection. What a call asks for is not looked at."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._greeting = PREFACE
        self._reader = FrameReader()
        self._taken = 0
        self._transport.write(frames.settings({}))

    def data_received(self, data: bytes) -> None:
        if self._greeting:
            size = min(len(data), len(self._greeting))
            if data[:size] != self._greeting[:size]:
                self._transport.abort()
                return
            data, self._greeting = data[size:], self._greeting[size:]
        out = []
        for kind, flags, stream, payload, size in self._reader.feed(data):
            if kind == Kind.DATA:
                self._taken += size
                if flags & END_STREAM:
                    out.append(answer(stream))
            elif kind == Kind.SETTINGS and not flags & ACK:
                out.append(frames.SETTINGS_ACK)
            elif kind == Kind.PING and not flags & ACK:
                out.append(frames.ping(payload, ack=True))
        if self._taken >= _TAKEN:
            out.append(frames.window_update(0, self._taken))
            self._taken = 0
        if out:
            self._transport.write(b"".join(out))


async def _serve_plain() -> None:
    server = await asyncio.get_running_loop().create_server(Plain, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await _until_eof()


async def _serve_grpcio() -> None:
    grpc: Any = import_module("grpc")

    async def hello(_request: bytes, _context: Any) -> bytes:
        return MESSAGE

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(hello)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Greeter", {"SayHello": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await _until_eof()
    await server.stop(0)


async def _until_eof() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def running(kind: str, core: int) -> Iterator[int]:
    """The port of a server on `core`. Raises BenchError where it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.greeter", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(core),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip():
            raise BenchError(f"the {kind} server did not start: is the extra `grpc` installed?")
        yield int(line)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["grpcio"]:
        asyncio.run(_serve_grpcio())
    else:
        uvloop.run(_serve_plain())
