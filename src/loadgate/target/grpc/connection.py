"""One client's connection: frames in, calls on their streams, and what HTTP/2 asks of a server besides (RFC 9113).

Rules:
* What one read brought is answered in one write.
* Requests are known by their header blocks: clients are told to use no dynamic table. One that uses it is read all the same.
* A client that breaks HTTP/2 is told so by GOAWAY and the connection ends, once its input is drained for a while: closing over
  unread bytes would reset the connection and the client lose the reason.
* Streams that we reset or answered early may still be sent to, by a client that does not know it yet; a bounded number of them
  is remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from loadgate.http2 import ACK, END_STREAM, PREFACE, Decoder, ErrorCode, Frame, FrameReader, Http2Error, Kind, Setting
from loadgate.http2 import frames as wire
from loadgate.target.grpc.call import WINDOW, Call
from loadgate.target.grpc.head import LARGEST_LIST, Head, Malformed
from loadgate.target.grpc.intake import Ledger
from loadgate.target.grpc.outbox import Outbox
from loadgate.target.grpc.site import GrpcSite

MOST_CALLS: Final = 1000
"""At once, on one connection."""
CONNECTION_WINDOW: Final = 16 * 1024 * 1024
"""Bytes of all requests that may be on their way. It is opened again as they are read: only streams are held back."""
_GREETING: Final = wire.settings(
    {
        Setting.HEADER_TABLE_SIZE: 0,
        Setting.MAX_CONCURRENT_STREAMS: MOST_CALLS,
        Setting.INITIAL_WINDOW_SIZE: WINDOW,
        Setting.MAX_HEADER_LIST_SIZE: LARGEST_LIST,
    }
) + wire.window_update(0, CONNECTION_WINDOW - wire.DEFAULT_WINDOW)
_MOST_IGNORED: Final = 16 * MOST_CALLS
_LINGER: Final = 1.0
"""Seconds the input of a connection that was given up is drained."""


class Connection(asyncio.Protocol):
    """The protocol of one accepted connection."""

    __slots__ = (
        "_batch",
        "_calls",
        "_deaf",
        "_decoder",
        "_fresh",
        "_greeted",
        "_ignored",
        "_last",
        "_linger",
        "_preface",
        "_reader",
        "_taken",
        "ledger",
        "outbox",
        "site",
        "transport",
    )

    def __init__(self, site: GrpcSite) -> None:
        self.site = site
        self.outbox = Outbox(self.write)
        self.ledger = Ledger(self.outbox)
        self._preface = PREFACE  # what of it has not come
        self._greeted = False  # its settings have come
        self._reader = FrameReader()
        self._decoder = Decoder()
        self._calls: dict[int, Call] = {}
        self._fresh: list[Call] = []  # came with this read
        self._ignored: dict[int, None] = {}
        self._last = 0
        self._taken = 0  # bytes of the connection's window that are used
        self._batch: list[bytes] | None = None
        self._deaf = False
        self._linger: asyncio.TimerHandle | None = None

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.site.connections.add(self)
        self.site.metrics.connections += 1
        self.site.metrics.open += 1
        self.transport.write(_GREETING)

    def connection_lost(self, error: Exception | None) -> None:
        self._deaf = True
        self.site.connections.discard(self)
        self.site.metrics.open -= 1
        if self._linger is not None:
            self._linger.cancel()
        calls = list(self._calls.values())
        self._calls.clear()
        for call in calls:
            call.drop()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._batch = []
        try:
            if self._preface:
                data = self._begin(data)
            for frame in self._reader.feed(data):
                if not self._greeted and frame.kind != Kind.SETTINGS:
                    raise Http2Error(ErrorCode.PROTOCOL_ERROR, "the first frame of a client must be SETTINGS")
                _TAKERS[frame.kind](self, frame)
            if self._reader.failure is not None:
                raise self._reader.failure
            if self._taken >= CONNECTION_WINDOW // 2:
                self.write(wire.window_update(0, self._taken))
                self._taken = 0
        except Http2Error as error:
            self._give_up(error)
        self._flush()
        if self._fresh:
            for call in self._fresh:
                call.watch()
            self._fresh.clear()

    def pause_writing(self) -> None:
        """The client does not read: it is not read either, so that answers do not pile up."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def leave(self) -> None:
        """The target ends."""
        self.write(wire.goaway(self._last, ErrorCode.NO_ERROR, b"the target ends"))
        self.transport.close()

    def write(self, data: bytes) -> None:
        if self._batch is not None:
            self._batch.append(data)
        else:
            self.transport.write(data)

    def _flush(self) -> None:
        batch, self._batch = self._batch, None
        if batch:
            self.transport.write(b"".join(batch))
        if self._deaf and not self.transport.is_closing():
            self.transport.write_eof()

    def _begin(self, data: bytes) -> bytes:
        """What of `data` comes after the preface. Raises Http2Error for a client that does not speak HTTP/2."""
        size = min(len(data), len(self._preface))
        if data[:size] != self._preface[:size]:
            raise Http2Error(
                ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC: HTTP/2 without TLS, from the first byte on"
            )
        self._preface = self._preface[size:]
        return data[size:]

    def _give_up(self, error: Http2Error) -> None:
        self._deaf = True
        self.write(wire.goaway(self._last, error.code, str(error).encode()))
        calls = list(self._calls.values())
        self._calls.clear()
        for call in calls:
            call.drop()
        self._fresh.clear()
        self._linger = asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)

    # -- streams

    def remove(self, call: Call) -> None:
        """The call is over."""
        self._calls.pop(call.stream, None)

    def reset(self, call: Call, code: int) -> None:
        """End a call with RST_STREAM."""
        self.remove(call)
        call.discard()
        self._refuse(call.stream, code)

    def ignore(self, stream: int) -> None:
        """The client may go on sending on this stream."""
        if len(self._ignored) >= _MOST_IGNORED:
            del self._ignored[next(iter(self._ignored))]
        self._ignored[stream] = None

    def _refuse(self, stream: int, code: int) -> None:
        self.ignore(stream)
        self.write(wire.reset(stream, code))

    def _closed(self, stream: int, kind: str) -> None:
        """What came is for a stream that is not open. Raises Http2Error unless the client may not know."""
        if stream > self._last or not stream & 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{kind} on stream {stream}, which was never opened")
        if stream not in self._ignored:
            raise Http2Error(ErrorCode.STREAM_CLOSED, f"{kind} on stream {stream}, which has ended")

    # -- frames

    def _take_headers(self, frame: Frame) -> None:
        block, stream = frame.payload, frame.stream
        end = bool(frame.flags & END_STREAM)
        head = self.site.known.get(block)
        if head is None:
            head = self._read(block)
        call = self._calls.get(stream)
        if call is not None:  # trailers, of which nothing is asked here
            if not end:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"trailers of stream {stream} that do not end it")
            call.receive(b"", 0, end=True)
            return
        if not stream & 1 or stream <= self._last:
            self._closed(stream, "HEADERS")
            return
        self._last = stream
        if head is None:
            self._refuse(stream, ErrorCode.PROTOCOL_ERROR)
        elif len(self._calls) >= MOST_CALLS:
            self._refuse(stream, ErrorCode.REFUSED_STREAM)
        elif head.method is None:
            self._answer_refused(head, stream, end=end)
        else:
            call = self._calls[stream] = Call(self, stream, self.outbox.initial, head.method, head)
            if head.timeout is not None:
                self._fresh.append(call)
            call.start()
            if end:
                call.receive(b"", 0, end=True)

    def _read(self, block: bytes) -> Head | None:
        """What a block asks for that was not seen before; None for a request that is none."""
        fields = self._decoder.decode(block)
        try:
            head = self.site.directory.read(fields)
        except Malformed:
            return None
        if self._decoder.plain:
            self.site.known.learn(block, head)
        return head

    def _answer_refused(self, head: Head, stream: int, *, end: bool) -> None:
        refusal = head.refusal
        assert refusal is not None
        self.write(self.outbox.headers(stream, refusal.block, end=True))
        refusal.tally.count(refusal.status, 0.0)
        if not end:
            self._refuse(stream, ErrorCode.NO_ERROR)

    def _take_data(self, frame: Frame) -> None:
        size = frame.size
        self._taken += size
        call = self._calls.get(frame.stream)
        if call is None:
            self._closed(frame.stream, "DATA")
            return
        call.receive(frame.payload, size, end=bool(frame.flags & END_STREAM))

    def _take_reset(self, frame: Frame) -> None:
        call = self._calls.pop(frame.stream, None)
        if call is not None:
            call.drop()
        elif frame.stream > self._last or not frame.stream & 1:
            self._closed(frame.stream, "RST_STREAM")

    def _take_settings(self, frame: Frame) -> None:
        self._greeted = True
        if frame.flags & ACK:
            return
        for name, value in wire.read_settings(frame.payload):
            if name == Setting.INITIAL_WINDOW_SIZE:
                self.outbox.resize(value, list(self._calls.values()))
            elif name == Setting.MAX_FRAME_SIZE:
                self.outbox.largest = value
        self.write(wire.SETTINGS_ACK)

    def _take_push(self, frame: Frame) -> None:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _take_ping(self, frame: Frame) -> None:
        if not frame.flags & ACK:
            self.write(wire.ping(frame.payload, ack=True))

    def _take_window(self, frame: Frame) -> None:
        more = wire.number(frame.payload) & wire.LARGEST_WINDOW
        if not frame.stream:
            if not more:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes")
            self.outbox.widen(None, more)
            return
        call = self._calls.get(frame.stream)
        if call is None:
            if frame.stream > self._last or not frame.stream & 1:
                self._closed(frame.stream, "WINDOW_UPDATE")
            return
        try:
            if not more:
                raise Http2Error(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0 bytes")
            self.outbox.widen(call, more)
        except Http2Error as error:  # of one stream
            self.reset(call, error.code)

    def _take_goaway(self, frame: Frame) -> None:
        """The client makes no further calls, and ends the connection after the last."""


_TAKERS: Final[dict[int, Callable[[Connection, Frame], None]]] = {
    Kind.DATA: Connection._take_data,
    Kind.HEADERS: Connection._take_headers,
    Kind.RST_STREAM: Connection._take_reset,
    Kind.SETTINGS: Connection._take_settings,
    Kind.PUSH_PROMISE: Connection._take_push,
    Kind.PING: Connection._take_ping,
    Kind.GOAWAY: Connection._take_goaway,
    Kind.WINDOW_UPDATE: Connection._take_window,
}
