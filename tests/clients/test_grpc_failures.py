"""What can go wrong with a call: always one reply and one sample under the right name, no hang, no crash.

The server is made of bytes, so that it can do what no gRPC server does.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable
from time import perf_counter

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc import GrpcReply, MessageError
from loadgate.clients.grpc.message import prefixed
from loadgate.http2 import ErrorCode, Kind, Setting, encode_headers, frames
from tests.support.grpc_talk import GrpcTalk, assert_error, grpc_talk
from tests.support.h2_server import HEADERS, OK, Action, Asked, H2Server, head, message, trailers, whole
from tests.support.raw_server import CLOSE, RESET, SILENCE

METHOD = "a.B/C"
LOOPS = [uvloop.new_event_loop, asyncio.SelectorEventLoop]
CUT, PROTOCOL, TIMEOUT, RESET_KIND = ErrorKind.CUT, ErrorKind.PROTOCOL, ErrorKind.TIMEOUT, ErrorKind.RESET
Answer = Callable[[int], Iterable[Action]]


def answered(answer: Answer, check: Callable[[GrpcTalk, GrpcReply], None], *, timeout: float = 5.0) -> None:
    """One call answered so; the user's next call is served, on the same connection or on another."""

    def each(asked: Asked) -> Iterable[Action]:
        return answer(asked.stream) if not asked.number else [whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(each) as server:
            here.stack.origin = here.stack.origin.__class__("http", "127.0.0.1", int(server.url.rpartition(":")[2]))
            user = here.user()
            reply = await user.unary(METHOD, b"abc", timeout=timeout)
            check(here, reply)
            again = await user.unary(METHOD, b"abc")
            assert again.ok, f"{again!r} {again.details}"
            assert again.data == b"hi"

    grpc_talk(main)


def pointed(here: GrpcTalk, server: H2Server) -> None:
    here.stack.origin = here.stack.origin.__class__("http", "127.0.0.1", int(server.url.rpartition(":")[2]))


def padded(stream: int, data: bytes) -> bytes:
    return frames.frame(Kind.DATA, 0x8, stream, b"\x07" + prefixed(data) + bytes(7))


def in_continuations(stream: int, *fields: tuple[bytes, bytes], end: bool = False) -> bytes:
    return frames.headers(stream, encode_headers(fields), end=end, largest=5)


PING = frames.ping(b"12345678", ack=False)
ODD: dict[str, Answer] = {
    "plain": lambda s: [whole(s)],
    "in three": lambda s: [head(s), message(s), trailers(s)],
    "padded": lambda s: [head(s) + padded(s, b"hi") + trailers(s)],
    "continuations": lambda s: [in_continuations(s, *HEADERS) + message(s) + in_continuations(s, OK, end=True)],
    "prioritised": lambda s: [
        frames.frame(Kind.HEADERS, 0x2C, s, b"\x02" + b"12345" + encode_headers(HEADERS) + b"\0\0"),
        message(s) + trailers(s),
    ],
    "pings between": lambda s: [head(s) + PING, message(s) + PING, PING + trailers(s)],
    "interim": lambda s: [head(s, (b":status", b"103")), whole(s)],
    "unknown frames": lambda s: [frames.frame(0xEE, 0xFF, s, b"?") + whole(s)],
    "settings between": lambda s: [head(s) + frames.settings({4: 100_000, 5: 20_000}) + message(s) + trailers(s)],
    "message in bytes": lambda s: [
        head(s),
        *(frames.data(s, bytes((octet,)), end=False) for octet in prefixed(b"hi")),
        trailers(s),
    ],
    "empty data": lambda s: [head(s) + frames.data(s, b"", end=False) + message(s) + trailers(s)],
    "gzip": lambda s: [
        head(s, *HEADERS, (b"grpc-encoding", b"gzip"))
        + frames.data(s, b"\x01" + prefixed(gzip.compress(b"hi"))[1:], end=False)
        + trailers(s)
    ],
    "reset after the end": lambda s: [whole(s) + frames.reset(s, 0)],
}


@pytest.mark.parametrize("byte_by_byte", [False, True])
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("new_loop", LOOPS)
def test_odd_replies_are_replies(
    name: str, byte_by_byte: bool, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: ODD[name](asked.stream), byte_by_byte=byte_by_byte) as server:
            pointed(here, server)
            user = here.user()
            for _ in range(3):
                reply = await user.unary(METHOD, b"abc")
                assert reply.ok, f"{reply!r} {reply.details}"
                assert reply.data == b"hi"
            assert here.counts() == {"OK": 3}
            assert server.connections == 1
            assert server.asked[0].body == prefixed(b"abc")
            answers = [frame.payload for frame in server.frames if frame.kind == Kind.PING]
            assert answers[:2] == ([b"12345678"] * 2 if name == "pings between" else [])

    grpc_talk(main, new_loop=new_loop)


def test_a_stream_cut_at_every_byte_is_the_same_stream() -> None:
    def answer(asked: Asked) -> list[Action]:
        s = asked.stream
        return [in_continuations(s, *HEADERS) + padded(s, b"one") + message(s, b"two") + PING + trailers(s)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer, byte_by_byte=True) as server:
            pointed(here, server)
            async with here.user().stream(METHOD, b"x") as stream:
                assert [one async for one in stream] == [b"one", b"two"]
            assert here.counts() == {"OK": 1}
            assert here.total("grpc_streams_msgs_received") == 2

    grpc_talk(main)


NOT_FOUND = ((b"grpc-status", b"5"), (b"grpc-message", b"no%20%C3%BC"))


@pytest.mark.parametrize(
    ("answer", "status", "details"),
    [
        (
            lambda s: [head(s, *HEADERS, (b"grpc-status", b"5"), (b"grpc-message", b"no%20%C3%BC"), end=True)],
            "NOT_FOUND",
            "no ü",
        ),
        (lambda s: [head(s), trailers(s, (b"grpc-status", b"8"))], "RESOURCE_EXHAUSTED", ""),
        (lambda s: [head(s) + message(s) + trailers(s, (b"grpc-status", b"13"))], "INTERNAL", ""),
        (lambda s: [head(s) + trailers(s, (b"grpc-status", b"77"))], "UNKNOWN", ""),
        (lambda s: [head(s) + trailers(s, (b"grpc-status", b"x"))], "UNKNOWN", ""),
        (lambda s: [head(s, (b":status", b"404"), end=True)], "UNIMPLEMENTED", "HTTP status 404"),
        (
            lambda s: [head(s, (b":status", b"503")) + frames.data(s, b"<p>", end=True)],
            "UNAVAILABLE",
            "HTTP status 503",
        ),
        (lambda s: [head(s, (b":status", b"401")) + trailers(s, (b"x", b"y"))], "UNAUTHENTICATED", "HTTP status 401"),
        (lambda s: [head(s, (b":status", b"418"), end=True)], "UNKNOWN", "HTTP status 418"),
    ],
)
def test_ends_that_are_statuses(answer: Answer, status: str, details: str) -> None:
    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert (reply.status, reply.details, reply.error, reply.ok) == (status, details, None, False)
        assert here.counts() == {status: 1}
        assert here.failed() == (1, 1)

    answered(answer, check)


@pytest.mark.parametrize(
    ("answer", "kind", "status", "words"),
    [
        (lambda s: [RESET], RESET_KIND, "UNAVAILABLE", "reset by peer"),
        (lambda s: [CLOSE], RESET_KIND, "UNAVAILABLE", "connection closed"),
        (lambda s: [head(s), 0.01, CLOSE], CUT, "UNAVAILABLE", "connection closed"),
        (lambda s: [head(s) + message(s)[:12], 0.01, RESET], CUT, "UNAVAILABLE", "reset by peer"),
        (lambda s: [head(s) + message(s), 0.01, CLOSE], CUT, "UNAVAILABLE", "connection closed"),
        (lambda s: [frames.reset(s, 2)], RESET_KIND, "INTERNAL", "INTERNAL_ERROR"),
        (lambda s: [frames.reset(s, 8)], RESET_KIND, "CANCELLED", "CANCEL"),
        (lambda s: [frames.reset(s, 11)], RESET_KIND, "RESOURCE_EXHAUSTED", "ENHANCE_YOUR_CALM"),
        (lambda s: [frames.reset(s, 12)], RESET_KIND, "PERMISSION_DENIED", "INADEQUATE_SECURITY"),
        (lambda s: [frames.reset(s, 99)], RESET_KIND, "INTERNAL", "error code 99"),
        (lambda s: [head(s) + frames.reset(s, 2)], CUT, "INTERNAL", "INTERNAL_ERROR"),
        (lambda s: [frames.goaway(2**31 - 1, 0), CLOSE], RESET_KIND, "UNAVAILABLE", "connection closed"),
        (lambda s: [head(s) + trailers(s)], PROTOCOL, "INTERNAL", "without a message"),
        (lambda s: [head(s) + message(s) + message(s) + trailers(s)], PROTOCOL, "INTERNAL", "more than one message"),
        (
            lambda s: [head(s) + frames.data(s, b"\0\0\0\0\x09a", end=False) + trailers(s)],
            PROTOCOL,
            "INTERNAL",
            "1 of the 9",
        ),
        (
            lambda s: [head(s) + frames.data(s, b"\1\0\0\0\0", end=False) + trailers(s)],
            PROTOCOL,
            "INTERNAL",
            "compressed",
        ),
        (lambda s: [head(s) + frames.data(s, b"\7\0\0\0\0", end=False) + trailers(s)], PROTOCOL, "INTERNAL", "flag 7"),
        (lambda s: [head(s) + message(s) + trailers(s, (b"x", b"y"))], PROTOCOL, "UNKNOWN", "without a gRPC status"),
        (lambda s: [head(s) + frames.data(s, b"", end=True)], PROTOCOL, "UNKNOWN", "without a gRPC status"),
        (lambda s: [head(s, (b":status", b"200"), end=True)], PROTOCOL, "UNKNOWN", "not gRPC's"),
        (lambda s: [message(s)], PROTOCOL, "INTERNAL", "before the header block"),
        (lambda s: [head(s, OK)], PROTOCOL, "INTERNAL", "without :status"),
        (lambda s: [head(s) + head(s)], PROTOCOL, "INTERNAL", "second header block"),
        (lambda s: [head(s, (b":status", b"2x0"))], PROTOCOL, "INTERNAL", "status is '2x0'"),
        (lambda s: [frames.headers(s, b"\xbe", end=False)], PROTOCOL, "INTERNAL", "entry 62"),
        (lambda s: [head(s + 2)], PROTOCOL, "INTERNAL", "never opened"),
        (lambda s: [head(2)], PROTOCOL, "INTERNAL", "never opened"),
        (lambda s: [frames.frame(Kind.PUSH_PROMISE, 4, s, b"\0\0\0\x02")], PROTOCOL, "INTERNAL", "PUSH_PROMISE"),
        (lambda s: [frames.window_update(s, 2**31 - 1)], PROTOCOL, "INTERNAL", "largest window"),
        (lambda s: [frames.window_update(0, 2**31 - 1)], PROTOCOL, "INTERNAL", "largest window"),
        (lambda s: [frames.window_update(s, 0)], PROTOCOL, "INTERNAL", "WINDOW_UPDATE of 0"),
        (lambda s: [b"\xff" * 20], PROTOCOL, "INTERNAL", "a frame of"),
        (lambda s: [frames.settings({5: 1})], PROTOCOL, "INTERNAL", "largest frame"),
    ],
)
def test_failures_are_counted_as_what_they_are(answer: Answer, kind: ErrorKind, status: str, words: str) -> None:
    answered(answer, lambda here, reply: assert_error(here, reply, kind, status, words))


def test_a_gzip_that_is_none_is_counted_when_it_is_read() -> None:
    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert reply.ok
        with pytest.raises(MessageError, match="not gzip"):
            _ = reply.data
        assert here.errors()["protocol"][0] == 1

    coded = (b"grpc-encoding", b"gzip")
    answered(lambda s: [head(s, *HEADERS, coded) + frames.data(s, b"\1\0\0\0\2hi", end=False) + trailers(s)], check)


@pytest.mark.parametrize(
    ("answer", "got"), [(lambda s: [SILENCE], "no byte"), (lambda s: [head(s) + message(s), SILENCE], "after")]
)
def test_a_reply_that_does_not_end_in_time_is_a_timeout_and_its_stream_is_reset(answer: Answer, got: str) -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: answer(asked.stream)) as server:
            pointed(here, server)
            user = here.user()
            begun = perf_counter()
            reply = await user.unary(METHOD, b"x", timeout=0.1)
            assert 0.099 <= perf_counter() - begun < 1.0
            assert_error(here, reply, TIMEOUT, "DEADLINE_EXCEEDED", "0.1 s", got)
            await asyncio.sleep(0.02)
            resets = [frame for frame in server.frames if frame.kind == Kind.RST_STREAM]
            assert [(one.stream, frames.number(one.payload)) for one in resets] == [(1, ErrorCode.CANCEL)]
            assert server.asked[0].fields[b"grpc-timeout"] == b"100000u"

    grpc_talk(main)


