"""The reader: whole requests from pieces of any size, and refusals."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.target.http.request import MOST_BODY, MOST_HEAD, MOST_TARGET, Refusal, Request, RequestReader

STREAM = (
    b"GET /users?limit=2 HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\n\r\n"
    b"\r\n"
    b'POST /users HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\n{"a":1}'
    b"PUT /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
    b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
    b"GET /h2c HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n"
    b"DELETE /users/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
)
EXPECTED = [
    ("GET", "/users?limit=2", b"", True, False),
    ("POST", "/users", b'{"a":1}', True, False),
    ("PUT", "/echo", b"abcde", True, False),
    ("GET", "/a", b"", False, False),
    ("GET", "/h2c", b"", True, False),
    ("DELETE", "/users/1", b"", False, True),
]


def read(*pieces: bytes) -> list[Request | Refusal]:
    reader = RequestReader()
    return [item for piece in pieces for item in reader.take(piece)]


def shown(items: list[Request | Refusal]) -> list[tuple[str, str, bytes, bool, bool]]:
    return [
        (item.method, item.target, item.body, item.plain, item.close) for item in items if isinstance(item, Request)
    ]


def refused(*pieces: bytes) -> Refusal:
    items = read(*pieces)
    assert len(items) == 1 and isinstance(items[0], Refusal), items
    return items[0]


def test_requests_are_read_at_once_and_byte_by_byte() -> None:
    assert shown(read(STREAM)) == EXPECTED
    assert shown(read(*(STREAM[i : i + 1] for i in range(len(STREAM))))) == EXPECTED


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_split_gives_the_same_requests(cuts: list[int]) -> None:
    ends = sorted({0, len(STREAM), *cuts})
    assert shown(read(*(STREAM[a:b] for a, b in pairwise(ends)))) == EXPECTED


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=60), max_size=5), st.sampled_from([b"", b"GET / HTTP/1.1\r\nhost: a\r\n", STREAM[:60]])
)
def test_random_bytes_are_read_or_refused_and_never_raise(noise: list[bytes], start: bytes) -> None:
    for item in read(start, *noise):
        assert isinstance(item, Request) or 400 <= item.status < 600


def test_header_names_are_lower_case_and_repeated_fields_are_kept() -> None:
    headers = [item.headers for item in read(STREAM) if isinstance(item, Request)]
    assert headers[0] == (("host", "a"), ("x-two", "1"), ("x-two", "2"))
    assert headers[2] == (("host", "a"), ("transfer-encoding", "chunked"))  # the trailer is no header


def test_only_requests_without_body_on_a_plain_connection_may_be_remembered() -> None:
    assert [item.cacheable for item in read(STREAM) if isinstance(item, Request)] == [
        True,
        False,
        False,
        False,
        False,
        False,
    ]


def test_between_is_true_only_at_the_edges_of_requests() -> None:
    reader = RequestReader()
    states = [reader.between]
    post = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na"
    for piece in (b"GET / HT", b"TP/1.1\r\nhost: a\r\n\r\n", post, b"b"):
        reader.take(piece)
        states.append(reader.between)
    assert states == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"HELLO\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nho st: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\na", 501),
        (b"GET /" + b"a" * MOST_TARGET + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * MOST_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 3000 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (MOST_BODY + 1), 413),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, status: int) -> None:
    assert refused(data).status == status
    assert refused(*(data[i : i + 997] for i in range(0, len(data), 997))).status == status


def test_nothing_is_read_after_a_refusal_and_what_came_before_stays() -> None:
    reader = RequestReader()
    good = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    assert [type(item) for item in reader.take(good + b"nonsense\r\n" + good)] == [Request, Refusal]
    assert reader.take(good) == []
    assert not reader.between


@pytest.mark.parametrize("endless", [b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n", b"GET /"])
def test_a_head_without_end_is_refused_in_bounded_memory(endless: bytes) -> None:
    reader = RequestReader()
    assert reader.take(endless) == []
    for count in range(40):
        found = reader.take(b"x" * 1024)
        if found:
            assert isinstance(found[0], Refusal)
            assert found[0].status in (414, 431)
            assert count <= 26
            return
    pytest.fail("never refused")


def test_a_chunked_body_without_end_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    assert refused(head, *[chunk] * 17).status == 413
    assert read(head, *[chunk] * 16) == []


def test_a_large_piece_of_many_requests_is_no_large_head() -> None:
    reader = RequestReader()
    items = reader.take(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 4000 + b"GET / HT")
    assert len(items) == 4000 and all(isinstance(item, Request) for item in items)
    assert len(reader.take(b"TP/1.1\r\nhost: a\r\n\r\n")) == 1


def test_a_client_that_waits_for_leave_to_send_is_noticed() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-Continue\r\n\r\n"
    patient, impatient = RequestReader(), RequestReader()
    states = []
    for reader, piece in ((patient, head), (patient, b"ab"), (impatient, head + b"a")):
        reader.take(piece)
        states.append(reader.continues)
    assert states == [True, False, False]
