"""One call: the messages of its request in, those of its reply out, and what is done to it on purpose.

Rules:
* A call draws its delay and fault when its request is whole; a talking method's (`method.py`) when it begins. The delay holds
  back what is sent first, be it a message or a status.
* Faults are of the call, never of its connection: `reset` is RST_STREAM, `partial` half of the first message and an end without
  a status, `timeout` silence, beyond the call's deadline too.
* A client that does not read its replies is not read either, call by call: its window stays shut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from loadgate.clock import Handle
from loadgate.http2 import ErrorCode, frames
from loadgate.http2.grpc import CODES, Code, code_of_http, prefixed
from loadgate.target.faults import KINDS, Kind, Outcome
from loadgate.target.grpc.head import Head
from loadgate.target.grpc.intake import Intake
from loadgate.target.grpc.method import Failure, Method
from loadgate.target.grpc.outbox import Flow
from loadgate.target.grpc.reply import HEAD, OK, marks, trailers

if TYPE_CHECKING:
    from loadgate.target.grpc.connection import Connection

WINDOW: Final = 256 * 1024
"""Bytes of a request that may be on their way; announced to clients."""


class Call(Flow):
    """One stream that is open."""

    __slots__ = (
        "_alarm",
        "_began",
        "_coming",
        "_connection",
        "_deadline",
        "_fault",
        "_finished",
        "_head",
        "_intake",
        "_method",
        "_opened",
        "_ready",
        "_replies",
        "_silent",
        "_started",
        "_taken",
        "_talk",
        "_timer",
        "_whole",
    )

    def __init__(self, connection: Connection, stream: int, window: int, method: Method, head: Head) -> None:
        super().__init__(stream, window)
        self._connection = connection
        self._method = method
        self._intake = Intake(connection.ledger, head.encoding, single=method.single)
        self._taken = 0  # bytes of the window that are used
        self._whole = False  # the client has ended its side
        self._started = connection.site.clock.now()
        self._deadline = 0.0 if head.timeout is None else self._started + head.timeout
        self._fault: Outcome | None = None
        self._head = HEAD
        self._opened = False  # the head of the reply is sent
        self._ready = False  # the delay is over
        self._silent = False
        self._finished = False
        self._replies: Iterator[tuple[float, bytes]] | None = None
        self._coming: tuple[float, bytes] | None = None
        self._began = 0.0
        self._timer: Handle | None = None
        self._alarm: Handle | None = None
        self._talk: Callable[[bytes], bytes] | None = None
        if method.talk is not None:
            self._talk = method.talk()

    # -- the request

    def receive(self, data: bytes, size: int, *, end: bool) -> None:
        """Take data of the request; `size` is what flow control counts of it."""
        self._taken += size
        if self._taken > WINDOW:
            self._connection.reset(self, ErrorCode.FLOW_CONTROL_ERROR)
            return
        if self._whole:
            self._connection.reset(self, ErrorCode.STREAM_CLOSED)
            return
        self._whole = end
        if self._finished or self._silent:
            return
        try:
            self._intake.feed(data, end=end)
        except Failure as failure:
            self.end(failure.code, str(failure))
            return
        if self._talk is not None:
            self._respond()
            return
        if end:
            self._begin()
        else:
            self._widen()

    def start(self) -> None:
        """The head is there: a method that talks begins with it."""
        if self._talk is not None:
            self._begin()

    def watch(self) -> None:
        """See to the deadline of a call that takes its time."""
        if self._deadline and not self._finished and not self._silent:
            self._alarm = self._connection.site.clock.call_at(self._deadline, self._too_late)

    def _too_late(self) -> None:
        self.end(Code.DEADLINE_EXCEEDED, "the deadline has passed")

    def _widen(self) -> None:
        """Let the client send more, when half of its window is used."""
        if self._taken >= WINDOW // 2 and not self._whole:
            self._connection.write(frames.window_update(self.stream, self._taken))
            self._taken = 0

    # -- chaos

    def _begin(self) -> None:
        method, site = self._method, self._connection.site
        if method.single and not self._intake.messages:
            self.end(Code.UNIMPLEMENTED, "this method takes one message, and there is none")
            return
        injector = site.control.injector
        self._started = site.clock.now()
        if injector is None or method.control:
            self._act()
            return
        delay, fault = injector.draw(method.path, self._started, "grpc")
        if fault is not None and fault.kind not in KINDS["grpc"]:
            fault = None
        if fault is not None:
            site.metrics.faults[fault.kind] += 1
        self._fault = fault
        if delay or fault is not None:
            self._head = HEAD + marks(delay, fault)
        if delay:
            site.metrics.hold(delay)
            self._timer = site.clock.call_at(self._started + delay / 1000.0, self._act)
        else:
            self._act()

    def _act(self) -> None:
        """The delay is over."""
        self._timer = None
        self._ready = True
        fault = self._fault
        if fault is not None:
            if fault.kind is Kind.STATUS:
                code = fault.code
                self.end(CODES[code] if code < len(CODES) else code_of_http(code), "injected fault")
                return
            if fault.kind is Kind.RESET:
                self._connection.reset(self, ErrorCode.INTERNAL_ERROR)
                return
            if fault.kind is Kind.TIMEOUT:
                self._silent = True
                self._rest()
                self._intake.clear()
                return
        if self._talk is not None:
            self._respond()
        else:
            self._answer()

    # -- the reply

    def _answer(self) -> None:
        answer = self._method.answer
        assert answer is not None
        try:
            reply = answer(list(self._intake.messages))
        except Failure as failure:
            self.end(failure.code, str(failure))
            return
        self._intake.clear()
        if not isinstance(reply, bytes):
            self._replies = iter(reply)
            self._began = self._connection.site.clock.now()
            self._go_on()
        elif self._fault is None:
            self._finished = True
            self._rest()
            self._count(Code.OK)
            self._connection.outbox.whole(self, self._head, reply, OK)
        else:
            self._say(reply)

    def _go_on(self) -> None:
        """Send the messages that are due, as far as the client takes them."""
        assert self._replies is not None
        self._timer = None
        clock = self._connection.site.clock
        while not self.waiting and not self._finished:
            if self._coming is None:
                self._coming = next(self._replies, None)
                if self._coming is None:
                    self.end(Code.OK)
                    return
            after, message = self._coming
            if after and clock.now() < self._began + after:
                self._timer = clock.call_at(self._began + after, self._go_on)
                return
            self._coming = None
            self._say(message)

    def _respond(self) -> None:
        """Answer the messages that have come, as far as the client takes the answers."""
        assert self._talk is not None
        messages = self._intake.messages
        while messages and self._ready and not self.waiting and not self._finished:
            try:
                reply = self._talk(self._intake.take())
            except Failure as failure:
                self.end(failure.code, str(failure))
                return
            self._say(reply)
        if self._finished or messages or self.waiting or not self._ready:
            return
        if self._whole:
            self.end(Code.OK)
        else:
            self._widen()

    def _say(self, message: bytes) -> None:
        outbox = self._connection.outbox
        if not self._opened:
            self._opened = True
            outbox.head(self, self._head)
        data = prefixed(message)
        if self._fault is None:
            outbox.send(self, data)
            return
        # what has a fault and still answers is partial
        outbox.send(self, data[: len(data) // 2])
        self._finish()
        outbox.cut(self, self._behind())

    def end(self, code: Code, text: str = "") -> None:
        """End the call with a status, which may be OK. Of what waits to be sent nothing is, unless it is."""
        if self._finished:
            return
        self._finish()
        outbox = self._connection.outbox
        if code:
            outbox.forget(self)
        self._count(code)
        block = trailers(code, text)
        outbox.end(self, block if self._opened else self._head + block, self._behind())

    def _finish(self) -> None:
        self._finished = True
        self._rest()
        self._intake.clear()

    def _behind(self) -> bytes:
        """Tells a client that is still sending that nobody needs it (RFC 9113 section 8.1)."""
        if self._whole:
            return b""
        self._connection.ignore(self.stream)
        return frames.reset(self.stream, ErrorCode.NO_ERROR)

    def _count(self, code: int) -> None:
        self._method.tally.count(code, self._connection.site.clock.now() - self._started)

    def _rest(self) -> None:
        for handle in (self._timer, self._alarm):
            if handle is not None:
                handle.cancel()
        self._timer = self._alarm = None

    def drained(self) -> None:
        if self._talk is not None:
            self._respond()
        else:
            self._go_on()

    def closed(self) -> None:
        self._connection.remove(self)

    def drop(self) -> None:
        """The client has left, or the stream is reset: nothing is sent any more."""
        if not self._finished and not self._silent:
            self._connection.site.metrics.abandoned += 1
        self.discard()

    def discard(self) -> None:
        """As `drop`, by our own will."""
        self._finish()
        self._connection.outbox.forget(self)
