"""Body codings in both directions: what goes into a request, and what a reply's `Content-Encoding` hides."""

from __future__ import annotations

import gzip
import mimetypes
import secrets
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from loadgate.clients.base import ErrorKind, ExchangeError

FilePart = str | bytes | Path | tuple[str, bytes] | tuple[str, bytes, str]
"""A multipart field's file: a path, raw bytes, or (file name, bytes[, content type])."""


def form_body(fields: Mapping[str, object]) -> tuple[bytes, str]:
    """`application/x-www-form-urlencoded` (WHATWG URL section 5); a sequence repeats its field."""
    return urlencode(fields, doseq=True).encode("ascii"), "application/x-www-form-urlencoded"


def multipart_body(fields: Mapping[str, object], files: Mapping[str, FilePart]) -> tuple[bytes, str]:
    """`multipart/form-data` (RFC 7578). Raises OSError where a file cannot be read."""
    boundary = f"loadgate-{secrets.token_hex(12)}".encode("ascii")
    parts: list[bytes] = []
    for name, value in fields.items():
        parts.append(_part(boundary, name, str(value).encode("utf-8")))
    for name, file in files.items():
        filename, content, kind = _file(name, file)
        parts.append(_part(boundary, name, content, filename, kind))
    parts.append(b"--" + boundary + b"--\r\n")
    return b"".join(parts), f"multipart/form-data; boundary={boundary.decode('ascii')}"


def _file(name: str, file: FilePart) -> tuple[str, bytes, str]:
    if isinstance(file, tuple):
        filename, content = file[0], file[1]
        kind = file[2] if len(file) == 3 else None
    elif isinstance(file, bytes):
        filename, content, kind = name, file, None
    else:
        path = Path(file)
        filename, content, kind = path.name, path.read_bytes(), None
    return filename, content, kind or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def _part(boundary: bytes, name: str, content: bytes, filename: str | None = None, kind: str = "") -> bytes:
    if "\r" in kind or "\n" in kind:
        raise ValueError(f"the content type of `{name}` has a line break in it")
    lines = f'Content-Disposition: form-data; name="{_quoted(name)}"'
    if filename is not None:
        lines += f'; filename="{_quoted(filename)}"\r\nContent-Type: {kind}'
    return b"--" + boundary + b"\r\n" + lines.encode("utf-8") + b"\r\n\r\n" + content + b"\r\n"


def _quoted(text: str) -> str:
    """RFC 7578 section 2 leaves it to browsers' practice: these three are percent-encoded."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def decode_body(body: bytes, encoding: str) -> bytes:
    """Undo the content codings of `encoding`, last applied first (RFC 9110 section 8.4).

    Raises ExchangeError(protocol) for a body that is not what it says, or for a coding that is not known.
    """
    for coding in _codings(encoding):
        if not body:
            return body
        try:
            body = _decode_one(body, coding)
        except ExchangeError:
            raise
        except Exception as error:  # each codec has its own error type, and brotli's is found only once imported
            raise ExchangeError(ErrorKind.PROTOCOL, f"body is not valid {coding}: {error}") from None
    return body


def _codings(encoding: str) -> Iterator[str]:
    for coding in reversed(encoding.split(",")):
        name = coding.strip().lower()
        if name and name != "identity":
            yield name


def _decode_one(body: bytes, coding: str) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return gzip.decompress(body)
    if coding == "deflate":
        # servers disagree on whether `deflate` has its zlib wrapper, which opens as RFC 1950 section 2.2 says
        wrapped = body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
        return zlib.decompress(body, wbits=15 if wrapped else -15)
    if coding == "br":
        import brotli

        return cast(bytes, brotli.decompress(body))
    if coding == "zstd":
        import zstandard

        plain = b""
        while body:  # a frame is one unit; codecs may write several (RFC 8878 section 3)
            frame = zstandard.ZstdDecompressor().decompressobj()
            plain += frame.decompress(body)
            if not frame.eof:
                raise ValueError("frame is not whole")
            body = frame.unused_data
        return plain
    raise ExchangeError(ErrorKind.PROTOCOL, f"unknown content-encoding `{coding}`")
