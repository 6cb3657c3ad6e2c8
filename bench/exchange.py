"""What one iteration of GET and status check costs, without the network: `python bench/exchange.py`.

Everything of the hot path is real (user, client, connection, recorder, tasks on uvloop) but the socket: what is written is
answered from memory in the loop's next turn. Prints the least of several rounds, in nanoseconds of CPU time an iteration:
what is left of `scripts/bench`'s figure is system calls and uvloop's own reading.
"""

from __future__ import annotations

import asyncio
import itertools
from time import perf_counter, process_time
from typing import Any

import uvloop

from loadgate.clients.http import HttpStack, RequestDefaults
from loadgate.clients.http.connection import Connection
from loadgate.clients.transport import ConnectMarks, Connector
from loadgate.clock import SystemClock
from loadgate.load.users import UserPool
from loadgate.measure.recorder import Recorder
from loadgate.script.performance import Performance
from loadgate.script.scenario import Scenario, Script
from loadgate.script.source import url_script
from loadgate.script.user import User

USERS = 64
ITERATIONS = 500
ROUNDS = 15
REPLY = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 20:00:00 GMT\r\nContent-Type: text/html\r\n"
    b"Content-Length: 1000\r\nConnection: keep-alive\r\nAccept-Ranges: bytes\r\n\r\n" + b"x" * 1000
)


class MemoryTransport:
    """Answers what is written in the next turn of the loop."""

    def __init__(self, waiting: list[Connection], protocol: Connection) -> None:
        self._waiting = waiting
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._waiting.append(self._protocol)

    def get_extra_info(self, name: str) -> Any:
        return True if name == "sslcontext" else None  # so that the request is written here and not to a descriptor

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


async def by_hand(user: User) -> None:
    response = await user.http.get("/file")
    user.check(response.status == 200, "status is 200")


async def measure(script: Script) -> float:
    """CPU seconds of an iteration."""
    loop = asyncio.get_running_loop()
    recorder = Recorder(start=perf_counter())
    http = HttpStack(recorder, RequestDefaults(base="http://127.0.0.1:1"))
    waiting: list[Connection] = []

    class MemoryConnector(Connector):
        async def open(self, origin: Any, factory: Any, marks: ConnectMarks, limit: float = 0.0) -> Any:
            return MemoryTransport(waiting, factory())

    http.connector = MemoryConnector()
    performance = Performance(script, recorder=recorder, http=http, clock=SystemClock(), env={}, seed=1)
    pool = UserPool(performance.role(), itertools.count(1))
    left = USERS

    async def work() -> None:
        nonlocal left
        vu = pool.acquire_new()
        for _ in range(ITERATIONS):
            await vu.iterate(0.0)
        left -= 1

    tasks = [loop.create_task(work()) for _ in range(USERS)]
    begun = process_time()
    while left:
        await asyncio.sleep(0)
        ready = waiting[:]
        waiting.clear()
        for connection in ready:
            connection.data_received(REPLY)
    spent = process_time() - begun
    await asyncio.gather(*tasks)
    return spent / (USERS * ITERATIONS)


def main() -> None:
    scripts = {
        "a Python scenario": Script("by hand", (Scenario("by hand", by_hand),)),
        "--url": url_script("http://127.0.0.1:1/file"),
    }
    for name, script in scripts.items():
        least = min(uvloop.run(measure(script)) for _ in range(ROUNDS))
        print(f"{name:<20} {least * 1e9:7.0f} ns of CPU an iteration")


if __name__ == "__main__":
    main()
