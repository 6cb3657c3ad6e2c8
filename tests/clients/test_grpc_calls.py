"""The gRPC client against a grpcio server: the four kinds of calls, statuses, metadata, deadlines, large messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc import GrpcReply, GrpcStream, MessageError
from loadgate.clients.grpc.protos import compile_protos
from loadgate.clients.grpc.schema import Schema
from loadgate.errors import LoadgateError
from tests.support.grpc_server import GREETER, SERVICE, GrpcServer, serving
from tests.support.grpc_talk import GrpcTalk, grpc_talk

LOOPS = [uvloop.new_event_loop, asyncio.SelectorEventLoop]
HELLO, COUNT, COLLECT, CHAT = (f"{SERVICE}/{name}" for name in ("SayHello", "Count", "Collect", "Chat"))
MB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def schema() -> Schema:
    return compile_protos([Path(GREETER)])


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_unary_call(server: GrpcServer, schema: Schema, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        for _ in range(3):
            reply = await user.unary(HELLO, {"name": "you"})
            assert reply.ok, reply.details
            assert (reply.status, reply.code, reply.error) == ("OK", 0, None)
            assert reply.message["message"] == "Hello you"
            assert 0 < reply.timings.duration <= reply.timings.latency + 1e-6
        assert here.counts() == {"OK": 3}
        assert here.failed() == (0, 3)
        assert here.total("data_sent") > 3 * 50
        assert here.total("data_received") > 3 * 50

    grpc_talk(main, server.url, schema=schema, new_loop=new_loop)


def test_the_first_call_of_a_user_bears_the_opening(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        first, second = await user.unary(HELLO), await user.unary(HELLO)
        assert first.timings.connecting > 0
        assert first.timings.latency > first.timings.duration
        assert second.timings.connecting == second.timings.blocked == 0
        assert second.timings.latency == second.timings.duration

    grpc_talk(main, server.url, schema=schema)


def test_latency_counts_from_the_plan(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        await user.unary(HELLO)
        user.planned = perf_counter() - 1.0
        late = await user.unary(HELLO)
        assert late.timings.latency >= 1000 > late.timings.duration
        assert (await user.unary(HELLO)).timings.latency < 1000

    grpc_talk(main, server.url, schema=schema)


@pytest.mark.parametrize("code", range(1, 17))
def test_every_status_is_counted_under_its_name(server: GrpcServer, schema: Schema, code: int) -> None:
    async def main(here: GrpcTalk) -> GrpcReply:
        reply = await here.user().unary(HELLO, {"code": code, "details": "why: 100 % größer\n"})
        assert here.failed() == (1, 1)
        assert here.counts() == {reply.status: 1}
        return reply

    reply = grpc_talk(main, server.url, schema=schema)
    assert (reply.code, reply.ok, reply.error) == (code, False, None)
    assert reply.details == "why: 100 % größer\n"
    assert reply.trailers["trail"] == "er"
    assert reply.message == {}


def test_an_expected_status_is_no_failure(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        assert (await user.unary(HELLO, {"code": 5}, expect="NOT_FOUND")).ok
        assert (await user.unary(HELLO, {"code": 5}, expect=(0, 5))).ok
        assert not (await user.unary(HELLO, {}, expect="not_found")).ok
        assert here.failed() == (1, 3)
        with pytest.raises(ValueError, match="did you mean NOT_FOUND"):
            user.unary(HELLO, {}, expect="NOT_FUOND")

    grpc_talk(main, server.url, schema=schema)


def test_an_unknown_method_of_the_server_is_unimplemented(server: GrpcServer) -> None:
    async def main(here: GrpcTalk) -> None:
        reply = await here.user().unary("test.greeter.Greeter/Nope", b"")
        assert (reply.status, reply.error) == ("UNIMPLEMENTED", None)

    grpc_talk(main, server.url)


def test_metadata_both_ways(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        user.metadata["x-user"] = "u 1"
        reply = await user.unary(HELLO, {"name": "initial"}, metadata={"X-Call": "c", "raw-bin": b"\x00\x01\xff"})
        got = reply.message["metadata"]
        assert (got["x-user"], got["x-call"], got["x-run"], got["raw-bin"]) == ("u 1", "c", "r", "0001ff")
        assert got["user-agent"] == "loadgate"
        assert reply.metadata["initial"] == "yes"
        assert (reply.trailers["trail"], reply.trailers["trail-bin"]) == ("er", b"\x00\xff")
        for wrong in ({"x y": "a"}, {"x": "ä"}, {"grpc-x": "a"}, {"te": "a"}, {"x": b"a"}):
            with pytest.raises(ValueError, match=r"metadata|gRPC's own"):
                user.unary(HELLO, {}, metadata=wrong)

    grpc_talk(main, server.url, schema=schema, metadata={"x-run": "r", "x-call": "over"})


def test_the_server_is_told_the_deadline(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        assert 3.0 < (await user.unary(HELLO, {}, timeout=4.0)).message["seconds_left"] <= 4.0
        assert 80.0 < (await user.unary(HELLO, {}, timeout=100.0)).message["seconds_left"] <= 100.0

    grpc_talk(main, server.url, schema=schema)


@pytest.mark.parametrize("slow", [HELLO, COUNT])
def test_a_call_past_its_deadline_is_one_failure(server: GrpcServer, schema: Schema, slow: str) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        await user.unary(HELLO, {})
        message = {"delay_ms": 3000, "count": 1}
        if slow == HELLO:
            reply = await user.unary(slow, message, timeout=0.1)
        else:
            async with user.stream(slow, message, timeout=0.1) as stream:
                assert [one async for one in stream] == []
            assert stream.reply is not None
            reply = stream.reply
        assert (reply.status, reply.ok) == ("DEADLINE_EXCEEDED", False)
        assert 95 <= reply.timings.duration < 1500
        assert here.failed() == (1, 2)
        assert (await user.unary(HELLO, {})).ok

    grpc_talk(main, server.url, schema=schema)


def test_an_expected_deadline_is_no_failure_whoever_sees_it_first(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        reply = await here.user().unary(HELLO, {"delay_ms": 3000}, timeout=0.05, expect="DEADLINE_EXCEEDED")
        assert (reply.status, reply.ok, reply.error) == ("DEADLINE_EXCEEDED", True, None)
        assert here.failed() == (0, 1)
        assert here.errors() == {}

    grpc_talk(main, server.url, schema=schema)


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 65_530, 65_531, 5 * MB])
def test_messages_of_any_size_both_ways(server: GrpcServer, schema: Schema, size: int) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        for _ in range(2):
            message = {"data": b"x" * size, "reply_size": size}
            reply = await user.unary(HELLO, message)
            assert reply.ok, reply.details
            assert int(reply.message.get("received", 0)) == size
            assert len(reply.data) >= size
        assert here.total("data_sent") >= 2 * size
        assert here.total("data_received") >= 2 * size

    grpc_talk(main, server.url, schema=schema, timeout=15.0)


def test_compressed_replies_are_unpacked(schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        reply = await user.unary(HELLO, {"name": "zip", "reply_size": 100_000})
        assert reply.message["message"] == "Hello zip"
        assert len(reply.data) > 100_000
        assert here.total("data_received") < 50_000
        async with user.stream(COUNT, {"name": "zip", "reply_size": 100_000, "count": 2}) as stream:
            assert [one["message"] async for one in stream] == ["zip 0", "zip 1"]

    with serving("--gzip") as server:
        grpc_talk(main, server.url, schema=schema)


def ended(stream: GrpcStream) -> GrpcReply:
    assert stream.reply is not None
    return stream.reply


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_stream_from_the_server(
    server: GrpcServer, schema: Schema, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main(here: GrpcTalk) -> None:
        async with here.user().stream(COUNT, {"name": "n", "count": 500, "reply_size": 10_000}) as stream:
            found = [message["message"] async for message in stream]
        assert found == [f"n {number}" for number in range(500)]
        assert ended(stream).ok
        assert ended(stream).trailers["trail"] == "er"
        assert here.counts() == {"OK": 1}
        assert (here.total("grpc_streams"), here.total("grpc_streams_msgs_sent")) == (1, 1)
        assert here.total("grpc_streams_msgs_received") == 500

    grpc_talk(main, server.url, schema=schema, new_loop=new_loop)


@pytest.mark.slow
def test_a_reader_that_is_slow_holds_the_server_up_and_loses_nothing(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        async with user.stream(COUNT, {"count": 80, "reply_size": MB}, timeout=15.0) as stream:
            await asyncio.sleep(0.3)
            assert stream._held < 8 * MB
            assert (await user.unary(HELLO, {"name": "meanwhile"})).ok
            assert len([message async for message in stream]) == 80
        assert ended(stream).ok

    grpc_talk(main, server.url, schema=schema)


def test_a_stream_to_the_server(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        async with user.stream(COLLECT) as stream:
            for name in "abc":
                assert await stream.send({"name": name})
        assert ended(stream).ok, ended(stream).details
        assert here.total("grpc_streams_msgs_sent") == 3
        assert here.total("grpc_streams_msgs_received") == 1
        assert here.counts() == {"OK": 1}
        with pytest.raises(ValueError, match="client-streaming"):
            user.unary(COLLECT, {})

    grpc_talk(main, server.url, schema=schema)


async def _slowly(count: int) -> AsyncIterator[dict[str, Any]]:
    for number in range(count):
        await asyncio.sleep(0.001)
        yield {"name": str(number)}


@pytest.mark.parametrize("source", [lambda: [{"name": str(number)} for number in range(20)], lambda: _slowly(20)])
def test_messages_from_an_iterable_are_sent(server: GrpcServer, schema: Schema, source: Callable[[], Any]) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        async with user.stream(COLLECT, source()) as stream:
            message = await stream.receive()
        assert message["message"] == ",".join(map(str, range(20)))
        async with user.stream(CHAT, source()) as stream:
            assert [one["message"] async for one in stream] == [f"Hello {number}" for number in range(20)]
        assert here.counts() == {"OK": 2}
        assert here.total("grpc_streams_msgs_sent") == 40

    grpc_talk(main, server.url, schema=schema)


def test_large_messages_to_the_server_are_sent_as_it_takes_them(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        wire = schema.method(COLLECT).encode({"data": bytes(3 * MB)})
        async with here.user().stream(COLLECT, timeout=15.0) as stream:
            for _ in range(5):
                assert await stream.send(wire)
            await stream.end()
            message = await stream.receive()
        assert int(message["received"]) == 15 * MB
        assert here.total("data_sent") > 15 * MB

    grpc_talk(main, server.url, schema=schema)


def test_a_talk_to_and_fro(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        async with here.user().stream(CHAT) as stream:
            for name in "abc":
                await stream.send({"name": name})
                assert (await stream.receive())["message"] == f"Hello {name}"
            await stream.end()
            assert await stream.receive() is None
        assert ended(stream).ok
        assert here.counts() == {"OK": 1}

    grpc_talk(main, server.url, schema=schema)


def test_a_stream_that_the_server_ends_early_takes_no_more(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        async with user.stream(CHAT) as stream:
            await stream.send({"name": "a", "code": 7, "details": "no more"})
            assert await stream.receive() is None
            assert not await stream.send({"name": "b"})
            await stream.end()
        assert (ended(stream).status, ended(stream).details) == ("PERMISSION_DENIED", "no more")
        assert here.failed() == (1, 1)
        assert (await user.unary(HELLO, {})).ok

    grpc_talk(main, server.url, schema=schema)


def test_leaving_a_loop_early_cancels_and_is_no_failure(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        async with user.stream(COUNT, {"name": "n", "count": 1_000_000}) as stream:
            async for message in stream:
                if message["message"] == "n 3":
                    break
        assert ended(stream).status == "CANCELLED"
        assert here.counts() == {"CANCELLED": 1}
        assert here.failed() == (0, 1)
        with pytest.raises(RuntimeError, match="mine"):
            async with user.stream(COUNT, {"count": 1_000_000}):
                raise RuntimeError("mine")
        assert here.counts() == {"CANCELLED": 2}
        assert (await user.unary(HELLO, {})).ok

    grpc_talk(main, server.url, schema=schema)


def test_an_error_in_what_is_to_be_sent_is_raised_in_the_scenario(server: GrpcServer, schema: Schema) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield {"name": "a"}
        raise RuntimeError("mine")

    async def main(here: GrpcTalk) -> None:
        with pytest.raises(RuntimeError, match="mine"):
            async with here.user().stream(CHAT, broken()) as stream:
                async for _ in stream:
                    continue
        with pytest.raises(MessageError, match="did you mean `name`"):
            async with here.user().stream(CHAT) as stream:
                await stream.send({"nmae": "a"})

    grpc_talk(main, server.url, schema=schema)


def test_a_user_who_is_closed_leaves_no_sample(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        await user.unary(HELLO, {})

        async def work() -> None:
            async with user.stream(COUNT, {"count": 5, "delay_ms": 3000}) as stream:
                async for _ in stream:
                    continue

        tasks = [asyncio.create_task(work()), asyncio.ensure_future(user.unary(HELLO, {"delay_ms": 3000}))]
        await asyncio.sleep(0.05)
        user.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found), found
        assert here.counts() == {"OK": 1}

    grpc_talk(main, server.url, schema=schema)


def test_calls_that_are_still_unanswered_at_the_end_are_counted(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        waiter = user.unary(HELLO, {"delay_ms": 3000})
        await asyncio.sleep(0.1)
        user.cut_off(10.0)
        assert here.counts() == {}
        user.cut_off(0.05)
        assert (await waiter).error is ErrorKind.UNANSWERED
        assert here.counts() == {"CANCELLED unanswered": 1}

    grpc_talk(main, server.url, schema=schema)


@pytest.mark.parametrize("limit", [0, 10])
@pytest.mark.slow
def test_a_thousand_calls_at_once_on_one_connection(schema: Schema, limit: int) -> None:
    async def main(here: GrpcTalk) -> None:
        users = [here.user() for _ in range(50)]
        calls = [user.unary(HELLO, {"name": str(n)}) for n in range(20) for user in users]
        replies = await asyncio.gather(*calls)
        assert sorted(int(reply.message["message"].split()[1]) for reply in replies) == sorted(list(range(20)) * 50)
        assert here.counts() == {"OK": 1000}
        assert len(users[0]._channel._connections) == 1

    with serving(*(["--streams", str(limit)] if limit else [])) as server:
        grpc_talk(main, server.url, schema=schema, shared=True, timeout=15.0)


def test_users_who_share_a_connection_end_alone(server: GrpcServer, schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        one, other = here.user(), here.user()
        gone, kept = one.unary(HELLO, {"delay_ms": 100}), other.unary(HELLO, {"delay_ms": 100})
        await asyncio.sleep(0.03)
        one.close()
        assert (await kept).ok
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert here.counts() == {"OK": 1}

    grpc_talk(main, server.url, schema=schema, shared=True)


def test_wrong_names_are_found_before_anything_is_sent(schema: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        for name, near in (("test.greeter.Greeter/SayHelo", "SayHello"), ("test.greeter.Greter/SayHello", SERVICE)):
            with pytest.raises(LoadgateError, match=f"did you mean `{near}`"):
                here.user().unary(name, {})
        with pytest.raises(MessageError, match="did you mean `name`"):
            here.user().unary(HELLO, {"nmae": "x"})

    grpc_talk(main, schema=schema)
