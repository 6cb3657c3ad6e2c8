"""WebSocket frames as a server reads and writes them (RFC 6455 5). Does no I/O.

Rules:
* A message is given out when it is whole; control frames between its fragments come before it.
* What breaks the protocol raises `Failure` with the code to close with: 1002 for frames, 1007 for text that is not UTF-8,
  1009 for a message above `MOST_MESSAGE`. Nothing is read after that.
* The size of a message is looked at when a frame's head is there, not when its payload is.
* Unmasking is one XOR of two long integers, which costs 0.1 us per KiB and no module of C.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from loadgate.target.faults import is_close_code

MOST_MESSAGE: Final = 16 * 2**20
CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
_MOST_CONTROL: Final = 125


class Failure(Exception):
    """What a client did wrong: `code` and `reason` are for the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Frame(NamedTuple):
    """A whole message (TEXT or BINARY) or control frame. Text is valid UTF-8."""

    kind: int
    payload: bytes


class FrameReader:
    """Feed it bytes; whole messages and control frames come out of `take`, in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 2
        self._message = bytearray()  # the fragments of one so far
        self._kind = CONTINUATION  # of the fragmented message; CONTINUATION when there is none

    def take(self, data: bytes) -> tuple[list[Frame], Failure | None]:
        """What `data` completes, and what was wrong behind that."""
        buffer = self._buffer
        size = len(data) - 6
        if not buffer and 0 <= size < 126 and self._kind == CONTINUATION:
            # what comes nearly always, at a third of the cost: one short message, whole
            first = data[0]
            if (first == 0x81 or first == 0x82) and data[1] == 0x80 | size:
                payload = unmasked(data[6:], data[2:6])
                if first == 0x82 or payload.isascii():
                    return [Frame(first & 0x0F, payload)], None
        buffer += data
        frames: list[Frame] = []
        if len(buffer) < self._needed:
            return frames, None
        at = 0
        try:
            while True:
                size = len(buffer) - at
                head = self._head(at) if size >= 2 else None
                if head is None:
                    self._needed = 2 if size < 2 else size + 1
                    break
                start, length = head
                if size < start + length:
                    self._needed = start + length
                    break
                mask = bytes(buffer[at + start - 4 : at + start])
                payload = unmasked(bytes(buffer[at + start : at + start + length]), mask)
                frame = self._frame(buffer[at], payload)
                if frame is not None:
                    frames.append(frame)
                at += start + length
        except Failure as failure:
            return frames, failure
        del buffer[:at]
        return frames, None

    def _head(self, at: int) -> tuple[int, int] | None:
        """Length of the head and of the payload of the frame at `at`; None while the head is not all there."""
        buffer = self._buffer
        first, second = buffer[at], buffer[at + 1]
        kind = first & 0x0F
        if first & 0x70:
            raise Failure(1002, "reserved bits are set, but no extension was agreed on")
        if not second & 0x80:
            raise Failure(1002, "a frame from a client must be masked")
        length = second & 0x7F
        start = 6
        if kind >= CLOSE:
            if kind > PONG:
                raise Failure(1002, f"opcode {kind} is reserved")
            if not first & 0x80:
                raise Failure(1002, "a control frame must not be fragmented")
            if length > _MOST_CONTROL:
                raise Failure(1002, "a control frame carries at most 125 bytes")
        elif kind > BINARY:
            raise Failure(1002, f"opcode {kind} is reserved")
        elif (kind == CONTINUATION) is (self._kind == CONTINUATION):
            raise Failure(
                1002, "there is nothing to continue" if kind == CONTINUATION else "the message before is not finished"
            )
        if length > 125:
            start, form, least = (8, ">H", 126) if length == 126 else (14, ">Q", 65_536)
            if len(buffer) - at < start:
                return None
            (length,) = struct.unpack_from(form, buffer, at + 2)
            if length < least:
                raise Failure(1002, "the length must be written as short as can be")
        if kind < CLOSE and len(self._message) + length > MOST_MESSAGE:
            raise Failure(1009, f"a message of more than {MOST_MESSAGE:,} bytes")
        return (start, length) if len(buffer) - at >= start else None

    def _frame(self, first: int, payload: bytes) -> Frame | None:
        """The frame or message that this frame ends."""
        kind, last = first & 0x0F, first & 0x80
        if kind >= CLOSE:
            return Frame(kind, payload)
        if not last:
            if kind != CONTINUATION:
                self._kind = kind
            self._message += payload
            return None
        if kind == CONTINUATION:
            payload = bytes(self._message + payload)
            kind = self._kind
            self._kind = CONTINUATION
            self._message = bytearray()
        if kind == TEXT and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                raise Failure(1007, "the text is not UTF-8") from None
        return Frame(kind, payload)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """`payload` with the mask taken off, or put on: it is the same."""
    size = len(payload)
    if not size:
        return payload
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def frame(kind: int, payload: bytes) -> bytes:
    """A whole unmasked frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (0x80 | kind, size, payload)
    if size < 65_536:
        return b"%c\x7e%b%b" % (0x80 | kind, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (0x80 | kind, size.to_bytes(8, "big"), payload)


def close_payload(code: int, reason: str = "") -> bytes:
    """What a close frame carries; a long reason is cut."""
    text = reason.encode()[: _MOST_CONTROL - 2].decode(errors="ignore").encode()
    return code.to_bytes(2, "big") + text


def close_code(payload: bytes) -> int:
    """The code in a client's close frame, 1000 where there is none. Raises Failure for a payload that is wrong."""
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_close_code(code):
        raise Failure(1002, "a close frame with a code that may not be sent")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise Failure(1007, "the reason is not UTF-8") from None
    return code
