"""What one unary gRPC call costs, without the network: `python -m bench.call`.

Everything of the hot path is real (client, channel, connection, recorder, tasks on uvloop) but the socket: what is written is
answered from memory in the loop's next turn, in one piece of HEADERS, DATA and trailers. Prints the least of several rounds,
in nanoseconds of CPU time a call: what is left of `python -m bench.grpc`'s figure is system calls and uvloop's own reading.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import uvloop

from bench.greeter import answer
from loadgate.clients.grpc import GrpcStack
from loadgate.clients.grpc.connection import Connection
from loadgate.clients.grpc.protos import compile_protos
from loadgate.clients.transport import ConnectMarks, Connector
from loadgate.http2 import Kind, frames
from loadgate.measure.recorder import Recorder

METHOD = "bench.Greeter/SayHello"
PROTO = Path(__file__).parent / "scenarios" / "greeter.proto"
USERS = 64
CALLS = 500
ROUNDS = 15


class MemoryTransport:
    """Answers the call whose beginning is written, in the next turn of the loop."""

    def __init__(self, waiting: list[tuple[Connection, int]], protocol: Connection) -> None:
        self._protocol = protocol
        self._waiting = waiting

    def write(self, data: bytes) -> None:
        if data.startswith(frames.PREFACE):
            asyncio.get_running_loop().call_soon(self._protocol.data_received, frames.settings({}))
        elif data[3] == Kind.HEADERS:
            self._waiting.append((self._protocol, int.from_bytes(data[5:9], "big")))

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return None if name == "ssl_object" else self

    def fileno(self) -> int:
        return -1  # so that all is written here and not to a descriptor

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class MemoryConnector(Connector):
    """Connects to memory."""

    def __init__(self, waiting: list[tuple[Connection, int]]) -> None:
        super().__init__()
        self._waiting = waiting

    async def open(self, origin: Any, factory: Any, marks: ConnectMarks, limit: float = 0.0) -> Any:
        protocol = factory()
        transport = MemoryTransport(self._waiting, protocol)
        protocol.connection_made(transport)
        return transport


async def measure(reads: bool) -> float:
    """Nanoseconds of CPU time a call."""
    loop = asyncio.get_running_loop()
    recorder = Recorder(start=perf_counter())
    waiting: list[tuple[Connection, int]] = []
    connector: Any = MemoryConnector(waiting)
    stack = GrpcStack(recorder, "grpc://memory:1", connector=connector, schema=compile_protos([PROTO]))
    users = [stack.client({}) for _ in range(USERS)]
    replies = {stream: answer(stream) for stream in range(1, 2 * (CALLS * (ROUNDS + 1) + 2), 2)}
    running = True

    def answer_all() -> None:
        for connection, stream in waiting[: len(waiting)]:
            connection.data_received(replies[stream])
        del waiting[:USERS]
        if running:
            loop.call_soon(answer_all)

    async def work(user: Any) -> None:
        for _ in range(CALLS):
            found = await user.unary(METHOD, {"name": "bench"})
            if not found.ok or (reads and found.message["message"] != "Hello bench"):
                raise RuntimeError(found)

    costs = []
    loop.call_soon(answer_all)
    for number in itertools.count():
        begun = process_time()
        await asyncio.gather(*(work(user) for user in users))
        costs.append((process_time() - begun) / (USERS * CALLS))
        recorder.close_window(perf_counter())
        if number == ROUNDS:
            break
    running = False
    return min(costs[1:]) * 1e9


def main() -> None:
    for name, reads in (("status", False), ("message read", True)):
        print(f"{name:<14} {uvloop.run(measure(reads)):8,.0f} ns")


if __name__ == "__main__":
    main()
