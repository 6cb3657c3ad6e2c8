"""HTTP/2 frames as bytes, both ways (RFC 9113 sections 4 and 6).

Rules:
* Nothing here knows whether it serves a client or a server, and nothing here reads or writes a socket.
* The reader takes bytes cut anywhere. What it gives out is whole and checked for itself: lengths, stream numbers, padding.
  Whether a frame fits the state of its stream is for whoever holds the streams.
* HEADERS with their CONTINUATIONs are one frame with the whole header block; padding and priority are gone.
* Frames of unknown kinds, and PRIORITY, which RFC 9113 section 5.3 deprecates, are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from loadgate.http2.errors import ErrorCode, Http2Error

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first (section 3.4)."""
HEADER_SIZE: Final = 9
DEFAULT_FRAME_SIZE: Final = 16_384
DEFAULT_WINDOW: Final = 65_535
LARGEST_WINDOW: Final = 2**31 - 1
LARGEST_BLOCK: Final = 256 * 1024
"""Bytes of one header block that are taken from a peer; without a limit CONTINUATIONs could fill the memory."""

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

_HEAD: Final = Struct(">HBBBI")
_unpack_head = _HEAD.unpack_from
_pack_head = _HEAD.pack
_new = tuple.__new__  # what a NamedTuple's own does costs twice as much
_pack_number = Struct(">I").pack
_SETTING: Final = Struct(">HI")
_STREAM_MASK: Final = 0x7FFF_FFFF


class Kind(IntEnum):
    """The type field of a frame."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    """Identifiers of settings (section 6.5.2)."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Frame(NamedTuple):
    """One frame that came. `size` is its payload as it was on the wire: what flow control counts of DATA."""

    kind: int
    flags: int
    stream: int
    payload: bytes
    size: int


# -- writing


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    return _pack_head(size >> 8, size & 0xFF, kind, flags, stream) + payload


def head(kind: int, flags: int, size: int) -> bytes:
    """The first five bytes of a frame of `size` bytes: all of its header but the stream, which differs each time."""
    return _pack_head(size >> 8, size & 0xFF, kind, flags, 0)[:5]


def headers(stream: int, block: bytes, *, end: bool, largest: int = DEFAULT_FRAME_SIZE) -> bytes:
    """HEADERS with a whole header block, and CONTINUATIONs where it is larger than `largest` bytes."""
    flags = END_STREAM if end else 0
    if len(block) <= largest:
        return frame(Kind.HEADERS, flags | END_HEADERS, stream, block)
    pieces = [block[at : at + largest] for at in range(0, len(block), largest)]
    parts = [frame(Kind.HEADERS, flags, stream, pieces[0])]
    parts += [frame(Kind.CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]]
    parts.append(frame(Kind.CONTINUATION, END_HEADERS, stream, pieces[-1]))
    return b"".join(parts)


def data(stream: int, payload: bytes, *, end: bool, largest: int = DEFAULT_FRAME_SIZE) -> bytes:
    """DATA in frames of at most `largest` bytes; the caller sees to it that the peer's windows allow them."""
    flags = END_STREAM if end else 0
    if len(payload) <= largest:
        return frame(Kind.DATA, flags, stream, payload)
    last = (len(payload) - 1) // largest * largest
    parts = [frame(Kind.DATA, 0, stream, payload[at : at + largest]) for at in range(0, last, largest)]
    parts.append(frame(Kind.DATA, flags, stream, payload[last:]))
    return b"".join(parts)


def settings(values: Mapping[int, int]) -> bytes:
    return frame(Kind.SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in values.items()))


SETTINGS_ACK: Final = frame(Kind.SETTINGS, ACK, 0)


def ping(payload: bytes, *, ack: bool) -> bytes:
    """`payload` is 8 bytes; an answer repeats those of the question."""
    return frame(Kind.PING, ACK if ack else 0, 0, payload)


def reset(stream: int, code: int) -> bytes:
    return frame(Kind.RST_STREAM, 0, stream, _pack_number(code))


def goaway(last: int, code: int, text: bytes = b"") -> bytes:
    """No stream above `last` was or will be looked at."""
    return frame(Kind.GOAWAY, 0, 0, _pack_number(last) + _pack_number(code) + text)


def window_update(stream: int, more: int) -> bytes:
    """`more` bytes may be sent on `stream`, or with stream 0 on the connection."""
    return frame(Kind.WINDOW_UPDATE, 0, stream, _pack_number(more))


# -- reading


