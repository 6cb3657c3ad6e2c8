"""How a gRPC call can end: the status codes, and what stands for one where a server sent none.

Sources: gRPC's `statuscodes.md`, `PROTOCOL-HTTP2.md` and `http-grpc-status-mapping.md`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import IntEnum
from typing import Final

from loadgate.clients.base import ErrorKind
from loadgate.errors import nearest
from loadgate.http2 import ErrorCode


class Code(IntEnum):
    """Status codes of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


CODES: Final = tuple(Code)
Expected = str | int | Collection[str | int]
"""What a call may be expected to end with: names (`"NOT_FOUND"`) or numbers."""

_BY_HTTP: Final = {
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
    429: Code.UNAVAILABLE,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.UNAVAILABLE,
}
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


def code_named(name: str | int) -> Code:
    """The code of a name in any case, or of a number. Raises ValueError with the nearest name."""
    if isinstance(name, int):
        if 0 <= name < len(CODES):
            return CODES[name]
        raise ValueError(f"{name} is no gRPC status: they are 0 to {len(CODES) - 1}")
    try:
        return Code[name.upper()]
    except KeyError:
        near = nearest(name, Code.__members__)
        raise ValueError(f"`{name}` is no gRPC status" + (f": did you mean {near}?" if near else "")) from None


def expected_codes(expect: Expected) -> frozenset[int]:
    """Raises ValueError as `code_named`."""
    names = (expect,) if isinstance(expect, str | int) else expect
    return frozenset(int(code_named(name)) for name in names)


def code_of_http(status: int) -> Code:
    """What a reply of HTTP `status` without a gRPC status means."""
    return _BY_HTTP.get(status, Code.UNKNOWN)


def code_of_reset(code: int) -> Code:
    """What RST_STREAM with an error code of HTTP/2 means."""
    return next((meaning for known, meaning in _BY_RESET.items() if known == code), Code.INTERNAL)


def code_of_error(kind: ErrorKind) -> Code:
    """What a call that failed on its way is taken to have ended with."""
    return _BY_KIND.get(kind, Code.UNAVAILABLE)


def plain_text(value: bytes) -> str:
    """`grpc-message` as text: percent-decoded, and what is not UTF-8 replaced, never refused."""
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), value).decode("utf-8", "replace")
