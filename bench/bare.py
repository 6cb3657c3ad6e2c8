"""The least a client in Python can be: `python -m bench.bare PORT --rate 800 --seconds 20`, for `bench/accuracy.py`.

Requests start by the clock on kept-alive connections; nothing is checked, recorded or judged while it runs. How far its
times lie from the server's is what the machine and the event loop add for anybody, and so the floor for Loadgate. Prints
the percentiles of the service times as JSON, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from typing import cast

import uvloop

from bench.percentiles import ALL, percentile
from loadgate.clock import SystemClock

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class _Connection(asyncio.Protocol):
    def __init__(self, free: list[_Connection], took: list[float]) -> None:
        self._free = free
        self._took = took
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write = self.transport.write

    def go(self) -> None:
        self._started = time.perf_counter()
        self._write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self._took.append((time.perf_counter() - self._started) * 1e3)
        self._free.append(self)


async def load(port: int, rate: int, seconds: int, connections: int) -> list[float]:
    """Service times in milliseconds. Raises IndexError where `connections` are too few."""
    loop, clock = asyncio.get_running_loop(), SystemClock()
    free: list[_Connection] = []
    took: list[float] = []
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: _Connection(free, took), "127.0.0.1", port)
        free.append(connection)
    begin = clock.now() + 0.1
    for number in range(rate * seconds):
        due = begin + number / rate
        if clock.now() < due:
            await clock.sleep_until(due)
        free.pop().go()
    while len(free) < connections:
        await clock.sleep_until(clock.now() + 0.05)
    clock.close()
    for connection in free:
        connection.transport.close()
    await asyncio.sleep(0.01)  # transports close in a later turn of the loop
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=int, default=800)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=200)
    options = parser.parse_args()
    gc.disable()
    took = uvloop.run(load(options.port, options.rate, options.seconds, options.connections))
    print(json.dumps({"count": len(took)} | {f"p{p:g}": percentile(took, p) for p in ALL}))


if __name__ == "__main__":
    main()
