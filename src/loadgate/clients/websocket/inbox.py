"""Messages that answer no question, until the scenario receives them. Bounded, for many scenarios never do."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from loadgate.clients.websocket.message import WsMessage

MOST: Final = 1_000
"""Messages that are kept."""
MOST_SIZE: Final = 16 * 1024 * 1024
"""Their characters and bytes in all."""


class Inbox:
    """First come, first served, on both sides."""

    __slots__ = ("_loop", "_messages", "_receivers", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: deque[WsMessage] = deque()
        self._receivers: deque[asyncio.Future[WsMessage]] = deque()
        self._size = 0

    def put(self, message: WsMessage) -> bool:
        """Give `message` to who waits for one, or keep it; False where there is no room left."""
        while self._receivers:
            waiter = self._receivers.popleft()
            if not waiter.done():
                waiter.set_result(message)
                return True
        size = len(message.content)
        if len(self._messages) >= MOST or self._size + size > MOST_SIZE:
            return False
        self._messages.append(message)
        self._size += size
        return True

    def get(self) -> WsMessage | None:
        """The next message that is kept."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._size -= len(message.content)
        return message

    async def wait(self, limit: float) -> WsMessage:
        """The next message to come. Raises TimeoutError after `limit` seconds."""
        waiter: asyncio.Future[WsMessage] = self._loop.create_future()
        self._receivers.append(waiter)
        try:
            async with asyncio.timeout(limit):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came in the same turn: for the next who asks
                self._messages.appendleft(waiter.result())
                self._size += len(waiter.result().content)
            raise

    def end(self, last: WsMessage) -> None:
        """Nothing will come any more: who still waits gets `last`."""
        while self._receivers:
            waiter = self._receivers.popleft()
            if not waiter.done():
                waiter.set_result(last)
