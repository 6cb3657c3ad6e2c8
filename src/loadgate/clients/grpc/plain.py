"""Replies known by their bytes: of most calls nothing is new but the number of the stream and the message."""

from __future__ import annotations

from struct import Struct
from typing import Final

from loadgate.clients.grpc.head import Head
from loadgate.clients.grpc.message import PREFIX
from loadgate.http2 import END_HEADERS, END_STREAM, HEADER_SIZE, Frame, Kind, frames

_BETWEEN: Final = Struct(">HBHIBI")
"""The header of a DATA frame, and the prefix of the message in it: size (24 bits), kind and flags, stream, flag, size."""
_unpack = _BETWEEN.unpack_from
_number = int.from_bytes


class PlainReply:
    """A reply with status OK that came whole in one piece: HEADERS, DATA with one message, and trailers.

    `series` is where the recorder counts it.
    """

    __slots__ = ("_at", "_block", "_ending", "_last", "_lead", "_least", "begin", "head", "series", "tail", "trailers")

    def __init__(self, first: Frame, last: Frame, head: Head, trailers: Head, series: int) -> None:
        self._lead = frames.head(Kind.HEADERS, END_HEADERS, first.size)
        self._block = first.payload
        self._at = HEADER_SIZE + first.size
        self._ending = frames.head(Kind.HEADERS, END_HEADERS | END_STREAM, last.size)
        self._last = last.payload
        self.tail = HEADER_SIZE + last.size
        self._least = self._at + HEADER_SIZE + PREFIX + self.tail
        self.begin = self._at + HEADER_SIZE
        """Where the message begins, with its prefix; `tail` bytes before the end of the reply it ends."""
        self.head = head
        self.trailers = trailers
        self.series = series

    def size_in(self, data: bytes) -> int:
        """Bytes of this reply, whatever its message, where `data` begins with it whole; else 0."""
        at = self._at
        if len(data) < self._least or data[HEADER_SIZE:at] != self._block:
            return 0
        high, low, kind, stream, flag, size = _unpack(data, at)
        end: int = at + HEADER_SIZE + PREFIX + size
        last = data[end : end + self.tail]
        number = last[5:9]
        if (
            kind
            or flag
            or size + PREFIX != high << 8 | low
            or last[HEADER_SIZE:] != self._last
            or last[:5] != self._ending
            or data[:5] != self._lead
            or data[5:9] != number
            or stream != _number(number, "big")
        ):
            return 0
        return end + self.tail
