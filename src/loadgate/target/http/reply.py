"""Replies, built once and sent as they are. A reply of the same content has the same bytes: there is no Date field."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_STARTS: Final = {
    code: f"HTTP/1.1 {code} {_PHRASES.get(code, '')}\r\nserver: loadgate\r\n".encode() for code in range(200, 600)
}
BODILESS: Final = frozenset({204, 304})


class Reply:
    """One reply. `head` is the status line and all fields, each with its line end, without the empty line that ends it.

    `delay` is milliseconds to hold the reply back, `stream` the bytes of pattern that follow the head instead of `body`.
    `plain` is True when there is neither and it is no 101, and `wire` (head and body) may be written at once.
    """

    __slots__ = ("delay", "head", "plain", "status", "stream", "wire")

    def __init__(self, status: int, head: bytes, body: bytes = b"", delay: float = 0.0, stream: int = 0) -> None:
        self.status = status
        self.head = head
        self.delay = delay
        self.stream = stream
        self.plain = not delay and not stream and status != 101
        self.wire = b"%b\r\n%b" % (head, body)

    @property
    def body(self) -> bytes:
        return self.wire[len(self.head) + 2 :]

    def without_body(self) -> Reply:
        """The answer to HEAD: the same head, nothing behind it."""
        return Reply(self.status, self.head, delay=self.delay)


def json_reply(status: int, body: bytes, fields: bytes = b"", delay: float = 0.0) -> Reply:
    """A reply of encoded JSON. `fields` are further header lines, each with its line end."""
    head = b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b" % (_STARTS[status], len(body), fields)
    return Reply(status, head, body, delay)


def body_reply(status: int, body: bytes, content_type: bytes) -> Reply:
    head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n" % (_STARTS[status], content_type, len(body))
    return Reply(status, head, body)


def switch_reply(fields: bytes) -> Reply:
    """101: what follows on the connection is no HTTP."""
    return Reply(101, b"HTTP/1.1 101 Switching Protocols\r\nserver: loadgate\r\nconnection: Upgrade\r\n%b" % fields)


def text_reply(text: str, content_type: bytes) -> Reply:
    return body_reply(200, text.encode(), content_type)


def bytes_reply(length: int, block: bytes) -> Reply:
    """`length` bytes of the pattern that `block` holds a whole number of; streamed when they are more than one block."""
    head = b"%bcontent-type: application/octet-stream\r\ncontent-length: %d\r\n" % (_STARTS[200], length)
    return Reply(200, head, stream=length) if length > len(block) else Reply(200, head, block[:length])


def empty_reply(status: int, fields: bytes = b"") -> Reply:
    """A reply without a body: 204 and 304 say so by themselves."""
    length = b"" if status in BODILESS else b"content-length: 0\r\n"
    return Reply(status, _STARTS[status] + length + fields)


def object_reply(status: int, value: Any, fields: bytes = b"", delay: float = 0.0) -> Reply:
    return json_reply(status, msgspec.json.encode(value), fields, delay)


def error_reply(status: int, message: str, fields: bytes = b"") -> Reply:
    """Every error is JSON: {"error": what is wrong, "status": code}."""
    return object_reply(status, {"error": message, "status": status}, fields)
