"""One connection that carries subscriptions: protocol `graphql-transport-ws` over a WebSocket session.

Source: enisdenjo/graphql-ws, PROTOCOL.md. A message that is none of the protocol ends the connection with 4400; what comes of a
subscription that was stopped meanwhile is let go, for the server could not know yet.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec

from loadgate.clients.base import ErrorKind, ExchangeError, Fault
from loadgate.clients.websocket.frames import CLOSE, GOING_AWAY, PROTOCOL_ERROR, FrameError, close_payload
from loadgate.clients.websocket.handshake import RefusedError
from loadgate.clients.websocket.session import WsSession
from loadgate.clients.websocket.wire import State
from loadgate.measure.metric import BUILTIN

if TYPE_CHECKING:
    from loadgate.clients.graphql.subscription import Subscription

SUBPROTOCOL: Final = "graphql-transport-ws"
BAD_REQUEST: Final = 4400
CODES: Final = {
    4400: "it could not read a message of ours",
    4401: "it took nothing before it had acknowledged the connection",
    4403: "it refuses the connection; what it looks at is mostly in the connection payload",
    4406: f"it does not speak {SUBPROTOCOL}",
    4408: "connection_init came too late for it",
    4409: "it took the id of a subscription for one that is in use",
    4429: "it took the connection for one that is opened already",
    4500: "an error of its own",
    4504: "it took connection_ack for late",
}
"""What a server says by its close code: the protocol's, and those of `graphql-ws`'s server."""


class _Incoming(msgspec.Struct, gc=False):
    """A message of the server's. What is in `payload` is for the subscription to read."""

    type: str
    id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"null")


_decode: Final = msgspec.json.Decoder(_Incoming).decode


