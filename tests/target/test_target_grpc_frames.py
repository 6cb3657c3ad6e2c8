"""gRPC frame by frame: what a reply is made of, windows, deadlines, and clients that break the rules or mean harm."""

from __future__ import annotations

import asyncio
import gzip
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest
from hpack import Encoder

from loadgate.http2 import ACK, END_STREAM, PREFACE, Frame, FrameReader, Kind, Setting, encode_headers, frames
from loadgate.http2.grpc import prefixed
from loadgate.target.chaos import Chaos
from loadgate.target.grpc import call as calls
from loadgate.target.grpc import connection as connections
from loadgate.target.grpc import intake
from loadgate.target.grpc.connection import Connection
from loadgate.target.http.server import HttpTarget
from tests.target.frames import MESSAGE, REPLY, call, head_of, opened
from tests.target.raw import ask, connect
from tests.target.serving import certain, serving
from tests.target.wire import Wire

SLOW = {"routes": {"/mockforge.greeter.Greeter/SayHello": {"latency": {"shape": "fixed", "ms": 60_000}}}}


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


@pytest.fixture(scope="module")
def slow() -> Iterator[dict[str, str]]:
    """A target whose SayHello takes a minute."""
    with serving(SLOW) as urls:
        yield urls


def counted(urls: dict[str, str], line: str) -> None:
    """Wait until the target's metrics have `line`."""
    deadline = time.monotonic() + 5
    while f"{line}\n" not in ask(urls["http"], "GET /metrics").body.decode():
        assert time.monotonic() < deadline, line


# -- replies


def test_a_reply_is_headers_data_and_trailers(urls: dict[str, str]) -> None:
    with opened(urls["grpc"]) as peer:
        for stream in (1, 3):
            peer.send(call(stream))
            assert peer.fields() == {
                ":status": "200",
                "content-type": "application/grpc",
                "grpc-accept-encoding": "identity,gzip",
            }
            frame = peer.next()
            assert (frame.kind, frame.flags, frame.payload) == (Kind.DATA, 0, REPLY)
            assert peer.fields() == {"grpc-status": "0"}


def test_the_first_header_block_says_that_our_table_is_empty(urls: dict[str, str]) -> None:
    with opened(urls["grpc"], {Setting.HEADER_TABLE_SIZE: 0}) as peer:
        peer.send(call(1), call(3))
        blocks = [frame.payload for frame in (peer.next() for _ in range(6)) if frame.kind == Kind.HEADERS]
        assert blocks[0] == b"\x20" + blocks[2] and blocks[1] == blocks[3]


def test_an_error_is_one_header_block_and_its_text_is_encoded(urls: dict[str, str]) -> None:
    with opened(urls["grpc"]) as peer:
        peer.send(call(1, "50 % Ä"))
        fields = peer.fields()
        assert (fields[":status"], fields["grpc-status"]) == ("200", "12")
        assert fields["grpc-message"] == "there is no method /mockforge.greeter.Greeter/50 %25 %C3%84"
        assert peer.reset() == (1, "NO_ERROR")  # it was answered before its data came, which is let pass
        peer.works(3)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((b":method", b"GET"), "405"),
        ((b"content-type", b"application/json"), "415"),
        ((b"content-type", b"application/grpc-web"), "200"),
    ],
)
def test_what_is_no_grpc_is_answered_as_http(urls: dict[str, str], fields: tuple[bytes, bytes], status: str) -> None:
    with opened(urls["grpc"]) as peer:
        head = tuple(fields if name == fields[0] else (name, value) for name, value in head_of())
        peer.send(frames.headers(1, encode_headers(head), end=True))
        assert peer.fields()[":status"] == status


