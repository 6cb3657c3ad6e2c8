"""A server's bytes as messages: fragments joined, compression undone, text checked to be UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadgate.clients.websocket.deflate import Deflate
from loadgate.clients.websocket.frames import (
    BAD_DATA,
    BINARY,
    CONTINUATION,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Frame,
    FrameError,
    FrameReader,
)

LIMIT: Final = 16 * 1024 * 1024
"""Bytes a message may have, compressed or not."""

Event = tuple[int, str | bytes, int]
"""What came: TEXT with a str, BINARY or a control frame's opcode with bytes; and what it took on the wire, in bytes."""


class MessageReader:
    """Reads one session. `limit` is the most bytes a message may have."""

    __slots__ = ("_compressed", "_deflate", "_frames", "_limit", "_opcode", "_parts", "_size", "_wire", "untold")

    def __init__(self, deflate: Deflate | None = None, limit: int = LIMIT) -> None:
        self._deflate = deflate
        self._frames = FrameReader(limit)
        self._limit = limit
        self._opcode = CONTINUATION
        self._compressed = False
        self._parts: list[bytes] = []
        self._size = 0
        self._wire = 0
        self.untold = 0
        """Bytes that came, and of which no event has told yet: they are of a message that is not whole, or none."""

    @property
    def begun(self) -> bool:
        """Whether a message or a frame has begun that is not whole."""
        return self._opcode != CONTINUATION or self._frames.begun

    def feed(self, data: bytes) -> Iterator[Event]:
        """What is whole with `data`, control frames between the fragments of a message included. Raises FrameError."""
        self.untold += len(data)
        for frame in self._frames.feed(data):
            if frame.opcode > BINARY:
                self.untold -= frame.size
                yield frame.opcode, frame.payload, frame.size
                continue
            self._begin(frame)
            if frame.fin and not self._parts:
                payload, size = frame.payload, frame.size
            else:
                self._parts.append(frame.payload)
                self._size += len(frame.payload)
                self._wire += frame.size
                if self._size > self._limit:
                    raise FrameError(TOO_BIG, f"message of more than the {self._limit:,} bytes that are taken")
                if not frame.fin:
                    continue
                payload, size = b"".join(self._parts), self._wire
                self._parts, self._size, self._wire = [], 0, 0
            opcode, self._opcode = self._opcode, CONTINUATION
            content = self._content(opcode, payload)
            self.untold -= size
            yield opcode, content, size

    def _begin(self, frame: Frame) -> None:
        if frame.opcode == CONTINUATION:
            if self._opcode == CONTINUATION:
                raise FrameError(PROTOCOL_ERROR, "fragment of a message that has not begun")
            return
        if self._opcode != CONTINUATION:
            raise FrameError(PROTOCOL_ERROR, "message within the fragments of another")
        if frame.compressed and self._deflate is None:
            raise FrameError(PROTOCOL_ERROR, "frame with a reserved bit that no extension gave a meaning")
        self._opcode = frame.opcode
        self._compressed = frame.compressed

    def _content(self, opcode: int, payload: bytes) -> str | bytes:
        if self._compressed and self._deflate is not None:
            payload = self._deflate.unpack(payload, self._limit)
        if opcode != TEXT:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise FrameError(BAD_DATA, "text message that is not UTF-8") from None
