"""A real WebSocket server for tests: the `websockets` library, in a thread, with an account of what it saw.

It echoes every message, but for texts that say what to do: `fragments` (the answer in three), `pings` (the answer behind a
pong of the client's), `close CODE`, `drop` (no closing), `silent` (no answer), `slow` (after 30 ms), and JSON with `push`
(so many messages that are numbered). `/plain` answers HTTP; the handshake of `/slow` takes 30 ms, that of `/no` is refused.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

_PATIENCE = 10.0
_SLOW = 0.03


@dataclass
class WsServer:
    """`codes` are those that sessions were closed with by the client; `messages` what came, by path and content."""

    port: int = 0
    sessions: int = 0
    messages: Counter[tuple[str, str | bytes]] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def ws_server() -> Iterator[WsServer]:
    """A server on a free port, which ends with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    account = WsServer()
    ended = asyncio.Event()
    ready: asyncio.Future[None] = loop.create_future()
    running = asyncio.run_coroutine_threadsafe(_run(account, ready, ended), loop)
    try:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(ready, _PATIENCE), loop).result()
        yield account
    finally:
        loop.call_soon_threadsafe(ended.set)
        try:
            running.result(_PATIENCE)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_PATIENCE)
            loop.close()


async def _run(account: WsServer, ready: asyncio.Future[None], ended: asyncio.Event) -> None:
    async def begin(peer: ServerConnection, request: Request) -> Response | None:
        account.requests.append(request)
        path = request.path.partition("?")[0]
        if path == "/plain":
            return peer.respond(HTTPStatus.OK, '{"user": "ada"}')
        if path == "/no":
            return peer.respond(HTTPStatus.FORBIDDEN, "not for you")
        if path == "/slow":
            await asyncio.sleep(_SLOW)
        return None

    async def talk(peer: ServerConnection) -> None:
        account.sessions += 1
        assert peer.request is not None
        try:
            async for message in peer:
                account.messages[peer.request.path, message] += 1
                await _answer(peer, message)
        except ConnectionClosed:
            pass
        if peer.close_code is not None:
            account.codes[peer.close_code] += 1

    chat = [Subprotocol("chat.v2")]
    async with serve(
        talk,
        "127.0.0.1",
        0,
        subprotocols=chat,
        select_subprotocol=_select,
        process_request=begin,
        max_size=None,
        close_timeout=1.0,
    ) as server:
        account.port = next(iter(server.sockets)).getsockname()[1]
        ready.set_result(None)
        await ended.wait()


def _select(peer: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "chat.v2"), None)


async def _answer(peer: ServerConnection, message: str | bytes) -> None:
    order, _, rest = message.partition(" ") if isinstance(message, str) else ("", "", "")
    if order == "fragments":
        await peer.send(["frag", "men", "ts"])
    elif order == "pings":
        await (await peer.ping())
        await peer.send("ponged")
    elif order == "close":
        await peer.close(int(rest), "as told")
    elif order == "drop":
        peer.transport.abort()
    elif order == "slow":
        await asyncio.sleep(_SLOW)
        await peer.send(message)
    elif order == "silent":
        pass
    elif isinstance(message, str) and message.startswith('{"push"'):
        for number in range(json.loads(message)["push"]):
            await peer.send(json.dumps({"number": number}))
    else:
        await peer.send(message)
