"""One HTTP/2 connection to a gRPC server: the hot path of calls and their replies.

Replies are known by the bytes of their header blocks: the peer is told to use no dynamic table, so equal bytes are equal
fields (`head.py`). How calls are sent is in `sender.py`, what a server says
besides replies in `control.py`.

Windows are announced large enough that no ordinary reply waits for us, and opened again when half of one is used. What a
scenario does not read of a stream holds that stream's window shut, never the connection's.
"""

from __future__ import annotations

import asyncio
import ssl
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.deadlines import Deadlines
from loadgate.clients.grpc.call import Call
from loadgate.clients.grpc.control import control
from loadgate.clients.grpc.plain import PlainReply
from loadgate.clients.grpc.sender import Sender
from loadgate.clients.grpc.status import Code
from loadgate.clients.grpc.step import Step
from loadgate.clients.transport import ConnectMarks, Origin, describe
from loadgate.http2 import END_STREAM, PREFACE, ErrorCode, Frame, FrameReader, Http2Error, Kind, Setting, frames

if TYPE_CHECKING:
    from loadgate.clients.grpc.channel import Channel

STREAM_WINDOW: Final = 4 * 1024 * 1024
CONNECTION_WINDOW: Final = 64 * 1024 * 1024
_GREETING: Final = (
    PREFACE
    + frames.settings(
        {
            Setting.HEADER_TABLE_SIZE: 0,
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            Setting.MAX_HEADER_LIST_SIZE: frames.LARGEST_BLOCK,
        }
    )
    + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
)
_UNLIMITED: Final = 2**31
_LAST_STREAM: Final = 2**31 - 1
_number = int.from_bytes
_WIDER: Final = frames.window_update(0, 0)[:9]
"""Begins a WINDOW_UPDATE for the connection, which many servers send with each reply."""
_REST: Final = 0.002
"""Seconds without a new call after the server has refused one."""


