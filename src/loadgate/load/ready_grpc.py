"""When a program that was just started is ready and speaks gRPC alone: asked as in `ready`, but for gRPC's health service.

Source: gRPC's `health-checking.md`. A server that has no such service, or does not tell us, is ready when it says that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loadgate.clients.grpc.stack import GrpcStack
from loadgate.clients.grpc.status import Code
from loadgate.clock import Clock
from loadgate.config.start import ReadySpec
from loadgate.load.ready import ANSWER, CLOSED, Answer, Readiness, await_answer

_CHECK: Final = "grpc.health.v1.Health/Check"
_WHOLE_SERVER: Final = b""
"""The request that names no service."""
_SERVING: Final = b"\x08\x01"
"""The reply `status: SERVING`."""
_WITHOUT: Final = frozenset((Code.UNIMPLEMENTED, Code.NOT_FOUND, Code.UNAUTHENTICATED, Code.PERMISSION_DENIED))


async def grpc_answers(grpc: GrpcStack) -> bool:
    """Whether anything listens at the server's place now. `grpc` has no schema."""
    return not (await _ask(grpc, ANSWER)).closed


async def await_grpc(
    grpc: GrpcStack, spec: ReadySpec, clock: Clock, *, since: float, ended: Callable[[], bool]
) -> Readiness | None:
    """`await_answer` by calls of the health service. `grpc` has no schema."""

    async def ask(patience: float) -> Answer:
        return await _ask(grpc, patience)

    return await await_answer(ask, f"{_CHECK} at {grpc.origin}", spec.within, clock, since=since, ended=ended)


async def _ask(grpc: GrpcStack, patience: float) -> Answer:
    client = grpc.client({})
    try:
        reply = await client.unary(_CHECK, _WHOLE_SERVER, timeout=patience)
        took = reply.timings.duration / 1e3
        if reply.error is not None:
            return Answer(False, reply.error in CLOSED, took, reply.error_text)
        if reply.ok:
            return Answer(reply.data == _SERVING, False, took, "it says that it is not serving")
        return Answer(reply.code in _WITHOUT, False, took, f"{reply.status} {reply.details}".rstrip())
    finally:
        client.close()