@pytest.mark.parametrize(
    ("data", "more", "code", "text"),
    [
        (b"", (), 12, "this method takes one message, and there is none"),
        (MESSAGE + MESSAGE, (), 12, "this method takes one message, and there is a second"),
        (MESSAGE[:-1], (), 13, "the request ends within a message"),
        (MESSAGE[:3], (), 13, "the request ends within a message"),
        (b"\x02" + MESSAGE[1:], (), 13, "a message with the flag 2"),
        (b"\x01" + MESSAGE[1:], (), 13, "a compressed message, but grpc-encoding does not say how"),
        (
            b"\x01" + MESSAGE[1:],
            ((b"grpc-encoding", b"br"),),
            12,
            "messages compressed as br are not read here, gzip is",
        ),
        (b"\x01" + MESSAGE[1:], ((b"grpc-encoding", b"gzip"),), 13, "a message that is not gzip"),
        (
            b"\x01" + prefixed(gzip.compress(bytes(5 * 2**20)))[1:],
            ((b"grpc-encoding", b"gzip"),),
            8,
            "a message of more than 4,194,304 bytes when unpacked",
        ),
        (MESSAGE, ((b"grpc-timeout", b"1x"),), 13, "grpc-timeout: up to eight digits"),
        (MESSAGE, ((b"grpc-timeout", b"123456789S"),), 13, "grpc-timeout: up to eight digits"),
        (MESSAGE, ((b"grpc-timeout", b"0u"),), 4, "the call had no time at all"),
        (MESSAGE, ((b"x-long", b"v" * 66_000),), 8, "metadata of more than 65,536 bytes"),
        (MESSAGE, ((b"grpc-timeout", b"99999999H"), (b"grpc-encoding", b"snappy")), 0, ""),
    ],
)
def test_what_comes_of_a_request(
    urls: dict[str, str], data: bytes, more: tuple[tuple[bytes, bytes], ...], code: int, text: str
) -> None:
    with opened(urls["grpc"]) as peer:
        peer.send(frames.headers(1, encode_headers(head_of("SayHello", *more)), end=False))
        peer.send(frames.data(1, data, end=True))
        _, fields = peer.reply(1)
        assert (fields["grpc-status"], fields.get("grpc-message", "")[: len(text)]) == (str(code), text)


def test_a_deadline_is_kept_by_the_server(slow: dict[str, str]) -> None:
    with opened(slow["grpc"]) as peer:
        start = time.perf_counter()
        peer.send(call(1, "SayHello", (b"grpc-timeout", b"100m")))
        _, fields = peer.reply(1)
        assert time.perf_counter() - start >= 0.1
        assert (fields["grpc-status"], fields["grpc-message"]) == ("4", "the deadline has passed")
        assert fields["x-loadgate-delay-ms"] == "60000.000"
        # within a stream that is under way, and one whose request never ends
        peer.send(call(3, "SayHelloStream", (b"grpc-timeout", b"150000u")))
        data, fields = peer.reply(3)
        assert (data.count(b"Stream message"), fields["grpc-status"]) == (2, "4")
        peer.send(frames.headers(5, encode_headers(head_of("Chat", (b"grpc-timeout", b"50m"))), end=False))
        assert peer.fields()["grpc-status"] == "4"
        assert peer.reset() == (5, "NO_ERROR")


def test_what_waits_for_a_window_at_the_deadline_is_never_sent(urls: dict[str, str]) -> None:
    with opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 0}) as peer:
        peer.send(call(1, "SayHelloStream", (b"grpc-timeout", b"50m")))
        assert peer.fields()[":status"] == "200"
        assert peer.fields() == {"grpc-status": "4", "grpc-message": "the deadline has passed"}
        peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 1000}), call(3))
        assert peer.reply(3)[0] == REPLY


def test_a_timeout_outlasts_the_deadline() -> None:
    delayed = {**certain("timeout"), "latency": {"shape": "fixed", "ms": 1}}
    with serving({"routes": {"/mockforge.greeter.Greeter/SayHello": delayed}}) as urls, opened(urls["grpc"]) as peer:
        peer.send(call(1, "SayHello", (b"grpc-timeout", b"50m")))
        peer.send(call(3, "SayHelloStream"))  # takes 400 ms
        data, fields = peer.reply(3)
        assert (data.count(b"Stream message"), fields["grpc-status"]) == (5, "0")


