"""A target that speaks all its protocols, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvloop

from loadgate.target.http.server import HttpTarget
from loadgate.target.settings import from_plain

PROTOCOLS = ("websocket", "graphql", "grpc")
_PATIENCE = 10.0


@contextmanager
def serving(chaos: Mapping[str, Any] | None = None) -> Iterator[dict[str, str]]:
    """URLs by protocol, "graphql-ws" among them; `chaos` is a configuration as `/api/chaos/config` takes it."""
    loop = uvloop.new_event_loop()
    target = HttpTarget(from_plain(dict(chaos or {}), seed=1), protocols=PROTOCOLS)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(target.start(), loop).result(_PATIENCE)
        yield {**target.urls, "graphql-ws": target.urls["graphql"].replace("http", "ws", 1)}
    finally:
        asyncio.run_coroutine_threadsafe(target.close(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


def certain(kind: str, **more: Any) -> dict[str, Any]:
    """A configuration in which every request has this fault."""
    return {"faults": {kind: {"probability": 1, **more}}}
