"""Delays to the microsecond and turns of the loop, on a clock and a transport that the test holds in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from loadgate.http2 import PREFACE, frames
from loadgate.target.grpc.connection import Connection as GrpcConnection
from loadgate.target.http.connection import Connection
from loadgate.target.http.server import HttpTarget
from loadgate.target.settings import from_plain
from tests.target.frames import call
from tests.target.wire import Wire

GET = b"GET /users/1 HTTP/1.1\r\nhost: a\r\n\r\n"


class Timer:
    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class HandClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = 100.0
        self.timers: list[Timer] = []

    def now(self) -> float:
        return self.time

    async def sleep_until(self, t: float) -> None:
        raise AssertionError("the target sleeps by callback")

    def call_at(self, t: float, callback: Callable[[], object]) -> Timer:
        self.timers.append(Timer(t, callback))
        return self.timers[-1]

    def ring(self) -> float:
        """Move to the first deadline; seconds moved."""
        timer = self.timers.pop(0)
        moved, self.time = timer.when - self.time, timer.when
        timer.callback()
        return moved


def opened(chaos: dict[str, Any]) -> tuple[Connection, Wire, HandClock]:
    clock, wire = HandClock(), Wire()
    target = HttpTarget(from_plain(chaos, seed=1), clock)
    connection = Connection(target._site)
    connection.connection_made(cast(asyncio.Transport, wire))
    return connection, wire, clock


def told(wire: Wire) -> float:
    """The delay in the last reply's header."""
    return float(wire.written[-1].split(b"x-loadgate-delay-ms: ")[1].split(b"\r\n")[0])


def test_each_reply_is_held_back_by_exactly_what_its_header_says() -> None:
    connection, wire, clock = opened({"latency": {"shape": "lognormal", "median_ms": 20, "sigma": 0.5}})
    for count in range(1, 50):
        connection.data_received(GET)
        assert len(wire.written) == count - 1
        assert clock.ring() * 1000 == pytest.approx(told(wire), abs=1e-9)


def test_a_stall_is_counted_from_the_start_of_the_configuration() -> None:
    connection, wire, clock = opened({"stall": {"every_ms": 10_000, "for_ms": 1000}})
    clock.time = 100.0 + 29.4
    connection.data_received(GET)
    assert clock.ring() == pytest.approx(0.6) and told(wire) == 600.0


def test_a_client_that_leaves_takes_its_timer_along() -> None:
    connection, wire, clock = opened({"latency": {"shape": "fixed", "ms": 20}})
    connection.data_received(GET)
    connection.connection_lost(None)
    assert [timer.cancelled for timer in clock.timers] == [True]
    assert wire.written == []


def test_a_stream_is_sent_one_block_a_turn() -> None:
    async def main() -> None:
        connection, wire, _ = opened({})
        connection.data_received(b"GET /bytes/1000000 HTTP/1.1\r\nhost: a\r\n\r\n")
        sizes = []
        for _ in range(5):
            sizes.append(len(wire.written))
            await asyncio.sleep(0)
        assert sizes == [2, 3, 4, 5, 5]  # the head, then blocks of 256 KiB
        assert sum(map(len, wire.written[1:])) == 1_000_000

    asyncio.run(main())


def test_a_stream_waits_for_a_client_that_does_not_read() -> None:
    async def main() -> None:
        connection, wire, _ = opened({})
        connection.data_received(b"GET /bytes/1000000 HTTP/1.1\r\nhost: a\r\n\r\n")
        connection.pause_writing()
        await asyncio.sleep(0.001)
        assert len(wire.written) == 2
        connection.resume_writing()
        while sum(map(len, wire.written[1:])) < 1_000_000:
            await asyncio.sleep(0)
        connection.data_received(GET)
        assert wire.written[-1].startswith(b"HTTP/1.1 200 OK")

    asyncio.run(main())


def test_a_call_is_held_back_by_exactly_what_its_metadata_says() -> None:
    clock, wire = HandClock(), Wire()
    chaos = {"protocols": {"grpc": {"latency": {"shape": "lognormal", "median_ms": 20, "sigma": 0.5}}}}
    connection = HttpTarget(from_plain(chaos, seed=1), clock, ("grpc",))._listeners["grpc"]._make()
    assert isinstance(connection, GrpcConnection)
    connection.connection_made(cast(asyncio.Transport, wire))
    connection.data_received(PREFACE + frames.settings({}))
    for stream in range(1, 100, 2):
        connection.data_received(call(stream))
        count = len(wire.written)
        moved = clock.ring()
        assert len(wire.written) > count
        delay = b"".join(wire.written[count:]).split(b"x-loadgate-delay-ms")[1]
        assert float(delay[1 : 1 + delay[0]]) == pytest.approx(moved * 1000, abs=1e-9)
