"""What one connection sends: header blocks at once, messages as far as the client's windows go (RFC 9113 section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from loadgate.http2 import END_HEADERS, END_STREAM, ErrorCode, Http2Error, Kind, frames
from loadgate.http2.grpc import prefixed

_NO_TABLE: Final = b"\x20"
"""Begins the first header block: our table has size 0, whatever the client allows (RFC 7541 section 4.2)."""
_MOST_FRAME: Final = 64 * 1024
"""Bytes of one frame, so that no stream has the connection to itself for long."""
_head_of = lru_cache(1024)(frames.head)


class Flow:
    """What one stream sends. `window` is what the client takes of it (bytes), `waiting` what it does not take yet, `last` the
    frames that follow, None while more may come."""

    __slots__ = ("last", "stream", "waiting", "window")

    def __init__(self, stream: int, window: int) -> None:
        self.stream = stream
        self.window = window
        self.waiting = bytearray()
        self.last: bytes | None = None

    def drained(self) -> None:
        """Nothing is waiting any more."""

    def closed(self) -> None:
        """The last frame is written."""


class Outbox:
    """The sending side of a connection. `window` is the connection's, `initial` that of a stream at its beginning."""

    __slots__ = ("_blocked", "_lead", "_write", "initial", "largest", "waiting", "window")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._lead = _NO_TABLE
        self._blocked: dict[Flow, None] = {}
        self.initial = self.window = frames.DEFAULT_WINDOW
        self.largest = frames.DEFAULT_FRAME_SIZE
        """Bytes of payload the client takes in one frame."""
        self.waiting = 0
        """Bytes that wait, of all streams."""

    # -- sending

    def headers(self, stream: int, block: bytes, *, end: bool) -> bytes:
        """The frames of a header block, which must be sent next."""
        block, self._lead = self._lead + block, b""
        return frames.headers(stream, block, end=end, largest=self.largest)

    def head(self, flow: Flow, block: bytes) -> None:
        """Send the header block that begins a reply."""
        self._write(self.headers(flow.stream, block, end=False))

    def whole(self, flow: Flow, block: bytes, message: bytes, last: bytes) -> None:
        """Send all of a reply that has one message: two header blocks and what is between them."""
        size = len(message) + 5
        if self._lead or size > self.window or size > flow.window or size > self.largest:
            self.head(flow, block)
            self.send(flow, prefixed(message))
            self.end(flow, last)
            return
        self.window -= size
        number = flow.stream.to_bytes(4, "big")
        self._write(
            b"".join(
                (
                    _head_of(Kind.HEADERS, END_HEADERS, len(block)),
                    number,
                    block,
                    _head_of(Kind.DATA, 0, size),
                    number,
                    prefixed(message),
                    _head_of(Kind.HEADERS, END_HEADERS | END_STREAM, len(last)),
                    number,
                    last,
                )
            )
        )
        flow.last = b""
        flow.closed()

    def send(self, flow: Flow, data: bytes) -> None:
        """Send data, or what the windows allow of it; `flow.waiting` is the rest."""
        flow.waiting += data
        self.waiting += len(data)
        self._flush(flow)

    def end(self, flow: Flow, block: bytes, behind: bytes = b"") -> None:
        """Send the header block that ends a stream, after all that waits, and frames behind it."""
        flow.last = self.headers(flow.stream, block, end=True) + behind
        self._close(flow)

    def cut(self, flow: Flow, behind: bytes = b"") -> None:
        """End a stream without a header block, after all that waits."""
        flow.last = frames.data(flow.stream, b"", end=True) + behind
        self._close(flow)

    def forget(self, flow: Flow) -> None:
        """Nothing of what waits is sent."""
        if flow.waiting:
            self.waiting -= len(flow.waiting)
            flow.waiting.clear()
            self._blocked.pop(flow, None)

    # -- windows

    def resize(self, initial: int, flows: Iterable[Flow]) -> None:
        """The client opens streams with another window, which moves those of `flows` too. Raises Http2Error."""
        more, self.initial = initial - self.initial, initial
        for flow in flows:
            flow.window = _widened(flow.window, more)
        self._flush_blocked()

    def widen(self, flow: Flow | None, more: int) -> None:
        """The client takes `more` bytes of a stream, or of all. Raises Http2Error."""
        if flow is None:
            self.window = _widened(self.window, more)
            self._flush_blocked()
            return
        flow.window = _widened(flow.window, more)
        if flow in self._blocked:
            self._resume(flow)

    def _flush_blocked(self) -> None:
        for flow in list(self._blocked):
            if self.window <= 0:
                return
            if flow in self._blocked:
                self._resume(flow)

    def _resume(self, flow: Flow) -> None:
        self._flush(flow)
        if flow.waiting:
            return
        if flow.last is None:
            flow.drained()
        else:
            self._close(flow)

    def _flush(self, flow: Flow) -> None:
        waiting = flow.waiting
        while waiting:
            size = min(len(waiting), self.window, flow.window, self.largest, _MOST_FRAME)
            if size <= 0:
                self._blocked[flow] = None
                return
            piece = bytes(waiting[:size])
            del waiting[:size]
            self.waiting -= size
            self.window -= size
            flow.window -= size
            self._write(frames.data(flow.stream, piece, end=False, largest=self.largest))
        self._blocked.pop(flow, None)

    def _close(self, flow: Flow) -> None:
        if not flow.waiting:
            assert flow.last is not None
            self._write(flow.last)
            flow.closed()


def _widened(window: int, more: int) -> int:
    if window + more > frames.LARGEST_WINDOW:
        raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {window + more:,} bytes")
    return window + more
