"""Messages that answer no question, until the scenario receives them. Bounded, for many scenarios never do."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Generic, Protocol, TypeVar

MOST: Final = 1_000
"""Messages that are kept."""
MOST_SIZE: Final = 16 * 1024 * 1024
"""Their characters and bytes in all."""


class Sized(Protocol):
    """What is kept: its content counts."""

    @property
    def content(self) -> str | bytes: ...


M = TypeVar("M", bound=Sized)


class Inbox(Generic[M]):
    """First come, first served, on both sides."""

    __slots__ = ("_loop", "_messages", "_receivers", "_size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: deque[M] = deque()
        self._receivers: deque[asyncio.Future[M]] = deque()
        self._size = 0

    def put(self, message: M) -> bool:
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

    def get(self) -> M | None:
        """The next message that is kept."""
        if not self._messages:
            return None
        message = self._messages.popleft()
        self._size -= len(message.content)
        return message

    async def wait(self, limit: float | None) -> M:
        """The next message to come. Raises TimeoutError after `limit` seconds, if there is one."""
        waiter: asyncio.Future[M] = self._loop.create_future()
        self._receivers.append(waiter)
        try:
            async with asyncio.timeout(limit):
                return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():  # it came in the same turn: for the next who asks
                self._messages.appendleft(waiter.result())
                self._size += len(waiter.result().content)
            raise

    def end(self, last: M) -> None:
        """Nothing will come any more: who still waits gets `last`."""
        while self._receivers:
            waiter = self._receivers.popleft()
            if not waiter.done():
                waiter.set_result(last)
