"""What a server may say at the worst time: resets, GOAWAY, settings and windows while calls are under way, and floods."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from time import perf_counter

import pytest

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc import GrpcClient, GrpcReply
from loadgate.http2 import ErrorCode, Frame, FrameReader, Kind, Setting, frames
from tests.clients.test_grpc_failures import METHOD, answered, pointed
from tests.support.grpc_talk import GrpcTalk, assert_error, grpc_talk
from tests.support.h2_server import HEADERS, OK, Action, Asked, H2Server, head, message, trailers, whole

RESET_STATUS = {
    ErrorCode.CANCEL: "CANCELLED",
    ErrorCode.ENHANCE_YOUR_CALM: "RESOURCE_EXHAUSTED",
    ErrorCode.INADEQUATE_SECURITY: "PERMISSION_DENIED",
}
"""gRPC's `PROTOCOL-HTTP2.md`, "Errors"; all others are INTERNAL. REFUSED_STREAM is sent again."""


async def until(fact: Callable[[], bool]) -> None:
    deadline = perf_counter() + 5
    while not fact():
        assert perf_counter() < deadline, "it did not come to that"
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("code", [code for code in ErrorCode if code is not ErrorCode.REFUSED_STREAM])
def test_each_code_of_a_reset_is_one_failure_and_its_connection_goes_on(code: ErrorCode) -> None:
    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert_error(here, reply, ErrorKind.RESET, RESET_STATUS.get(code, "INTERNAL"), code.name)

    answered(lambda stream: [frames.reset(stream, code)], check)


def test_a_proxy_that_answers_in_html_is_told_by_its_status() -> None:
    page = (b":status", b"502"), (b"content-type", b"text/html"), (b"content-length", b"20")

    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert (reply.status, reply.details, reply.error) == ("UNAVAILABLE", "HTTP status 502", None)
        assert here.failed() == (1, 1)

    answered(lambda stream: [head(stream, *page) + frames.data(stream, b"<h1>Bad Gateway</h1>", end=True)], check)


def test_a_goaway_ends_a_talk_that_the_server_did_not_look_at() -> None:
    """Its messages are gone: it cannot be sent again. The unary call beside it can."""

    async def main(here: GrpcTalk) -> None:
        async with H2Server() as server:
            pointed(here, server)
            user = here.user()
            assert (await user.unary(METHOD, b"")).ok
            async with user.stream(METHOD) as talk:
                assert await talk.send(b"a")
                server.answer = lambda asked: []
                late = asyncio.ensure_future(user.unary(METHOD, b"late"))
                await until(lambda: len(server.asked) == 2)
                server.answer = lambda asked: [whole(asked.stream)]
                server.peers[0].transport.write(frames.goaway(1, 0, b"restart"))
                assert await talk.receive() is None
            assert talk.reply is not None
            assert (talk.reply.error, talk.reply.status) == (ErrorKind.RESET, "UNAVAILABLE")
            assert "GOAWAY, NO_ERROR: restart" in talk.reply.details
            assert (await late).ok
            assert (server.connections, here.stack.resent) == (2, 1)
            assert here.counts() == {"OK": 2, "UNAVAILABLE reset": 1}

    grpc_talk(main)


def test_a_goaway_lets_what_the_server_looked_at_be_finished() -> None:
    """Even twice, as servers close gracefully: first all streams are allowed, then those that came."""

    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: []) as server:
            pointed(here, server)
            user = here.user()
            calls = [asyncio.ensure_future(user.unary(METHOD, b"")) for _ in range(3)]
            await until(lambda: len(server.asked) == 3)
            server.answer = lambda asked: [whole(asked.stream)]
            first = server.peers[0].transport
            first.write(frames.goaway(2**31 - 1, 0) + whole(1) + frames.goaway(3, 0) + whole(3))
            replies = await asyncio.gather(*calls)
            assert all(reply.ok for reply in replies)
            assert [(asked.connection, asked.stream) for asked in server.asked] == [(0, 1), (0, 3), (0, 5), (1, 1)]
            assert here.stack.resent == 1
            await until(first.is_closing)  # nothing is left on it, so we closed it

    grpc_talk(main)


