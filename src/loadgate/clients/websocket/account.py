"""What a session counts for: its step under the tags that hold now, and what it records beside answers and messages."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.request import Request
from loadgate.clients.websocket.handshake import Offer, RefusedError
from loadgate.clients.websocket.message import WsReply
from loadgate.clients.websocket.questions import Question
from loadgate.clients.websocket.step import WsStep
from loadgate.clients.websocket.wire import State, Wire

if TYPE_CHECKING:
    from loadgate.clients.websocket.client import WsClient

_NEVER: Final = float("inf")


class Account(Wire):
    """A connection of `client` whose exchanges are those of a step. What is lost on it is recorded here, once."""

    __slots__ = ("_at", "_client", "_context", "_handshake", "_step", "connecting", "error", "error_text")

    def __init__(self, client: WsClient, request: Request, offer: Offer) -> None:
        super().__init__(request.origin, client.http.loop)
        self._client = client
        self._handshake = request
        self._offer = offer
        self._at = 0.0
        """Clock seconds at which it was opened."""
        self._context = client.http.context
        self._step = client.stack.step(self._context, request.step.name, WsStep)
        self.connecting = _NEVER
        """Milliseconds that connecting and the handshake took (`ws_connecting`); infinite before the session is open."""
        self.error: ErrorKind | None = None
        """Why the session could not be opened, or why it ended other than in order."""
        self.error_text = ""

    def _control(self, sent: int, received: int) -> None:
        self._step.sent_bytes.total += sent
        self._step.received_bytes.total += received

    def _unopened(self, error: ExchangeError, sent: int, began: float) -> None:
        """It could not be opened, which is one failed exchange."""
        client = self._client
        planned, client.planned = client.planned or began, 0.0
        status = error.status if isinstance(error, RefusedError) else 0
        self._step.fail(error.kind, str(error), sent, planned, began, perf_counter(), status)

    def _interrupted(self, began: float) -> None:
        """The scenario was interrupted while it was being opened."""
        self._client.give_up(self._lost_question(began, 0))

    def _broken(self, kind: ErrorKind, text: str, now: float) -> None:
        """It ended other than in order, and no question was under way: nobody else would hear of it."""
        self._step.fail(kind, text, 0, now, now, now)

    def _note(self, kind: ErrorKind, text: str) -> None:
        self._client.stack.recorder.error(kind.value, self._step.name, text)

    def _refuse(self, step: WsStep, planned: float, waiter: asyncio.Future[WsReply]) -> None:
        """A question to a session that is not open: failed, in the loop's next turn, for a scenario may ask at once again."""
        now = perf_counter()
        kind, text = self.error or ErrorKind.RESET, self._why_closed
        step.fail(kind, text, 0, planned or now, now, now)
        reply = WsReply("", now, kind, text, planned or now, now)
        self._loop.call_soon(_resolve, waiter, reply)

    @property
    def _why_closed(self) -> str:
        if self.state == State.NEW:
            return "the session is not open: use `async with`"
        return self.error_text or "the session is closed"

    def _lost_question(self, start: float, sent: int) -> Question:
        return Question(self._step, self._loop.create_future(), start, start, start, sent)

    def _other_step(self, name: str | None) -> WsStep:
        """The step under the tags that hold now. The session's own follows them, one with a name of its own does not."""
        context = self._client.http.context
        if context is not self._context:
            self._context = context
            self._step = self._client.stack.step(context, self._handshake.step.name, WsStep)
        return self._step if name is None else self._client.stack.step(context, name, WsStep)


def _resolve(waiter: asyncio.Future[WsReply], reply: WsReply) -> None:
    if not waiter.done():
        waiter.set_result(reply)
