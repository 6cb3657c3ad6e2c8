"""What the header blocks of replies say, kept by their bytes: without a dynamic table equal bytes are equal fields.

A server begins all its replies with one block and ends nearly all with another, so that reading one is a dict lookup.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final

from loadgate.clients.grpc.status import CODES, Code, plain_text
from loadgate.http2 import Decoder, ErrorCode, Http2Error

_MOST: Final = 512
"""Blocks kept: a server may write another one each time."""
_LARGEST: Final = 4096
"""Bytes of a block that is kept."""

Metadata = dict[str, str | bytes]
"""By name in lower case; values of names that end in `-bin` are bytes. Repeated names are joined by commas."""


class Head:
    """One header block of a reply, first or last.

    `code` is its gRPC status, -1 where it has none; `status` the HTTP status, 0 where it has none, as trailers do.
    """

    __slots__ = ("code", "details", "encoding", "fields", "is_grpc", "status")

    def __init__(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self.fields = fields
        self.code = -1
        self.status = 0
        self.details = ""
        self.encoding = "identity"
        self.is_grpc = False
        for name, value in fields:
            if name == b"grpc-status":
                self.code = int(value) if value.isdigit() and int(value) < len(CODES) else Code.UNKNOWN
            elif name == b"grpc-message":
                self.details = plain_text(value)
            elif name == b":status":
                if len(value) != 3 or not value.isdigit():
                    raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"a reply whose status is {value.decode('latin-1')!r}")
                self.status = int(value)
            elif name == b"grpc-encoding":
                self.encoding = value.decode("latin-1")
            elif name == b"content-type":
                self.is_grpc = value.startswith(b"application/grpc")

    def metadata(self) -> Metadata:
        """The fields without those of HTTP/2 and gRPC itself."""
        found: Metadata = {}
        for raw, value in self.fields:
            name = raw.decode("latin-1")
            if name.startswith((":", "grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding")):
                continue
            if name.endswith("-bin"):
                found[name] = _binary(value)
                continue
            before = found.get(name)
            text = value.decode("latin-1")
            found[name] = f"{before}, {text}" if isinstance(before, str) else text
        return found


def _binary(value: bytes) -> bytes:
    try:
        return b64decode(value + b"=" * (-len(value) % 4))
    except Base64Error:
        return value


class Heads:
    """Reads header blocks of servers that were told not to use a dynamic table."""

    __slots__ = ("_decoder", "_known", "get")

    def __init__(self) -> None:
        self._decoder = Decoder(0)
        self._known: dict[bytes, Head] = {}
        self.get = self._known.get
        """The head of a block that was seen before, or None."""

    def read(self, block: bytes) -> Head:
        """The head of any block. Raises Http2Error for one that is none."""
        head = Head(self._decoder.decode(block))
        if len(block) <= _LARGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[block] = head
        return head
