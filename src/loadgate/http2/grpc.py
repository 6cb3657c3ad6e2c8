"""What gRPC puts into HTTP/2, for either side: status codes, and messages within the data of a stream.

Sources: gRPC's `statuscodes.md`, `http-grpc-status-mapping.md` and `PROTOCOL-HTTP2.md`.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from struct import Struct
from typing import Final

from loadgate.errors import nearest

PREFIX: Final = 5
"""Bytes before each message: a flag and a length."""
_PREFIX: Final = Struct(">BI")
_pack_prefix = _PREFIX.pack
_unpack_prefix = _PREFIX.unpack_from


class Code(IntEnum):
    """Status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


CODES: Final = tuple(Code)
_BY_HTTP: Final = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}


def code_named(name: str | int) -> Code:
    """The code of a name in any case, or of a number. Raises ValueError with the nearest name."""
    if isinstance(name, int):
        if 0 <= name < len(CODES):
            return CODES[name]
        raise ValueError(f"{name} is no gRPC status: they are 0 to {len(CODES) - 1}")
    try:
        return Code[name.upper()]
    except KeyError:
        near = nearest(name, Code.__members__)
        raise ValueError(f"`{name}` is no gRPC status" + (f": did you mean {near}?" if near else "")) from None


def code_of_http(status: int) -> Code:
    """What a reply of HTTP `status` without a gRPC status means."""
    return _BY_HTTP.get(status, Code.UNKNOWN)


class TooLarge(Exception):
    """A message that is larger than its reader takes."""


def prefixed(message: bytes) -> bytes:
    """`message` as it goes over the wire, not compressed."""
    return _pack_prefix(0, len(message)) + message


def read_prefix(data: bytes | bytearray) -> tuple[int, int]:
    """The flag and the length, in bytes, of the message that `data` begins with."""
    flag, size = _unpack_prefix(data)
    return flag, size


def unpacked(message: bytes, largest: int) -> bytes:
    """What a gzipped message holds. Raises TooLarge for more than `largest` bytes, ValueError for what is no gzip."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(message, largest)
    except zlib.error as error:
        raise ValueError(f"a message that is not gzip: {error}") from None
    if unpacker.unconsumed_tail:
        raise TooLarge(f"a message of more than {largest:,} bytes when unpacked")
    if not unpacker.eof:
        raise ValueError("a message whose gzip ends too early")
    return plain


class Deframer:
    """Cuts the data of a stream into messages, wherever its frames end. `largest` is in bytes."""

    __slots__ = ("_data", "_largest")

    def __init__(self, largest: int) -> None:
        self._data = bytearray()
        self._largest = largest

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._data)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(flag, bytes) of each message that is whole now. Raises TooLarge."""
        held = self._data
        held += data
        found: list[tuple[int, bytes]] = []
        at = 0
        while len(held) - at >= PREFIX:
            flag, size = _unpack_prefix(held, at)
            if size > self._largest:
                raise TooLarge(f"a message of {size:,} bytes, more than {self._largest:,}")
            if len(held) - at - PREFIX < size:
                break
            at += PREFIX + size
            found.append((flag, bytes(held[at - size : at])))
        del held[:at]
        return found
