"""What a scenario gets of a WebSocket session: messages the server sent, and replies to what it asked."""

from __future__ import annotations

from typing import Any

import msgspec

from loadgate.clients.base import ErrorKind


class WsMessage(msgspec.Struct, gc=False, eq=False):
    """One message, or one failure to get one: then `error` says of what kind, and `text` and `data` are empty.

    A struct, because one is made for each message: that costs a fifth of what a class does.
    """

    content: str | bytes
    """As it was sent: str of a text message, bytes of a binary one."""
    received_at: float
    """When it was whole, in clock seconds."""
    error: ErrorKind | None = None
    error_text: str = ""

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def is_text(self) -> bool:
        return isinstance(self.content, str)

    @property
    def text(self) -> str:
        """The message as text; of a binary one, what is not UTF-8 is replaced."""
        content = self.content
        return content if isinstance(content, str) else content.decode("utf-8", "replace")

    @property
    def data(self) -> bytes:
        content = self.content
        return content if isinstance(content, bytes) else content.encode()

    def json(self) -> Any:
        """The message as JSON. Raises ValueError (msgspec.DecodeError) if it is not."""
        try:
            return msgspec.json.decode(self.content)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None

    def __repr__(self) -> str:
        name = type(self).__name__
        if self.error is not None:
            return f"<{name} {self.error}: {self.error_text}>"
        return f"<{name} {'text' if self.is_text else 'binary'}, {len(self.content):,} long>"


class WsReply(WsMessage, gc=False, eq=False):
    """The message that answered one, with the time it took."""

    planned: float = 0.0
    """When the question should have been asked, in clock seconds."""
    asked: float = 0.0
    """When it was written, in clock seconds."""

    @property
    def duration(self) -> float:
        """Service time, in milliseconds."""
        return (self.received_at - self.asked) * 1e3

    @property
    def latency(self) -> float:
        """Time from the planned start, in milliseconds."""
        return (self.received_at - self.planned) * 1e3
