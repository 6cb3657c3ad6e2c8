"""A transport that takes everything and keeps it, for connections without a socket: the test calls their protocols itself."""

from __future__ import annotations


class Wire:
    """`written` is what was written, write by write."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self.ended = False

    def set_protocol(self, protocol: object) -> None:
        """Nobody needs to know."""

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Called after a while."""
