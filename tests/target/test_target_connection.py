"""One connection: keep-alive, pipelining, odd framing, limits, clients that do not read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.target import running_target
from tests.target.raw import Raw, ask, connect

GET = b"GET /users/1 HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def raw(url: str) -> Iterator[Raw]:
    with connect(url) as raw:
        yield raw


def wait_for(url: str, name: str, value: float) -> None:
    """Ask until a metric has a value."""
    deadline = time.monotonic() + 5
    while f"loadgate_target_{name} {value}\n" not in ask(url, "GET /metrics").body.decode():
        assert time.monotonic() < deadline, f"{name} never became {value}"


def test_a_connection_is_kept_for_many_requests(raw: Raw) -> None:
    for id in range(1, 50):
        assert raw.ask(f"GET /users/{id}").json["id"] == id
    first = raw.ask("GET /users/1")
    assert "connection" not in first.headers


def test_requests_remembered_by_their_bytes_are_answered_afresh(url: str) -> None:
    with running_target() as own, connect(own) as raw:
        assert raw.ask("GET /users/1").json["name"] != "Ann"
        assert raw.ask("PATCH /users/1", b'{"name":"Ann"}').status == 200
        assert raw.ask("GET /users/1").json["name"] == "Ann"
        assert raw.ask("DELETE /users/1").status == 204
        assert raw.ask("GET /users/1").status == 404
        assert raw.ask("DELETE /users/1").status == 404


def test_pipelined_requests_are_answered_in_order(raw: Raw) -> None:
    lines = [b"/users/1", b"/delay/30", b"/bytes/400000", b"/nope", b"/delay/5", b"/users/2"]
    raw.send(b"".join(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % line for line in lines))
    replies = [raw.reply() for _ in lines]
    assert [got.status for got in replies] == [200, 200, 200, 404, 200, 200]
    assert replies[0].json["id"] == 1 and replies[5].json["id"] == 2
    assert replies[1].json["delay_ms"] == 30 and replies[4].json["delay_ms"] == 5
    assert len(replies[2].body) == 400_000


def test_many_pipelined_requests_are_all_answered(raw: Raw) -> None:
    raw.send(b"GET /users/1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n" * 3000)  # none of them takes the short way
    for _ in range(3000):
        assert raw.reply().json["id"] == 1


def test_a_request_may_come_byte_by_byte(raw: Raw) -> None:
    for byte in b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc":
        raw.send(bytes([byte]))
    assert raw.reply().json["body"] == "abc"
    raw.send(GET[:10])
    time.sleep(0.02)  # two pieces for the server as well
    raw.send(GET[10:] + GET)
    assert [raw.reply().status, raw.reply().status] == [200, 200]


def test_a_known_request_behind_an_unfinished_one_is_body(raw: Raw) -> None:
    raw.send(GET)
    raw.reply()
    raw.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(GET))
    time.sleep(0.02)
    raw.send(GET)
    assert raw.reply().json["body"] == GET.decode()


def test_only_whole_single_requests_are_remembered(url: str) -> None:
    for _ in range(2):  # the second time round, what was wrongly remembered would show
        with connect(url) as raw:
            raw.send(GET + GET)
            assert [raw.reply().json["id"], raw.reply().json["id"]] == [1, 1]
            raw.send(GET + b"GET /users/2 HT")
            assert raw.reply().json["id"] == 1
            raw.send(b"TP/1.1\r\nhost: a\r\nx: ")
            time.sleep(0.02)
            raw.send(b"y\r\n\r\n")
            assert raw.reply().json["id"] == 2
            raw.send(b"y\r\n\r\n")
            assert raw.reply().status == 400


def test_chunked_bodies_are_put_together(raw: Raw) -> None:
    raw.send(b"PUT /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    time.sleep(0.01)
    raw.send(b"2;x\r\nde\r\n0\r\ntrailer: 1\r\n\r\n" + GET)
    assert raw.reply().json["body"] == "abcde"
    assert raw.reply().json["id"] == 1


def test_a_client_that_asks_leave_to_send_gets_it(raw: Raw) -> None:
    head = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    raw.send(head)
    assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(b"ab")
    assert raw.reply().json["body"] == "ab"
    raw.send(head + b"cd")  # it did not wait: none is sent
    assert raw.reply().json["body"] == "cd"


def test_leave_to_send_waits_its_turn_behind_earlier_replies(raw: Raw) -> None:
    raw.send(
        b"GET /delay/30 HTTP/1.1\r\nhost: a\r\n\r\n"
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    )
    assert raw.reply().json == {"delay_ms": 30}
    assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    raw.send(b"ab")
    assert raw.reply().json["body"] == "ab"


def test_a_body_too_large_is_refused_before_it_is_sent(raw: Raw) -> None:
    raw.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1048577\r\nexpect: 100-continue\r\n\r\n")
    got = raw.reply()
    assert (got.status, got.headers["connection"]) == (413, "close")
    assert raw.ended()


def test_the_largest_body_is_taken(raw: Raw) -> None:
    body = b"x" * 2**20
    assert len(raw.ask("POST /echo", body).json["body"]) == 2**20


def test_a_refusal_reaches_a_client_that_is_still_sending(url: str) -> None:
    with connect(url) as raw:
        raw.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 1_000_000)
        got = raw.reply()
        assert got.json["error"] == "the request body is larger than 1,048,576 bytes"
        assert raw.ended()


@pytest.mark.slow
def test_a_refused_client_that_stays_is_let_go() -> None:
    with running_target() as own, connect(own) as raw:
        raw.send(b"nonsense\r\n\r\n")
        assert raw.reply().status == 400 and raw.ended()
        wait_for(own, "connections_open", 2)
        wait_for(own, "connections_open", 1)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
    ],
)
def test_what_is_no_request_ends_the_connection_with_a_reason(raw: Raw, data: bytes, status: int) -> None:
    raw.send(GET + data)
    assert raw.reply().status == 200
    got = raw.reply()
    assert (got.status, got.json["status"], got.headers["connection"]) == (status, status, "close")
    assert raw.ended()


def test_close_is_respected_and_said(raw: Raw) -> None:
    raw.send(b"GET /users/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert raw.reply().headers["connection"] == "close"
    assert raw.ended()


def test_http_1_0_closes_unless_it_asks_otherwise(url: str) -> None:
    with connect(url) as raw:
        raw.send(b"GET /users/1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        assert raw.reply().headers["connection"] == "keep-alive"
        raw.send(b"GET /users/1 HTTP/1.0\r\n\r\n")
        assert raw.reply().headers["connection"] == "close"
        assert raw.ended()


def test_a_request_to_upgrade_is_answered_as_if_it_had_not_asked(raw: Raw) -> None:
    raw.send(b"GET /users/1 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + GET)
    assert [raw.reply().status, raw.reply().status] == [200, 200]


def test_a_client_that_closed_its_side_still_gets_its_reply(url: str) -> None:
    for path in (b"/users/1", b"/delay/30"):
        with connect(url) as raw:
            raw.send(b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path + GET)
            raw.sock.shutdown(socket.SHUT_WR)
            assert [raw.reply().status, raw.reply().status] == [200, 200]
            assert raw.ended()


def test_a_client_that_leaves_before_its_reply_is_counted() -> None:
    with running_target() as own:
        with connect(own) as raw:
            raw.send(b"GET /delay/60000 HTTP/1.1\r\nhost: a\r\n\r\n")
            wait_for(own, "delayed_total", 1)
            raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        wait_for(own, "abandoned_total", 1)
        wait_for(own, "connections_open", 1)


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    with running_target() as own, connect(own) as raw:
        raw.sock.settimeout(0.3)
        request = b"GET /bytes/200000 HTTP/1.1\r\nhost: a\r\n\r\n"
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 50_000_000:
                sent += raw.sock.send(request * 1000)
        lines = ask(own, "GET /metrics").body.decode().splitlines()
        answered = next(line for line in lines if 'requests_total{method="GET",route="/bytes/{n}"' in line)
        assert int(answered.split()[-1]) < 500  # what the sockets' buffers hold, not what was asked for
        raw.sock.settimeout(5)
        for _ in range(600):  # and it goes on when the client reads
            assert len(raw.reply().body) == 200_000


@pytest.mark.parametrize("body", [b"", b"x" * 1_000_000])
@pytest.mark.slow
def test_what_waits_behind_a_slow_reply_is_bounded(url: str, body: bytes) -> None:
    with connect(url, timeout=0.3) as raw:
        raw.send(b"GET /delay/60000 HTTP/1.1\r\nhost: a\r\n\r\n")
        requests = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        requests *= 1 if body else 1000
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 60_000_000:
                sent += raw.sock.send(requests)
        assert sent < 20_000_000  # the most of which is in the sockets' buffers


def test_a_large_reply_lets_others_be_served_meanwhile(url: str) -> None:
    with connect(url) as slow, connect(url) as quick:
        slow.send(b"GET /bytes/100000000 HTTP/1.1\r\nhost: a\r\n\r\n")
        slow.until(b"\r\n\r\n")
        for _ in range(20):
            assert quick.ask("GET /users/1").status == 200
        assert slow.exactly(5_000_000) == bytes(range(256)) * 19531 + bytes(range(64))


def test_hundreds_of_connections_are_served_at_once(url: str) -> None:
    parts = url.removeprefix("http://").split(":")
    socks = [socket.create_connection((parts[0], int(parts[1])), 5) for _ in range(300)]
    try:
        for sock in socks:
            sock.sendall(GET)
        assert all(sock.recv(4096).startswith(b"HTTP/1.1 200") for sock in socks)
    finally:
        for sock in socks:
            sock.close()
