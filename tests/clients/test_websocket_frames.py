"""Frames and compression against the codec of `websockets`, which shares no code with ours."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Opcode
from websockets.frames import Frame as TheirFrame

from loadgate.clients.base import ErrorKind
from loadgate.clients.websocket.deflate import agreed
from loadgate.clients.websocket.frames import (
    BINARY,
    CLOSE,
    FrameError,
    FrameReader,
    ShortText,
    close_payload,
    fresh_key,
    masked,
    may_be_sent,
    read_close,
    under_mask,
)
from loadgate.clients.websocket.reader import MessageReader
from tests.support.ws_talk import frame

EDGES = (0, 1, 3, 4, 5, 125, 126, 127, 799, 800, 801, 65_535, 65_536, 70_001)


def theirs(data: bytes, extensions: Sequence[Extension] = ()) -> list[TheirFrame]:
    """The client's frames in `data`, as `websockets` reads them on the server's side."""
    at = 0

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal at
        piece = data[at : at + size]
        assert len(piece) == size
        at += size
        yield from ()
        return piece

    found = []
    while at < len(data):
        parser = TheirFrame.parse(read_exact, mask=True, extensions=extensions)
        try:
            while True:
                next(parser)
        except StopIteration as done:
            found.append(done.value)
    return found


@given(st.binary(max_size=2000), st.sampled_from([0, 1, 2, 8, 9, 10]), st.booleans())
def test_what_we_write_is_what_they_read(payload: bytes, opcode: int, fin: bool) -> None:
    if opcode > 7:
        payload, fin = payload[:125], True
    (read,) = theirs(masked(opcode, payload, fin=fin))
    assert (read.opcode, bytes(read.data), read.fin) == (opcode, payload, fin)
    assert not (read.rsv1 or read.rsv2 or read.rsv3)


@pytest.mark.parametrize("size", EDGES)
def test_lengths_around_their_edges_go_both_ways(size: int) -> None:
    payload = bytes(at * 7 % 251 for at in range(size))
    (read,) = theirs(masked(BINARY, payload))
    assert bytes(read.data) == payload
    written = TheirFrame(Opcode.BINARY, payload).serialize(mask=False)
    (ours,) = FrameReader(1 << 20).feed(written)
    assert (ours.opcode, ours.payload, ours.size) == (BINARY, payload, len(written))


@given(st.text(max_size=41))
def test_a_short_text_made_ready_once_is_what_they_read_every_time(text: str) -> None:
    payload = text.encode()[:125]
    ready = ShortText(payload)
    frames = [ready.masked() for _ in range(3)]
    assert [(read.opcode, bytes(read.data), read.fin) for read in theirs(b"".join(frames))] == [(1, payload, True)] * 3
    assert len({sent[2:6] for sent in frames}) == 3, "every frame has a key of its own"


@pytest.mark.parametrize("size", range(126))
def test_short_texts_of_every_length(size: int) -> None:
    payload = bytes(33 + at % 90 for at in range(size))
    (read,) = theirs(ShortText(payload).masked())
    assert bytes(read.data) == payload


@given(st.binary(max_size=3000), st.binary(min_size=4, max_size=4))
def test_a_mask_is_laid_over_byte_by_byte(payload: bytes, key: bytes) -> None:
    assert under_mask(payload, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def test_keys_are_fresh() -> None:
    keys = [fresh_key() for _ in range(5000)]
    assert all(len(key) == 4 for key in keys)
    assert len(set(keys)) > 4990


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 9, 10]), st.binary(max_size=300)), max_size=6),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_frames_are_the_same_however_the_bytes_are_cut(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    whole = b"".join(
        TheirFrame(Opcode(opcode), payload[:125] if opcode > 7 else payload).serialize(mask=False)
        for opcode, payload in sent
    )
    reader, found, at = FrameReader(1000), [], 0
    for cut in [*cuts, len(whole)]:
        found += list(reader.feed(whole[at : at + cut])) if whole[at : at + cut] else []
        at += cut
    assert [(one.opcode, one.payload) for one in found] == [
        (opcode, payload[:125] if opcode > 7 else payload) for opcode, payload in sent
    ]
    assert sum(one.size for one in found) == len(whole)
    assert not reader.begun


def test_a_large_frame_in_small_pieces_takes_time_in_proportion() -> None:
    def cost(size: int) -> float:
        data = frame(BINARY, bytes(size))
        reader = FrameReader(size)
        begun = process_time()
        found = [one for at in range(0, len(data), 1000) for one in reader.feed(data[at : at + 1000])]
        assert len(found) == 1
        return process_time() - begun

    small = min(cost(1_000_000) for _ in range(3))
    assert cost(16_000_000) < 100 * max(small, 0.001)


@pytest.mark.parametrize("code", [*range(995, 1020), 1999, 2999, 3000, 3999, 4000, 4999, 5000, 0, 65_535])
def test_close_codes_are_judged_as_they_judge_them(code: int) -> None:
    payload = code.to_bytes(2, "big") + "gründlich".encode()
    try:
        Close.parse(payload)
        fine = True
    except ProtocolError:
        fine = False
    assert may_be_sent(code) is fine
    if fine:
        assert read_close(payload) == (code, "gründlich")
        assert close_payload(code, "gründlich") == payload
    else:
        with pytest.raises(FrameError, match=str(code)):
            read_close(payload)
        with pytest.raises(ValueError, match=str(code)):
            close_payload(code)


def test_close_frames_at_the_edge_of_what_is_allowed() -> None:
    assert read_close(b"") == (1005, "")
    with pytest.raises(FrameError, match="half a code"):
        read_close(b"\x03")
    with pytest.raises(FrameError, match="UTF-8") as caught:
        read_close(b"\x03\xe8\xff")
    assert caught.value.code == 1007
    assert len(close_payload(1000, "x" * 123)) == 125
    with pytest.raises(ValueError, match="123 bytes"):
        close_payload(1000, "x" * 124)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"\x81\x85abcdefghi", 1002, "masked"),
        (b"\xa1\x01x", 1002, "reserved bit"),
        (b"\x91\x01x", 1002, "reserved bit"),
        (b"\xc1\x01x", 1002, "reserved bit"),
        (b"\xc9\x01x", 1002, "compressed"),
        (b"\x83\x01x", 1002, "unknown kind"),
        (b"\x8b\x01x", 1002, "unknown kind"),
        (b"\x09\x01x", 1002, "in fragments"),
        (b"\x89\x7e\x00\x7e" + bytes(126), 1002, "more than 125"),
        (b"\x82\x7e\x00\x05hello", 1002, "not written as it must be"),
        (b"\x82\x7f" + (300).to_bytes(8, "big"), 1002, "not written as it must be"),
        (b"\x82\x7f\xff" + bytes(7), 1002, "not written as it must be"),
        (b"\x82\x7f" + (1 << 40).to_bytes(8, "big"), 1009, "16,777,216"),
        (b"\x80\x01x", 1002, "not begun"),
        (b"\x01\x01x\x81\x01y", 1002, "within the fragments"),
        (b"\x81\x02\xc3\x28", 1007, "UTF-8"),
        (b"\x01\x01\xc3\x80\x01\x28", 1007, "UTF-8"),
        (b"\x81\x03\xed\xa0\x80", 1007, "UTF-8"),
    ],
)
def test_what_a_server_may_not_send_is_said_with_its_code(data: bytes, code: int, words: str) -> None:
    for step in (1, len(data)):
        reader = MessageReader()
        with pytest.raises(FrameError, match=words) as caught:
            for at in range(0, len(data), step):
                list(reader.feed(data[at : at + step]))
        assert caught.value.code == code
        assert caught.value.kind is (ErrorKind.OVERSIZE if code == 1009 else ErrorKind.PROTOCOL)


def test_fragments_are_joined_with_control_frames_between_them() -> None:
    data = frame(1, "grü".encode()[:3], fin=False) + frame(9, b"?") + frame(0, "grü".encode()[3:], fin=False)
    data += frame(10, b"!") + frame(0, b"n")
    for step in range(1, len(data) + 1):
        reader = MessageReader()
        found = [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]
        assert [(opcode, content) for opcode, content, _ in found] == [(9, b"?"), (10, b"!"), (1, "grün")]
        assert sum(size for _, _, size in found) == len(data)
        assert not reader.begun


def test_fragments_that_are_together_too_large_are_not_kept() -> None:
    reader = MessageReader(limit=100)
    assert list(reader.feed(frame(2, bytes(60), fin=False))) == []
    with pytest.raises(FrameError, match="more than the 100") as caught:
        list(reader.feed(frame(0, bytes(60))))
    assert caught.value.code == 1009


# -- compression

ANSWERS = [
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
    'permessage-deflate; client_max_window_bits="12"',
    "Permessage-Deflate ; client_max_window_bits=8",
]


def their_side(answer: str) -> PerMessageDeflate:
    """The server's extension under the parameters of `answer`."""
    parts = {
        part.strip().partition("=")[0]: part.strip().partition("=")[2].strip('"') for part in answer.split(";")[1:]
    }
    return PerMessageDeflate(
        remote_no_context_takeover="client_no_context_takeover" in parts,
        local_no_context_takeover="server_no_context_takeover" in parts,
        remote_max_window_bits=max(9, int(parts.get("client_max_window_bits") or 15)),
        local_max_window_bits=int(parts.get("server_max_window_bits") or 15),
    )