def test_a_reset_and_half_a_message_on_the_wire() -> None:
    with serving(certain("reset")) as urls, opened(urls["grpc"]) as peer:
        peer.send(call(1))
        assert peer.reset() == (1, "INTERNAL_ERROR")
    with serving(certain("partial")) as urls, opened(urls["grpc"]) as peer:
        peer.send(call(1))
        data, fields = peer.reply(1)
        assert data == REPLY[: len(REPLY) // 2]
        assert fields["x-loadgate-fault"] == "partial" and "grpc-status" not in fields


# -- reading


TARGET = HttpTarget(Chaos(), protocols=("grpc",))


def connected() -> tuple[Connection, Wire]:
    """A connection without a socket."""
    connection, wire = TARGET._listeners["grpc"]._make(), Wire()
    assert isinstance(connection, Connection)
    connection.connection_made(cast(asyncio.Transport, wire))
    return connection, wire


def padded(frame: bytes) -> bytes:
    """A frame with seven bytes of padding, and in HEADERS a priority."""
    kind, flags, payload = frame[3], frame[4] | frames.PADDED, frame[9:]
    if kind == Kind.HEADERS:
        flags |= frames.PRIORITY
        payload = struct.pack(">IB", 0, 15) + payload
    return frames.frame(kind, flags, int.from_bytes(frame[5:9], "big"), b"\x07" + payload + bytes(7))


def conversation() -> bytes:
    """Two calls with all that HTTP/2 allows: padding, CONTINUATION, Huffman's code, the dynamic table, unknown frames."""
    encoder = Encoder()
    first = encoder.encode(head_of("SayHello", (b"x-team", b"red")), huffman=True)
    second = encoder.encode(head_of("SayHello", (b"x-team", b"red")), huffman=True)
    assert len(second) < len(head_of()) + 3  # all by their numbers
    return b"".join(
        (
            PREFACE,
            frames.settings({}),
            frames.headers(1, first, end=False, largest=20),
            padded(frames.data(1, MESSAGE[:4], end=False)),
            frames.frame(0x17, 0xFF, 1, b"unknown"),
            frames.frame(Kind.PRIORITY, 0, 1, bytes(5)),
            padded(frames.data(1, MESSAGE[4:], end=True)),
            frames.ping(b"12345678", ack=False),
            padded(frames.headers(3, second, end=False)),
            frames.data(3, b"", end=False),
            frames.data(3, MESSAGE, end=False),
            # trailers
            frames.headers(3, encoder.encode(((b"x-end", b"yes"),)), end=True),
        )
    )


def answers(wire: Wire) -> list[Frame]:
    return FrameReader().feed(b"".join(wire.written))


def test_requests_are_read_wherever_they_are_cut() -> None:
    whole = conversation()
    connection, wire = connected()
    connection.data_received(whole)
    expected = answers(wire)
    kinds = [frame.kind for frame in expected]
    reply = [Kind.HEADERS, Kind.DATA, Kind.HEADERS]
    assert kinds == [Kind.SETTINGS, Kind.WINDOW_UPDATE, Kind.SETTINGS, *reply, Kind.PING, *reply]
    assert expected[6].payload == b"12345678" and expected[6].flags == ACK
    for at in range(1, len(whole)):
        connection, wire = connected()
        connection.data_received(whole[:at])
        connection.data_received(whole[at:])
        assert answers(wire) == expected, at
    connection, wire = connected()
    for octet in whole:
        connection.data_received(bytes((octet,)))
    assert answers(wire) == expected


def test_a_client_may_use_the_table_it_was_told_not_to(urls: dict[str, str]) -> None:
    encoder = Encoder()
    with opened(urls["grpc"]) as peer:
        for n in range(5):
            stream = 2 * n + 1
            block = encoder.encode(head_of("SayHello", (b"x-n", b"%d" % (n // 2))))
            peer.send(frames.headers(stream, block, end=False), frames.data(stream, MESSAGE, end=True))
            assert peer.reply(stream)[0] == REPLY


def test_a_block_that_uses_the_table_means_what_its_own_connection_says(urls: dict[str, str]) -> None:
    blocks = []
    for name, status in (("SayHello", "0"), ("SayGoodbye", "12")):
        encoder = Encoder()
        with opened(urls["grpc"]) as peer:
            for stream in (1, 3):
                block = encoder.encode(head_of(name))
                peer.send(frames.headers(stream, block, end=False), frames.data(stream, MESSAGE, end=True))
                assert peer.reply(stream)[1]["grpc-status"] == status
                if status == "12":
                    assert peer.reset() == (stream, "NO_ERROR")
        blocks.append(block)
    assert blocks[0] == blocks[1]


def test_what_follows_the_end_of_a_connection_is_not_read() -> None:
    async def scene() -> None:
        connection, wire = connected()
        connection.data_received(b"GET / HTTP/1.1\r\n")
        assert wire.ended and wire.written[-1].endswith(b"from the first byte on")
        sent = len(wire.written)
        connection.data_received(PREFACE + frames.settings({}) + call(1))
        assert len(wire.written) == sent
        connection.connection_lost(None)

    asyncio.run(scene())


def test_an_answer_is_not_answered(urls: dict[str, str]) -> None:
    with opened(urls["grpc"]) as peer:
        peer.send(
            frames.ping(b"12345678", ack=True),
            frames.SETTINGS_ACK,
            frames.goaway(0, 0),
            frames.ping(b"87654321", ack=False),
        )
        frame = peer.next()
        assert (frame.kind, frame.flags, frame.payload) == (Kind.PING, ACK, b"87654321")
        peer.works(1)


def test_a_client_that_does_not_read_is_not_read_either() -> None:
    connection, wire = connected()
    connection.pause_writing()
    assert not wire.reading
    connection.resume_writing()
    assert wire.reading


# -- windows


def test_a_reply_is_sent_as_the_clients_windows_open(urls: dict[str, str]) -> None:
    with opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 0}) as peer:
        peer.send(call(1))
        peer.fields()
        pieces = []
        for more in (1, 9, 1000):
            peer.send(frames.ping(b"87654321", ack=False))
            assert peer.next().kind == Kind.PING  # nothing came before it
            peer.send(frames.window_update(1, more))
            frame = peer.next()
            assert (frame.kind, frame.flags) == (Kind.DATA, 0)
            pieces.append(frame.payload)
        assert [len(piece) for piece in pieces] == [1, 9, len(REPLY) - 10] and b"".join(pieces) == REPLY
        assert peer.fields()["grpc-status"] == "0"
        # it is over, whatever else opens
        peer.send(frames.window_update(0, 1000), frames.window_update(1, 1000), frames.ping(b"87654321", ack=False))
        assert peer.next().kind == Kind.PING


def test_the_connections_window_is_shared_and_a_stream_that_waits_holds_up_no_other(urls: dict[str, str]) -> None:
    name = b"n" * 70_000
    large = prefixed(b"\x0a" + encode_varint(len(name)) + name)
    with opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 2**20}) as peer:
        peer.send(call(1, data=large))
        peer.fields()
        got = b""
        while len(got) < frames.DEFAULT_WINDOW:
            got += peer.next().payload
        assert len(got) == frames.DEFAULT_WINDOW
        # the head of another call comes, its message waits too; an error needs no window
        peer.send(call(3), call(5, "SayGoodbye"))
        assert peer.fields()["grpc-accept-encoding"]
        assert peer.fields()["grpc-status"] == "12"
        assert peer.reset() == (5, "NO_ERROR")
        peer.send(frames.window_update(0, 10_000))
        rest, fields = peer.reply(1)
        assert (got + rest)[-46:].endswith(b"! This is a mock response from MockForge") and fields["grpc-status"] == "0"
        assert peer.reply(3)[0] == REPLY


def test_small_replies_use_the_connections_window_up_too(urls: dict[str, str]) -> None:
    name = b"n" * 9000
    small = prefixed(b"\x0a" + encode_varint(len(name)) + name)
    with opened(urls["grpc"]) as peer:
        left = frames.DEFAULT_WINDOW
        for stream in range(1, 15, 2):
            peer.send(call(stream, data=small))
            left -= len(peer.reply(stream)[0])
        peer.send(call(15, data=small))
        peer.fields()
        assert len(peer.next().payload) == left
        peer.send(frames.window_update(0, 10_000))
        assert peer.reply(15)[1]["grpc-status"] == "0"


def encode_varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def test_windows_shrink_below_zero_and_come_back(urls: dict[str, str]) -> None:
    with opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 20}) as peer:
        peer.send(call(1))
        peer.fields()
        assert len(peer.next().payload) == 20
        peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 5}), frames.window_update(1, 16))
        assert len(peer.next().payload) == 1  # 20 - 20 - 15 + 16
        peer.send(frames.settings({Setting.INITIAL_WINDOW_SIZE: 1000}))
        assert peer.next().payload == REPLY[21:]
        assert peer.fields()["grpc-status"] == "0"


