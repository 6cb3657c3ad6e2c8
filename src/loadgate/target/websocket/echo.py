"""`/ws`: text comes back with `echo: ` before it, binary messages as they are.

`?truth=1` makes each reply to a text JSON, {"echo": the text, "delay_ms": how long it was held back on purpose};
`?push=100ms` sends `push: 1`, `push: 2` ... at this interval. A client that offers subprotocols gets its first.

Messages of one connection are answered one after the other, as requests over HTTP are, and each draws its delay and fault
like a request. The handshake draws too: it may be delayed, and of the faults only `status` is for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

import msgspec

from loadgate.clock import Handle
from loadgate.target.faults import KINDS, Kind, Outcome
from loadgate.target.http.connection import Site
from loadgate.target.http.query import parameters
from loadgate.target.http.reply import Reply, error_reply
from loadgate.target.http.routes import Call, Manner
from loadgate.target.shapes import LONGEST_MS
from loadgate.target.websocket.connection import WebSocket
from loadgate.target.websocket.frames import MOST_MESSAGE, TEXT
from loadgate.target.websocket.handshake import handshake, offered
from loadgate.units import UnitError, parse_duration

PATH: Final = "/ws"
SHORTEST_PUSH: Final = 0.001
"""Seconds between two messages that are pushed."""
_MOST_QUEUED: Final = 32
_PREFIX: Final = b"echo: "


class Wishes(msgspec.Struct, frozen=True):
    """What a client asks for in its query. `push` is in seconds, 0 for none."""

    truth: bool = False
    push: float = 0.0


def read_wishes(query: str) -> Wishes:
    """Raises ValueError, which says what is wrong. Other parameters are nobody's business here."""
    truth, push = False, 0.0
    for name, value in parameters(query):
        if name == "truth":
            if value not in ("0", "1"):
                raise ValueError(f"truth: 1 or 0, got `{value[:40]}`")
            truth = value == "1"
        elif name == "push":
            try:
                push = parse_duration(value[:40])
            except UnitError as error:
                raise ValueError(f"push: {error.message}") from None
            if not SHORTEST_PUSH <= push <= LONGEST_MS / 1000.0:
                raise ValueError(f"push: from 1ms to {LONGEST_MS / 1000.0:g}s, got `{value[:40]}`")
    return Wishes(truth, push)


def add_echo(site: Site) -> None:
    """Serve `/ws` on `site`."""

    def answer(call: Call) -> Reply:
        try:
            read_wishes(call.query)
        except ValueError as error:
            return error_reply(400, str(error))
        return handshake(call.request, next(iter(offered(call.request)), None))

    def switch(call: Call, transport: asyncio.Transport) -> None:
        wishes = read_wishes(call.query)
        WebSocket(site, transport, lambda socket: EchoSession(socket, site, wishes))

    site.routes.add(PATH, Manner("websocket", KINDS["websocket"], switch=switch), GET=answer)


class EchoSession:
    """Answers the messages of one WebSocket."""

    def __init__(self, socket: WebSocket, site: Site, wishes: Wishes) -> None:
        self._socket = socket
        self._site = site
        self._wishes = wishes
        self._tally = site.metrics.tally("MESSAGE", PATH)
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued_bytes = 0
        self._busy = False  # a reply is held back
        self._advancing = False
        self._silent = False
        self._timer: Handle | None = None
        self._pusher: Handle | None = None
        self._pushed = 0
        self._begun = 0.0

    def begin(self) -> None:
        if self._wishes.push:
            self._begun = self._site.clock.now()
            self._await_push()

    def message(self, kind: int, payload: bytes) -> None:
        if self._silent:
            return
        if not self._busy:
            self._answer(kind, payload)
            return
        self._queue.append((kind, payload))
        self._queued_bytes += len(payload)
        if len(self._queue) > _MOST_QUEUED or self._queued_bytes > MOST_MESSAGE:
            self._socket.read(False)

    def resume(self) -> None:
        """Replies are written when they are due, and nothing is read while the client does not read them."""

    def end(self) -> None:
        if self._busy and not self._silent:
            self._site.metrics.abandoned += 1
        self._silent = True
        self._queue.clear()
        for timer in (self._timer, self._pusher):
            if timer is not None:
                timer.cancel()

    def _answer(self, kind: int, payload: bytes) -> None:
        site = self._site
        started = site.clock.now()
        injector = site.control.injector
        if injector is None:
            self._socket.send(kind, self._reply(kind, payload, 0.0))
            self._tally.count(101, site.clock.now() - started)
            return
        delay, fault = injector.draw(PATH, started, "websocket")
        if fault is not None and (fault.kind is Kind.STATUS or fault.kind not in KINDS["websocket"]):
            fault = None
        if fault is not None:
            site.metrics.faults[fault.kind] += 1
        finish = partial(self._finish, kind, self._reply(kind, payload, delay), fault, started)
        self._busy = True
        if delay:
            site.metrics.hold(delay)
            self._timer = site.clock.call_at(started + delay / 1000.0, finish)
        else:
            finish()

    def _reply(self, kind: int, payload: bytes, delay: float) -> bytes:
        if kind != TEXT:
            return payload
        if self._wishes.truth:
            return msgspec.json.encode({"echo": payload.decode(), "delay_ms": delay})
        return _PREFIX + payload

    def _finish(self, kind: int, reply: bytes, fault: Outcome | None, started: float) -> None:
        self._timer = None
        if fault is None:
            self._socket.send(kind, reply)
            self._tally.count(101, self._site.clock.now() - started)
            self._busy = False
            self._advance()
            return
        self._silent = True
        if fault.kind is Kind.CLOSE:
            self._socket.close(fault.code, "injected fault")
        elif fault.kind is Kind.RESET:
            self._socket.reset()
        elif fault.kind is Kind.PARTIAL:
            self._socket.send_half(kind, reply)
        else:  # a timeout: no message is answered any more, but the connection lives
            self._queue.clear()
            self._socket.read(True)

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        while self._queue and not self._busy:
            kind, payload = self._queue.popleft()
            self._queued_bytes -= len(payload)
            self._answer(kind, payload)
        self._advancing = False
        if not self._silent and len(self._queue) <= _MOST_QUEUED:
            self._socket.read(True)

    def _await_push(self) -> None:
        due = self._begun + (self._pushed + 1) * self._wishes.push
        self._pusher = self._site.clock.call_at(due, self._push)

    def _push(self) -> None:
        """Send the next number. One that the client did not come to read in time is left out."""
        self._pushed += 1
        if not self._socket.paused:
            self._socket.send(TEXT, b"push: %d" % self._pushed)
        self._await_push()
