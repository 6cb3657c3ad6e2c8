"""`grpc.health.v1.Health/Check` (gRPC's `health-checking.md`), which says SERVING from the first moment.

There is no `Watch`: its clients take UNIMPLEMENTED for an answer and ask again and again.
"""

from __future__ import annotations

from typing import Final

from loadgate.http2.grpc import Code
from loadgate.target.grpc.greeter import SERVICE
from loadgate.target.grpc.method import Failure, Method
from loadgate.target.grpc.protobuf import text_of, whole
from loadgate.target.metrics import Metrics

_PATH: Final = "/grpc.health.v1.Health/Check"
_SERVING: Final = whole(1, 1)
_KNOWN: Final = frozenset({b"", SERVICE.encode()})
"""The server as a whole, and its service."""


def health_methods(metrics: Metrics) -> list[Method]:
    return [Method(_PATH, metrics.tally("CALL", _PATH), _check, single=True, control=True)]


def _check(requests: list[bytes]) -> bytes:
    try:
        service = text_of(requests[0], 1)
    except ValueError as error:
        raise Failure(Code.INTERNAL, f"this is no HealthCheckRequest: {error}") from None
    if service not in _KNOWN:
        raise Failure(Code.NOT_FOUND, f"there is no service {service.decode()[:200]}")
    return _SERVING