def test_frames_are_as_large_as_the_client_takes(urls: dict[str, str]) -> None:
    name = b"n" * 60_000
    large = prefixed(b"\x0a" + encode_varint(len(name)) + name)
    for most, count in ((16_384, 4), (20_000, 4), (100_000, 1)):
        with opened(urls["grpc"], {Setting.MAX_FRAME_SIZE: most}) as peer:
            peer.send(call(1, data=large))
            peer.fields()
            sizes = []
            while (frame := peer.next()).kind == Kind.DATA:
                sizes.append(frame.size)
            assert len(sizes) == count and max(sizes) <= most


def test_a_client_within_its_windows_is_let_send_on(urls: dict[str, str]) -> None:
    block = encode_headers(head_of("SayHelloClientStream"))
    with opened(urls["grpc"]) as peer:
        peer.send(frames.headers(1, block, end=False))
        sent = 0
        window = calls.WINDOW
        data = (MESSAGE * 2000)[:16_000]
        while sent < 2_000_000:
            if window < len(data):
                frame = peer.next()
                assert (frame.kind, frame.stream) == (Kind.WINDOW_UPDATE, 1)
                window += frames.number(frame.payload)
                continue
            peer.send(frames.data(1, data, end=False))
            window -= len(data)
            sent += len(data)


