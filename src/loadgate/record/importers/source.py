"""A file or folder somebody else's tool wrote, looked at without knowing yet what it is."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from loadgate.errors import LoadgateError

HEAD: Final = 65_536
"""Bytes that tell what a file is, where it is not JSON."""

_MARK: Final = b"\xef\xbb\xbf"
"""The byte order mark Windows puts before UTF-8."""

_T = TypeVar("_T")


class Source:
    """The file `path`, read when asked, or the folder. Raises LoadgateError where it cannot be read.

    A folder has no contents: its `head` is "", its `json` None; what is in it comes from `inside`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.is_folder = path.is_dir()
            self._head = b""
            if not self.is_folder:
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
        return next(self.path.iterdir(), None) is None if self.is_folder else not self._head.removeprefix(_MARK).strip()

    def inside(self, pattern: str) -> list[Source]:
        """The files in the folder, at any depth, whose relative paths match `pattern` ("*/new/estimates.json"), sorted."""
        return [Source(path) for path in sorted(self.path.rglob(pattern)) if path.is_file()] if self.is_folder else []

    def holds(self, pattern: str) -> bool:
        """Whether there is a file that `inside` would find."""
        return self.is_folder and any(path.is_file() for path in self.path.rglob(pattern))

    @cached_property
    def head(self) -> str:
        """The beginning of the file; what is not UTF-8 is replaced, a byte order mark left out."""
        return self._head.decode("utf-8-sig", "replace")

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal characters of the contents' SHA-256: the same file is the same result."""
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]

    @cached_property
    def first_line(self) -> Any:
        """The JSON value that the first line is, with more lines after it: the file is JSON lines. Else None."""
        line, _, rest = self.head.lstrip().partition("\n")
        if line[:1] not in ("{", "[") or not rest.strip():
            return None
        try:
            return msgspec.json.decode(line)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def json(self) -> Any:
        """The contents as one JSON value; None where they are something else (JSON lines, too).

        NaN and Infinity are read, though no JSON: Python's own writer leaves them (asv, scripts).
        """
        if self.head.lstrip()[:1] not in ("{", "[") or self.first_line is not None:
            return None
        try:
            return msgspec.json.decode(self.data.removeprefix(_MARK))
        except (ValueError, RecursionError):
            pass
        try:
            found = json.loads(self.text)
            msgspec.json.encode(found)  # half a surrogate pair is no text that could be written anywhere
            return found
        except (ValueError, RecursionError):
            return None

    @property
    def broken(self) -> LoadgateError | None:
        """The error to raise where the contents begin like one JSON value and are none; else None."""
        if self.head.lstrip()[:1] not in ("{", "[") or self.first_line is not None or self.json is not None:
            return None
        try:
            json.loads(self.text)
        except json.JSONDecodeError as error:
            if error.msg == "Extra data":
                return self.bad("a second JSON value begins here", line=error.lineno, hint="a file holds one run")
            if error.pos >= len(self.text.rstrip()):
                return self.bad(
                    "the JSON ends here, in the middle", line=error.lineno, hint="the file has been cut off"
                )
            what = error.msg[:1].lower() + error.msg[1:]
            return self.bad(f"is no JSON from column {error.colno} on: {what}", line=error.lineno)
        except (ValueError, RecursionError):
            pass
        return self.bad("is no JSON that can be read: nested too deeply, numbers too long, or half a surrogate pair")

    def shaped(self, shape: type[_T]) -> _T:
        """The JSON contents as the msgspec struct `shape`; the error names the place in it and what was expected."""
        try:
            return msgspec.convert(self.json, shape)
        except msgspec.ValidationError as error:
            what = str(error)
        except (ValueError, OverflowError, RecursionError) as error:
            what = f"a value cannot be read: {error}"
        raise self.bad(what[:1].lower() + what[1:])

    @cached_property
    def data(self) -> bytes:
        with self.open() as file:
            return file.read()

    @property
    def text(self) -> str:
        return self.data.decode("utf-8-sig", "replace")

    def lines(self) -> Iterator[str]:
        """The lines, without their ends, however large the file is."""
        with self.open() as raw, io.TextIOWrapper(raw, "utf-8-sig", "replace") as text:
            for line in text:
                yield line.rstrip("\r\n")

    def bad(self, what: str, *, line: int = 0, hint: str = "") -> LoadgateError:
        """The error to raise for a file that is of a known kind but wrong: "FILE:3: WHAT"."""
        place = f"{self.path}:{line}" if line else str(self.path)
        return LoadgateError(f"{place}: {what}", hint or None)

    def open(self) -> io.BufferedReader:
        """The contents, from the beginning."""
        try:
            return open(self.path, "rb")
        except OSError as error:
            raise LoadgateError(f"cannot read {self.path}: {error.strerror or error}") from None