def test_calls_that_are_sent_again_come_before_those_that_wait() -> None:
    """The second connection, too, looks at two calls only: at the end of the line the same would be lost twice."""

    def answer(asked: Asked) -> list[Action]:
        if asked.stream > 3:
            return [0.01, frames.goaway(3, 0)] if asked.stream == 5 else []
        return [whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer, greeting=frames.settings({Setting.MAX_CONCURRENT_STREAMS: 2})) as server:
            pointed(here, server)
            user = here.user()
            replies = await asyncio.gather(*(user.unary(METHOD, b"") for _ in range(20)))
            assert [reply.details for reply in replies if not reply.ok] == []
            assert here.counts() == {"OK": 20}
            assert here.stack.resent == len(server.asked) - 20 > 10

    grpc_talk(main)


def test_a_server_that_allows_no_stream_yet_is_waited_for() -> None:
    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.MAX_CONCURRENT_STREAMS: 0})) as server:
            pointed(here, server)
            user = here.user()
            calls = [asyncio.ensure_future(user.unary(METHOD, b"")) for _ in range(3)]
            await until(lambda: user._channel.current is not None)
            await asyncio.sleep(0)
            assert server.asked == []
            server.peers[0].transport.write(frames.settings({Setting.MAX_CONCURRENT_STREAMS: 1}))
            assert all([(await call).ok for call in calls])
            assert server.connections == 1

    grpc_talk(main)


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_server_that_allows_fewer_streams_than_are_open_ends_none(allowed: int) -> None:
    async def main(here: GrpcTalk) -> None:
        open_now, most = 0, 0

        def answer(asked: Asked) -> list[Action]:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now) if asked.number > 2 else 0
            return []

        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            calls = [asyncio.ensure_future(user.unary(METHOD, b"")) for _ in range(3)]
            await until(lambda: len(server.asked) == 3)
            peer = server.peers[0].transport
            peer.write(frames.settings({Setting.MAX_CONCURRENT_STREAMS: allowed}))
            await until(lambda: len([one for one in server.frames if one.kind == Kind.SETTINGS]) == 3)
            calls += [asyncio.ensure_future(user.unary(METHOD, b"")) for _ in range(2)]
            for stream in (1, 3, 5):
                open_now -= 1
                peer.write(whole(stream))
            assert all([(await call).ok for call in calls[:3]])
            if not allowed:
                await asyncio.sleep(0.02)
                assert len(server.asked) == 3
                peer.write(frames.settings({Setting.MAX_CONCURRENT_STREAMS: 1}))
            for stream in (7, 9):
                await until(lambda stream=stream: server.asked[-1].stream == stream)  # type: ignore[misc]
                open_now -= 1
                peer.write(whole(stream))
            assert all([(await call).ok for call in calls])
            assert most == 1
            assert here.counts() == {"OK": 5}

    grpc_talk(main)


class SizeReader(FrameReader):
    """Keeps the sizes of DATA frames."""

    def __init__(self, largest: int) -> None:
        super().__init__(largest)
        self.sizes: list[int] = []

    def feed(self, received: bytes) -> list[Frame]:
        found = super().feed(received)
        self.sizes += [frame.size for frame in found if frame.kind == Kind.DATA]
        return found


def test_frames_may_become_larger_while_a_message_is_sent() -> None:
    """And the window of its stream: what is sent keeps to what was said last."""
    size = 60_000

    async def main(here: GrpcTalk) -> None:
        async with H2Server(greeting=frames.settings({Setting.INITIAL_WINDOW_SIZE: 1000})) as server:
            pointed(here, server)
            waiter = asyncio.ensure_future(here.user().unary(METHOD, b"x" * size))
            await until(
                lambda: bool(server.peers) and server.peers[0].bodies.get(1, b"") == b"\0\0\0\xea\x60" + b"x" * 995
            )
            more: dict[int, int] = {Setting.INITIAL_WINDOW_SIZE: size + 5, Setting.MAX_FRAME_SIZE: 2**20}
            reader = server.peers[0].reader = SizeReader(2**20)
            server.peers[0].transport.write(frames.settings(more))
            assert (await waiter).ok
            assert len(server.asked[0].body) == size + 5
            assert reader.sizes == [size + 5 - 1000]

    grpc_talk(main)


