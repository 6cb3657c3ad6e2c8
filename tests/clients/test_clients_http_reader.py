"""Reading replies: every framing, however its bytes are cut, gives the same reply; and noise never does more than fail."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import brotli
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http import Headers
from loadgate.clients.http.head import LIMIT, parse_head
from loadgate.clients.http.reader import ReplyReader
from loadgate.clients.http.response import BodyError
from tests.support.http_talk import Talk, talk
from tests.support.memory_wire import MemoryConnector, Piece


@dataclass(frozen=True)
class Case:
    """A reply on the wire, and what it must be taken for. `closes`: its end is the closing of the connection."""

    wire: bytes
    status: int
    body: bytes
    closes: bool = False
    head: bool = False
    """Whether it answers HEAD."""


TEXT = b"the quick brown fox " * 5
ZSTD = zstandard.ZstdCompressor().compress(TEXT)


def chunks(body: bytes, size: int = 9) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def stated(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = [b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def in_chunks(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *lines]) + b"\r\n\r\n" + chunks(body)


CASES = {
    "stated length": Case(stated(b"hello"), 200, b"hello"),
    "empty body": Case(stated(b""), 200, b""),
    "no reason phrase": Case(b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", 200, b"x"),
    "empty reason phrase": Case(b"HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\nx", 200, b"x"),
    "unknown status": Case(stated(b"x", status=b"799 Odd"), 799, b"x"),
    "8 bit value": Case(stated(b"x", "x-name: Jos\xe9".encode("latin-1")), 200, b"x"),
    "empty value": Case(stated(b"x", b"x-empty:"), 200, b"x"),
    "repeated equal lengths": Case(stated(b"x", b"content-length: 1"), 200, b"x"),
    "list of equal lengths": Case(b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx", 200, b"x"),
    "body that looks like a head": Case(
        stated(b"HTTP/1.1 404 Not Found\r\n\r\n"), 200, b"HTTP/1.1 404 Not Found\r\n\r\n"
    ),
    "chunked": Case(in_chunks(TEXT), 200, TEXT),
    "chunked and empty": Case(in_chunks(b""), 200, b""),
    "chunk extensions": Case(
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;a=b;c="d"\r\nfour\r\n0;e\r\n\r\n', 200, b"four"
    ),
    "trailers": Case(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n", 200, b"four"
    ),
    "upper case and leading zeros in chunk sizes": Case(
        b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n000A\r\n0123456789\r\n00\r\n\r\n", 200, b"0123456789"
    ),
    "chunked beats length": Case(in_chunks(b"four", b"content-length: 99"), 200, b"four"),
    "chunked with upgrade offered": Case(in_chunks(b"four", b"upgrade: h2c", b"connection: upgrade"), 200, b"four"),
    "close-delimited": Case(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end", closes=True),
    "close-delimited and empty": Case(b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", closes=True),
    "HTTP/1.0": Case(b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old", closes=True),
    "HTTP/1.0 with length": Case(b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold", 200, b"old"),
    "identity coding": Case(b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nall", 200, b"all", closes=True),
    "100 Continue": Case(b"HTTP/1.1 100 Continue\r\n\r\n" + stated(b"x"), 200, b"x"),
    "103 Early Hints, twice": Case(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" * 2 + stated(b"x"), 200, b"x"),
    "102 before chunks": Case(b"HTTP/1.1 102 Processing\r\n\r\n" + in_chunks(TEXT), 200, TEXT),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "204 that states a length": Case(b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", 204, b""),
    "304 that states a length": Case(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "HEAD with length": Case(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", 200, b"", head=True),
    "HEAD with chunks": Case(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, b"", head=True),
    "HEAD with nothing": Case(b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", head=True),
    "HEAD of a packed body": Case(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\n", 200, b"", head=True
    ),
    "gzip": Case(stated(gzip.compress(TEXT), b"content-encoding: gzip"), 200, TEXT),
    "x-gzip": Case(stated(gzip.compress(TEXT), b"Content-Encoding: X-GZip"), 200, TEXT),
    "gzip of two members": Case(
        stated(gzip.compress(b"one ") + gzip.compress(b"two"), b"content-encoding: gzip"), 200, b"one two"
    ),
    "gzip in chunks": Case(in_chunks(gzip.compress(TEXT), b"content-encoding: gzip"), 200, TEXT),
    "gzip to the end": Case(
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(TEXT), 200, TEXT, closes=True
    ),
    "gzip of nothing": Case(stated(b"", b"content-encoding: gzip"), 200, b""),
    "deflate": Case(stated(zlib.compress(TEXT), b"content-encoding: deflate"), 200, TEXT),
    "deflate without wrapper": Case(stated(zlib.compress(TEXT, wbits=-15), b"content-encoding: deflate"), 200, TEXT),
    "br": Case(stated(brotli.compress(TEXT), b"content-encoding: br"), 200, TEXT),
    "br in chunks": Case(in_chunks(brotli.compress(TEXT), b"content-encoding: br"), 200, TEXT),
    "zstd": Case(stated(ZSTD, b"content-encoding: zstd"), 200, TEXT),
    "zstd in chunks": Case(in_chunks(ZSTD, b"content-encoding: zstd"), 200, TEXT),
    "zstd of two frames": Case(stated(ZSTD * 2, b"content-encoding: zstd"), 200, TEXT * 2),
    "gzip, then br": Case(stated(brotli.compress(gzip.compress(TEXT)), b"content-encoding: gzip, br"), 200, TEXT),
    "gzip, then br, in two fields": Case(
        stated(brotli.compress(gzip.compress(TEXT)), b"content-encoding: gzip", b"content-encoding: br"), 200, TEXT
    ),
    "content coding identity": Case(stated(b"as is", b"content-encoding: identity"), 200, b"as is"),
}


def splits(wire: bytes) -> Iterable[Sequence[bytes]]:
    """Whole, byte by byte, and in two at every boundary."""
    yield [wire]
    yield [wire[at : at + 1] for at in range(len(wire))]
    yield from ([wire[:at], wire[at:]] for at in range(1, len(wire)))


def read(pieces: Sequence[bytes], *, head: bool, closes: bool) -> ReplyReader:
    reader = ReplyReader(bodiless=head)
    for number, piece in enumerate(pieces):
        assert not reader.done, f"whole before piece {number}"
        reader.feed(piece)
    if closes and not reader.done:
        reader.eof()
    return reader


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_reply_reads_the_same_however_it_is_cut(case: Case) -> None:
    for pieces in splits(case.wire):
        reader = read(pieces, head=case.head, closes=case.closes)
        assert reader.done
        assert reader.head is not None
        assert reader.head.status == case.status
        assert not reader.surplus


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_user_gets_the_same_response_however_the_reply_is_cut(case: Case) -> None:
    cuts = list(splits(case.wire))
    end: list[Piece] = [None] if case.closes else []

    async def main(here: Talk) -> None:
        wire = here.stack.connector = MemoryConnector(lambda number: [*cuts[number], *end])
        user = here.user()
        for _ in cuts:
            response = await user.request("HEAD" if case.head else "GET", "http://a.test/")
            assert (response.status, response.body) == (case.status, case.body), repr(response)
        assert wire.opened == (len(cuts) if case.closes or b"HTTP/1.0" in case.wire else 1)
        assert here.counts() == {str(case.status): len(cuts)}
        assert here.total("data_received") == len(case.wire) * len(cuts)
        assert here.total("data_sent") == len(wire.sent)

    talk(main)


@pytest.mark.parametrize("surplus", [b"x", b"five!", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
@pytest.mark.parametrize(
    "name",
    ["stated length", "chunked", "204", "204 that states a length", "304 that states a length", "HEAD with length"],
)
def test_bytes_behind_the_end_of_a_reply_end_its_connection_and_not_the_reply(name: str, surplus: bytes) -> None:
    case = CASES[name]

    async def main(here: Talk) -> None:
        for pieces in ([case.wire + surplus], [case.wire, surplus], [case.wire[:5], case.wire[5:] + surplus]):
            wire = here.stack.connector = MemoryConnector(lambda _, pieces=pieces: pieces)  # type: ignore[misc]
            user = here.user()
            for opened in (1, 2):
                response = await user.request("HEAD" if case.head else "GET", "http://a.test/")
                assert (response.status, response.body) == (case.status, case.body), repr(response)
                for _ in range(3):
                    await asyncio.sleep(0)
                assert wire.opened == opened
        assert not here.errors()

    talk(main)


def test_a_body_sent_in_answer_to_head_is_surplus_also_in_one_piece() -> None:
    async def main(here: Talk) -> None:
        wire = here.stack.connector = MemoryConnector(lambda _: [stated(b"hello")])
        user = here.user()
        for opened in (1, 2):
            response = await user.head("http://a.test/")
            assert (response.status, response.body) == (200, b"")
            assert wire.opened == opened

    talk(main)


# -- properties

tokens = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
OURS = {"content-length", "transfer-encoding", "content-encoding", "connection", "set-cookie", "location"}
fields = st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in OURS), values), max_size=6)
CODERS = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}


@st.composite
def replies(draw: st.DrawFn) -> Case:
    body = draw(st.binary(max_size=200))
    status = draw(st.integers(200, 999).filter(lambda code: code not in (204, 304)))
    coding = draw(st.sampled_from(sorted(CODERS)))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    lines = [f"{name}:{value}" for name, value in draw(fields)]
    packed = CODERS[coding](body)
    if coding:
        lines.append(f"Content-Encoding: {coding}")
    if framing == "length":
        lines.append(f"Content-Length: {len(packed)}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        packed = chunks(packed, draw(st.integers(1, 50)))
    lines = draw(st.permutations(lines))
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * draw(st.integers(0, 2))
    head = "\r\n".join([f"HTTP/1.1 {status} {draw(values)}", *lines]).encode("latin-1")
    return Case(interim + head + b"\r\n\r\n" + packed, status, body, closes=framing == "close")


@st.composite
def cut(draw: st.DrawFn, wire: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(0, len(wire)), max_size=12)))
    pieces = [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]
    return [piece for piece in pieces if piece]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_valid_reply_gives_the_same_result_for_any_split(data: st.DataObject) -> None:
    cases = data.draw(st.lists(replies(), min_size=1, max_size=4))
    pieces: list[list[Piece]] = []
    for case in cases:
        end: list[Piece] = [None] if case.closes else []
        pieces.append([*data.draw(cut(case.wire)), *end])

    async def main(here: Talk) -> None:
        here.stack.connector = MemoryConnector(lambda number: pieces[number])
        user = here.user()
        for case in cases:
            response = await user.get("http://a.test/")
            assert (response.status, response.body) == (case.status, case.body), repr(response)
        assert not here.errors()

    talk(main)


@given(fields)
@settings(deadline=None)
def test_header_fields_come_out_as_they_went_in(given_fields: list[tuple[str, str]]) -> None:
    raw = "\r\n".join(["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in given_fields)]).encode("latin-1")
    assert parse_head(raw).raw == raw
    headers = Headers(raw)
    for name, _ in given_fields:
        expected = [value.strip() for other, value in given_fields if other.lower() == name.lower()]
        assert headers.get_all(name.upper()) == expected
        assert headers[name.lower()] == ", ".join(expected)
    assert len(headers) == len({name.lower() for name, _ in given_fields})


@given(st.binary(max_size=300))
@settings(deadline=None)
@example(b"HTTP/1.1 200 OK")
@example(b"HTTP/1.1 200 OK\r\nconnection")
def test_a_head_is_either_parsed_or_a_protocol_error(raw: bytes) -> None:
    for head in (raw, b"HTTP/1.1 200 OK\r\n" + raw):
        try:
            parse_head(head)
        except ExchangeError as error:
            assert error.kind is ErrorKind.PROTOCOL
            assert str(error).isprintable()
            assert len(str(error)) < 400


ALPHABET = [
    b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK", b"100 Continue", b"204 No", b"304 X", b"301 Moved", b"999 ", b"\r\n", b"\r\n\r\n",
    b"\n", b"\r", b"\0", b": ", b"content-length: 3", b"content-length: 0", b"transfer-encoding: chunked",
    b"content-encoding: gzip", b"content-encoding: br", b"content-encoding: zstd", b"content-encoding: deflate",
    b"connection: close", b"set-cookie: a=b; max-age=99999999999999", b"set-cookie: =;;=", b"location: /next",
    b"location: http://[::1", b"location: //", b"location: http://a:99999/", b"location: \xff\xfe", b"0\r\n\r\n",
    b"3\r\nabc\r\n", b"fffffffff\r\n", b"abc", b"\x1f\x8b\x08\x00", b"x: y", b" folded", b"\xff" * 9,
]  # fmt: skip
noise = st.one_of(
    st.binary(max_size=80),
    st.lists(st.sampled_from(ALPHABET), max_size=14).map(b"".join),
    st.lists(st.sampled_from(ALPHABET), max_size=14).map(lambda parts: b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(parts)),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid reply with bytes changed, left out or put in."""
    wire = bytearray(draw(replies()).wire)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire)))
        kind = draw(st.sampled_from(["change", "cut", "insert", "end"]))
        if kind == "insert":
            wire[at:at] = draw(st.binary(min_size=1, max_size=3))
        elif kind == "end":
            del wire[at:]
        else:
            wire[at : at + 1] = draw(st.binary(min_size=1, max_size=1)) if kind == "change" else b""
    return bytes(wire)