# -- rules


BLOCK = encode_headers(head_of())
BEGUN = frames.headers(1, BLOCK, end=False)


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        (frames.frame(Kind.DATA, 0, 1, bytes(16_385)), "FRAME_SIZE_ERROR", "a frame of 16,385 bytes"),
        (frames.data(0, b"", end=False), "PROTOCOL_ERROR", "DATA on stream 0"),
        (frames.data(1, b"", end=False), "PROTOCOL_ERROR", "DATA on stream 1, which was never opened"),
        (frames.headers(2, BLOCK, end=True), "PROTOCOL_ERROR", "HEADERS on stream 2, which was never opened"),
        (frames.reset(1, 8), "PROTOCOL_ERROR", "RST_STREAM on stream 1, which was never opened"),
        (frames.window_update(1, 8), "PROTOCOL_ERROR", "WINDOW_UPDATE on stream 1, which was never opened"),
        (frames.window_update(0, 0), "PROTOCOL_ERROR", "WINDOW_UPDATE of 0 bytes"),
        (frames.window_update(0, 2**31 - 1), "FLOW_CONTROL_ERROR", "a window of 2,147,549,182 bytes"),
        (frames.settings({Setting.INITIAL_WINDOW_SIZE: 2**31}), "FLOW_CONTROL_ERROR", "SETTINGS with an initial window"),
        (frames.settings({Setting.MAX_FRAME_SIZE: 1}), "PROTOCOL_ERROR", "SETTINGS with a largest frame of 1 bytes"),
        (frames.frame(Kind.SETTINGS, 0, 0, b"12345"), "FRAME_SIZE_ERROR", "SETTINGS of 5 bytes"),
        (frames.frame(Kind.PING, 0, 0, b"1234567"), "FRAME_SIZE_ERROR", "PING of 7 bytes"),
        (frames.frame(Kind.PUSH_PROMISE, 4, 1, bytes(4)), "PROTOCOL_ERROR", "PUSH_PROMISE from a client"),
        (frames.frame(Kind.CONTINUATION, 4, 1), "PROTOCOL_ERROR", "CONTINUATION without HEADERS before it"),
        (frames.frame(Kind.HEADERS, 0, 1) + frames.ping(bytes(8), ack=False), "PROTOCOL_ERROR", "another frame within"),
        (
            frames.frame(Kind.HEADERS, 0, 1) + frames.frame(Kind.CONTINUATION, 0, 1, bytes(16_000)) * 17,
            "ENHANCE_YOUR_CALM",
            "a header block of more than 262,144 bytes",
        ),
        (frames.headers(1, b"\xff", end=True), "COMPRESSION_ERROR", "a header block that ends within a field"),
        (frames.headers(1, b"\xfe", end=True), "COMPRESSION_ERROR", "entry 126 of a table that has none"),
        (BEGUN + BEGUN, "PROTOCOL_ERROR", "trailers of stream 1 that do not end it"),
        (call(3) + call(1), "STREAM_CLOSED", "HEADERS on stream 1, which has ended"),
        (BEGUN + frames.settings({Setting.INITIAL_WINDOW_SIZE: 0}) + frames.window_update(1, 2**31 - 1)
         + frames.settings({Setting.INITIAL_WINDOW_SIZE: 1}), "FLOW_CONTROL_ERROR", "a window of 2,147,483,648 bytes"),
    ],
)  # fmt: skip
def test_a_client_that_breaks_http_2_is_told_why(urls: dict[str, str], sent: bytes, code: str, text: str) -> None:
    with opened(urls["grpc"]) as peer:
        peer.send(sent)
        if sent.startswith(call(3)):
            peer.reply(3)
        got, why = peer.goaway()
        assert got == code and why.startswith(text)
    counted(urls, "loadgate_target_connections_open 1")