def test_the_other_calls_of_a_connection_outlive_one_that_is_late() -> None:
    def answer(asked: Asked) -> list[Action]:
        answers: list[list[Action]] = [[whole(asked.stream)], [SILENCE], [0.3, whole(asked.stream)]]
        return answers[asked.number]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            assert (await user.unary(METHOD, b"", timeout=3)).ok  # so that connecting is in none of the times
            late, other = await asyncio.gather(user.unary(METHOD, b"", timeout=0.1), user.unary(METHOD, b"", timeout=3))
            assert (late.error, other.ok) == (TIMEOUT, True)
            assert server.connections == 1

    grpc_talk(main)


@pytest.mark.parametrize(
    ("greeting", "kind", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", PROTOCOL, "does not speak HTTP/2"),
        (frames.ping(b"12345678", ack=False), PROTOCOL, "PING before SETTINGS"),
        (b"", ErrorKind.CONNECT, "no HTTP/2 settings within 0.2 s"),
    ],
)
def test_a_server_that_does_not_speak_http2_is_named(greeting: bytes, kind: ErrorKind, words: str) -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=greeting) as server:
            pointed(here, server)
            status = "INTERNAL" if kind is PROTOCOL else "UNAVAILABLE"
            assert_error(here, await here.user().unary(METHOD, b""), kind, status, words)

    grpc_talk(main, connect_timeout=0.2)


