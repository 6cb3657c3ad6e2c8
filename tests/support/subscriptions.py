"""Subscriptions for tests: strawberry's own `graphql-transport-ws` behind a `websockets` server, and a user's client of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

import strawberry
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from loadgate.clients.graphql.client import GraphqlClient
from loadgate.clients.graphql.subscriber import Subscriber
from loadgate.clients.websocket import WsClient
from tests.support.graphql_server import Mutation, Query, User
from tests.support.ws_talk import WsTalk, ws_talk

T = TypeVar("T")
SUBPROTOCOL = "graphql-transport-ws"


class Served:
    """`tokens` are those of payloads that came with `connection_init`, None without; `stopped` counts ended sources."""

    def __init__(self) -> None:
        self.url = ""
        self.peers: list[ServerConnection] = []
        self.tokens: list[str | None] = []
        self.types: list[str] = []
        """Of every message that came."""
        self.stopped = 0

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what the client did has reached the server."""
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.002)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: strawberry.Info, to: int, every_ms: float = 0.0) -> AsyncGenerator[int, None]:
        try:
            for number in range(1, to + 1):
                yield number
                await asyncio.sleep(every_ms / 1e3)
        finally:
            info.context["served"].stopped += 1

    @strawberry.subscription
    async def users(self) -> AsyncGenerator[User, None]:
        for number in (1, 2):
            yield User(id=strawberry.ID(str(number)), name=f"user {number}")

    @strawberry.subscription
    async def silence(self) -> AsyncGenerator[int, None]:
        await asyncio.sleep(3600)
        yield 0


class _View:
    """What of strawberry's views the protocol asks for."""

    async def on_ws_connect(self, context: dict[str, Any]) -> object:
        token = context["connection_params"].get("token")
        context["served"].tokens.append(token)
        if token == "wrong":
            raise ConnectionRejectionError
        return strawberry.UNSET


class _Adapter(AsyncWebSocketAdapter):
    def __init__(self, peer: ServerConnection, served: Served) -> None:
        self._peer = peer
        self._served = served

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        try:
            async for message in self._peer:
                found = json.loads(message)
                self._served.types.append(found["type"])
                yield found
        except ConnectionClosed:
            pass

    async def send_json(self, message: Mapping[str, object]) -> None:
        await self._peer.send(json.dumps(message))

    async def close(self, code: int, reason: str) -> None:
        await self._peer.close(code, reason)


@asynccontextmanager
async def strawberry_server() -> AsyncIterator[Served]:
    """A server on the running loop, which ends with the block."""
    served = Served()
    schema = strawberry.Schema(Query, Mutation, Subscription)
    logging.getLogger("strawberry.execution").disabled = True

    async def talk(peer: ServerConnection) -> None:
        served.peers.append(peer)
        view: Any = _View()
        handler = BaseGraphQLTransportWSHandler[Any, None](
            view, _Adapter(peer, served), {"served": served}, None, schema, timedelta(seconds=10)
        )
        await handler.handle()

    async with serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        served.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/graphql"
        yield served


def client_of(ws: WsClient, url: str) -> GraphqlClient:
    """The GraphQL client of the user whose WebSocket client is `ws`."""
    return GraphqlClient(ws.http, url, Subscriber(lambda: ws))


def subscribing(main: Callable[[WsTalk, GraphqlClient, Served], Awaitable[T]], **options: Any) -> T:
    """Run `main` with a user of a strawberry server."""

    async def run(here: WsTalk) -> T:
        async with strawberry_server() as served:
            return await main(here, client_of(here.user(scenario="s"), served.url), served)

    return ws_talk(run, **options)
