"""Pings of one session that wait for their pong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from loadgate.clients.websocket.frames import fresh_key


class Pings:
    """Each ping has a payload of its own, by which its pong is known (RFC 6455 section 5.5.3)."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[bytes, tuple[asyncio.Future[float | None], float]] = {}

    def begin(self, waiter: asyncio.Future[float | None], start: float) -> bytes:
        """The payload of a ping that is sent at `start` (clock s); `waiter` gets milliseconds, or None."""
        payload = fresh_key()
        self._waiting[payload] = (waiter, start)
        return payload

    def give_up(self, payload: bytes) -> None:
        """Nobody waits for this pong any more."""
        self._waiting.pop(payload, None)

    def answered(self, payload: bytes, end: float) -> Iterator[float]:
        """Milliseconds of every ping that a pong at `end` answers: none, if it came unasked, which is allowed.

        A server may answer only the last of several pings, which answers those before it too.
        """
        if payload not in self._waiting:
            return
        for sent in list(self._waiting):
            waiter, start = self._waiting.pop(sent)
            took = (end - start) * 1e3
            if not waiter.done():
                waiter.set_result(took)
            yield took
            if sent == payload:
                return

    def end(self) -> None:
        """No pong will come any more."""
        for waiter, _ in self._waiting.values():
            if not waiter.done():
                waiter.set_result(None)