def test_nobody_there() -> None:
    async def main(here: GrpcTalk) -> None:
        reply = await here.user().unary(METHOD, b"")
        assert_error(here, reply, ErrorKind.CONNECT, "UNAVAILABLE", "refused")
        async with here.user().stream(METHOD, [b"a", b"b"]) as stream:
            assert [one async for one in stream] == []
        assert stream.reply is not None
        assert stream.reply.error is ErrorKind.CONNECT

    grpc_talk(main, "grpc://127.0.0.1:1")


def test_a_goaway_in_mid_load_loses_nothing() -> None:
    """Every tenth call is the last that its connection looks at; what came after it goes over the next one."""

    def answer(asked: Asked) -> list[Action]:
        last = 2 * 9 + 1
        if asked.stream > last:
            return []
        return [frames.goaway(last, 0) + whole(asked.stream)] if asked.stream == last else [0.002, whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()

            async def work() -> None:
                for _ in range(20):
                    reply = await user.unary(METHOD, b"x")
                    assert reply.ok, f"{reply!r} {reply.details}"

            await asyncio.gather(*(work() for _ in range(5)))
            assert here.counts() == {"OK": 100}
            assert server.connections >= 10
            assert here.stack.resent == sum(asked.stream > 19 for asked in server.asked)

    grpc_talk(main)


def test_a_call_is_sent_again_once_only() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda _: [frames.goaway(0, 0, b"no")]) as server:
            pointed(here, server)
            assert_error(here, await here.user().unary(METHOD, b""), RESET_KIND, "UNAVAILABLE", "GOAWAY", "no")
            assert server.connections == 2

    grpc_talk(main)


