"""The messages of one request: cut from its data, unpacked, and kept within bounds."""

from __future__ import annotations

from collections import deque
from typing import Final

from loadgate.http2.grpc import PREFIX, Code, Deframer, TooLarge, read_prefix, unpacked
from loadgate.target.grpc.method import Failure
from loadgate.target.grpc.outbox import Outbox

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a message that are taken; as gRPC's own servers have it."""
MOST_HELD: Final = 64 * 1024 * 1024
"""Bytes that are kept for all calls of a connection, of requests that are not answered and replies that are not taken."""
_OVERHEAD: Final = 64
"""What a message counts beside its bytes."""


class Ledger:
    """What one connection keeps of requests, beside the replies that wait in its `outbox`."""

    __slots__ = ("_outbox", "held")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.held = 0
        """Bytes."""

    def hold(self, more: int) -> None:
        """Raises Failure when too much is kept; it counts all the same, until it is released."""
        self.held += more
        if more > 0 and self.held + self._outbox.waiting > MOST_HELD:
            raise Failure(Code.RESOURCE_EXHAUSTED, f"more than {MOST_HELD:,} bytes of this connection wait")


class Intake:
    """The messages that have come and were not taken. `single`: there may be one only."""

    __slots__ = ("_deframer", "_encoding", "_held", "_ledger", "_single", "messages")

    def __init__(self, ledger: Ledger, encoding: str, *, single: bool) -> None:
        self._ledger = ledger
        self._encoding = encoding
        self._single = single
        self._deframer: Deframer | None = None
        self._held = 0
        self.messages: deque[bytes] = deque()

    def feed(self, data: bytes, *, end: bool) -> None:
        """Take data of the request, the last of it with `end`. Raises Failure for what cannot be read."""
        deframer = self._deframer
        if deframer is None:
            if end and _is_message(data):  # what comes nearly always
                self._accept(0, data[PREFIX:])
                return
            if not data:
                return
            deframer = self._deframer = Deframer(LARGEST)
        before = deframer.pending
        try:
            found = deframer.feed(data)
        except TooLarge as error:
            raise Failure(Code.RESOURCE_EXHAUSTED, str(error)) from None
        self._hold(deframer.pending - before)
        for flag, message in found:
            self._accept(flag, message)
        if end and deframer.pending:
            raise Failure(Code.INTERNAL, "the request ends within a message")

    def take(self) -> bytes:
        """The next message."""
        message = self.messages.popleft()
        self._hold(-len(message) - _OVERHEAD)
        return message

    def clear(self) -> None:
        """Nothing of the request is needed any more."""
        self._ledger.held -= self._held
        self._held = 0
        self.messages.clear()
        self._deframer = None

    def _accept(self, flag: int, message: bytes) -> None:
        if flag:
            message = _unpacked(flag, message, self._encoding)
        if self._single and self.messages:
            raise Failure(Code.UNIMPLEMENTED, "this method takes one message, and there is a second")
        self.messages.append(message)
        self._hold(len(message) + _OVERHEAD)

    def _hold(self, more: int) -> None:
        self._held += more
        self._ledger.hold(more)


def _is_message(data: bytes) -> bool:
    """Whether this is exactly one message that is not compressed."""
    if len(data) < PREFIX:
        return False
    flag, size = read_prefix(data)
    return not flag and size == len(data) - PREFIX


def _unpacked(flag: int, message: bytes, encoding: str) -> bytes:
    """Raises Failure (gRPC's `compression.md`)."""
    if flag != 1:
        raise Failure(Code.INTERNAL, f"a message with the flag {flag}")
    if encoding == "identity":
        raise Failure(Code.INTERNAL, "a compressed message, but grpc-encoding does not say how")
    if encoding != "gzip":
        raise Failure(Code.UNIMPLEMENTED, f"messages compressed as {encoding[:40]} are not read here, gzip is")
    try:
        return unpacked(message, LARGEST)
    except TooLarge as error:
        raise Failure(Code.RESOURCE_EXHAUSTED, str(error)) from None
    except ValueError as error:
        raise Failure(Code.INTERNAL, str(error)) from None
