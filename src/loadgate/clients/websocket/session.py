"""What a scenario holds as `ws`: one WebSocket session, its questions and answers, and what the server sends unasked.

A message is written and its answer found without a task and with one future. One timer a session guards all timeouts.
Nothing is lost: a question is one sample, answered or not, and a session that breaks while none is under way is a failed
sample of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from os import write
from time import perf_counter, time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.deadlines import Deadlines
from loadgate.clients.http.request import Request, checked_timeout
from loadgate.clients.http.response import Headers
from loadgate.clients.websocket.account import Account
from loadgate.clients.websocket.composer import Outgoing, decoded
from loadgate.clients.websocket.frames import NORMAL, PING, SHORT
from loadgate.clients.websocket.handshake import Offer
from loadgate.clients.websocket.inbox import MOST, MOST_SIZE, Inbox
from loadgate.clients.websocket.message import WsMessage, WsReply
from loadgate.clients.websocket.pings import Pings
from loadgate.clients.websocket.questions import Question, Questions
from loadgate.clients.websocket.step import WsStep
from loadgate.clients.websocket.wire import State

if TYPE_CHECKING:
    from loadgate.clients.websocket.client import WsClient

_OPEN: Final = State.OPEN  # a name of its own: looking into an enum costs more than the comparison


class WsSession(Account):
    """Made by `WsClient.connect`, opened by `async with` (or `open`) and closed at its end (or by `close`).

    Nothing of the network raises: a session that could not be opened has `error` set, and so has every reply of it. What
    cannot be sent at all (a close code that may not be sent, a correlation field that is not there) raises ValueError.
    """

    __slots__ = ("_deadlines", "_inbox", "_pings", "_questions", "_record", "timeout")

    def __init__(self, client: WsClient, request: Request, offer: Offer) -> None:
        super().__init__(client, request, offer)
        self._record = client.stack.recorder.exchange
        self._questions = Questions()
        self._deadlines = Deadlines(self._loop, self._questions.waiting, _too_late)
        self._pings: Pings | None = None
        self._inbox: Inbox[WsMessage] | None = None
        self.timeout = request.timeout
        """Seconds for the opening, where the connect timeout is not shorter, and for each answer, unless it has its own."""

    # -- opening and closing

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._abandon()
        else:
            await self.close()

    async def open(self) -> bool:
        """Connect and shake hands; False where that failed, with `error` set. Raises RuntimeError the second time."""
        if self.state != State.NEW:
            raise RuntimeError("a session is opened once: connect again")
        client, request, offer = self._client, self._handshake, self._offer
        assert offer is not None
        client.admit(self)
        wire = client.http.own_wire(request)
        began = self._at = perf_counter()
        try:
            head = await self._open(client.stack.connector, wire, offer, request.timeout)
        except ExchangeError as error:
            self.error, self.error_text = error.kind, str(error)
            self._control(0, len(self._head))
            self._unopened(error, len(wire), began)
            client.forget(self)
            return False
        except BaseException:
            self._interrupted(began)
            client.forget(self)
            raise
        self._at = perf_counter()
        step = self._step
        self.connecting = (self._at - began) * 1e3
        client.stack.recorder.add(step.connecting, self.connecting)
        step.sessions.total += 1.0
        step.sent_bytes.total += len(wire)
        if head.sets_cookie:
            for line in Headers(head.raw).get_all("set-cookie"):
                client.http.cookies.store(line, self.origin.host, request.target, time())
        return True

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close in order and wait for the server's word, for two seconds at most. Questions under way have failed by that.

        Raises ValueError for a code that may not be sent, or a reason of more than 123 bytes.
        """
        if self.state is _OPEN:
            self._questions.fail_all(ErrorKind.UNANSWERED, "no answer when the scenario closed the session")
        await self._close(code, reason)

    def _abandon(self) -> None:
        """The scenario was interrupted: its questions are left to the client, who knows whether the run is over."""
        for question in self._questions.clear():
            self._client.give_up(question)
        self.drop()

    @property
    def is_open(self) -> bool:
        return self.state is _OPEN

    # -- what scenarios use

    def ask(
        self, message: Outgoing, *, match: str | None = None, name: str | None = None, timeout: float | None = None
    ) -> Awaitable[WsReply]:
        """Send `message` and wait for its answer: one exchange.

        Answers are taken in the order of the questions. With `match`, the dotted path of a JSON field, the answer is the
        message with the same value there, in whatever order. `name` is the step it counts for, else the session's; `timeout`
        is in seconds. Raises ValueError where `match` names no field of `message`, or a value that is under way.
        """
        waiter: asyncio.Future[WsReply] = self._loop.create_future()
        http = self._client.http
        limit = self.timeout if timeout is None else checked_timeout(timeout)
        step = self._step
        if http.context is not self._context or name is not None:
            step = self._other_step(name)
        key = None if match is None else self._questions.key_for(match, decoded(message))
        if self.state is not _OPEN:
            planned, http.planned = http.planned, 0.0
            self._refuse(step, planned, waiter)
            return waiter
        # as `_write` does, without the call: one future and one write a message
        composer = self._composer
        frame = composer.ready.masked() if message == composer.text else composer.frame(message)
        planned, http.planned = http.planned, 0.0
        start = perf_counter()
        if self._fd >= 0:
            try:
                written = write(self._fd, frame)
            except OSError:  # as in `_write`
                written = 0
            if written != len(frame):
                self._write_rest(frame, written)
        else:
            self._write_rest(frame, 0)
        deadline = start + limit
        question = Question(step, waiter, planned or start, start, deadline, len(frame))
        if match is None:
            self._questions.ordered.append(question)
        else:
            self._questions.add(question, match, key)
        step.sent.total += 1.0
        if deadline < self._deadlines.next:
            self._deadlines.set(deadline)
        return waiter

    async def send(self, message: Outgoing) -> bool:
        """Send `message`, for which no answer is expected; wait while the server takes none.

        False, and a failed exchange, where the session is not open or the server takes nothing for `timeout` seconds.
        """
        step = self._step if self._client.http.context is self._context else self._other_step(None)
        if self.state is _OPEN:
            self._post(message, step)
            if not await self._drain(self.timeout):
                self._end(ErrorKind.TIMEOUT, f"the server took nothing for {self.timeout:g} s")
                self._shut()
            return self.state is _OPEN
        waiter: asyncio.Future[WsReply] = self._loop.create_future()
        self._refuse(step, 0.0, waiter)
        await waiter
        return False

    def _post(self, message: Outgoing, step: WsStep) -> None:
        """Write `message`, which is no exchange."""
        frame = self._composer.frame(message)
        step.sent.total += 1.0
        step.sent_bytes.total += len(frame)
        self._write(frame)

    async def receive(self, timeout: float | None = None) -> WsMessage:
        """The next message that answers no question. Its `ok` is False where none came in time or the session has ended.

        That is no exchange, so it is for the scenario to check.
        """
        inbox = self._inbox = self._inbox or Inbox(self._loop)
        kept = inbox.get()
        if kept is not None:
            return kept
        if self.state is not _OPEN:
            await asyncio.sleep(0)  # a scenario that asks again and again must let the loop turn
            return WsMessage("", perf_counter(), self.error or ErrorKind.RESET, self._why_closed)
        limit = self.timeout if timeout is None else checked_timeout(timeout)
        try:
            return await inbox.wait(limit)
        except TimeoutError:
            return WsMessage("", perf_counter(), ErrorKind.TIMEOUT, f"no message within {limit:g} s")

    async def ping(self, timeout: float | None = None) -> float | None:
        """Milliseconds until the server's pong (`ws_ping`); None, and a failed exchange, where none came in time."""
        limit = self.timeout if timeout is None else checked_timeout(timeout)
        start = perf_counter()
        if self.state is not _OPEN:
            waiter: asyncio.Future[WsReply] = self._loop.create_future()
            self._refuse(self._step, 0.0, waiter)
            await waiter
            return None
        pings = self._pings = self._pings or Pings()
        pong: asyncio.Future[float | None] = self._loop.create_future()
        payload = pings.begin(pong, start)
        self._send_control(PING, payload)
        try:
            async with asyncio.timeout(limit):
                return await pong
        except TimeoutError:
            self._step.fail(ErrorKind.TIMEOUT, f"no pong within {limit:g} s", 0, start, start, perf_counter())
            return None
        finally:
            pings.give_up(payload)

    # -- what it does with what comes

    def data_received(self, data: bytes) -> None:
        end = perf_counter()
        # one short text message and nothing else, which is what most servers answer most of the time
        if self._between and data[0] == 0x81 and len(data) > 1 and data[1] == len(data) - 2 < SHORT:
            questions = self._questions
            try:
                text = data[2:].decode()
            except UnicodeDecodeError:
                self._read(data, end)  # which knows what is to follow
                return
            if questions.ordered and not questions.fields:
                question = questions.ordered.popleft()
                if not question.over:
                    step, planned, start = question.step, question.planned, question.start
                    step.received.total += 1.0
                    self._record(step.answered, question.sent, len(data), planned, start, end, end)
                    waiter = question.waiter
                    if not waiter.done():
                        waiter.set_result(WsReply(text, end, None, "", planned, start))
                    return
                questions.ordered.appendleft(question)
            self._message(text, len(data), end)
            return
        self._read(data, end)

    def _message(self, content: str | bytes, size: int, end: float) -> None:
        questions = self._questions
        if questions.fields or not questions.ordered:
            question = questions.take(content)
            if question is None:
                self._push(content, size, end)
                return
        else:
            question = questions.ordered.popleft()
        step = question.step
        step.received.total += 1.0
        if question.over:
            step.received_bytes.total += size
            return
        planned, start = question.planned, question.start
        self._record(step.answered, question.sent, size, planned, start, end, end)
        waiter = question.waiter
        if not waiter.done():
            waiter.set_result(WsReply(content, end, None, "", planned, start))

    def _push(self, content: str | bytes, size: int, end: float) -> None:
        """A message nobody asked for: to who waits for one, else kept, as long as there is room."""
        step = self._step
        step.received.total += 1.0
        step.received_bytes.total += size
        inbox = self._inbox = self._inbox or Inbox(self._loop)
        if not inbox.put(WsMessage(content, end)):
            text = f"more than {MOST:,} messages, or {MOST_SIZE:,} bytes, that no `receive` took: dropped"
            self._client.stack.recorder.error("unread", step.name, text)

    def _ponged(self, payload: bytes, end: float) -> None:
        if self._pings is not None:
            for took in self._pings.answered(payload, end):
                self._client.stack.recorder.add(self._step.ping, took)

    # -- endings

    def cut_off(self, patience: float) -> None:
        """Record questions that have waited longer than `patience` (s) as unanswered, and give them up."""
        now = perf_counter()
        for question in self._questions.waiting():
            question.give_up(patience, now)

    def _ended(self, kind: ErrorKind | None, text: str) -> None:
        now = perf_counter()
        self._client.stack.recorder.add(self._step.session_duration, (now - self._at) * 1e3)
        if kind is not None:
            self.error = kind
        self.error_text = text
        failed = self._questions.fail_all(kind or ErrorKind.RESET, text)
        if kind is not None and not failed:
            self._broken(kind, text, now)
        if self._inbox is not None:
            self._inbox.end(WsMessage("", now, kind or ErrorKind.RESET, text))
        if self._pings is not None:
            self._pings.end()

    def drop(self) -> None:
        """Close with its user: questions under way end without a sample, and whoever waits for one is cancelled."""
        for question in self._questions.clear():
            question.waiter.cancel()
        super().drop()

    def _shut(self) -> None:
        super()._shut()
        self._deadlines.stop()

    def _forget(self) -> None:
        self._deadlines.stop()
        self._client.forget(self)


def _too_late(question: Question, now: float) -> None:
    question.fail(ErrorKind.TIMEOUT, f"no answer within {question.deadline - question.start:.4g} s", now)