def number(payload: bytes) -> int:
    """The 31 bits that WINDOW_UPDATE carries, and the 32 of RST_STREAM."""
    return int.from_bytes(payload, "big")


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Identifier and value of each setting. Raises Http2Error for values that are not allowed (section 6.5.2)."""
    for name, value in _SETTING.iter_unpack(payload):
        if name == Setting.INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR, f"SETTINGS with an initial window of {value:,} bytes")
        if name == Setting.MAX_FRAME_SIZE and not DEFAULT_FRAME_SIZE <= value < 2**24:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"SETTINGS with a largest frame of {value:,} bytes")
        if name == Setting.ENABLE_PUSH and value > 1:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"SETTINGS with ENABLE_PUSH {value}")
        yield name, value


def read_goaway(payload: bytes) -> tuple[int, int, bytes]:
    """Last stream that was looked at, error code, and what else the peer says."""
    return number(payload[:4]) & _STREAM_MASK, number(payload[4:8]), payload[8:]


_SIZES: Final = {Kind.RST_STREAM: 4, Kind.PING: 8, Kind.WINDOW_UPDATE: 4}
_OF_STREAMS: Final = frozenset({Kind.DATA, Kind.HEADERS, Kind.RST_STREAM, Kind.CONTINUATION, Kind.PUSH_PROMISE})
_OF_CONNECTIONS: Final = frozenset({Kind.SETTINGS, Kind.PING, Kind.GOAWAY})


class FrameReader:
    """Cuts a stream of bytes into frames. `largest` is what was announced as MAX_FRAME_SIZE."""

    __slots__ = ("_block", "_largest", "_rest", "failure")

    def __init__(self, largest: int = DEFAULT_FRAME_SIZE) -> None:
        self._largest = largest
        self._rest = b""
        self.failure: Http2Error | None = None
        """Why nothing can follow the frames that were given out last; `feed` raises it when it is called again."""
        self._block: tuple[int, int, list[bytes], int] | None = None

    @property
    def pending(self) -> bool:
        """Whether a frame or a header block has begun and is not whole."""
        return bool(self._rest) or self._block is not None

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that are whole now, in order. Raises Http2Error for what no peer may send, if no frame comes before it."""
        if self.failure is not None:
            raise self.failure
        found: list[Frame] = []
        try:
            self._cut(self._rest + received if self._rest else received, found)
        except Http2Error as error:
            self.failure = error
            if not found:
                raise
        return found

    def _cut(self, received: bytes, found: list[Frame]) -> None:
        at, end = 0, len(received)
        while end - at >= HEADER_SIZE:
            high, low, kind, flags, stream = _unpack_head(received, at)
            size = high << 8 | low
            if size > self._largest:
                raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {size:,} bytes, more than {self._largest:,}")
            begin = at + HEADER_SIZE
            if end - begin < size:
                break
            at = begin + size
            whole = _new(Frame, (kind, flags, stream & _STREAM_MASK, received[begin:at], size))
            plain = not kind or (kind == 1 and flags & END_HEADERS)
            if not plain or flags & (PADDED | PRIORITY) or not stream or self._block is not None:
                checked = self._check(whole)
                if checked is None:
                    continue
                whole = checked
            found.append(whole)
        self._rest = received[at:]

    def _check(self, came: Frame) -> Frame | None:
        """The frame as it is to be seen, or None where there is nothing (yet) to see. Plain HEADERS never come here."""
        kind = came.kind
        if self._block is not None:
            return self._continue(came)
        if kind > Kind.CONTINUATION:
            return None
        if kind in _OF_STREAMS and not came.stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{Kind(kind).name} on stream 0")
        if kind in _OF_CONNECTIONS and came.stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{Kind(kind).name} on stream {came.stream}")
        if came.size != _SIZES.get(Kind(kind), came.size) or (kind == Kind.GOAWAY and came.size < 8):
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"{Kind(kind).name} of {came.size} bytes")
        if kind == Kind.SETTINGS and (came.size % 6 or (came.flags & ACK and came.size)):
            raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {came.size} bytes")
        if kind == Kind.CONTINUATION:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS before it")
        if kind == Kind.PRIORITY:
            return None
        if kind == Kind.DATA:
            return came._replace(payload=_unpadded(came)) if came.flags & PADDED else came
        if kind == Kind.HEADERS:
            came = came._replace(payload=_block_of(came))
            if not came.flags & END_HEADERS:
                self._block = (came.flags, came.stream, [came.payload], came.size)
                return None
        return came

    def _continue(self, came: Frame) -> Frame | None:
        assert self._block is not None
        flags, stream, pieces, size = self._block
        if came.kind != Kind.CONTINUATION or came.stream != stream:
            raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"another frame within the header block of stream {stream}")
        pieces.append(came.payload)
        size += came.size + HEADER_SIZE
        if size > LARGEST_BLOCK:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, f"a header block of more than {LARGEST_BLOCK:,} bytes")
        if not came.flags & END_HEADERS:
            self._block = (flags, stream, pieces, size)
            return None
        self._block = None
        return Frame(Kind.HEADERS, flags | END_HEADERS, stream, b"".join(pieces), size)


def _unpadded(came: Frame) -> bytes:
    payload = came.payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{Kind(came.kind).name} with more padding than bytes")
    return payload[1 : len(payload) - payload[0]]


def _block_of(came: Frame) -> bytes:
    block = _unpadded(came) if came.flags & PADDED else came.payload
    if not came.flags & PRIORITY:
        return block
    if len(block) < 5:
        raise Http2Error(ErrorCode.FRAME_SIZE_ERROR, "HEADERS too short for their priority")
    return block[5:]
