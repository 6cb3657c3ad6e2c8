"""Standard output and error as this program writes to them: a text that cannot be written is no event.

The exit code is the answer a CI job acts on, and it was found whether or not anybody reads along. A reader that has gone
(`| head -1`), a full disk, or a character the locale cannot show must not change it; and Python would complain of such a
stream once more while it shuts down, and leave with 120.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def make_lenient() -> None:
    """Put streams in place of `sys.stdout` and `sys.stderr` that drop what cannot be written, from the first failure on.

    One line on standard error says so of standard output, but for a reader that has gone: he knows. Standard error has
    nobody to tell.
    """
    sys.stderr = _lenient(sys.stderr, lambda error: None)
    sys.stdout = _lenient(sys.stdout, _tell)


def _tell(error: OSError) -> None:
    if error.errno != errno.EPIPE:
        print(f"warning: cannot write to standard output: {error.strerror}", file=sys.stderr, flush=True)


def _lenient(stream: TextIO, lost: Callable[[OSError], None]) -> TextIO:
    assert isinstance(stream, io.TextIOWrapper)
    return io.TextIOWrapper(
        io.BufferedWriter(_Writer(stream.fileno(), stream.name, lost)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Writer(io.RawIOBase):
    """Writes to a file descriptor, which stays open. After an error, told to `lost` once, it takes everything."""

    def __init__(self, descriptor: int, name: str, lost: Callable[[OSError], None]) -> None:
        self._descriptor = descriptor
        self._lost: Callable[[OSError], None] | None = lost
        self.name = name

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        while self._lost is not None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # whoever shares the pipe with us has set it so
                select.select([], [self._descriptor], [])
            except OSError as error:
                lost, self._lost = self._lost, None
                lost(error)
        return size
