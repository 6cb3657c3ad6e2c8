"""Frames of the WebSocket protocol (RFC 6455 section 5): what a client writes, and what it reads of a server.

Everything a client sends is masked with a fresh key. Short payloads are masked as one large integer, long ones by NumPy: the
two cost the same at about 800 bytes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from loadgate.clients.base import ErrorKind, ExchangeError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

FIN: Final = 0x80
RSV1: Final = 0x40
"""Says that the message this frame begins is compressed (RFC 7692 section 6)."""

SHORT: Final = 126
"""Payloads of fewer bytes have their length in the second byte of the frame."""

NORMAL, GOING_AWAY, PROTOCOL_ERROR, NO_CODE, ABNORMAL, BAD_DATA, TOO_BIG = 1000, 1001, 1002, 1005, 1006, 1007, 1009

_BY_NUMBER: Final = 800
_CONTROL: Final = frozenset({CLOSE, PING, PONG})
_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_UNUSABLE_CODES: Final = frozenset({1004, NO_CODE, ABNORMAL, 1015})
_MOST_DEFINED: Final = 1015


class Frame(NamedTuple):
    """One frame from a server. `size` is what it took on the wire, in bytes."""

    opcode: int
    fin: bool
    compressed: bool
    payload: bytes
    size: int


def _random_words() -> Iterator[tuple[int, ...]]:
    while True:
        yield struct.unpack("<1024I", os.urandom(4096))


_fresh_word: Final = chain.from_iterable(_random_words()).__next__
"""The next masking key as a number, from the system's generator (RFC 6455 section 5.3), asked for a thousand at a time."""


def fresh_key() -> bytes:
    """The next masking key."""
    return _fresh_word().to_bytes(4, "little")


class ShortText:
    """A text message of less than 126 bytes, made ready to be masked: what scenarios send most, and mostly the same again.

    Key and payload are one number of whole words, over which the key is laid as often as there are words: in the first,
    which is zero, that leaves the key itself, as it stands in the frame.
    """

    __slots__ = ("_end", "_head", "_ones", "_plain", "_width")

    def __init__(self, payload: bytes) -> None:
        size = len(payload)
        words = (size + 7) // 4
        self._head = bytes((FIN | TEXT, 0x80 | size))
        self._plain = int.from_bytes(bytes(4) + payload, "little")
        self._ones = sum(1 << 32 * word for word in range(words))
        self._width = 4 * words
        self._end = size + 4

    def masked(self) -> bytes:
        """A frame with it under a fresh key."""
        return self._head + (self._plain ^ _fresh_word() * self._ones).to_bytes(self._width, "little")[: self._end]


def masked(opcode: int, payload: bytes, *, compressed: bool = False, fin: bool = True) -> bytes:
    """A client's frame around `payload`."""
    first = opcode | (FIN if fin else 0) | (RSV1 if compressed else 0)
    size = len(payload)
    if size < SHORT:
        head = bytes((first, 0x80 | size))
    elif size < 0x10000:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    key = fresh_key()
    return head + key + under_mask(payload, key)


def under_mask(payload: bytes, key: bytes) -> bytes:
    """`payload` with the bytes of `key` over it again and again (RFC 6455 section 5.3)."""
    size = len(payload)
    if size < _BY_NUMBER:
        pad = (key * (size // 4 + 1))[:size]
        return (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    words = size // 4
    whole = np.frombuffer(payload, np.uint32, words) ^ np.frombuffer(key, np.uint32)
    rest = bytes(byte ^ mask for byte, mask in zip(payload[4 * words :], key, strict=False))
    return whole.tobytes() + rest


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame. Raises ValueError for a code that may not be sent or a reason over 123 bytes."""
    if not may_be_sent(code):
        raise ValueError(f"{code} is no close code that may be sent: take 1000 to 1015 as defined, or 3000 to 4999")
    payload = code.to_bytes(2, "big") + reason.encode()
    if len(payload) >= SHORT:
        raise ValueError("the reason for a close has at most 123 bytes")
    return payload


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; 1005 where it has none. Raises FrameError."""
    if not payload:
        return NO_CODE, ""
    if len(payload) == 1:
        raise FrameError(PROTOCOL_ERROR, "close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        raise FrameError(PROTOCOL_ERROR, f"close frame with the code {code}, which may not be sent")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(BAD_DATA, f"close frame {code} whose reason is not UTF-8") from None


def may_be_sent(code: int) -> bool:
    """Whether `code` may stand in a close frame: RFC 6455 section 7.4 and the registry of IANA."""
    return (1000 <= code < _MOST_DEFINED and code not in _UNUSABLE_CODES) or 3000 <= code <= 4999


class FrameError(ExchangeError):
    """The server sent what it may not. `code` is what the session is closed with for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(ErrorKind.OVERSIZE if code == TOO_BIG else ErrorKind.PROTOCOL, text)
        self.code = code


class FrameReader:
    """Cuts a server's bytes into frames, however they come in. `limit` is the most bytes a payload may have."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit

    @property
    def begun(self) -> bool:
        """Whether there are bytes of a frame that is not whole."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with `data`. Raises FrameError at the first that is not as it must be.

        What was not taken from the iterator is lost.
        """
        buffer: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            buffer = self._buffer
        at, end = 0, len(buffer)
        with memoryview(buffer) as view:
            while True:
                body, length = self._head(view[at : at + 10])
                whole = at + body + length
                if not body or whole > end:
                    break
                first = view[at]
                payload = bytes(view[at + body : whole])
                yield Frame(first & 0x0F, first >= FIN, bool(first & RSV1), payload, whole - at)
                at = whole
        if buffer is data:
            self._buffer += data[at:]
        else:
            del self._buffer[:at]

    def _head(self, view: memoryview) -> tuple[int, int]:
        """Where the payload begins, and its length: (0, 0) where too few bytes came to tell. Raises FrameError."""
        if not view:
            return 0, 0
        first = view[0]
        opcode = first & 0x0F
        if first & 0x30:
            raise FrameError(PROTOCOL_ERROR, "frame with a reserved bit that no extension gave a meaning")
        if opcode not in _OPCODES:
            raise FrameError(PROTOCOL_ERROR, f"frame of the unknown kind {opcode:#x}")
        if opcode in _CONTROL and not first & FIN:
            raise FrameError(PROTOCOL_ERROR, "control frame in fragments")
        if first & RSV1 and opcode not in (TEXT, BINARY):
            raise FrameError(PROTOCOL_ERROR, "frame marked as compressed that may not be")
        if len(view) < 2:
            return 0, 0
        length = view[1]
        if length & 0x80:
            raise FrameError(PROTOCOL_ERROR, "masked frame from the server")
        if length < SHORT:
            return 2, length
        if opcode in _CONTROL:
            raise FrameError(PROTOCOL_ERROR, "control frame of more than 125 bytes")
        body = 4 if length == SHORT else 10
        if len(view) < body:
            return 0, 0
        size = int.from_bytes(view[2:body], "big")
        if size >= 1 << 63 or size < (SHORT if body == 4 else 0x10000):
            raise FrameError(PROTOCOL_ERROR, f"frame whose length, {size:,}, is not written as it must be")
        if size > self._limit:
            raise FrameError(TOO_BIG, f"message of {size:,} bytes: more than the {self._limit:,} that are taken")
        return body, size
