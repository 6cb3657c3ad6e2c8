"""What calls send on one connection: the bytes themselves, and the windows the server opens for them (RFC 9113 section 5.2).

A call whose message fits the windows is one write of HEADERS and DATA, past the transport where it has nothing queued, for
the reason given in `http/connection.py`. What does not fit waits, in order, until the server takes more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from os import write
from struct import Struct
from typing import Final

from loadgate.clients.grpc.call import Call
from loadgate.http2 import END_STREAM, ErrorCode, Http2Error, frames

_NO_TABLE: Final = b"\x20"
"""Begins the first header block: our table has size 0, whatever the server allows (RFC 7541 section 4.2)."""
_LARGE: Final = 64 * 1024
_MOST_UNREAD: Final = 64 * 1024
"""Bytes of answers that wait for a server to read."""
_pack_stream = Struct(">I").pack
_pack_data_head = Struct(">HBBB").pack


class Sender:
    """The sending side of a connection. `window` is the connection's, `initial` that of a stream at its beginning (bytes)."""

    __slots__ = ("_blocked", "_fd", "_queued", "_transport", "_unread", "initial", "largest", "window")

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._queued = False
        self._unread = 0
        self._blocked: dict[Call, None] = {}
        self.initial = self.window = frames.DEFAULT_WINDOW
        self.largest = frames.DEFAULT_FRAME_SIZE
        """Bytes of payload the server takes in one frame."""

    # -- bytes

    def use(self, transport: asyncio.Transport, *, tls: bool) -> None:
        """Write to `transport` from now on; nothing is written before."""
        self._transport = transport
        if not tls and not transport.is_closing():
            self._fd = transport.get_extra_info("socket").fileno()

    def close(self) -> None:
        """Nothing is written any more."""
        self._transport = None
        self._fd = -1  # the number may soon belong to another connection
        self._blocked.clear()

    def write(self, data: bytes) -> None:
        """Past the transport, where it has nothing queued that must go first."""
        transport = self._transport
        if transport is None:
            return
        if self._fd >= 0 and len(data) <= _LARGE:
            if self._queued and not transport.get_write_buffer_size():
                self._queued = False
            if not self._queued:
                try:
                    written = write(self._fd, data)
                except OSError:  # full, or broken, which the transport will find out and report
                    written = 0
                if written == len(data):
                    return
                data = data[written:]
        self._rest(data)

    def _rest(self, data: bytes) -> None:
        """What the socket does not take now is the transport's; so is all that follows, until it has nothing left."""
        if self._transport is not None:
            self._queued = True
            self._transport.write(data)

    def answer(self, data: bytes) -> None:
        """Write what the server asked for. Raises Http2Error where it asks on and on and reads nothing, which would fill the
        memory.
        """
        if not self._queued or self._transport is None or not self._transport.get_write_buffer_size():
            self._unread = 0
        self._unread += len(data)
        if self._unread > _MOST_UNREAD:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "more and more to answer, by a server that reads no answer")
        self.write(data)

    # -- calls

    def start(self, call: Call) -> None:
        """Send the beginning of a call, which has its stream, or all of it."""
        stream, outgoing, request = call.stream, call.outgoing, call.request
        size = len(outgoing)
        fits = size <= self.largest and size <= self.window and size <= self.initial
        if fits and call.ends and stream > 1 and request.lead:
            number = _pack_stream(stream)
            data = _pack_data_head(size >> 8, size & 0xFF, 0, END_STREAM)
            wire = b"".join((request.lead, number, request.block, data, number, outgoing))
            self.window -= size
            call.at = size + 1
            call.sent = sent = len(wire)
            # as `write` does; what is usual is spared the call
            if self._queued or self._fd < 0 or sent > _LARGE:
                self.write(wire)
                return
            try:
                written = write(self._fd, wire)
            except OSError:
                written = 0
            if written != sent:
                self._rest(wire[written:])
            return
        block = _NO_TABLE + request.block if stream == 1 else request.block
        wire = frames.headers(stream, block, end=False, largest=self.largest)
        call.sent = len(wire)
        call.window = self.initial
        call.at = 0
        self.write(wire)
        self.flush(call)

    def flush(self, call: Call) -> None:
        """Send what the windows allow of what a call has to send, and the end of its side after it."""
        outgoing = call.outgoing
        left = len(outgoing) - call.at
        if left < 0 or not call.stream:
            return
        while left:
            size = min(left, self.window, call.window)
            if size <= 0:
                self._blocked[call] = None
                return
            piece = outgoing[call.at : call.at + size]
            call.at += size
            left -= size
            self.window -= size
            call.window -= size
            self._send(call, piece, end=call.ends and not left)
        if call.ends and not outgoing:
            self._send(call, b"", end=True)
        self._blocked.pop(call, None)
        if call.ends:
            call.at = len(outgoing) + 1
        else:
            call.drained()

    def _send(self, call: Call, piece: bytes, *, end: bool) -> None:
        wire = frames.data(call.stream, piece, end=end, largest=self.largest)
        call.sent += len(wire)
        self.write(wire)

    def forget(self, call: Call) -> None:
        """The call has ended."""
        if self._blocked:
            self._blocked.pop(call, None)

    # -- windows

    def resize(self, initial: int, calls: Iterable[Call]) -> None:
        """The server opens streams with another window, which moves those of `calls` too; they may be below 0 then."""
        more, self.initial = initial - self.initial, initial
        for call in calls:
            call.window += more

    def widen(self, call: Call | None, more: int) -> None:
        """The server takes `more` bytes of a call, or of all."""
        if call is None:
            self.window += more
            self.flush_blocked()
        else:
            call.window += more
            if call in self._blocked:
                self.flush(call)

    def widened(self, update: bytes) -> bool:
        """Take a WINDOW_UPDATE for the connection, if it is all of `update`, is in order, and nothing waits for it."""
        window = self.window + int.from_bytes(update[9:], "big")
        if len(update) != 13 or self._blocked or not self.window < window <= frames.LARGEST_WINDOW:
            return False
        self.window = window
        return True

    def flush_blocked(self) -> None:
        """Windows may have opened."""
        for call in list(self._blocked):
            if self.window <= 0:
                return
            self.flush(call)