@pytest.mark.slow
@given(st.data(), st.sampled_from(["GET", "HEAD", "POST"]), st.sampled_from([None, ConnectionResetError("reset")]))
@settings(max_examples=300, deadline=None)
def test_noise_for_a_reply_is_a_counted_error_or_a_reply_and_nothing_else(
    data: st.DataObject, method: str, end: Piece
) -> None:
    wire = data.draw(st.one_of(noise, damaged()))
    pieces: list[Piece] = [*data.draw(cut(wire)), end]

    async def main(here: Talk) -> None:
        here.stack.connector = MemoryConnector(lambda _: pieces)
        user = here.user()
        spoiled = 0
        for asked in (1, 2):
            response = await user.request(method, "http://a.test/", redirects=3)
            failed, total = here.failed()
            if response.error is None:
                assert response.status >= 200
                try:
                    assert len(response.body) < 10_000
                    assert response.text is not None
                except BodyError:
                    spoiled += 1  # a reply all the same: counted as an error, not as failed
            else:
                assert response.error in (ErrorKind.PROTOCOL, ErrorKind.CUT, ErrorKind.RESET), response
                assert response.error_text.isprintable() and len(response.error_text) < 400
            errors = sum(count for count, _ in here.errors().values())
            assert errors <= asked
            assert total >= asked
            assert failed + spoiled >= errors
            assert sum(here.counts().values()) == total
            assert response.timings.duration >= 0 <= response.timings.receiving

    talk(main)


