"""Writing to a stream that may not take it: a terminal stopped by Ctrl-S, a slow line, a reader that has gone.

Whoever draws sits on the event loop of the load and must never wait. So one thread writes, one text at a time; what is offered
meanwhile is refused, and the caller tries again with newer figures. A stream that fails is left alone from then on.

Bytes go to the file descriptor where there is one: a thread that hangs inside a Python stream holds that stream's lock, and
the program waits for it when it ends; and what a broken pipe did not take stays in the stream's buffer, to fail over then.
"""

from __future__ import annotations

import os
import threading
from typing import Final, TextIO

CLOSING: Final = 1.0
"""Seconds `close` waits for a text that is being written."""


class Outlet:
    """The way to one stream. `offer` and `close` belong to one thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = _descriptor_of(stream)
        self._text: str | None = None
        self._offered = threading.Semaphore(0)
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self.broken = False
        """Whether the stream has failed; nothing is written to it any more."""

    @property
    def busy(self) -> bool:
        """Whether the text before is still being written."""
        return not self._idle.is_set()

    def offer(self, text: str) -> bool:
        """Write `text`, now or, where the one before is still on its way, never: False. Does not wait."""
        if self.broken or self.busy:
            return False
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="loadgate-view", daemon=True)
            self._thread.start()
        self._text = text
        self._idle.clear()
        self._offered.release()
        return True

    def drain(self) -> bool:
        """Wait a moment for the text on its way; whether the stream can take another."""
        return self._idle.wait(CLOSING) and not self.broken

    def close(self) -> None:
        """Let the text on its way be written, as long as that takes no longer than `CLOSING`."""
        if self._thread is not None and self._idle.wait(CLOSING):
            self._text = None
            self._offered.release()
            self._thread.join(CLOSING)
        self._thread = None
        self.broken = True

    def _work(self) -> None:
        while True:
            self._offered.acquire()
            text = self._text
            if text is None:
                return
            try:
                self._write(text.encode(self._encoding, "replace"))
            except (OSError, ValueError):  # the reader has gone, or the stream is closed: nobody is left to be told
                self.broken = True
            self._idle.set()

    def _write(self, data: bytes) -> None:
        """Raises OSError or ValueError. A stream that was closed must not be asked: its descriptor may be another's by now."""
        if self._descriptor is None or self._stream.closed:
            self._stream.write(data.decode(self._encoding))
            self._stream.flush()
            return
        while data:
            data = data[os.write(self._descriptor, data) :]


def _descriptor_of(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream in memory
        return None
