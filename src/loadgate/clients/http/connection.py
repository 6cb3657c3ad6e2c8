"""One HTTP/1.1 connection of one user: the hot path.

A reply that came in one piece with a stated length and nothing to decode is finished right in `data_received`: search
for the end of the head, one dict lookup for what it says, one sample, one future. All else goes to `ReplyReader`.
Requests are never pipelined. One timer a connection guards the request timeout; it is not moved at each request, it
looks at the current deadline when it fires.

A request is written straight to its socket, past the transport: uvloop would keep it until the end of the loop's turn, when
sixty other replies may have been handled, and all that time would count as the server's. It is cheaper, too.
"""

from __future__ import annotations

import asyncio
import ssl
from os import write
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.head import parse_head
from loadgate.clients.http.reader import ReplyReader
from loadgate.clients.http.request import IDEMPOTENT, Request
from loadgate.clients.http.response import CodedResponse, Response
from loadgate.clients.http.step import PlainReply
from loadgate.clients.transport import ConnectMarks, Origin, describe

if TYPE_CHECKING:
    from loadgate.clients.http.pool import ConnectionPool

CONTINUE_WAIT: Final = 1.0
"""Seconds to wait for `100 Continue` before the body is sent all the same (RFC 9110 section 10.1.1)."""

_LARGE: Final = 64 * 1024
_NEVER: Final = float("inf")
_CROSSING: Final = 0.1
"""Seconds within which the end of an idle connection may cross a request: later, the server had the request and dropped it."""
_TIMER_SLACK: Final = 0.001
"""uvloop's timers are whole milliseconds, so one may fire this much before its deadline."""


