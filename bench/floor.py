"""What Python and the kernel cost before anything is measured: `python -m bench.floor [--write]`.

Three clients over the connections and against the server of `bench/compare.py`, which record nothing, judge nothing and
offer nothing: one that sends again from `data_received`, one with a future and a task a user, and one that reads by
asyncio's `BufferedProtocol`. With wrk beside them they say how much of Loadgate's CPU per request is Loadgate's own, and
how far below k6's a client on this machine's kernel can be at all.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Final, cast

import uvloop

from bench import compare, machine, results, tools
from bench.figures import Rounds, ratio
from bench.nginx import Nginx
from bench.tools import Done, Job, Load, Tool

_REQUEST = b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n"
_EXPECTED = b"HTTP/1.1 200"


class Client:
    """One connection. Counts replies, and those that were not 200, until `end` (clock seconds)."""

    def __init__(self, end: float) -> None:
        self.end = end
        self.requests = 0
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.file = transport.get_extra_info("socket").fileno()
        self.waiter = asyncio.get_running_loop().create_future()

    def send(self) -> None:
        os.write(self.file, _REQUEST)

    def count(self, data: bytes) -> None:
        self.requests += 1
        self.failed += not data.startswith(_EXPECTED)

    async def work(self) -> None:
        """As a user does: send, wait, look at the reply."""
        loop = asyncio.get_running_loop()
        while time.perf_counter() < self.end:
            self.waiter = loop.create_future()
            self.send()
            self.count(await self.waiter)


class Callbacks(Client, asyncio.Protocol):
    """Sends again where the reply came in: the least that uvloop allows."""

    def data_received(self, data: bytes) -> None:
        self.count(data)
        if time.perf_counter() < self.end:
            self.send()
        else:
            self.waiter.set_result(None)

    async def work(self) -> None:
        self.send()
        await self.waiter


class Futures(Client, asyncio.Protocol):
    """One task a user, one future a request: the least a user written as a coroutine costs."""

    def data_received(self, data: bytes) -> None:
        self.waiter.set_result(data)


class Buffered(Client, asyncio.BufferedProtocol):
    """As `Futures`, read into a buffer of its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.buffer = bytearray(64 * 1024)
        self.view = memoryview(self.buffer)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.waiter.set_result(bytes(self.view[:nbytes]))


CLIENTS: Final = {kind.__name__.lower(): kind for kind in (Callbacks, Futures, Buffered)}


async def load(kind: str, port: int, users: int, seconds: float) -> Done:
    loop = asyncio.get_running_loop()
    make = partial(CLIENTS[kind], time.perf_counter() + seconds)
    clients = [cast(Client, (await loop.create_connection(make, "127.0.0.1", port))[1]) for _ in range(users)]
    await asyncio.gather(*(client.work() for client in clients))
    for client in clients:
        client.transport.abort()
    return Done(sum(client.requests for client in clients), sum(client.failed for client in clients))


def _job(kind: str, program: str, load: Load, folder: Path) -> Job:
    port = load.base.rpartition(":")[2]
    command = [program, "-m", "bench.floor", "--client", kind, port, str(load.users), str(load.seconds)]
    return Job(command, lambda text: Done(*map(int, text.split())))


FLOOR: Final = tuple(Tool(f"bare, {kind}", sys.executable, lambda _: "", partial(_job, kind)) for kind in CLIENTS)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.floor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all (default 3)")
    parser.add_argument("--write", action="store_true", help="write the table to bench/RESULTS.md")
    parser.add_argument("--client", nargs=4, metavar=("KIND", "PORT", "USERS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        kind, port, users, seconds = options.client
        done = uvloop.run(load(kind, int(port), int(users), float(seconds)))
        print(done.requests, done.failed)
        return 0
    core, server_core = machine.two_cores()
    chosen = [*FLOOR, *(tool for tool in (*compare.OURS, tools.WRK, tools.K6) if tools.find(tool.program))]
    programs = {tool.program: tools.find(tool.program) or tool.program for tool in chosen}
    with machine.alone(), tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder, Nginx(server_core) as server:
        bench = compare.Bench(server, core, programs, Path(folder))
        rounds = compare.measure_cpu(bench, chosen, Load(server.url, 64, 8), options.rounds)
    table = compare.cpu_table(rounds)
    print(f"\n{table}\n\n{_limits(rounds)}")
    if options.write:
        setting = (
            "Clients that measure nothing, over the connections and against the server of the section on CPU per request.\n"
            "What lies between `bare, futures` and Loadgate is all that Loadgate does: its API, checks, samples, schedule."
        )
        about = f"Machine: {machine.description()}; commit {machine.commit()}.\nCommand: `python -m bench.floor`."
        results.write(
            f"The floor of CPU per request, {machine.cpu()}", f"{setting}\n\n{table}\n\n{_limits(rounds)}\n\n{about}"
        )
    return 0


def _limits(rounds: Rounds) -> str:
    """How far below k6's CPU per request each of the others is."""
    if tools.K6.name not in rounds:
        return ""
    others = [name for name in rounds if name != tools.K6.name]
    return results.table(["k6 /", "ratio"], [[name, f"{ratio(rounds, tools.K6.name, name):.2f}"] for name in others])


if __name__ == "__main__":
    sys.exit(main())