@pytest.mark.parametrize(
    "first", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"\x16\x03\x01\x02\x00", b"\r\n\r\n", PREFACE + call(1)]
)
def test_a_client_that_begins_wrongly_is_told_why(urls: dict[str, str], first: bytes) -> None:
    with connect(urls["grpc"].replace("grpc", "http")) as raw:
        raw.send(first)
        received = FrameReader().feed(raw.until(b"SETTINGS" if first.startswith(PREFACE) else b"first byte on"))
        assert [frame.kind for frame in received] == [Kind.SETTINGS, Kind.WINDOW_UPDATE, Kind.GOAWAY]
        assert raw.ended()


@pytest.mark.parametrize(
    "fields",
    [
        head_of()[1:],
        tuple(field for field in head_of() if field[0] != b":path"),
        (*head_of(), (b":path", b"/")),
        ((b":method", b"POST"), *head_of()),
        ((b"a", b"b"), *head_of()),
        (*head_of(), (b"X-Team", b"red")),
        (*head_of(), (b"connection", b"close")),
        (*head_of(), (b"te", b"gzip")),
        (*head_of(), (b"x", b"a\nb")),
        (*head_of(), (b"", b"a")),
        ((b":strange", b"a"), *head_of()),
    ],
)
def test_a_request_that_is_none_is_reset_alone(urls: dict[str, str], fields: Any) -> None:
    with opened(urls["grpc"]) as peer:
        for stream in (1, 3):
            peer.send(frames.headers(stream, encode_headers(fields), end=False), frames.data(stream, MESSAGE, end=True))
            assert peer.reset() == (stream, "PROTOCOL_ERROR")
        peer.works(5)


def test_what_breaks_one_stream_resets_that_alone(slow: dict[str, str]) -> None:
    with opened(slow["grpc"]) as peer:
        peer.send(call(1), frames.window_update(1, 0))
        assert peer.reset() == (1, "PROTOCOL_ERROR")
        peer.send(call(3), frames.window_update(3, 2**31 - 1))
        assert peer.reset() == (3, "FLOW_CONTROL_ERROR")
        peer.send(call(5), frames.data(5, MESSAGE, end=True))
        assert peer.reset() == (5, "STREAM_CLOSED")
        # what was on its way when it was told is let pass
        peer.send(frames.data(1, b"late", end=False), frames.headers(3, BLOCK, end=True), frames.window_update(5, 1))
        peer.send(frames.headers(7, encode_headers(head_of("SayHelloClientStream")), end=True))
        assert peer.reply(7)[1]["grpc-status"] == "0"


