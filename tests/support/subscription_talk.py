"""A server of subscriptions that says what a test tells it to, and a user's client of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from loadgate.clients.graphql.client import GraphqlClient
from tests.support.subscriptions import SUBPROTOCOL, client_of
from tests.support.ws_talk import Peer, RawWs, WsTalk, frame, ws_talk

Serve = Callable[[Peer], Awaitable[None]]
Main = Callable[[WsTalk, GraphqlClient, RawWs], Awaitable[None]]
QUERY = "subscription Ticks { ticks }"
ACK = {"type": "connection_ack"}


def next_of(id: str, number: int) -> dict[str, Any]:
    return {"id": id, "type": "next", "payload": {"data": {"ticks": number}}}


class Server:
    """Speaks for one connection as a test tells it to."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def accept(self) -> None:
        await self._peer.say(self._peer.reply(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}"))

    async def acknowledge(self) -> None:
        await self.accept()
        assert await self.hear() == {"type": "connection_init"}
        await self.say(ACK)

    async def hear(self) -> Any:
        return json.loads((await self._peer.frame())[1])

    async def say(self, *messages: Any) -> None:
        for message in messages:
            text = message if isinstance(message, bytes) else json.dumps(message).encode()
            await self._peer.say(frame(1, text))

    async def close(self, code: int) -> None:
        await self._peer.say(frame(8, code.to_bytes(2, "big")))


def begun(*messages: Any, end: int | str = "") -> Serve:
    """Says `messages` once it is asked for events, and ends: with a close code, or by closing or resetting."""

    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        assert (await server.hear())["type"] == "subscribe"
        await server.say(*messages)
        if isinstance(end, int):
            await server.close(end)
        elif end:
            peer.close() if end == "close" else peer.reset()
        await peer.to_the_end()

    return serve


def with_peer(main: Main, serve: Serve, **options: Any) -> None:
    async def run(here: WsTalk) -> None:
        async with RawWs(serve) as server:
            await main(here, client_of(here.user(), server.url), server)

    ws_talk(run, **options)


async def silent(peer: Peer) -> None:
    await Server(peer).accept()
    await peer.to_the_end()
