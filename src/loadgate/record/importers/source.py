"""A file somebody else's tool wrote, looked at without knowing yet what it is."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from loadgate.errors import LoadgateError

HEAD: Final = 65_536
"""Bytes that tell what a file is, where it is not JSON."""


class Source:
    """The file `path`, read when asked. Raises LoadgateError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._head = file.read(HEAD)
            self.modified = path.stat().st_mtime
            """Unix seconds: when the run ended, at the latest, where the file says nothing better."""
        except OSError as error:
            raise LoadgateError(f"cannot read {path}: {error.strerror or error}") from None

    @property
    def name(self) -> str:
        """The file's name without folder and extension."""
        return self.path.name.partition(".")[0]

    @property
    def empty(self) -> bool:
        return not self._head.strip()

    @cached_property
    def head(self) -> str:
        """The beginning of the file; what is not UTF-8 is replaced, a byte order mark left out."""
        return self._head.decode("utf-8-sig", "replace")

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal characters of the contents' SHA-256: the same file is the same result."""
        with self._open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    @cached_property
    def json(self) -> Any:
        """The contents as one JSON value; None where they are something else (JSON lines, too)."""
        if self.head.lstrip()[:1] not in ("{", "["):
            return None
        try:
            return msgspec.json.decode(self.data.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    @cached_property
    def data(self) -> bytes:
        with self._open() as file:
            return file.read()

    @property
    def text(self) -> str:
        return self.data.decode("utf-8-sig", "replace")

    def lines(self) -> Iterator[str]:
        """The lines, without their ends, however large the file is."""
        with self._open() as raw, io.TextIOWrapper(raw, "utf-8-sig", "replace") as text:
            for line in text:
                yield line.rstrip("\r\n")

    def bad(self, what: str, *, line: int = 0, hint: str = "") -> LoadgateError:
        """The error to raise for a file that is of a known kind but wrong: "FILE:3: WHAT"."""
        place = f"{self.path}:{line}" if line else str(self.path)
        return LoadgateError(f"{place}: {what}", hint)

    def _open(self) -> io.BufferedReader:
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise LoadgateError(f"cannot read {self.path}: {error.strerror or error}") from None
