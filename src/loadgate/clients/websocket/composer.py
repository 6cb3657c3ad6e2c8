"""Messages of one session as the frames they are sent in."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from loadgate.clients.websocket.deflate import Deflate
from loadgate.clients.websocket.frames import BINARY, SHORT, TEXT, ShortText, masked

Outgoing = str | bytes | dict[str, Any] | list[Any]
"""Text, binary, or what is sent as JSON text."""

_NOTHING: Final = ShortText(b"")


class Composer:
    """`text` is the short one that was sent twice in a row, and `ready` what it is sent from again."""

    __slots__ = ("_before", "_deflate", "ready", "text")

    def __init__(self, deflate: Deflate | None = None) -> None:
        self._before: str | None = None
        self._deflate = deflate
        self.ready = _NOTHING
        self.text = ""

    def frame(self, message: Outgoing) -> bytes:
        """A frame with the whole of `message`."""
        if isinstance(message, bytes | bytearray | memoryview):
            opcode, payload = BINARY, bytes(message)
        else:
            opcode = TEXT
            payload = message.encode() if isinstance(message, str) else msgspec.json.encode(message)
        if self._deflate is not None:
            packed = self._deflate.pack(payload)
            if packed is not None:
                return masked(opcode, packed, compressed=True)
        elif isinstance(message, str) and len(payload) < SHORT:
            if message == self._before:  # so that texts that are sent once are not made ready for nothing
                self.text, self.ready = message, ShortText(payload)
            self._before = message
        return masked(opcode, payload)


def decoded(message: Outgoing) -> Any:
    """A message as the JSON it is or will be. Raises ValueError where it is none."""
    if isinstance(message, str | bytes):
        try:
            return msgspec.json.decode(message)
        except (msgspec.DecodeError, RecursionError):
            raise ValueError("only a JSON message has a field to match its answer by") from None
    return message
