"""One method of a service: its path, whether either side sends a stream, and how its messages become bytes.

The codec comes from a schema. Without one, messages are bytes both ways.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from loadgate.clients.grpc.message import prefixed

_KEPT: Final = 1024
"""Encoded messages kept per method; messages with ids in them would otherwise be kept for ever."""
_LARGEST_KEPT: Final = 4096
"""Bytes; encoding a larger one is no longer much dearer than finding it."""

Message = Mapping[str, Any] | bytes | None
"""Fields by their names in the `.proto` file, as in proto3's JSON, though bytes may be bytes; or the message in bytes; None is
the empty message."""


class MessageError(ValueError):
    """A message does not fit its type."""


class IncompleteError(MessageError):
    """A message lacks fields that its type requires, as those of proto2 may."""


def bytes_only(message: Any) -> bytes:
    """The encoder without a schema. Raises MessageError for what is not bytes."""
    if isinstance(message, bytes):
        return message
    raise MessageError("without .proto files or reflection a gRPC message must be given as bytes")


def no_reader(data: bytes) -> dict[str, Any]:
    """The decoder without a schema. Raises MessageError."""
    raise MessageError(f"without .proto files or reflection the {len(data):,} bytes of this message cannot be read")


@dataclass(frozen=True, slots=True)
class Method:
    """`path` is as it goes over the wire, `/package.Service/Method`. Types are the full names of its messages."""

    path: str
    request_type: str = ""
    reply_type: str = ""
    client_streaming: bool = False
    server_streaming: bool = False
    encoder: Callable[[Any], bytes] = field(default=bytes_only, repr=False, compare=False)
    decoder: Callable[[bytes], dict[str, Any]] = field(default=no_reader, repr=False, compare=False)
    _known: dict[bytes, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """`package.Service/Method`."""
        return self.path[1:]

    @property
    def kind(self) -> str:
        """As k6's tag `rpc_type` has it."""
        if self.client_streaming:
            return "bidi_streaming" if self.server_streaming else "client_streaming"
        return "server_streaming" if self.server_streaming else "unary"

    def encode(self, message: Message) -> bytes:
        """The bytes of a message. Raises MessageError (ValueError) where it does not fit."""
        if message is None:
            return b""
        return message if isinstance(message, bytes) else self.encoder(message)

    def decode(self, data: bytes) -> dict[str, Any]:
        """The fields of a reply. Raises MessageError (ValueError) for bytes that are no such message."""
        return self.decoder(data)

    def wire(self, message: Message) -> bytes:
        """`encode`, with the length before it; a message that was sent lately is only looked up."""
        if message is None or isinstance(message, bytes):
            return prefixed(message or b"")
        try:
            key = marshal.dumps(cast(Any, message), 2)  # exact where JSON is not: 1 is not 1.0, and NaN not None
        except ValueError:  # holds something that is not plain data, which only the encoder can judge
            return prefixed(self.encode(message))
        found = self._known.get(key)
        if found is None:
            found = prefixed(self.encode(message))
            if len(key) <= _LARGEST_KEPT:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[key] = found
        return found
