"""Protocol Buffers on the wire (protobuf.dev, "Encoding"), as far as a handful of small messages needs it: importing protobuf
takes longer than the rest of the target's start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_LARGEST_VARINT: Final = 10
"""Bytes of a 64-bit number."""
_FIXED: Final = {1: 8, 5: 4}
"""Bytes of the wire types that have a fixed size."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field, in order: a whole number for varints, bytes for the rest.

    Raises ValueError for what is no message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ValueError("a field without a number")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind} in field {number}")
        if size > end - at:
            raise ValueError(f"field {number} is longer than its message")
        yield number, data[at : at + size]
        at += size


def text_of(data: bytes, number: int) -> bytes:
    """The text in a field as UTF-8, empty where it is not set; of several the last (proto3). Raises ValueError."""
    found = b""
    for each, value in fields(data):
        if each == number:
            if not isinstance(value, bytes):
                raise ValueError(f"field {number} is no text")
            found = value
    if not found.isascii():
        try:
            found.decode()
        except UnicodeDecodeError:
            raise ValueError(f"the text of field {number} is not UTF-8") from None
    return found


def block(number: int, value: bytes) -> bytes:
    """A field that holds a text, bytes or another message."""
    return _number(number << 3 | 2) + _number(len(value)) + value


def whole(number: int, value: int) -> bytes:
    """A field that holds a whole number from 0 up."""
    return _number(number << 3) + _number(value)


def _number(value: int) -> bytes:
    if value < 0x80:
        return b"%c" % value
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for shift, octet in enumerate(data[at : at + _LARGEST_VARINT]):
        value |= (octet & 0x7F) << (7 * shift)
        if octet < 0x80:
            return value, at + shift + 1
    raise ValueError("a number that does not end")
