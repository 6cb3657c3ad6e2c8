"""When a program that speaks gRPC alone is ready: its health service says so, or it has none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter

import pytest

from loadgate.clients.grpc import GrpcStack
from loadgate.clock import SystemClock
from loadgate.config.start import ReadySpec
from loadgate.errors import InvalidRun
from loadgate.load.ready import Readiness
from loadgate.load.ready_grpc import await_grpc, grpc_answers
from loadgate.measure.recorder import Recorder
from tests.support.h2_server import Action, Asked, H2Server, head, trailers, whole

SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def asked_until_ready(
    answer: Callable[[Asked], Iterable[Action]], within: float = 5.0
) -> tuple[Readiness | None, H2Server]:
    async def main() -> tuple[Readiness | None, H2Server]:
        clock = SystemClock()
        async with H2Server(answer) as server:
            grpc = GrpcStack(Recorder(start=perf_counter()), server.url)
            try:
                assert await grpc_answers(grpc)
                spec = ReadySpec(within=within)
                return await await_grpc(grpc, spec, clock, since=clock.now(), ended=lambda: False), server
            finally:
                clock.close()

    return asyncio.run(main())


def test_it_is_ready_when_it_serves() -> None:
    found, server = asked_until_ready(
        lambda asked: [whole(asked.stream, SERVING if asked.number > 3 else NOT_SERVING)],
    )
    assert found is not None
    assert (found.questions, found.port_open <= found.answered) == (4, True)
    assert {asked.fields[b":path"] for asked in server.asked} == {b"/grpc.health.v1.Health/Check"}


@pytest.mark.parametrize("status", [b"12", b"5", b"16", b"7"])
def test_it_is_ready_when_it_does_not_tell(status: bytes) -> None:
    found, _ = asked_until_ready(lambda asked: [head(asked.stream) + trailers(asked.stream, (b"grpc-status", status))])
    assert found is not None
    assert found.questions == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda asked: [whole(asked.stream, NOT_SERVING)], "it says that it is not serving"),
        (lambda asked: [head(asked.stream) + trailers(asked.stream, (b"grpc-status", b"14"))], "UNAVAILABLE"),
        (lambda asked: [head(asked.stream, (b":status", b"502"), end=True)], "UNAVAILABLE HTTP status 502"),
    ],
)
def test_what_it_said_last_is_told_when_it_is_never_ready(
    answer: Callable[[Asked], Iterable[Action]], words: str
) -> None:
    with pytest.raises(InvalidRun, match=r"not ready within 0\.3 s .*Health/Check at 127\.0\.0\.1:\d+") as caught:
        asked_until_ready(answer, 0.3)
    assert words in caught.value.message


def test_nothing_that_listens_and_a_program_that_ended() -> None:
    async def main(what: Callable[[GrpcStack, SystemClock], Awaitable[None]]) -> None:
        clock = SystemClock()
        await what(GrpcStack(Recorder(start=perf_counter()), "grpc://127.0.0.1:1"), clock)
        clock.close()

    async def check(grpc: GrpcStack, clock: SystemClock) -> None:
        assert not await grpc_answers(grpc)
        assert await await_grpc(grpc, ReadySpec(), clock, since=clock.now(), ended=lambda: True) is None
        with pytest.raises(InvalidRun, match="refused") as caught:
            await await_grpc(grpc, ReadySpec(within=0.2), clock, since=clock.now(), ended=lambda: False)
        assert "check that it listens there" in (caught.value.hint or "")

    asyncio.run(main(check))
