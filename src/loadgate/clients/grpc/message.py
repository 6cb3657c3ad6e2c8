"""Messages within the data of a stream, as the client takes them; `http2/grpc.py` is what both sides do with them."""

from __future__ import annotations

from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.http2 import grpc
from loadgate.http2.grpc import PREFIX, TooLarge, prefixed, read_prefix, unpacked

__all__ = ["LARGEST", "PREFIX", "Deframer", "fault_of", "fault_of_flag", "plain", "prefixed"]

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a message that are taken, and that a compressed one may become."""


def fault_of(data: bytes | bytearray, encoding: str) -> str:
    """Why `data`, all that a reply with status OK held, is not exactly one message; empty where it is."""
    if len(data) < PREFIX:
        return "status OK without a whole message" if data else "status OK without a message"
    flag, size = read_prefix(data)
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
    try:
        return unpacked(message, LARGEST)
    except TooLarge as error:
        raise ExchangeError(ErrorKind.OVERSIZE, str(error)) from None
    except ValueError as error:
        raise ExchangeError(ErrorKind.PROTOCOL, str(error)) from None


class Deframer(grpc.Deframer):
    """Cuts the data of a stream into messages, wherever its frames end."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(LARGEST)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(flag, bytes) of each message that is whole now. Raises ExchangeError for one that is too large."""
        try:
            return super().feed(data)
        except TooLarge as error:
            raise ExchangeError(ErrorKind.OVERSIZE, str(error)) from None