# -- details


def test_a_reader_says_when_the_reply_itself_has_begun() -> None:
    reader = ReplyReader(bodiless=False)
    reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert reader.continued
    assert not reader.begun
    reader.feed(b"H")
    assert reader.begun


def test_a_head_just_under_the_limit_is_taken() -> None:
    room = LIMIT - len(b"HTTP/1.1 200 OK\r\nx: \r\ncontent-length: 0")
    raw = b"HTTP/1.1 200 OK\r\nx: " + b"y" * room + b"\r\ncontent-length: 0"
    assert len(raw) == LIMIT
    reader = ReplyReader(bodiless=False)
    assert reader.feed(raw + b"\r\n\r\n")
    with pytest.raises(ExchangeError, match="65,536 bytes"):
        ReplyReader(bodiless=False).feed(raw[:-1] + b"00\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"connection: close", False),
        (b"Connection: Close", False),
        (b"connection: keep-alive, close", False),
        (b"connection: keep-alive", True),
        (b"x: connection: close", True),
        (b"connection: x-close-later", True),
    ],
)
def test_whether_a_connection_is_kept_is_what_its_options_say(line: bytes, kept: bool) -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + line).keep_alive is kept


def test_an_http_1_0_reply_keeps_its_connection_only_where_it_says_so() -> None:
    assert not parse_head(b"HTTP/1.0 200 OK\r\ncontent-length: 0").keep_alive
    assert parse_head(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0").keep_alive


def test_an_error_about_a_head_holds_no_value_of_its_fields() -> None:
    with pytest.raises(ExchangeError) as caught:
        parse_head(b"HTTP/1.1 200 OK\r\nset-cookie : session=hunter2")
    assert "hunter2" not in str(caught.value)
    assert "set-cookie" in str(caught.value)
