"""Bodies of requests: forms and files."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

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
