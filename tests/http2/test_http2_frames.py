"""Frames are read as they were written, wherever the bytes are cut; what no peer may send is refused with its code."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.http2 import END_HEADERS, END_STREAM, ErrorCode, Frame, FrameReader, Http2Error, Kind, Setting, frames

STREAMS = st.integers(1, 2**31 - 1)


def in_pieces(wire: bytes, cuts: list[int]) -> list[Frame]:
    reader = FrameReader()
    found: list[Frame] = []
    edges = [0, *sorted({min(cut, len(wire)) for cut in cuts}), len(wire)]
    for begin, end in pairwise(edges):
        found += reader.feed(wire[begin:end])
    assert not reader.pending
    return found


ONE = st.one_of(
    st.builds(lambda s, p, e: frames.data(s, p, end=e), STREAMS, st.binary(max_size=100), st.booleans()),
    st.builds(lambda s, p, e: frames.headers(s, p, end=e, largest=7), STREAMS, st.binary(max_size=60), st.booleans()),
    st.builds(frames.reset, STREAMS, st.integers(0, 2**32 - 1)),
    st.builds(frames.window_update, st.integers(0, 9), st.integers(1, 2**31 - 1)),
    st.builds(lambda p, a: frames.ping(p, ack=a), st.binary(min_size=8, max_size=8), st.booleans()),
    st.builds(frames.goaway, st.integers(0, 2**31 - 1), st.integers(0, 99), st.binary(max_size=20)),
    st.builds(frames.settings, st.dictionaries(st.integers(7, 99), st.integers(0, 2**32 - 1), max_size=4)),
)


@given(st.lists(ONE, max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_cuts_change_nothing(wires: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(wires)
    assert in_pieces(wire, cuts) == FrameReader().feed(wire)
    assert in_pieces(wire, list(range(len(wire)))) == FrameReader().feed(wire)


@given(STREAMS, st.binary(max_size=300), st.booleans(), st.integers(1, 80))
def test_a_block_in_continuations_is_one_frame(stream: int, block: bytes, end: bool, largest: int) -> None:
    (found,) = FrameReader().feed(frames.headers(stream, block, end=end, largest=largest))
    assert (found.kind, found.stream, found.payload) == (Kind.HEADERS, stream, block)
    assert found.flags == END_HEADERS | (END_STREAM if end else 0)
    count = max(1, -(-len(block) // largest))
    assert found.size + 9 == len(block) + 9 * count


@given(STREAMS, st.binary(max_size=300), st.booleans(), st.integers(1, 80))
def test_data_in_frames_is_the_same_data(stream: int, payload: bytes, end: bool, largest: int) -> None:
    found = FrameReader().feed(frames.data(stream, payload, end=end, largest=largest))
    assert b"".join(one.payload for one in found) == payload
    assert [bool(one.flags & END_STREAM) for one in found] == [False] * (len(found) - 1) + [end]
    assert max(one.size for one in found) <= largest


@given(st.binary(max_size=50), st.integers(0, 255), st.booleans())
def test_padding_and_priority_are_gone(payload: bytes, padding: int, headers: bool) -> None:
    kind, flags, body = (Kind.HEADERS, 0x8 | 0x20 | 0x4, b"12345" + payload) if headers else (Kind.DATA, 0x8, payload)
    wire = frames.frame(kind, flags, 3, bytes((padding,)) + body + bytes(padding))
    (found,) = FrameReader().feed(wire)
    assert found.payload == payload
    assert found.size == len(wire) - 9


@given(st.dictionaries(st.sampled_from([1, 3, 6, 8, 77]), st.integers(0, 2**32 - 1)))
def test_settings_are_read_as_written(values: dict[int, int]) -> None:
    (found,) = FrameReader().feed(frames.settings(values))
    assert dict(frames.read_settings(found.payload)) == values


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=30))
def test_goaway_is_read_as_written(last: int, code: int, text: bytes) -> None:
    (found,) = FrameReader().feed(frames.goaway(last, code, text))
    assert frames.read_goaway(found.payload) == (last, code, text)


def test_unknown_kinds_and_priority_are_dropped() -> None:
    wire = frames.frame(0xFA, 0xFF, 0, b"??") + frames.frame(Kind.PRIORITY, 0, 3, b"12345") + frames.reset(3, 8)
    assert [one.kind for one in FrameReader().feed(wire)] == [Kind.RST_STREAM]


def test_the_reserved_bit_of_a_stream_is_ignored() -> None:
    wire = bytearray(frames.data(5, b"x", end=True))
    wire[5] |= 0x80
    assert FrameReader().feed(bytes(wire))[0].stream == 5


UNENDED = frames.frame(Kind.HEADERS, 0, 1, b"half")


@pytest.mark.parametrize(
    ("wire", "code", "words"),
    [
        (struct.pack(">HBBBI", 0x41, 0, 0, 0, 1), ErrorCode.FRAME_SIZE_ERROR, "16,640 bytes"),
        (frames.frame(Kind.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR, "DATA on stream 0"),
        (frames.frame(Kind.HEADERS, 4, 0, b"x"), ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0"),
        (frames.frame(Kind.SETTINGS, 0, 1, b""), ErrorCode.PROTOCOL_ERROR, "SETTINGS on stream 1"),
        (frames.frame(Kind.PING, 0, 1, b"12345678"), ErrorCode.PROTOCOL_ERROR, "PING on stream 1"),
        (frames.frame(Kind.GOAWAY, 0, 1, b"12345678"), ErrorCode.PROTOCOL_ERROR, "GOAWAY on stream 1"),
        (frames.frame(Kind.PING, 0, 0, b"1234567"), ErrorCode.FRAME_SIZE_ERROR, "PING of 7"),
        (frames.frame(Kind.RST_STREAM, 0, 1, b"123"), ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of 3"),
        (frames.frame(Kind.WINDOW_UPDATE, 0, 1, b"12345"), ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of 5"),
        (frames.frame(Kind.GOAWAY, 0, 0, b"1234"), ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of 4"),
        (frames.frame(Kind.SETTINGS, 0, 0, b"12345"), ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of 5"),
        (frames.frame(Kind.SETTINGS, 1, 0, b"123456"), ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of 6"),
        (frames.frame(Kind.CONTINUATION, 4, 1, b""), ErrorCode.PROTOCOL_ERROR, "without HEADERS"),
        (UNENDED + frames.ping(b"12345678", ack=False), ErrorCode.PROTOCOL_ERROR, "within the header block"),
        (UNENDED + frames.frame(Kind.CONTINUATION, 4, 3, b""), ErrorCode.PROTOCOL_ERROR, "within the header block"),
        (UNENDED + frames.frame(0xFA, 0, 1, b""), ErrorCode.PROTOCOL_ERROR, "within the header block"),
        (frames.frame(Kind.DATA, 8, 1, b"\x03ab"), ErrorCode.PROTOCOL_ERROR, "padding"),
        (frames.frame(Kind.DATA, 8, 1, b""), ErrorCode.PROTOCOL_ERROR, "padding"),
        (frames.frame(Kind.HEADERS, 0x24, 1, b"1234"), ErrorCode.FRAME_SIZE_ERROR, "priority"),
        (UNENDED + frames.frame(9, 0, 1, bytes(16_384)) * 20, ErrorCode.ENHANCE_YOUR_CALM, "header block of more"),
    ],
)
def test_what_no_peer_may_send_is_refused(wire: bytes, code: ErrorCode, words: str) -> None:
    with pytest.raises(Http2Error, match=words) as caught:
        FrameReader().feed(wire)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (Setting.INITIAL_WINDOW_SIZE, 2**31, ErrorCode.FLOW_CONTROL_ERROR),
        (Setting.MAX_FRAME_SIZE, 16_383, ErrorCode.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 2**24, ErrorCode.PROTOCOL_ERROR),
        (Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_settings_out_of_bounds_are_refused(name: int, value: int, code: ErrorCode) -> None:
    (found,) = FrameReader().feed(frames.settings({name: value}))
    with pytest.raises(Http2Error) as caught:
        list(frames.read_settings(found.payload))
    assert caught.value.code is code


@given(st.binary(max_size=400))
def test_any_bytes_are_frames_or_refused(wire: bytes) -> None:
    try:
        FrameReader().feed(wire)
    except Http2Error as error:
        assert str(error)
