"""What a scenario gets of a subscription."""

from __future__ import annotations

from typing import Any

from msgspec import json as codec

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.reply import Result


class GraphqlEvent(Result):
    """One event, or one failure to get one: then `error` says of what kind. One that holds errors of GraphQL's has both.

    `last` says that none comes after it; that of a subscription which ended in order has nothing in it, and is not `ok`.
    """

    __slots__ = ("_document", "content", "error", "error_text", "last", "received_at", "wait")

    def __init__(
        self, content: bytes, received_at: float, wait: float, error: ErrorKind | None = None, error_text: str = ""
    ) -> None:
        self._document: Any = None
        self.content = content
        """The result as the server wrote it, JSON; empty where none came."""
        self.received_at = received_at
        """When it was there, in clock seconds."""
        self.wait = wait
        """Milliseconds since the event before, or since the subscription began."""
        self.error = error
        self.error_text = error_text
        """Of the last one also why there are no more."""
        self.last = False

    @property
    def ok(self) -> bool:
        """Whether it came with data and without errors."""
        return self.error is None and bool(self.content)

    def json(self) -> Any:
        if self._document is None:
            try:
                self._document = codec.decode(self.content)
            except RecursionError:
                raise ValueError("JSON is nested too deeply") from None
        return self._document

    def __repr__(self) -> str:
        return f"<GraphqlEvent {self.error_text or f'{len(self.content):,} bytes'}>"