FLOODS: dict[str, tuple[Callable[[int], Iterable[bytes]], str]] = {
    "continuations": (
        lambda s: [frames.frame(Kind.HEADERS, 0, s, b"")] + [frames.frame(Kind.CONTINUATION, 0, s, b"")] * 40_000,
        "a header block of more than",
    ),
    "large header block": (
        lambda s: [frames.frame(Kind.HEADERS, 0, s, b"")] + [frames.frame(Kind.CONTINUATION, 0, s, bytes(16_000))] * 40,
        "a header block of more than",
    ),
    "frame": (lambda s: [b"\xff\xff\xff\0\0" + s.to_bytes(4, "big")], "a frame of 16,777,215 bytes"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_within_a_reply_ends_its_connection(name: str) -> None:
    flood, words = FLOODS[name]

    def check(here: GrpcTalk, reply: GrpcReply) -> None:
        assert_error(here, reply, ErrorKind.PROTOCOL, "INTERNAL", words)

    answered(lambda stream: [b"".join(flood(stream))], check)


def test_a_reply_larger_than_its_windows_comes_whole() -> None:
    """The server sends no more than it is allowed; a message of 10 MB needs a window of 4 MB opened again."""
    data = bytes(10_000_000)

    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: []) as server:
            pointed(here, server)
            waiter = asyncio.ensure_future(here.user().unary(METHOD, b""))
            await until(lambda: bool(server.asked))
            peer, left = server.peers[0].transport, b"\0" + len(data).to_bytes(4, "big") + data
            granted = 4 * 1024 * 1024
            peer.write(head(1))
            while left:
                piece, left = left[:granted], left[granted:]
                for at in range(0, len(piece), 16_384):
                    peer.write(frames.data(1, piece[at : at + 16_384], end=False))
                seen = len(server.frames)
                if left:
                    await until(lambda seen=seen: any(_widens(one) for one in server.frames[seen:]))  # type: ignore[misc]
                    granted = sum(frames.number(one.payload) for one in server.frames[seen:] if _widens(one))
            peer.write(trailers(1))
            reply = await waiter
            assert reply.ok, reply.details
            assert reply.data == data

    def _widens(frame: object) -> bool:
        return getattr(frame, "kind", None) == Kind.WINDOW_UPDATE and getattr(frame, "stream", 0) == 1

    grpc_talk(main)


def _transport(user: GrpcClient) -> asyncio.Transport:
    connection = user._channel.current
    assert connection is not None
    assert connection._transport is not None
    return connection._transport


@pytest.mark.parametrize("word", ["ping", "settings"])
def test_answers_that_the_server_does_not_read_are_not_kept_for_ever(word: str) -> None:
    """It sends pings or settings and reads none of the acknowledgements: without a limit they would fill the memory."""
    piece = (frames.ping(bytes(8), ack=False) if word == "ping" else frames.settings({})) * 4000

    def answer(asked: Asked) -> list[Action]:
        return [] if asked.number else [0.001]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            waiter = asyncio.ensure_future(user.unary(METHOD, b"", timeout=20))
            await until(lambda: bool(server.asked))
            peer = server.peers[0].transport
            for side, size in ((peer, socket.SO_RCVBUF), (_transport(user), socket.SO_SNDBUF)):
                side.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, size, 4096)  # what is sent soon has to wait
            peer.pause_reading()
            deadline = perf_counter() + 20
            while not waiter.done():
                assert perf_counter() < deadline, "they were all kept"
                if peer.get_write_buffer_size() < 1_000_000 and not peer.is_closing():
                    peer.write(piece)
                await asyncio.sleep(0)
            assert_error(here, await waiter, ErrorKind.PROTOCOL, "INTERNAL", "reads no answer")
            server.answer = lambda asked: [whole(asked.stream)]
            assert (await user.unary(METHOD, b"")).ok

    grpc_talk(main)


def test_trailers_without_a_status_after_messages_fail_a_stream_too() -> None:
    def answer(asked: Asked) -> list[Action]:
        last = trailers(asked.stream, (b"x", b"y")) if not asked.number else trailers(asked.stream, OK)
        return [head(asked.stream, *HEADERS) + message(asked.stream, b"one") + last]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            for error, status in ((ErrorKind.PROTOCOL, "UNKNOWN"), (None, "OK")):
                async with user.stream(METHOD, b"") as stream:
                    assert [one async for one in stream] == [b"one"]
                assert stream.reply is not None
                assert (stream.reply.error, stream.reply.status) == (error, status)
            assert server.connections == 1

    grpc_talk(main)
