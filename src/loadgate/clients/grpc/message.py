"""Messages within the data of a stream: a flag, a length, and the bytes (gRPC's `PROTOCOL-HTTP2.md`)."""

from __future__ import annotations

import zlib
from struct import Struct
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a message that are taken, and that a compressed one may become."""
PREFIX: Final = 5
_PREFIX: Final = Struct(">BI")


def prefixed(message: bytes) -> bytes:
    """`message` as it goes over the wire, not compressed."""
    return _PREFIX.pack(0, len(message)) + message


def fault_of(data: bytes | bytearray, encoding: str) -> str:
    """Why `data`, all that a reply with status OK held, is not exactly one message; empty where it is."""
    if len(data) < PREFIX:
        return "status OK without a whole message" if data else "status OK without a message"
    flag, size = _PREFIX.unpack_from(data)
    if size > len(data) - PREFIX:
        return f"status OK after {len(data) - PREFIX:,} of the {size:,} bytes of the message"
    if size < len(data) - PREFIX:
        return "more than one message in the reply to a call that has one"
    return fault_of_flag(flag, encoding)


def fault_of_flag(flag: int, encoding: str) -> str:
    """Why a message with this flag cannot be read; empty where it can."""
    if not flag or (flag == 1 and encoding == "gzip"):
        return ""
    return f"a message compressed as `{encoding}`" if flag == 1 else f"a message with the flag {flag}"


def plain(flag: int, message: bytes) -> bytes:
    """The bytes of the message, unpacked where `flag` says so. Raises ExchangeError (protocol, oversize)."""
    if not flag:
        return message
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(message, LARGEST)
    except zlib.error as error:
        raise ExchangeError(ErrorKind.PROTOCOL, f"a message that is not gzip: {error}") from None
    if unpacker.unconsumed_tail:
        raise ExchangeError(ErrorKind.OVERSIZE, f"a message of more than {LARGEST:,} bytes when unpacked")
    if not unpacker.eof:
        raise ExchangeError(ErrorKind.PROTOCOL, "a message whose gzip ends too early")
    return unpacked


class Deframer:
    """Cuts the data of a stream into messages, wherever its frames end."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._data)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(flag, bytes) of each message that is whole now. Raises ExchangeError for one that is too large."""
        held = self._data
        held += data
        found: list[tuple[int, bytes]] = []
        at = 0
        while len(held) - at >= PREFIX:
            flag, size = _PREFIX.unpack_from(held, at)
            if size > LARGEST:
                raise ExchangeError(ErrorKind.OVERSIZE, f"a message of {size:,} bytes, more than {LARGEST:,}")
            if len(held) - at - PREFIX < size:
                break
            at += PREFIX + size
            found.append((flag, bytes(held[at - size : at])))
        del held[:at]
        return found
