"""Clients that do not read, and subscribers that leave: what is kept for them is bounded. On a loop whose time jumps."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
from graphql import parse, subscribe

from loadgate.clock import VirtualClock
from loadgate.target.graphql.execution import Executor
from loadgate.target.graphql.schema import Allowance, make_schema
from loadgate.target.graphql.subscription import SubscriptionSession
from loadgate.target.http.server import HttpTarget
from loadgate.target.tables import Tables
from loadgate.target.websocket.connection import WebSocket
from loadgate.target.websocket.echo import EchoSession, Wishes
from loadgate.target.websocket.frames import unmasked
from tests.support.virtual_loop import VirtualLoop, run_virtual
from tests.target.wire import Wire


def message(**fields: Any) -> bytes:
    payload = msgspec.json.encode(fields)
    assert len(payload) > 125
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"abcd" + unmasked(payload, b"abcd")


def test_numbers_that_nobody_comes_to_read_are_left_out() -> None:
    async def scene(loop: VirtualLoop, clock: VirtualClock) -> list[bytes]:
        target, wire = HttpTarget(clock=clock), Wire()
        site = target._site
        socket = WebSocket(site, cast(asyncio.Transport, wire), lambda ws: EchoSession(ws, site, Wishes(push=0.1)))
        await asyncio.sleep(0.25)
        socket.pause_writing()
        stopped = not wire.reading
        await asyncio.sleep(0.3)
        socket.resume_writing()
        assert stopped and wire.reading
        await asyncio.sleep(0.2)
        socket.connection_lost(None)
        await asyncio.sleep(1)
        return [frame[2:] for frame in wire.written]

    assert run_virtual(scene) == [b"push: 1", b"push: 2", b"push: 6", b"push: 7"]


def test_events_wait_for_a_client_that_does_not_read() -> None:
    async def scene(loop: VirtualLoop, clock: VirtualClock) -> tuple[int, int]:
        target, wire = HttpTarget(clock=clock), Wire()
        site, executor = target._site, Executor(make_schema(Tables(1), clock))
        socket = WebSocket(
            site, cast(asyncio.Transport, wire), lambda ws: SubscriptionSession(ws, site, executor, spoken=True)
        )
        query = "subscription { ticks(count: 100, everyMs: 10) { number } }"
        socket.data_received(message(type="connection_init", payload="x" * 100))
        socket.data_received(message(id="a", type="subscribe", payload={"query": query, "variables": {"x": "x" * 60}}))
        await asyncio.sleep(0.105)
        socket.pause_writing()
        await asyncio.sleep(10)
        written = len(wire.written)
        socket.resume_writing()
        await asyncio.sleep(10)
        socket.connection_lost(None)
        return written, len(wire.written)

    assert run_virtual(scene) == (12, 102)  # an acknowledgement and eleven events; then all hundred, and the end


def test_a_subscriber_that_leaves_is_not_told_any_more() -> None:
    async def scene(loop: VirtualLoop, clock: VirtualClock) -> None:
        tables = Tables(1)
        events = subscribe(
            make_schema(tables, clock), parse("subscription { commentAdded { body } }"), context_value=Allowance()
        )
        events = await events if asyncio.iscoroutine(events) else events
        told = asyncio.ensure_future(cast(Any, events).__anext__())
        await asyncio.sleep(0)
        tables.comments.create({"postId": 1, "body": "hear"})
        assert (await told).data == {"commentAdded": {"body": "hear"}}
        assert len(tables.comments.followers) == 1
        await cast(Any, events).aclose()
        assert not tables.comments.followers

    run_virtual(scene)
