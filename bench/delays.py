"""A server whose delays are known: `python -m bench.delays SHAPE --log FILE`, for `bench/accuracy.py`.

It answers any GET after a delay drawn from SHAPE. For each reply it notes when it had read the request and when it had
written the reply: the truth a load generator's figures are held against. It prints its port, serves until its standard
input ends, and then writes the log: pairs of doubles, in seconds of `time.perf_counter()`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, cast

import uvloop

from loadgate.clock import SystemClock

STALL_FROM, STALL_EVERY, STALL_FOR = 5.0, 10.0, 1.0
"""A stalling server stands still so long, first so many seconds after its first request and then that often."""

REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nhello, world\n"


def fixed(random: Random) -> float:
    return 0.020


def lognormal(random: Random) -> float:
    """Median 10 ms, sigma 0.5: 99 % within 32 ms."""
    return 0.010 * math.exp(0.5 * random.gauss(0.0, 1.0))


def tail(random: Random) -> float:
    """1 % at 200 ms, the rest at 5 ms."""
    return 0.200 if random.random() < 0.01 else 0.005


def at_once(random: Random) -> float:
    return 0.0


SHAPES: Final[dict[str, Callable[[Random], float]]] = {
    "fixed": fixed,
    "lognormal": lognormal,
    "tail": tail,
    "stall": at_once,
}


class Server:
    """What connections share: the delays to come, the clock and the log."""

    def __init__(self, shape: str, seed: int) -> None:
        self.delays = _draw(SHAPES[shape], Random(seed))
        self.clock = SystemClock()
        self.log = array("d")
        self._stalls = shape == "stall"
        self._first = True

    def opened(self) -> None:
        """A request came: a stalling server counts its time from the first one."""
        if self._first and self._stalls:
            self.clock.call_at(self.clock.now() + STALL_FROM, self._stall)
        self._first = False

    def _stall(self) -> None:
        self.clock.call_at(self.clock.now() + STALL_EVERY, self._stall)
        time.sleep(STALL_FOR)  # the whole process, as a collector's pause or a lock would


def _draw(draw: Callable[[Random], float], random: Random) -> Iterator[float]:
    while True:
        yield draw(random)


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        read = time.perf_counter()
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        self._buffer = b""
        server = self._server
        server.opened()
        delay = next(server.delays)
        if delay:
            server.clock.call_at(read + delay, partial(self._reply, read))
        else:
            self._reply(read)

    def _reply(self, read: float) -> None:
        if not self._transport.is_closing():
            self._transport.write(REPLY)
            self._server.log.extend((read, time.perf_counter()))


async def serve(shape: str, seed: int, log: Path) -> None:
    loop = asyncio.get_running_loop()
    server = Server(shape, seed)
    listener = await loop.create_server(partial(Connection, server), "127.0.0.1", 0, backlog=4096)
    over = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), over.set_result, None)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await over
    loop.remove_reader(sys.stdin.fileno())
    listener.close()
    server.clock.close()
    with log.open("wb") as file:
        server.log.tofile(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    uvloop.run(serve(options.shape, options.seed, options.log))


if __name__ == "__main__":
    main()
