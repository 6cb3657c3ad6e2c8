"""How a gRPC call can end: the status codes (`http2/grpc.py`), and what stands for one where a server sent none.

Source: gRPC's `PROTOCOL-HTTP2.md`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from loadgate.clients.base import ErrorKind
from loadgate.http2 import ErrorCode
from loadgate.http2.grpc import CODES, Code, code_named, code_of_http

__all__ = [
    "CODES",
    "Code",
    "Expected",
    "code_named",
    "code_of_error",
    "code_of_http",
    "code_of_reset",
    "expected_codes",
    "plain_text",
]

Expected = str | int | Collection[str | int]
"""What a call may be expected to end with: names (`"NOT_FOUND"`) or numbers."""

_BY_RESET: Final = {
    ErrorCode.REFUSED_STREAM: Code.UNAVAILABLE,
    ErrorCode.CANCEL: Code.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: Code.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: Code.PERMISSION_DENIED,
}
_BY_KIND: Final = {
    ErrorKind.TIMEOUT: Code.DEADLINE_EXCEEDED,
    ErrorKind.UNANSWERED: Code.CANCELLED,
    ErrorKind.OVERSIZE: Code.RESOURCE_EXHAUSTED,
    ErrorKind.PROTOCOL: Code.INTERNAL,
}
_ESCAPED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")


def expected_codes(expect: Expected) -> frozenset[int]:
    """Raises ValueError as `code_named`."""
    names = (expect,) if isinstance(expect, str | int) else expect
    return frozenset(int(code_named(name)) for name in names)


def code_of_reset(code: int) -> Code:
    """What RST_STREAM with an error code of HTTP/2 means."""
    return next((meaning for known, meaning in _BY_RESET.items() if known == code), Code.INTERNAL)


def code_of_error(kind: ErrorKind) -> Code:
    """What a call that failed on its way is taken to have ended with."""
    return _BY_KIND.get(kind, Code.UNAVAILABLE)


def plain_text(value: bytes) -> str:
    """`grpc-message` as text: percent-decoded, and what is not UTF-8 replaced, never refused."""
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), value).decode("utf-8", "replace")