class GraphqlSocket(WsSession):
    """Made of a session that was not opened. `payload` goes with `connection_init` as JSON; empty: none.

    Failures are those of the subscriptions on it, each one's own; as a session of WebSocket it has no exchange.
    """

    __slots__ = ("_acknowledged", "_name", "_number", "_payload", "_ready", "_subscriptions")

    def __init__(self, session: WsSession, payload: bytes) -> None:
        assert session._offer is not None
        super().__init__(session._client, session._handshake, session._offer)
        self._acknowledged: asyncio.Future[None] | None = None
        self._name = session._step.name
        self._number = 0
        self._payload = payload
        self._ready: asyncio.Future[bool] | None = None
        self._subscriptions: dict[str, Subscription] = {}

    @property
    def is_usable(self) -> bool:
        """Whether it is open, or may become so."""
        return self.state <= State.OPEN

    @property
    def is_idle(self) -> bool:
        """Whether there is no subscription on it."""
        return not self._subscriptions

    def admit(self, subscription: Subscription) -> str:
        """The id under which `subscription` is told from now on what becomes of it."""
        self._number += 1
        id = str(self._number)
        self._subscriptions[id] = subscription
        self._name = subscription.name
        return id

    async def ready(self) -> bool:
        """Wait until the server has acknowledged the connection, or it has failed, which the subscriptions are told.

        False where whoever was opening it was interrupted: then nobody was told, and another one is needed.
        """
        if self._ready is not None:
            return await asyncio.shield(self._ready)
        self._ready = self._loop.create_future()
        done = False
        try:
            await self._connect()
            done = True
            return True
        except BaseException:
            self._subscriptions.clear()
            self.drop()
            raise
        finally:
            self._ready.set_result(done)

    async def _connect(self) -> None:
        began = perf_counter()
        if not await self.open():
            return
        if self.subprotocol != SUBPROTOCOL:
            self._break(FrameError(PROTOCOL_ERROR, f"the server does not speak {SUBPROTOCOL}: it chose no subprotocol"))
            return
        start = perf_counter()
        self._acknowledged = self._loop.create_future()
        limit = min(self.timeout, self._client.stack.connector.connect_timeout)
        payload = f',"payload":{self._payload.decode()}' if self._payload else ""
        self._post(f'{{"type":"connection_init"{payload}}}', self._step)
        try:
            async with asyncio.timeout(max(0.001, began + limit - start)):
                await self._acknowledged
        except TimeoutError:
            self._send_control(CLOSE, close_payload(GOING_AWAY))
            self._end(ErrorKind.TIMEOUT, f"no connection_ack within {limit:g} s")
            self._shut()
            return
        if self.is_open:
            series = self._client.stack.recorder.series(BUILTIN["graphql_connection_init"], self._step.tags)
            self._client.stack.recorder.add(series, (perf_counter() - start) * 1e3)

    async def subscribe(self, id: str, payload: str) -> None:
        """Ask the server for the operation in `payload` (JSON); wait while it takes nothing."""
        if self.is_open:
            await self.send(f'{{"id":"{id}","type":"subscribe","payload":{payload}}}')

    def stop(self, id: str) -> None:
        """Have the server send no more events to the subscription of this id."""
        if self._subscriptions.pop(id, None) is not None and self.is_open:
            self._post(f'{{"id":"{id}","type":"complete"}}', self._step)

    # -- what the server says

    def _message(self, content: str | bytes, size: int, end: float) -> None:
        step = self._step
        step.received.total += 1.0
        step.received_bytes.total += size
        try:
            message = _decode(content)
        except (ValueError, RecursionError) as error:
            self._break(FrameError(BAD_REQUEST, f"a message that is none of {SUBPROTOCOL}: {error}"))
            return
        match message.type:
            case "next":
                subscription = self._subscriptions.get(message.id)
                if subscription is None:
                    self._stray(message)
                else:
                    subscription.arrived(bytes(message.payload), end)
            case "complete" | "error":
                subscription = self._subscriptions.pop(message.id, None)
                if subscription is None:
                    self._stray(message)
                elif message.type == "complete":
                    subscription.completed(end)
                else:
                    subscription.refused(bytes(message.payload), end)
            case "ping":
                payload = bytes(message.payload).decode()
                if self._may_answer(size):
                    self._post('{"type":"pong"' + (f',"payload":{payload}' if payload != "null" else "") + "}", step)
            case "pong":
                pass
            case "connection_ack":
                if self._acknowledged is not None and not self._acknowledged.done():
                    self._acknowledged.set_result(None)
            case other:
                shown = other[:40]
                self._break(FrameError(BAD_REQUEST, f"a message of type `{shown}`, which {SUBPROTOCOL} has not"))

    def _stray(self, message: _Incoming) -> None:
        """A message about no subscription that there is. One that was stopped, or had failed, may still be spoken of."""
        id = message.id
        if not (id.isascii() and id.isdecimal() and 0 < int(id[:18]) <= self._number):
            self._note(ErrorKind.PROTOCOL, f"a message `{message.type}` for the unknown subscription `{id[:40]}`")

    # -- endings

    def _unopened(self, error: ExchangeError, sent: int, began: float) -> None:
        self._control(sent, 0)
        self._fail_all(error.kind, str(error), error.status if isinstance(error, RefusedError) else 0)

    def _interrupted(self, began: float) -> None:
        """Nothing of its own: the subscription that opened it says so itself."""

    def _broken(self, kind: ErrorKind, text: str, now: float) -> None:
        if not self._subscriptions:
            self._note(kind, text)

    def _note(self, kind: ErrorKind, text: str) -> None:
        """Under the name of the last subscription on it: as a session it has no exchange, and no row among the steps."""
        self._client.stack.recorder.error(kind.value, self._name, text)

    def _ended(self, kind: ErrorKind | None, text: str) -> None:
        explained = CODES.get(self.close_code or 0)
        if explained is not None:
            text = f"{text} ({explained})"
        super()._ended(kind, text)
        self._fail_all(kind or ErrorKind.RESET, text)
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_result(None)

    def _fail_all(self, kind: ErrorKind, text: str, status: int = 0) -> None:
        left, self._subscriptions = self._subscriptions, {}
        now = perf_counter()
        for subscription in left.values():
            subscription.failed(Fault(kind, text), now, status)

    def cut_off(self, patience: float) -> None:
        """Record events that were waited for longer than `patience` (s) as missing."""
        now = perf_counter()
        for subscription in self._subscriptions.values():
            subscription.cut_off(patience, now)

    def drop(self) -> None:
        """Close with its user: what is waited for ends without a sample."""
        left, self._subscriptions = self._subscriptions, {}
        for subscription in left.values():
            subscription.dropped()
        super().drop()