def test_a_server_that_takes_no_call_is_given_up() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({}) + frames.goaway(0, 11)) as server:
            pointed(here, server)
            assert_error(
                here, await here.user().unary(METHOD, b""), RESET_KIND, "UNAVAILABLE", "gives up each connection"
            )
            assert server.connections == 3

    grpc_talk(main)


def test_a_refused_stream_is_sent_again() -> None:
    def answer(asked: Asked) -> list[Action]:
        return [frames.reset(asked.stream, 7)] if asked.number < 3 else [whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            assert (await here.user().unary(METHOD, b"")).ok
            assert (server.connections, len(server.asked), here.stack.resent) == (1, 4, 3)
            server.answer = lambda asked: [frames.reset(asked.stream, 7)]
            reply = await here.user().unary(METHOD, b"")
            assert (reply.error, reply.status) == (RESET_KIND, "UNAVAILABLE")
            assert here.counts() == {"OK": 1, "UNAVAILABLE reset": 1}

    grpc_talk(main)


def test_no_more_streams_than_the_server_allows() -> None:
    open_now: set[int] = set()
    most = 0

    def answer(asked: Asked) -> list[Action]:
        nonlocal most
        open_now.add(asked.stream)
        most = max(most, len(open_now))
        open_now.discard(asked.stream - 2 * 3)
        return [0.005, whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer, greeting=frames.settings({Setting.MAX_CONCURRENT_STREAMS: 3})) as server:
            pointed(here, server)
            user = here.user()
            replies = await asyncio.gather(*(user.unary(METHOD, b"") for _ in range(30)))
            assert all(reply.ok for reply in replies)
            assert here.counts() == {"OK": 30}
            assert server.connections == 1
            assert max(reply.timings.blocked for reply in replies) > 20

    grpc_talk(main)
    assert most <= 4


def test_a_call_that_never_gets_a_stream_is_a_timeout() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.MAX_CONCURRENT_STREAMS: 0})) as server:
            pointed(here, server)
            reply = await here.user().unary(METHOD, b"", timeout=0.1)
            assert_error(here, reply, TIMEOUT, "DEADLINE_EXCEEDED", "allowed no more streams")

    grpc_talk(main)


