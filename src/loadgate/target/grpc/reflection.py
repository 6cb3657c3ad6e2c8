"""Server reflection (gRPC's `reflection.proto`), v1 and v1alpha, whose messages are the same: what can be called, and how.

It does not list itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loadgate.http2.grpc import Code
from loadgate.target.grpc.descriptor import FILE, FILE_NAME, SYMBOLS
from loadgate.target.grpc.greeter import SERVICE
from loadgate.target.grpc.method import Failure, Method
from loadgate.target.grpc.protobuf import block, fields, whole
from loadgate.target.metrics import Metrics

_VERSIONS: Final = ("v1", "v1alpha")

# fields of ServerReflectionRequest, which has one of those from FILE_BY_NAME on
_HOST: Final = 1
_FILE_BY_NAME: Final = 3
_FILE_OF_SYMBOL: Final = 4
_FILE_OF_EXTENSION: Final = 5
_EXTENSIONS_OF_TYPE: Final = 6
_LIST_SERVICES: Final = 7
# fields of ServerReflectionResponse
_VALID_HOST: Final = 1
_REQUEST: Final = 2
_FILES: Final = 4
_EXTENSIONS: Final = 5
_SERVICES: Final = 6
_ERROR: Final = 7


def reflection_methods(metrics: Metrics) -> list[Method]:
    paths = [f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in _VERSIONS]
    return [Method(path, metrics.tally("CALL", path), talk=_talk, control=True) for path in paths]


def _talk() -> Callable[[bytes], bytes]:
    return answer


def answer(request: bytes) -> bytes:
    """The ServerReflectionResponse to a ServerReflectionRequest. Raises Failure for what is none."""
    host, what, about = b"", 0, b""
    try:
        for number, value in fields(request):
            if isinstance(value, bytes):
                if number == _HOST:
                    host = value
                elif _FILE_BY_NAME <= number <= _LIST_SERVICES:
                    what, about = number, value
    except ValueError as error:
        raise Failure(Code.INTERNAL, f"this is no ServerReflectionRequest: {error}") from None
    return block(_VALID_HOST, host) + block(_REQUEST, request) + _found(what, about)


def _found(what: int, about: bytes) -> bytes:
    if what == _LIST_SERVICES:
        return block(_SERVICES, block(1, block(1, SERVICE.encode())))
    if what == _FILE_BY_NAME and about == FILE_NAME:
        return block(_FILES, block(1, FILE))
    name = about.decode(errors="replace")
    if what == _FILE_OF_SYMBOL and name in SYMBOLS:
        return block(_FILES, block(1, FILE))
    if what == _EXTENSIONS_OF_TYPE and name in SYMBOLS:
        return block(_EXTENSIONS, block(1, about))
    if what == _FILE_OF_EXTENSION:
        return _error(Code.NOT_FOUND, "there are no extensions")
    if not what:
        return _error(Code.INVALID_ARGUMENT, "the request asks for nothing")
    return _error(Code.NOT_FOUND, f"there is no {name[:200]}")


def _error(code: Code, text: str) -> bytes:
    return block(_ERROR, whole(1, code) + block(2, text.encode()))
