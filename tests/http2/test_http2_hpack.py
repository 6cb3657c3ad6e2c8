"""Header blocks against the `hpack` package, and against the examples of RFC 7541 Appendix C."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.http2 import Decoder, Http2Error, encode_headers, huffman

NAMES = st.one_of(
    st.sampled_from([b":path", b":status", b"content-type", b"authorization", b"grpc-status", b"cookie"]),
    st.from_regex(rb"[a-z0-9-]{1,300}", fullmatch=True),
)
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=400)), max_size=12)


@given(FIELDS)
def test_another_decoder_reads_what_we_write(fields: list[tuple[bytes, bytes]]) -> None:
    theirs = hpack.Decoder(max_header_list_size=2**20)
    assert [(bytes(name), bytes(value)) for name, value in theirs.decode(encode_headers(fields), raw=True)] == fields
    assert len(theirs.header_table.dynamic_entries) == 0


@given(st.lists(FIELDS, max_size=4), st.booleans(), st.sampled_from([0, 64, 200, 4096]))
@pytest.mark.slow
def test_we_read_what_another_encoder_writes(blocks: list[list[tuple[bytes, bytes]]], coded: bool, size: int) -> None:
    theirs, ours = hpack.Encoder(), Decoder(4096)
    theirs.header_table_size = size
    for fields in blocks:
        assert list(ours.decode(theirs.encode(fields, huffman=coded))) == fields


@given(FIELDS)
def test_without_a_dynamic_table_equal_blocks_are_equal_fields(fields: list[tuple[bytes, bytes]]) -> None:
    theirs, ours = hpack.Encoder(), Decoder(0)
    theirs.header_table_size = 0
    first = theirs.encode(fields)
    assert ours.decode(first) == tuple(fields)
    second = theirs.encode(fields)
    assert ours.decode(second) == ours.decode(second) == tuple(fields)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_block_or_refused_as_the_other_decoder_does(block: bytes) -> None:
    try:
        ours: object = [tuple(field) for field in Decoder(4096).decode(block)]
    except Http2Error:
        ours = None
    try:
        theirs: object = [(bytes(n), bytes(v)) for n, v in hpack.Decoder(2**20).decode(block, raw=True)]
    except hpack.HPACKError:
        theirs = None
    if ours is not None and theirs is not None:
        assert ours == theirs


@given(st.binary(max_size=300))
def test_huffman_strings_are_read(text: bytes) -> None:
    encoder = hpack.Encoder().huffman_coder
    assert huffman.decode(encoder.encode(text)) == text


def test_every_octet_is_read_alone() -> None:
    encoder = hpack.Encoder().huffman_coder
    assert [huffman.decode(encoder.encode(bytes((octet,)))) for octet in range(256)] == [
        bytes((o,)) for o in range(256)
    ]


@pytest.mark.parametrize(
    "coded", [b"\xff", b"\xff\xff\xff\xff", b"\x00", b"\xff\xff\xff\xfc", b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0"]
)
def test_a_broken_huffman_string_is_refused(coded: bytes) -> None:
    with pytest.raises(Http2Error, match="Huffman"):
        huffman.decode(coded)


FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]


@pytest.mark.parametrize(
    "blocks",
    [
        (
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
    ids=["C.3", "C.4"],
)
def test_the_examples_of_the_rfc(blocks: tuple[str, str, str]) -> None:
    decoder = Decoder()
    assert [list(decoder.decode(bytes.fromhex(block))) for block in blocks] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    ("block", "limit", "words"),
    [
        ("80", 4096, "entry 0"),
        ("be", 4096, "entry 62"),
        ("3fe11f82", 0, "4,096 bytes"),
        ("8220", 4096, "after a field"),
        ("0005ab", 4096, "within a string"),
        ("00", 4096, "within a field"),
        ("ffffffffffff7f", 4096, "too large"),
    ],
)
def test_a_block_that_is_none_is_refused(block: str, limit: int, words: str) -> None:
    with pytest.raises(Http2Error, match=words):
        Decoder(limit).decode(bytes.fromhex(block))


def test_a_change_to_no_table_is_read_where_none_is_allowed() -> None:
    assert Decoder(0).decode(bytes.fromhex("2088")) == ((b":status", b"200"),)


def test_a_table_that_is_made_smaller_forgets() -> None:
    decoder = Decoder()
    kept, used, emptied = bytes.fromhex("4003666f6f03626172"), bytes.fromhex("be"), bytes.fromhex("20")
    assert decoder.decode(kept) == decoder.decode(used) == ((b"foo", b"bar"),)
    assert decoder.decode(emptied) == ()
    with pytest.raises(Http2Error, match="entry 62"):
        decoder.decode(used)