class Connection(asyncio.Protocol):
    """Carries one request at a time; `request` is None while it is idle.

    `_slow` marks a request whose bytes do not leave all at once: large, or waiting for `100 Continue`.
    """

    __slots__ = (
        "_fd",
        "_first",
        "_fresh",
        "_held_body",
        "_loop",
        "_marks",
        "_planned",
        "_pool",
        "_reader",
        "_received",
        "_record",
        "_sent",
        "_slow",
        "_start",
        "_timer",
        "_timer_at",
        "_transport",
        "_waiter",
        "_wire",
        "_write",
        "origin",
        "request",
    )

    def __init__(self, pool: ConnectionPool, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._record = pool.stack.recorder.exchange
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._reader: ReplyReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._marks: ConnectMarks | None = None
        self._fresh = True
        self._sent = 0.0
        self._first = 0.0
        self._received = 0
        self._held_body: asyncio.TimerHandle | None = None
        self._slow = False
        self.origin = origin
        self.request: Request | None = None

    # -- sending

    def send(self, request: Request, wire: bytes, planned: float, waiter: asyncio.Future[Response]) -> None:
        """Write `wire`, resolve `waiter` with the reply. The service time starts here.

        `planned` is in clock seconds, 0 where the request goes out as soon as it can: then latency is service time.
        """
        self.request = request
        self._wire = wire
        self._waiter = waiter
        start = self._start = perf_counter()
        self._planned = planned or start
        if len(wire) > _LARGE or request.awaits_continue:
            self._write_slowly(request, wire)
        elif self._fd < 0:
            self._write(wire)
        else:
            try:
                written = write(self._fd, wire)
            except OSError:  # full, or broken, which the transport will find out and report
                written = 0
            if written != len(wire):
                self._write_rest(wire[written:])
        deadline = start + request.timeout
        if deadline < self._timer_at:
            self._arm(deadline)

    def send_first(
        self,
        request: Request,
        wire: bytes,
        planned: float,
        waiter: asyncio.Future[Response],
        marks: ConnectMarks,
    ) -> None:
        """As `send`, for a request that had to wait for this connection: it bears the times of the opening."""
        self._marks = marks
        self.send(request, wire, planned, waiter)
        deadline = self._start + request.timeout - marks.opening
        if deadline < self._timer_at:
            self._arm(deadline)

    def _write_slowly(self, request: Request, wire: bytes) -> None:
        if request.awaits_continue:
            self._write_rest(wire[: -len(request.body)])
            self._held_body = self._loop.call_later(CONTINUE_WAIT, self._send_body)
        else:
            self._write_rest(wire)

    def _write_rest(self, data: bytes) -> None:
        """Leave `data` to the transport, which sends it as the peer takes it."""
        assert self._transport is not None
        self._slow = True
        # resume_writing then says when the last byte has left, which is what `sending` means
        self._transport.set_write_buffer_limits(high=0, low=0)
        self._write(data)

    def _send_body(self) -> None:
        if self._held_body is not None and self.request is not None:
            self._held_body.cancel()
            self._held_body = None
            self._write(self.request.body)
            self._sent = perf_counter()

    def resume_writing(self) -> None:
        if self._slow and self._held_body is None:
            self._sent = perf_counter()

    # -- receiving

    def data_received(self, data: bytes) -> None:
        end = perf_counter()
        request = self.request
        if request is None:
            # nothing was asked: a server's parting word (408) or a fault; either way this connection is spent
            self.close()
            return
        likely = request.step.likely
        if (
            likely is not None
            and len(data) == likely.size
            and data.startswith(likely.opening)
            and self._reader is None
            and not self._slow
        ):
            self._complete(request, likely, data, end)
            return
        try:
            if self._reader is None:
                cut = data.find(b"\r\n\r\n")
                if cut > 0:
                    head = parse_head(data[:cut])
                    whole = head.plain and len(data) == cut + 4 + head.length and not self._slow
                    if whole and (not head.length or request.method != "HEAD"):
                        self._complete(request, request.step.plain(head, data), data, end)
                        return
                self._reader = ReplyReader(bodiless=request.method == "HEAD", keep=request.keeps_body)
            self._read(self._reader, request, data, end)
        except ExchangeError as error:
            if self._reader is None:
                self._received = len(data)
            self.fail(error.kind, str(error))

    def _complete(self, request: Request, reply: PlainReply, data: bytes, end: float) -> None:
        planned, start, series = self._planned, self._start, reply.series
        self._record(series, len(self._wire), reply.size, planned, start, end, end)
        response = Response(request, reply.status, reply.ok, reply.head, data, reply.body_at, planned, start, end, end)
        if self._marks is not None:
            response._phases = self._record_phases(series, 0.0)
        self.request = None
        self._fresh = False
        waiter = self._waiter
        if not waiter.done():
            waiter.set_result(response)
        pool = self._pool
        if pool.queue:
            pool.pump()

    def _read(self, reader: ReplyReader, request: Request, data: bytes, end: float) -> None:
        self._received += len(data)
        if not reader.begun:
            self._first = end  # interim replies are not yet the reply
        done = reader.feed(data)
        if reader.continued:
            self._send_body()
        if done:
            self._finish(reader, request, end)

    def _finish(self, reader: ReplyReader, request: Request, end: float, *, closed: bool = False) -> None:
        """A reply that came the long way is whole. `closed` says that the server's closing was its end."""
        head = reader.head
        assert head is not None
        following = self._pool.following(request, head) if head.redirect else None
        times = (self._planned, self._start, self._first, end)
        body = reader.body
        kind = CodedResponse if head.encoding and body else Response
        response = kind(request, head.status, False, head, body, 0, *times)
        series, response.ok = request.step.hop(head.status) if following else request.step.whole(response)
        sending = self._sending(self._first)
        self._record(series, len(self._wire), self._received, *times, sending)
        if self._marks is not None or self._slow:
            response._phases = self._record_phases(series, sending)
        waiter = self._waiter
        reusable = head.keep_alive and not (closed or reader.surplus or self._body_unsent())
        self._rest()
        if not reusable:
            self.close()
        self._pool.finish(request, head, response, waiter, following)
        self._pool.pump()

    def _body_unsent(self) -> bool:
        """Whether the server answered before it had the whole request: the stream is out of step then."""
        if not self._slow:
            return False
        assert self._transport is not None
        return self._held_body is not None or self._transport.get_write_buffer_size() > 0

    def _sending(self, first: float) -> float:
        """Seconds until all bytes of the request had left, or until the reply began, at `first`."""
        sent = first if self._body_unsent() else min(self._sent, first)
        return max(0.0, sent - self._start)

    def _record_phases(self, series: int, sending: float) -> tuple[float, float, float, float]:
        """Record what only a connection's first exchange has, and return all four phases in seconds."""
        marks = self._marks or ConnectMarks()
        if self.request is not None and self.request.step.has_phases:
            phase = self._pool.stack.recorder.phase
            if marks.blocked:
                phase(series, "blocked", marks.blocked)
            if marks.connecting:
                phase(series, "connecting", marks.connecting)
            if marks.tls_handshaking:
                phase(series, "tls_handshaking", marks.tls_handshaking)
        self._marks = None
        self._sent = 0.0
        return marks.blocked, marks.connecting, marks.tls_handshaking, sending

    def _rest(self) -> None:
        """Idle again: forget what belonged to the last exchange."""
        self.request = None
        self._reader = None
        self._received = 0
        self._sent = 0.0
        self._marks = None
        self._fresh = False
        self._slow = False
        if self._held_body is not None:
            self._held_body.cancel()
            self._held_body = None

    # -- endings

    def fail(self, kind: ErrorKind, text: str) -> None:
        """End the exchange in flight with an error and give the connection up."""
        request = self.request
        if request is None:
            return
        end = perf_counter()
        series = request.step.failure(kind)
        first = self._first if self._reader is not None else end
        times = (self._planned, self._start, first, end)
        sending = self._sending(first)
        self._record(series, len(self._wire), self._received, *times, sending)
        phases = self._record_phases(series, sending)
        waiter = self._waiter
        self._rest()
        self.close()
        self._pool.failed(request, kind, text, times, phases, waiter)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the reply that is under way."""
        return self.request is not None and self._waiter.done()

    def cut_off(self, patience: float) -> None:
        """Fail the exchange in flight if it was sent more than `patience` seconds ago."""
        waited = perf_counter() - self._start if self.request is not None else 0.0
        if waited > patience:
            self.fail(
                ErrorKind.UNANSWERED, f"no whole reply {waited:.3g} s after it was sent, when its user was given up"
            )

    def drop(self) -> None:
        """Close with its user: an exchange in flight ends without a sample, and whoever waits for it is cancelled."""
        if self.request is not None:
            self._waiter.cancel()
        self.close()

    def close(self) -> None:
        self._rest()
        self._pool.forget(self)
        self._fd = -1  # the number may soon belong to another connection
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.use(cast(asyncio.Transport, transport))

    def use(self, transport: asyncio.Transport) -> None:
        """Write to `transport` from now on: after a TLS handshake it is another one than was connected."""
        self._transport = transport
        self._write = transport.write
        socket = transport.get_extra_info("socket")
        self._fd = -1 if transport.get_extra_info("sslcontext") else socket.fileno()

    def park(self) -> None:
        """Opened for a request that was given up meanwhile: from now on it is an idle connection like any other."""
        self._fresh = False

    def eof_received(self) -> None:
        if self.request is None:
            self.close()  # at once: a request sent now would be lost, and one with side effects could not be sent again

    def connection_lost(self, exc: Exception | None) -> None:
        request, reader = self.request, self._reader
        if request is None:
            self.close()
            return
        if reader is not None:
            try:
                reader.eof()
                if exc is None:
                    self._finish(reader, request, perf_counter(), closed=True)
                else:
                    self.fail(ErrorKind.CUT, f"reply has no stated end, and its connection broke: {describe(exc)}")
            except ExchangeError as error:
                text = f"{error} ({describe(exc)})" if exc is not None else str(error)
                self.fail(error.kind, text)
            return
        if isinstance(exc, ssl.SSLError):  # TLS 1.3 servers judge the client's certificate after the handshake
            self.fail(ErrorKind.TLS, f"{self.origin}: {describe(exc)}")
        elif (
            self._fresh
            or request.method not in IDEMPOTENT
            or not isinstance(exc, BrokenPipeError | None)
            or perf_counter() - self._start > _CROSSING
        ):
            text = describe(exc) if exc else "connection closed before the reply"
            if self._fresh and self.origin.tls and self._pool.stack.connector.tls.cert is None:
                text += ", just after the TLS handshake: does the server demand a client certificate?"
            self.fail(ErrorKind.RESET, text)
        else:
            # The server gave an idle connection up while the request was on its way: not a fault of either side. It shows
            # as an end (FIN), or a pipe that broke behind it; a reset without one is the server's answer to the request.
            waiter, planned, wire = self._waiter, self._planned, self._wire
            self.close()
            self._pool.resend(request, wire, planned, waiter)

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0.0, deadline - perf_counter()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._timer_at = _NEVER
        request = self.request
        if request is None:
            return
        deadline = self._start + request.timeout - (self._marks.opening if self._marks is not None else 0.0)
        if perf_counter() < deadline - _TIMER_SLACK:
            self._arm(deadline)
            return
        got = f"after {self._received:,} bytes of the reply" if self._received else "with no byte of the reply"
        self.fail(ErrorKind.TIMEOUT, f"no whole reply within {request.timeout:g} s, {got}")