@pytest.mark.parametrize("answer", ANSWERS)
@settings(max_examples=25, deadline=None)
@given(messages=st.lists(st.one_of(st.binary(max_size=2000), st.just(b""), st.just(b"spam" * 500)), max_size=6))
def test_compressed_messages_go_both_ways(answer: str, messages: list[bytes]) -> None:
    ours, server = agreed(answer), their_side(answer)
    reader = MessageReader(ours)
    for message in messages:
        packed = ours.pack(message)
        if "bits=8" in answer:
            assert packed is None
        else:
            assert packed is not None
            (got,) = theirs(masked(BINARY, packed, compressed=True), [server])
            assert bytes(got.data) == message
        sent = TheirFrame(Opcode.BINARY, message).serialize(mask=False, extensions=[server])
        ((opcode, content, size),) = reader.feed(sent)
        assert (opcode, content, size) == (BINARY, message, len(sent))


@pytest.mark.parametrize("answer", ANSWERS[:3])
def test_empty_messages_in_a_row_are_blocks_of_their_own(answer: str) -> None:
    ours, server = agreed(answer), their_side(answer)
    for message in (b"", b"", b"", b"x", b"", b""):
        packed = ours.pack(message)
        assert packed, "RFC 7692 section 7.2.3.6: an empty message is one byte"
        (got,) = theirs(masked(BINARY, packed, compressed=True), [server])
        assert bytes(got.data) == message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("permessage-bzip2", "not offered"),
        ("permessage-deflate, permessage-deflate", "not offered"),
        ("permessage-deflate; server_max_window_bits=16", "not 8 to 15"),
        ("permessage-deflate; server_max_window_bits", "not 8 to 15"),
        ("permessage-deflate; server_no_context_takeover=1", "has none"),
        ("permessage-deflate; turbo", "turbo"),
        ("permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", "repeated"),
    ],
)
def test_compression_that_was_not_offered_so_is_refused(answer: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        agreed(answer)


def test_a_small_message_that_inflates_without_end_is_stopped_at_the_limit() -> None:
    server = their_side("permessage-deflate")
    bomb = TheirFrame(Opcode.BINARY, bytes(50_000_000)).serialize(mask=False, extensions=[server])
    assert len(bomb) < 100_000
    with pytest.raises(FrameError, match="inflated") as caught:
        list(MessageReader(agreed("permessage-deflate")).feed(bomb))
    assert caught.value.code == 1009


def test_a_message_that_is_not_compressed_as_it_says_is_a_fault() -> None:
    with pytest.raises(FrameError, match="inflated"):
        list(MessageReader(agreed("permessage-deflate")).feed(frame(1, b"\xff\xff\xff", bits=0x40)))


@pytest.mark.parametrize("make", [lambda: masked(CLOSE, close_payload(1000, "bye")), lambda: masked(CLOSE, b"")])
def test_our_close_frames_are_theirs(make: Callable[[], bytes]) -> None:
    (read,) = theirs(make())
    assert read.opcode is Opcode.CLOSE
    Close.parse(bytes(read.data))
