"""Reading frames: in pieces of any size the same messages, and what is wrong has its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode

from loadgate.target.websocket.frames import (
    BINARY,
    CLOSE,
    MOST_MESSAGE,
    PING,
    TEXT,
    Failure,
    Frame,
    FrameReader,
    close_code,
    close_payload,
    frame,
    unmasked,
)

MASK = b"\x01\x7f\x80\xfe"


def masked(first: int, payload: bytes = b"", length: bytes | None = None) -> bytes:
    """A client's frame; `length` in place of the right one."""
    if length is None:
        head = frame(0, payload)[1 : -len(payload) or None]
        length = bytes([head[0] | 0x80]) + head[1:]
    return bytes([first]) + length + MASK + unmasked(payload, MASK)


def read(data: bytes) -> tuple[list[Frame], Failure | None]:
    return FrameReader().take(data)


@given(
    payloads=st.lists(st.binary(max_size=300) | st.integers(65_530, 65_540).map(bytes), max_size=6),
    cuts=st.lists(st.integers(1, 70_000), max_size=20),
)
def test_pieces_of_any_size_give_the_same_messages(payloads: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(masked(0x82, payload) for payload in payloads)
    reader = FrameReader()
    found: list[Frame] = []
    for cut in cuts:
        frames, failure = reader.take(wire[:cut])
        assert failure is None
        found += frames
        wire = wire[cut:]
    found += reader.take(wire)[0]
    assert found == [Frame(BINARY, payload) for payload in payloads]


def test_every_byte_by_itself_is_a_piece() -> None:
    wire = masked(0x01, "é".encode()[:1]) + masked(0x89, b"now") + masked(0x80, "é".encode()[1:]) + masked(0x88)
    reader = FrameReader()
    found = [each for byte in wire for each in reader.take(bytes([byte]))[0]]
    assert found == [Frame(PING, b"now"), Frame(TEXT, "é".encode()), Frame(CLOSE, b"")]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 65_535, 65_536, 1_000_001])
def test_frames_are_those_of_websockets(size: int) -> None:
    payload = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert frame(BINARY, payload) == TheirFrame(Opcode.BINARY, payload).serialize(mask=False)
    assert read(TheirFrame(Opcode.BINARY, payload).serialize(mask=True)) == ([Frame(BINARY, payload)], None)


@pytest.mark.parametrize(
    ("wire", "code", "reason"),
    [
        (b"\x81\x05hello", 1002, "a frame from a client must be masked"),
        (masked(0xC1, b"a"), 1002, "reserved bits are set"),
        (masked(0x83), 1002, "opcode 3 is reserved"),
        (masked(0x8B), 1002, "opcode 11 is reserved"),
        (masked(0x09), 1002, "a control frame must not be fragmented"),
        (masked(0x89, b"", b"\xfe\x00\x7e"), 1002, "a control frame carries at most 125"),
        (masked(0x80), 1002, "there is nothing to continue"),
        (masked(0x01, b"a") + masked(0x81, b"b"), 1002, "the message before is not finished"),
        (masked(0x82, b"", b"\xfe\x00\x7d"), 1002, "the length must be written as short"),
        (masked(0x82, b"", b"\xff" + (65_535).to_bytes(8, "big")), 1002, "the length must be written as short"),
        (masked(0x82, b"", b"\xff" + (MOST_MESSAGE + 1).to_bytes(8, "big")), 1009, "a message of more than 16,777,216"),
        (masked(0x82, b"", b"\xff" + (2**63).to_bytes(8, "big")), 1009, "a message of more than"),
        (masked(0x02, b"a") + masked(0x80, b"", b"\xff" + MOST_MESSAGE.to_bytes(8, "big")), 1009, "a message of more"),
        (masked(0x81, b"\xff"), 1007, "the text is not UTF-8"),
        (masked(0x01, b"\xc3") + masked(0x80, b"("), 1007, "the text is not UTF-8"),
    ],
)
def test_what_is_wrong_has_its_code_and_what_was_right_before_is_kept(wire: bytes, code: int, reason: str) -> None:
    frames, failure = read(masked(0x81, b"first") + wire)
    assert frames == [Frame(TEXT, b"first")]
    assert failure is not None and failure.code == code and failure.reason.startswith(reason)


def test_the_largest_message_is_taken_whole_and_in_parts() -> None:
    half = bytes(MOST_MESSAGE // 2)
    reader = FrameReader()
    assert reader.take(masked(0x02, half)) == ([], None)
    assert reader.take(masked(0x80, half)) == ([Frame(BINARY, half + half)], None)
    frames, failure = reader.take(masked(0x82, half + half))
    assert failure is None and len(frames[0].payload) == MOST_MESSAGE


@pytest.mark.parametrize("payload", [b"\x03", close_payload(1005), close_payload(999), close_payload(2000)])
def test_a_close_code_that_may_not_be_sent_is_one(payload: bytes) -> None:
    with pytest.raises(Failure) as caught:
        close_code(payload)
    assert caught.value.code == 1002


def test_close_codes_and_reasons() -> None:
    assert close_code(b"") == 1000 and close_code(close_payload(4999, "off")) == 4999
    assert len(close_payload(1000, "é" * 100)) <= 125
    with pytest.raises(Failure) as caught:
        close_code(close_payload(1000) + b"\xff")
    assert caught.value.code == 1007
