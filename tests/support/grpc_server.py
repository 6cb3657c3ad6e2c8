"""A grpcio server of `protos/greeter.proto` in a process of its own: `python -m tests.support.grpc_server`.

It prints its port when it listens, and ends when its standard input does: also when a test is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

PROTOS = Path(__file__).parent / "protos"
GREETER = PROTOS / "greeter.proto"
SERVICE = "test.greeter.Greeter"
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """`url` is without TLS; `port` serves both kinds."""

    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"


@contextmanager
def serving(*options: str) -> Iterator[GrpcServer]:
    """The server for as long as the block lasts. Options are those of this module as a program."""
    command = [sys.executable, "-m", "tests.support.grpc_server", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        line = process.stdout.readline()
        assert line.strip().isdigit(), f"the server did not start: {line!r}"
        yield GrpcServer(int(line), process)
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _make(grpc: Any, protos: Any) -> Any:
    """The service, answering as each request asks."""

    async def answered(request: Any, context: Any, text: str, received: int = 0) -> Any:
        if request.delay_ms:
            await asyncio.sleep(request.delay_ms / 1e3)
        own = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        own |= {name: value.hex() for name, value in context.invocation_metadata() if isinstance(value, bytes)}
        left = context.time_remaining() or 0.0
        reply = protos.Reply(message=text, metadata=own, received=received, seconds_left=left)
        reply.data = b"d" * request.reply_size
        if request.HasField("at"):
            reply.at.CopyFrom(request.at)
        return reply

    async def ended(request: Any, context: Any) -> None:
        context.set_trailing_metadata((("trail", "er"), ("trail-bin", b"\x00\xff")))
        if request.code:
            code = next(one for one in grpc.StatusCode if one.value[0] == request.code)
            await context.abort(code, request.details, (("trail", "er"),))

    class Greeter:
        async def SayHello(self, request: Any, context: Any) -> Any:
            await context.send_initial_metadata((("initial", "yes"),)) if request.name == "initial" else None
            reply = await answered(request, context, f"Hello {request.name}", len(request.data))
            await ended(request, context)
            return reply

        async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
            for number in range(request.count):
                yield await answered(request, context, f"{request.name} {number}")
            await ended(request, context)

        async def Collect(self, requests: AsyncIterator[Any], context: Any) -> Any:
            names, size, last = [], 0, protos.Request()
            async for request in requests:
                names.append(request.name)
                size += len(request.data)
                last = request
            reply = await answered(last, context, ",".join(names), size)
            await ended(last, context)
            return reply

        async def Chat(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            last = protos.Request()
            async for request in requests:
                last = request
                if request.code:
                    break
                yield await answered(request, context, f"Hello {request.name}", len(request.data))
            await ended(last, context)

    return Greeter()


async def _serve(options: argparse.Namespace) -> None:
    grpc: Any = import_module("grpc")
    sys.path.insert(0, str(PROTOS))
    protos, services = grpc.protos_and_services("greeter.proto")
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    if options.streams:
        limits.append(("grpc.max_concurrent_streams", options.streams))
    coding = grpc.Compression.Gzip if options.gzip else None
    server = grpc.aio.server(options=limits, compression=coding)
    services.add_GreeterServicer_to_server(_make(grpc, protos), server)
    if options.reflection:
        reflection: Any = import_module("grpc_reflection.v1alpha.reflection")
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    if options.tls:
        cert, key, *ca = (Path(file).read_bytes() for file in options.tls)
        credentials = grpc.ssl_server_credentials([(key, cert)], ca[0] if ca else None, bool(ca))
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--reflection", action="store_true")
    parser.add_argument("--gzip", action="store_true", help="compress all replies")
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--tls", nargs="+", metavar="FILE", help="certificate, key and, to demand one of clients, a CA")
    asyncio.run(_serve(parser.parse_args()))