class Connection(asyncio.Protocol):
    """Carries any number of calls at once, as many as the server allows.

    `settled` is done when the server has sent its settings, before which no call is started; it fails as ExchangeError.
    """

    __slots__ = (
        "_closed",
        "_deadlines",
        "_early",
        "_heads",
        "_loop",
        "_next",
        "_reader",
        "_rest",
        "_taken",
        "_transport",
        "calls",
        "channel",
        "draining",
        "marks",
        "most",
        "origin",
        "sender",
        "settled",
        "write",
    )

    def __init__(self, channel: Channel, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self.channel = channel
        self._loop = loop
        self._heads = channel.stack.heads
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.sender = Sender()
        self.write = self.sender.write
        self._closed = False
        self._early: list[bytes] | None = []
        self._next = 1
        self._taken = 0
        self._rest: asyncio.TimerHandle | None = None
        self.calls: dict[int, Call] = {}
        self._deadlines = Deadlines(loop, self.calls.values, self._too_late)
        self.most = _UNLIMITED
        self.draining = False
        """No further call is to be started here: the server said so, or the numbers of streams are used up."""
        self.marks = ConnectMarks()
        self.origin = origin
        self.settled: asyncio.Future[None] = loop.create_future()

    @property
    def usable(self) -> bool:
        """Whether another call can be started now."""
        return not self.draining and len(self.calls) < self.most and self._rest is None

    # -- opening and closing

    def begin(self, transport: asyncio.Transport) -> None:
        """Connected, after a TLS handshake if there is one: greet the server. Raises ExchangeError where it wants no HTTP/2."""
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            transport.abort()
            raise ExchangeError(ErrorKind.TLS, f"{self.origin}: the server did not agree to HTTP/2 (ALPN)")
        self._transport = transport
        self.sender.use(transport, tls=tls is not None)
        self.write(_GREETING)
        early, self._early = self._early, None
        if early:
            self.data_received(b"".join(early))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ssl.SSLError):  # TLS 1.3 servers judge the client's certificate after the handshake
            self._end(ErrorKind.TLS, f"{self.origin}: {describe(exc)}")
        else:
            text = describe(exc) if exc is not None else "connection closed"
            self._end(ErrorKind.RESET, f"{text} before the reply was whole")

    def close(self) -> None:
        """Close at once; calls end without a sample."""
        for call in list(self.calls.values()):
            call.drop()
        self.calls.clear()
        self.shut()

    def _end(self, kind: ErrorKind, text: str) -> None:
        """The connection is of no use any more, nor is any call on it."""
        calls = list(self.calls.values())
        self.calls.clear()
        if not self.settled.done():
            self.settled.set_exception(ExchangeError(kind, text))
            self.settled.exception()  # whoever opened it may be gone
        self.shut()
        for call in calls:
            begun = kind is ErrorKind.RESET and call.head is not None
            call.fail(ErrorKind.CUT if begun else kind, text)
        self.channel.pump()

    def shut(self) -> None:
        self._closed = self.draining = True
        self.channel.forget(self)
        self.sender.close()
        self._deadlines.stop()
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._transport is not None:
            self._transport.abort()

    def _give_up(self, error: Http2Error) -> None:
        """The server broke HTTP/2: tell it, and fail what is under way."""
        if not self._closed:
            self.write(frames.goaway(0, error.code))
        if self.settled.done():
            self._end(ErrorKind.PROTOCOL, f"HTTP/2: {error}")
        else:
            self._end(ErrorKind.PROTOCOL, f"{self.origin} does not speak HTTP/2 here: its first bytes are {error}")

    # -- sending

    def start(self, call: Call) -> None:
        """Send the beginning of a call, or all of it. The service time starts here."""
        stream = self._next
        self._next = stream + 2
        if stream >= _LAST_STREAM - 2:
            self.retire()
        call.stream = stream
        call.tries += 1
        self.calls[stream] = call
        start = call.start = perf_counter()
        deadline = call.deadline = (call.called or start) + call.request.timeout
        self.sender.start(call)
        if deadline < self._deadlines.next:
            self._deadlines.set(deadline)

    def cancel(self, call: Call, code: int = ErrorCode.CANCEL) -> None:
        """Take a call off, and tell the server. Whoever does this ends the call."""
        if self.calls.get(call.stream) is call:
            self.write(frames.reset(call.stream, code))
            self.remove(call)

    def remove(self, call: Call) -> None:
        """Off the books; the place it leaves may be another's."""
        del self.calls[call.stream]
        self.sender.forget(call)
        if self.draining and not self.calls:
            self.shut()
        if self.channel.waiting:
            self.channel.pump_soon()

    def read_on(self, call: Call) -> None:
        """A scenario has read what it was slow to read: the server may send more."""
        if call.taken >= STREAM_WINDOW // 2 and self.calls.get(call.stream) is call:
            self.write(frames.window_update(call.stream, call.taken))
            call.taken = 0

    # -- receiving

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        if self._early is not None:  # a server may speak before we do, but our greeting must be the first we say
            self._early.append(data)
            return
        call = None
        if not self._reader.pending:
            while (call := self.calls.get(_number(data[5:9], "big"))) is not None:
                likely = call.request.step.likely
                if (
                    likely is None
                    or not (size := likely.size_in(data))
                    or not self._plain(call, likely, data, size, now)
                ):
                    break
                data = data[size:]
                if not data or self._closed or (data.startswith(_WIDER) and self.sender.widened(data)):
                    return
        try:
            found = self._reader.feed(data)
            for kind, flags, stream, payload, size in found:
                if kind == 1:
                    self._headers(flags, stream, payload, size, now)
                elif kind == 0:
                    self._data(flags, stream, payload, size, now)
                else:
                    control(self, kind, flags, stream, payload, now)
                if self._closed:
                    return
            if self._reader.failure is not None:
                raise self._reader.failure
        except Http2Error as error:
            self._give_up(error)
            return
        if call is not None and len(found) > 2:
            self._learn(call.request.step, found[0], found[2])

    def _plain(self, call: Call, reply: PlainReply, data: bytes, size: int, now: float) -> bool:
        """The whole of a reply came in `size` bytes, with nothing new in it but its message; False if there was some before,
        or not all of the call is sent.
        """
        if call.received or call.at <= len(call.outgoing) or type(call) is not Call:
            return False
        del self.calls[call.stream]
        message = data[reply.begin : size - reply.tail]
        self._taken += len(message)
        if self._taken >= CONNECTION_WINDOW // 2:
            self.write(frames.window_update(0, self._taken))
            self._taken = 0
        if self.draining and not self.calls:
            self.shut()
        if self.channel.waiting:
            self.channel.pump_soon()
        call.finish_plain(reply, message, size, now)
        return True

    def _learn(self, step: Step, first: Frame, last: Frame) -> None:
        """A reply may have come between these frames: then the next one of its step may be like it."""
        head, trailers = self._heads.get(first.payload), self._heads.get(last.payload)
        if head is None or trailers is None or head.status != 200 or trailers.code or Code.OK not in step.expected:
            return
        step.likely = PlainReply(first, last, head, trailers, step.outcome(Code.OK, None, ok=True))

    def _headers(self, flags: int, stream: int, block: bytes, size: int, now: float) -> None:
        if not self.settled.done():
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "HEADERS before SETTINGS")
        head = self._heads.get(block) or self._heads.read(block)
        call = self.calls.get(stream)
        if call is None:
            self.of_no_call(Kind.HEADERS, stream)
            return
        call.received += size + 9
        if flags & END_STREAM:
            if not call.first:
                call.first = now
            self._ended(call)
            call.finish(head, now)
        elif call.head is not None or not head.status:
            what = "a second header block that does not end its stream" if call.head else "a reply without :status"
            self.break_off(call, ErrorKind.PROTOCOL, what, now)
        elif head.status >= 200:  # interim replies are not yet the reply
            call.head = head
            call.first = now

    def _data(self, flags: int, stream: int, payload: bytes, size: int, now: float) -> None:
        if not self.settled.done():
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "DATA before SETTINGS")
        self._taken += size
        if self._taken >= CONNECTION_WINDOW // 2:
            self.write(frames.window_update(0, self._taken))
            self._taken = 0
        call = self.calls.get(stream)
        if call is None:
            self.of_no_call(Kind.DATA, stream)
            return
        call.received += size + 9
        call.taken += size
        if call.taken > STREAM_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, f"more DATA than the window of stream {stream} allows")
        if call.head is None:
            self.break_off(call, ErrorKind.PROTOCOL, "DATA before the header block of the reply", now)
            return
        try:
            wanted = call.take(payload)
        except ExchangeError as error:
            self.break_off(call, error.kind, str(error), now)
            return
        if flags & END_STREAM:
            self._ended(call)
            call.finish(None, now)
        elif wanted and call.taken >= STREAM_WINDOW // 2:
            self.read_on(call)

    def _ended(self, call: Call) -> None:
        """The server's side of a stream ended; ours is given up if it has not."""
        if call.at <= len(call.outgoing):
            self.write(frames.reset(call.stream, ErrorCode.CANCEL))
        self.remove(call)

    def break_off(self, call: Call, kind: ErrorKind, text: str, now: float) -> None:
        self.cancel(call, ErrorCode.PROTOCOL_ERROR if kind is ErrorKind.PROTOCOL else ErrorCode.CANCEL)
        call.fail(kind, text, now)

    def of_no_call(self, kind: Kind, stream: int) -> None:
        """A frame of a stream that has no call: it was given up, or never was."""
        if not stream % 2 or stream >= self._next:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{kind.name} on stream {stream}, which was never opened")

    # -- what `control` does

    def rest(self) -> None:
        """Start nothing for a moment: the server has just refused a call."""
        if self._rest is None:
            self._rest = self._loop.call_later(_REST, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self.channel.pump()

    def retire(self) -> None:
        """Start nothing more here."""
        self.draining = True
        self.channel.retire(self)

    # -- those that take too long

    def _too_late(self, call: Call, now: float) -> None:
        self.cancel(call)
        call.late(now)

    def cut_off(self, patience: float, owner: object | None) -> None:
        """Fail the calls (of `owner` if there is one) that were sent more than `patience` seconds ago."""
        now = perf_counter()
        for call in list(self.calls.values()):
            waited = now - call.start
            if waited > patience and (owner is None or call.owner is owner):
                self.cancel(call)
                text = f"no whole reply {waited:.3g} s after it was sent, when its user was given up"
                call.fail(ErrorKind.UNANSWERED, text, now)
