"""A user's gRPC client beside its HTTP client, against a grpcio server: tags, the planned start, and what has no end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter

import pytest

from loadgate.clients.grpc.method import Message, Method
from loadgate.clients.http import HttpStack
from loadgate.clock import SystemClock
from loadgate.config.grpc import GrpcSpec
from loadgate.config.steps.grpc_flags import call_from_flags
from loadgate.errors import LoadgateError
from loadgate.load.users import UserPool
from loadgate.measure.recorder import Recorder
from loadgate.script.performance import Performance
from loadgate.script.scenario import Scenario, Script
from loadgate.script.source import step_script
from loadgate.script.user import User
from tests.support.grpc_server import SERVICE, GrpcServer, serving

HELLO = f"{SERVICE}/SayHello"


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with serving("--reflection") as found:
        yield found


async def nothing(user: User) -> None:
    await user.sleep(0)


NOTHING = Script("test", (Scenario("main", nothing),))


def talk(
    main: Callable[[UserPool, User, Recorder], Awaitable[None]], spec: GrpcSpec | None, script: Script = NOTHING
) -> None:
    """Run `main` with a user of a pool, which is closed afterwards. Users play `script`."""

    async def whole() -> None:
        recorder = Recorder(start=perf_counter())
        clock = SystemClock()
        http = HttpStack(recorder, grpc=spec)
        performance = Performance(script, recorder=recorder, http=http, clock=clock, env={}, seed=1)
        await performance.setup()
        pool = UserPool(performance.role(), iter((1, 2)), lambda: 0.0)
        try:
            await asyncio.wait_for(main(pool, pool.acquire_new().user, recorder), 20)
        finally:
            pool.close()
            await performance.teardown()
            clock.close()

    asyncio.run(whole())


@pytest.mark.parametrize("shared", [False, True])
def test_a_call_that_comes_first_takes_the_planned_start(server: GrpcServer, shared: bool) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        await user.grpc.unary(HELLO)
        user.http.planned = perf_counter() - 1.0
        late = await user.grpc.unary(HELLO)
        assert late.timings.latency >= 1000 > late.timings.duration
        assert user.http.planned == 0.0
        user.http.planned = perf_counter() - 1.0
        async with user.grpc.stream(f"{SERVICE}/Chat") as stream:
            await stream.end()
        assert stream.reply is not None
        assert stream.reply.timings.latency >= 1000
        assert user.http.planned == 0.0

    talk(main, GrpcSpec(server.url, shared=shared))


def test_calls_have_the_tags_of_their_user(server: GrpcServer) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        user.tags["team"] = "red"
        client = user.grpc
        with user.group("inner"):
            await client.unary(HELLO)
        await client.unary(HELLO, name="outer")
        found = {
            (key.tags["name"], key.tags.get("group"), key.tags["team"], key.tags["scenario"])
            for key in recorder.described()
            if key.metric.name == "grpc_reqs"
        }
        assert found == {(HELLO, "::inner", "red", "main"), ("outer", None, "red", "main")}

    talk(main, GrpcSpec(server.url))


@pytest.mark.parametrize("shared", [False, True])
def test_a_call_without_an_end_is_counted_when_its_user_is_given_up(server: GrpcServer, shared: bool) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        await user.grpc.unary(HELLO)
        endless = asyncio.ensure_future(user.grpc.unary(HELLO, {"delay_ms": 60_000}, name="endless"))
        await asyncio.sleep(0)
        pool.close()
        await asyncio.wait([endless])
        assert [(error.kind, error.step) for error in recorder.errors] == [("unanswered", "endless")]

    talk(main, GrpcSpec(server.url, shared=shared))


def test_a_large_message_that_never_varies_is_encoded_once(server: GrpcServer, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Message] = []
    encode = Method.encode

    def counted(method: Method, message: Message) -> bytes:
        encoded.append(message)
        return encode(method, message)

    monkeypatch.setattr(Method, "encode", counted)
    url, step = call_from_flags(f"{server.url}/{HELLO}", json.dumps({"name": "x" * 10_000}))
    script = step_script(step)

    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        encoded.clear()  # it was held against its type
        for _ in range(3):
            await script.scenarios[0].iterate(user)
        assert len(encoded) == 1
        assert not recorder.errors

    talk(main, GrpcSpec(url), script)


def test_without_a_server_a_call_is_refused() -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        with pytest.raises(LoadgateError, match="there is no gRPC target"):
            user.grpc.unary(HELLO)

    talk(main, None)