def test_what_is_sent_keeps_to_the_windows_of_the_server() -> None:
    """A window of 10 bytes for streams, opened 7 bytes at a time; the reply comes when the message is whole."""
    size = 200
    granted = 10

    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.INITIAL_WINDOW_SIZE: granted})) as server:
            pointed(here, server)
            waiter = asyncio.ensure_future(here.user().unary(METHOD, b"x" * size))
            allowed, deadline = granted, perf_counter() + 5
            while not waiter.done():
                assert perf_counter() < deadline
                await asyncio.sleep(0.001)
                for peer in server.peers:
                    for stream, body in peer.bodies.items():
                        assert len(body) <= allowed
                        if len(body) == allowed:
                            allowed += 7
                            peer.transport.write(frames.window_update(stream, 7))
            assert (await waiter).ok
            assert server.asked[0].body == prefixed(b"x" * size)

    grpc_talk(main)


def test_a_window_that_shrinks_below_nothing_opens_again() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.INITIAL_WINDOW_SIZE: 100})) as server:
            pointed(here, server)
            waiter = asyncio.ensure_future(here.user().unary(METHOD, b"x" * 300))
            while not (server.peers and server.peers[0].bodies and len(server.peers[0].bodies[1]) == 100):
                await asyncio.sleep(0.001)
            peer = server.peers[0]
            peer.transport.write(frames.settings({Setting.INITIAL_WINDOW_SIZE: 50}) + frames.window_update(1, 50))
            await asyncio.sleep(0.02)
            assert len(peer.bodies[1]) == 100
            peer.transport.write(frames.settings({Setting.INITIAL_WINDOW_SIZE: 1000}))
            assert (await waiter).ok

    grpc_talk(main)


@pytest.mark.parametrize(
    ("flood", "kind", "words"),
    [
        ([head(1), frames.data(1, b"\0" + (2**30).to_bytes(4, "big"), end=False)], ErrorKind.OVERSIZE, "1,073,741,824"),
        ([head(1), *([message(1, bytes(16_000))] * 300)], PROTOCOL, "more DATA than the window"),
    ],
    ids=["message", "window"],
)
def test_a_server_that_sends_too_much_is_refused(flood: list[Action], kind: ErrorKind, words: str) -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: flood if not asked.number else [whole(asked.stream)]) as server:
            pointed(here, server)
            user = here.user()
            async with user.stream(METHOD, b"") as stream:
                while stream.reply is None:
                    await asyncio.sleep(0.001)
            assert_error(here, stream.reply, kind, "RESOURCE_EXHAUSTED" if kind is not PROTOCOL else "INTERNAL", words)
            assert (await user.unary(METHOD, b"")).ok

    grpc_talk(main)


def test_a_talk_that_breaks_off_ends_for_whoever_sends_and_reads() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server() as server:
            pointed(here, server)
            async with here.user().stream(METHOD) as stream:
                assert await stream.send(b"a")
                server.peers[0].transport.abort()
                assert await stream.receive() is None
                assert not await stream.send(b"b")
            assert stream.reply is not None
            assert stream.reply.error is RESET_KIND
            assert here.counts() == {"UNAVAILABLE reset": 1}
            assert here.total("grpc_streams_msgs_sent") == 1

    grpc_talk(main)


def test_what_is_sent_keeps_to_the_window_of_the_connection() -> None:
    """Two calls of 50,000 bytes where all streams together may have 65,535, until the server takes more."""
    size = 50_000

    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**20})) as server:
            pointed(here, server)
            user = here.user()
            waiters = [asyncio.ensure_future(user.unary(METHOD, b"x" * size)) for _ in range(2)]
            while not server.peers or sum(map(len, server.peers[0].bodies.values())) + 5 + size < 65_535:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.03)
            (rest,) = server.peers[0].bodies.values()
            assert len(rest) == 65_535 - 5 - size
            server.peers[0].transport.write(frames.window_update(0, 100_000))
            assert all(reply.ok for reply in await asyncio.gather(*waiters))

    grpc_talk(main)


def test_waiting_ends_with_the_first_header_block() -> None:
    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert reply.timings.receiving >= 45 > reply.timings.waiting
        assert reply.timings.duration >= 45

    answered(lambda s: [head(s), 0.05, message(s) + trailers(s)], check)
    answered(lambda s: [0.05, whole(s)], lambda _, reply: _waited(reply))


def _waited(reply: GrpcReply) -> None:
    assert reply.timings.waiting >= 45 > reply.timings.receiving
