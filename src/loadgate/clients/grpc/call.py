"""One call from the moment it is asked for to its one sample: what it sends, what came of its reply, and how it ended.

A call is ended by exactly one of `finish`, `fail`, `late`, `cancelled` and `drop`, by whoever holds it at the time: the
channel while it waits for a connection, then the connection.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.grpc.head import Head
from loadgate.clients.grpc.message import LARGEST, PREFIX, fault_of
from loadgate.clients.grpc.plain import PlainReply
from loadgate.clients.grpc.reply import NO_PHASES, GrpcReply
from loadgate.clients.grpc.request import Request
from loadgate.clients.grpc.status import Code, code_of_error, code_of_http
from loadgate.clients.transport import ConnectMarks

MOST_TRIES: Final = 2
"""Connections a call is sent on: a second one only where the server says that it did not look at it on the first."""
MOST_REFUSALS: Final = 10
"""How often a call is sent when the server refuses its stream. A grpcio server at its limit counts a stream for a moment longer
than its client can know, and so refuses the one that takes its place."""


class Call:
    """A unary call. `outgoing` is what is still to be sent, from `at` on; after it the sending side ends if `ends` is set."""

    __slots__ = (
        "at",
        "body",
        "called",
        "deadline",
        "ends",
        "first",
        "head",
        "marks",
        "outgoing",
        "owner",
        "planned",
        "received",
        "request",
        "sent",
        "start",
        "stream",
        "taken",
        "timer",
        "tries",
        "waiter",
        "window",
    )

    def __init__(
        self,
        request: Request,
        outgoing: bytes,
        planned: float,
        waiter: asyncio.Future[GrpcReply],
        owner: object,
        *,
        ends: bool = True,
    ) -> None:
        self.request = request
        self.outgoing = outgoing
        self.planned = planned
        """Clock seconds it should have started at, or 0 where it starts as soon as it can."""
        self.waiter = waiter
        self.owner = owner
        """Whose call it is, on a channel that several users share."""
        self.ends = ends
        self.at = 0
        self.stream = 0
        """Number of its stream, 0 before it has one."""
        self.called = 0.0
        """When it was asked for, where it had to wait for a connection; else 0."""
        self.start = 0.0
        self.first = 0.0
        self.deadline = 0.0
        self.sent = 0
        self.received = 0
        self.head: Head | None = None
        self.body: bytes | bytearray = b""
        self.taken = 0
        """Bytes of data that came since the server was last allowed to send more."""
        self.window = 0
        """Bytes of data that may be sent."""
        self.tries = 0
        self.timer: asyncio.TimerHandle | None = None
        self.marks: ConnectMarks | None = None

    # -- what the connection tells

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the reply."""
        return self.waiter.done()

    def repeatable(self, most: int) -> bool:
        """Whether it was sent less than `most` times, and all that was sent is still known."""
        return self.tries < most

    def take(self, data: bytes) -> bool:
        """Data came; says whether more is wanted now. Raises ExchangeError for more than is taken of a message."""
        body = self.body
        if not body:
            self.body = data
            return True
        if not isinstance(body, bytearray):
            body = self.body = bytearray(body)
        body += data
        if len(body) > LARGEST + PREFIX:
            raise ExchangeError(ErrorKind.OVERSIZE, f"a message of more than {LARGEST:,} bytes")
        return True

    def fault(self, encoding: str) -> str:
        """Why what came cannot be the whole of a reply with status OK; empty where it can."""
        return fault_of(self.body, encoding)

    def drained(self) -> None:
        """All of `outgoing` has been given to the connection."""
        self.outgoing = b""
        self.at = 0

    def rewind(self) -> None:
        """To be sent once more: forget what was sent and what came."""
        self.at = 0
        self.stream = 0
        self.head = None
        self.body = b""
        self.sent = self.received = self.taken = 0
        self.first = 0.0

    # -- endings

    def finish(self, trailers: Head | None, end: float) -> None:
        """The stream ended in an orderly way, with trailers or (which no gRPC server should do) without."""
        head = self.head or trailers
        status = head.status if head is not None else 0
        code = trailers.code if trailers is not None else -1
        details = ""
        if not code:
            fault = self.fault(head.encoding if head is not None else "")
            if fault:
                self.fail(ErrorKind.PROTOCOL, fault, end, trailers=trailers)
                return
        elif code < 0:
            if status == 200 or not status:
                self.fail(ErrorKind.PROTOCOL, _without_status(head), end, code=Code.UNKNOWN, trailers=trailers)
                return
            code, details = code_of_http(status), f"HTTP status {status}"
        step = self.request.step
        ok = code in step.expected
        self._end(step.outcome(code, None, ok=ok), code, ok, trailers, end, None, details)

    def finish_plain(self, reply: PlainReply, message: bytes, size: int, end: float) -> None:
        """As `finish`, where all is as in the last reply but the message. `size` is of the whole reply, in bytes."""
        request, start, waiter = self.request, self.start, self.waiter
        self.received = size
        planned = self.planned or self.called or start
        request.step.record(reply.series, self.sent, size, planned, start, end, end)
        if not waiter.done():
            phases = self._phases(start) if self.called else NO_PHASES
            waiter.set_result(
                GrpcReply(request, 0, True, reply.head, reply.trailers, message, planned, start, end, end, phases)
            )

    def fail(
        self, kind: ErrorKind, text: str, end: float = 0.0, *, code: int | None = None, trailers: Head | None = None
    ) -> None:
        """There is no usable reply. A call that may be late fails in no way if it is (see `Step.expects_lateness`)."""
        step = self.request.step
        if code is None:
            code = code_of_error(kind)
        late = kind is ErrorKind.TIMEOUT and step.expects_lateness
        if not late:
            step.recorder.error(kind.value, step.name, text)
        error = None if late else kind
        series = step.outcome(code, error, ok=late)
        self._end(series, code, late, trailers, end or perf_counter(), error, text)

    def late(self, end: float) -> None:
        """Its deadline came before the whole of the reply."""
        got = f"after {self.received:,} bytes of the reply" if self.received else "with no byte of the reply"
        self.fail(ErrorKind.TIMEOUT, f"no whole reply within {self.request.timeout:g} s, {got}", end)

    def cancelled(self, end: float) -> None:
        """Ended by its user, on purpose: no failure."""
        series = self.request.step.outcome(Code.CANCELLED, None, ok=True)
        self._end(series, Code.CANCELLED, True, None, end, None, "cancelled by the scenario")

    def drop(self) -> None:
        """Ends with its user: no sample, and whoever waits for it is cancelled."""
        self.waiter.cancel()

    def _end(
        self,
        series: int,
        code: int,
        ok: bool,
        trailers: Head | None,
        end: float,
        error: ErrorKind | None,
        details: str,
    ) -> None:
        start = self.start or end
        first = self.first or end
        planned = self.planned or self.called or start
        self.request.step.record(series, self.sent, self.received, planned, start, first, end)
        phases = self._phases(start) if self.called else NO_PHASES
        self.deliver(
            GrpcReply(
                self.request,
                code,
                ok,
                self.head or trailers,
                trailers,
                self.body,
                planned,
                start,
                first,
                end,
                phases,
                error,
                details if error is not None else "",
                details,
            )
        )

    def _phases(self, start: float) -> tuple[float, float, float]:
        marks = self.marks or ConnectMarks()
        blocked = start - self.called - marks.connecting - marks.tls_handshaking
        return max(0.0, blocked), marks.connecting, marks.tls_handshaking

    def deliver(self, reply: GrpcReply) -> None:
        """Hand the reply to whoever waits for it."""
        if not self.waiter.done():
            self.waiter.set_result(reply)


def _without_status(head: Head | None) -> str:
    if head is None or not head.status:
        return "a reply without a status, of HTTP or gRPC"
    return "a reply without a gRPC status" + ("" if head.is_grpc else ", and of a type that is not gRPC's")