def test_a_client_that_sends_more_than_its_window_is_reset() -> None:
    chaos = {"routes": {"/mockforge.greeter.Greeter/Chat": {"latency": {"shape": "fixed", "ms": 60_000}}}}
    with serving(chaos) as urls, opened(urls["grpc"]) as peer:
        peer.send(frames.headers(1, encode_headers(head_of("Chat")), end=False))
        message = prefixed(b"\x0a\x98\x75" + b"n" * 15_000)
        for _ in range(calls.WINDOW // len(message) + 1):
            peer.send(frames.data(1, message, end=False))
        assert peer.reset() == (1, "FLOW_CONTROL_ERROR")
        peer.works(3)


# -- harm


def test_calls_beyond_the_most_are_refused(slow: dict[str, str]) -> None:
    most = connections.MOST_CALLS
    with opened(slow["grpc"]) as peer:
        peer.send(*(call(2 * n + 1) for n in range(most + 2)))
        assert peer.reset() == (2 * most + 1, "REFUSED_STREAM")
        assert peer.reset() == (2 * most + 3, "REFUSED_STREAM")
        peer.send(frames.reset(1, 8), call(2 * most + 5, "SayHelloStream"))
        assert peer.fields()[":status"] == "200"


def test_rapid_resets_keep_nothing(slow: dict[str, str]) -> None:
    count = 5000
    with opened(slow["grpc"]) as peer:
        for n in range(0, count, 100):
            peer.send(*(call(2 * k + 1) + frames.reset(2 * k + 1, 8) for k in range(n, n + 100)))
        peer.send(call(2 * count + 1, "SayHelloStream"))
        assert peer.fields()[":status"] == "200"
    text = ask(slow["http"], "GET /metrics").body.decode()
    (line,) = (line for line in text.splitlines() if line.startswith("loadgate_target_abandoned_total"))
    assert int(line.split()[1]) >= count


def test_what_one_connection_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_HELD", 100_000)
    with serving() as urls, opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 0}) as peer:
        block = encode_headers(head_of("SayHelloClientStream"))
        piece = prefixed(b"\x0a\xa8\x46" + b"n" * 9000)
        # requests that are not answered
        for stream in (1, 3):
            peer.send(
                frames.headers(stream, block, end=False), *(frames.data(stream, piece, end=False) for _ in range(5))
            )
        peer.send(frames.headers(5, block, end=False), *(frames.data(5, piece, end=False) for _ in range(2)))
        _, fields = peer.reply(5)
        assert fields["grpc-status"] == "8" and fields["grpc-message"].startswith("more than 100,000 bytes")
        assert peer.reset() == (5, "NO_ERROR")
        # and replies that are not taken
        peer.send(
            frames.reset(1, 8), call(7, data=piece), call(9, data=piece), call(11, data=piece), call(13, data=piece)
        )
        for _ in range(4):
            peer.fields()
        peer.send(call(15, data=piece), call(17, data=piece), call(19, data=piece))
        assert "grpc-status" not in peer.fields() | peer.fields()
        assert peer.fields()["grpc-status"] == "8"
        for stream in (3, 7, 9, 11, 13, 15, 17):
            peer.send(frames.reset(stream, 8))
        peer.send(call(21))
        assert "grpc-status" not in peer.fields()
    # but not what was ever sent
    with serving() as urls, opened(urls["grpc"], {Setting.INITIAL_WINDOW_SIZE: 2**20}) as peer:
        peer.send(frames.window_update(0, 2**20))
        large = prefixed(b"\x0a" + encode_varint(20_000) + b"n" * 20_000)
        for stream in range(1, 21, 2):
            peer.send(call(stream, data=large))
            assert peer.reply(stream)[1]["grpc-status"] == "0"


def test_ends_of_connections_leave_nothing_open() -> None:
    with serving(SLOW) as urls:
        for sent in (b"", frames.window_update(0, 0)):  # the client's end, and ours
            with opened(urls["grpc"]) as peer:
                peer.send(call(1), frames.headers(3, encode_headers(head_of("Chat")), end=False))
                peer.send(frames.ping(bytes(8), ack=False))
                assert peer.next().kind == Kind.PING
                counted(urls, "loadgate_target_connections_open 2")
                peer.send(sent)
            counted(urls, "loadgate_target_connections_open 1")
        counted(urls, "loadgate_target_abandoned_total 4")


def test_goodbye_is_a_goaway() -> None:
    with ExitStack() as stack:
        with serving() as urls:
            peer = stack.enter_context(opened(urls["grpc"]))
            peer.works(1)
        assert peer.goaway() == ("NO_ERROR", "the target ends")


def test_the_end_flag_alone_ends_a_request(urls: dict[str, str]) -> None:
    with opened(urls["grpc"]) as peer:
        peer.send(BEGUN, frames.data(1, MESSAGE, end=False), frames.frame(Kind.DATA, END_STREAM, 1))
        assert peer.reply(1)[0] == REPLY
