"""Replies known by their bytes are the replies they would be if every frame were looked at."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.clients.grpc.head import Heads
from loadgate.clients.grpc.plain import PlainReply
from loadgate.clients.grpc.status import CODES
from loadgate.http2 import ErrorCode, FrameReader, Kind, frames
from tests.clients.test_grpc_failures import METHOD, ODD, pointed
from tests.support.grpc_talk import GrpcTalk, grpc_talk
from tests.support.h2_server import Action, Asked, H2Server, head, message, trailers, whole

_METADATA = {"content-type": "application/grpc"}


def learned(stream: int = 1, data: bytes = b"hi") -> PlainReply:
    first, _, last = FrameReader().feed(whole(stream, data))
    heads = Heads()
    return PlainReply(first, last, heads.read(first.payload), heads.read(last.payload), 7)


@given(st.integers(1, 2**31 - 1), st.binary(max_size=300), st.binary(max_size=40))
def test_a_reply_is_known_whatever_its_stream_its_message_and_what_follows(
    stream: int, data: bytes, rest: bytes
) -> None:
    plain = learned()
    reply = whole(stream, data)
    assert plain.size_in(reply + rest) == len(reply)
    assert reply[plain.begin : len(reply) - plain.tail] == len(data).to_bytes(5, "big") + data


def test_no_part_of_a_reply_and_none_with_another_byte_is_taken_for_it() -> None:
    plain = learned()
    reply = whole(3, b"12345678")
    begin, end = plain.begin + 5, len(reply) - plain.tail
    for size in range(len(reply)):
        assert not plain.size_in(reply[:size]), f"its first {size} bytes"
    for at in range(len(reply)):
        for bit in range(8):
            wrong = bytearray(reply)
            wrong[at] ^= 1 << bit
            taken = plain.size_in(bytes(wrong))
            assert taken == (len(reply) if begin <= at < end else 0), f"bit {bit} of byte {at}"


@pytest.mark.parametrize("name", ODD)
def test_an_odd_reply_between_plain_ones(name: str) -> None:
    def answer(asked: Asked) -> Iterable[Action]:
        return ODD[name](asked.stream) if asked.number % 2 else [whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            for _ in range(6):
                reply = await user.unary(METHOD, b"abc")
                assert reply.ok, f"{reply!r} {reply.details}"
                assert (reply.data, reply.metadata, reply.trailers) == (b"hi", _METADATA, {})
            assert here.counts() == {"OK": 6}
            assert server.connections == 1

    grpc_talk(main)


@pytest.mark.parametrize("code", range(1, 17))
def test_failures_between_plain_replies_are_failures(code: int) -> None:
    failing = (b"grpc-status", b"%d" % code)

    def answer(asked: Asked) -> Iterable[Action]:
        s = asked.stream
        return [head(s) + message(s) + trailers(s, failing)] if asked.number % 4 > 1 else [whole(s)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            found = [(await user.unary(METHOD, b"abc")).code for _ in range(8)]
            assert found == [0, 0, code, code] * 2
            assert here.counts() == {"OK": 4, CODES[code].name: 4}
            assert here.failed() == (4, 8)

    grpc_talk(main)


def test_replies_of_many_calls_in_one_piece_and_the_window_after_them() -> None:
    waiting: list[int] = []

    def answer(asked: Asked) -> Iterable[Action]:
        waiting.append(asked.stream)
        if len(waiting) < 5:
            return []
        replies = [whole(stream, b"%d" % stream) for stream in reversed(waiting)]
        waiting.clear()
        return [b"".join(replies) + frames.window_update(0, 30)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            before = None
            for _ in range(3):
                calls = [user.unary(METHOD, b"a") for _ in range(5)]
                replies = [await call for call in calls]
                assert all(reply.ok for reply in replies)
                texts = [int(reply.data) for reply in replies]
                assert texts == list(range(texts[0], texts[0] + 10, 2))
                connection = user._channel.current
                assert connection is not None
                if before is not None:
                    assert connection.sender.window == before  # 5 messages of 6 bytes were sent, and 30 allowed again
                before = connection.sender.window
            assert here.counts() == {"OK": 15}
            assert server.connections == 1

    grpc_talk(main)


@pytest.mark.parametrize("cut", range(14))
def test_a_window_update_may_be_cut_and_followed_by_other_frames(cut: int) -> None:
    rest = frames.window_update(0, 256) + frames.ping(b"12345678", ack=False)

    async def main(here: GrpcTalk) -> None:
        async with H2Server(lambda asked: [whole(asked.stream) + rest[:cut], rest[cut:]]) as server:
            pointed(here, server)
            user = here.user()
            assert [(await user.unary(METHOD, b"abc")).ok for _ in range(4)] == [True] * 4
            answers = [frame.payload for frame in server.frames if frame.kind == Kind.PING]
            assert answers[:3] == [b"12345678"] * 3

    grpc_talk(main)


def test_a_reply_that_begins_twice_is_broken_though_the_second_beginning_is_plain() -> None:
    def answer(asked: Asked) -> Iterable[Action]:
        s = asked.stream
        return [head(s), whole(s)] if asked.number == 2 else [whole(s)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            assert [(await user.unary(METHOD, b"abc")).ok for _ in range(4)] == [True, True, False, True]
            assert here.counts() == {"OK": 3, "INTERNAL protocol": 1}

    grpc_talk(main)


@pytest.mark.parametrize("more", [0, 2**31 - 1])
def test_a_window_that_cannot_be_ends_the_connection_after_a_plain_reply_too(more: int) -> None:
    def answer(asked: Asked) -> Iterable[Action]:
        update = frames.window_update(0, more) if asked.number == 1 else b""
        return [whole(asked.stream) + update]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer) as server:
            pointed(here, server)
            user = here.user()
            assert [(await user.unary(METHOD, b"abc")).ok for _ in range(4)] == [True] * 4
            assert here.counts() == {"OK": 4}
            assert server.connections == 2
            said = [frame for frame in server.frames if frame.kind == Kind.GOAWAY]
            assert [frames.read_goaway(frame.payload)[1] for frame in said] == [
                ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR
            ]

    grpc_talk(main)


def test_a_plain_reply_to_a_call_that_is_not_sent_whole_gives_up_the_rest() -> None:
    """The server answers at the head of the second call, whose message its window does not let through."""

    def answer(asked: Asked) -> Iterable[Action]:
        return [whole(asked.stream)]

    async def main(here: GrpcTalk) -> None:
        async with H2Server(answer, early=True) as server:
            pointed(here, server)
            user = here.user()
            assert (await user.unary(METHOD, b"abc")).ok
            reply = await user.unary(METHOD, bytes(200_000))
            assert reply.ok
            assert (await user.unary(METHOD, b"abc")).ok
            resets = [frame for frame in server.frames if frame.kind == Kind.RST_STREAM]
            assert [frames.number(frame.payload) for frame in resets] == [ErrorCode.CANCEL]
            assert here.counts() == {"OK": 3}

    grpc_talk(main)
