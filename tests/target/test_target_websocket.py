"""`/ws` as the client of `websockets` and raw bytes see it: echo, truth, push, faults, the ends of connections."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from loadgate.target.websocket.frames import unmasked
from tests.target.raw import Raw, ask
from tests.target.raw import connect as raw_connect
from tests.target.serving import certain, serving

MASK = b"abcd"


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


@contextmanager
def opened(url: str, query: str = "", **more: Any) -> Iterator[ClientConnection]:
    with connect(url + query, compression=None, close_timeout=5, proxy=None, max_size=None, **more) as ws:
        yield ws


@contextmanager
def upgraded(url: str) -> Iterator[Raw]:
    """The bytes of a connection after its handshake."""
    with raw_connect(url) as raw:
        raw.send(REQUEST)
        assert raw.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        yield raw


REQUEST = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(first: int, payload: bytes = b"") -> bytes:
    return bytes([first, 0x80 | len(payload)]) + MASK + unmasked(payload, MASK)


def frame_from(raw: Raw) -> tuple[int, bytes]:
    first, length = raw.exactly(2)
    return first & 15, raw.exactly(length)


def counted(urls: dict[str, str], line: str) -> None:
    """Wait until the target's metrics have `line`."""
    deadline = time.monotonic() + 5
    while f"{line}\n" not in ask(urls["http"], "GET /metrics").body.decode():
        assert time.monotonic() < deadline, line


def test_it_echoes_on_its_own_port_and_on_that_of_http(urls: dict[str, str]) -> None:
    for url in (urls["websocket"], urls["http"].replace("http", "ws") + "/ws"):
        with opened(url) as ws:
            ws.send("hällo")
            assert ws.recv(5) == "echo: hällo"
            ws.send(b"\x00\xff")
            assert ws.recv(5) == b"\x00\xff"
            ws.send("")
            assert ws.recv(5) == "echo: "
            ws.send(["in ", "three ", "parts"])
            assert ws.recv(5) == "echo: in three parts"
            assert ws.ping(b"there?").wait(5)
        assert ws.close_code == 1000
    assert ask(urls["websocket"].replace("ws", "http", 1).removesuffix("/ws"), "GET /health").status == 200


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 16 * 2**20])
def test_messages_of_all_sizes_come_back(urls: dict[str, str], size: int) -> None:
    message = os.urandom(size)
    with opened(urls["websocket"]) as ws:
        ws.send(message)
        assert ws.recv(20) == message


@pytest.mark.slow
def test_a_message_that_is_too_large_closes_with_1009(urls: dict[str, str]) -> None:
    with opened(urls["websocket"]) as ws:
        with pytest.raises(ConnectionClosed) as caught:
            ws.send(bytes(16 * 2**20 + 1))
            ws.recv(10)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009


def test_many_messages_at_once_come_back_in_order(urls: dict[str, str]) -> None:
    with upgraded(urls["websocket"]) as raw:
        raw.send(b"".join(masked(0x81, b"%d" % n) for n in range(5000)))
        for n in range(5000):
            assert frame_from(raw) == (1, b"echo: %d" % n)


def test_a_client_that_does_not_read_is_not_read_either(urls: dict[str, str]) -> None:
    with opened(urls["websocket"], max_queue=1) as ws:
        ws.socket.settimeout(0.3)
        message = bytes(2**20)
        sent = 0
        with pytest.raises((TimeoutError, ConnectionClosed)):
            for _ in range(200):
                ws.send(message)
                sent += 1
        assert sent < 100


def test_the_handshake_is_that_of_rfc_6455_and_extensions_are_declined(urls: dict[str, str]) -> None:
    with raw_connect(urls["websocket"]) as raw:
        raw.send(REQUEST.replace(b"\r\n\r\n", b"\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n"))
        head = raw.until(b"\r\n\r\n")
    assert b"\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert b"extensions" not in head and b"protocol" not in head


def test_the_first_subprotocol_is_taken(urls: dict[str, str]) -> None:
    with opened(urls["websocket"], subprotocols=[Subprotocol("b"), Subprotocol("a")]) as ws:
        assert ws.subprotocol == "b"


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ((b"upgrade: websocket", b"upgrade: h2c"), 426, "speaks WebSocket"),
        ((b"version: 13", b"version: 8"), 426, "version 13"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ="), 400, "sec-websocket-key"),
        ((b"connection: Upgrade", b"connection: keep-alive"), 400, "`connection: Upgrade`"),
        ((b"/ws HTTP", b"/ws?push=fast HTTP"), 400, "push: "),
        ((b"/ws HTTP", b"/ws?push=0.1ms HTTP"), 400, "push: from 1ms"),
        ((b"/ws HTTP", b"/ws?truth=yes HTTP"), 400, "truth: 1 or 0"),
        ((b"GET /ws", b"POST /ws"), 405, "method"),
        ((b"/ws HTTP", b"/nowhere HTTP"), 404, "nothing at this path"),
    ],
)
def test_a_handshake_that_is_wrong_is_refused_and_http_goes_on(
    urls: dict[str, str], change: tuple[bytes, bytes], status: int, word: str
) -> None:
    with raw_connect(urls["http"]) as raw:
        raw.send(REQUEST.replace(*change))
        got = raw.reply()
        assert got.status == status and word in got.json["error"]
        assert raw.ask("GET /users/1").status == 200


def test_frames_before_the_handshake_was_answered_are_refused(urls: dict[str, str]) -> None:
    with raw_connect(urls["http"]) as raw:
        raw.send(REQUEST + masked(0x81, b"too soon"))
        assert raw.reply().status == 400
        assert raw.ended()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x01a", 1002),
        (masked(0x83), 1002),
        (masked(0x81, b"\xff"), 1007),
        (masked(0x88, b"\x03\xed"), 1002),
        (masked(0x88, b"\x03\xe8\xff"), 1007),
    ],
)
def test_a_frame_that_is_wrong_closes_with_its_code(urls: dict[str, str], wire: bytes, code: int) -> None:
    with upgraded(urls["websocket"]) as raw:
        raw.send(masked(0x81, b"a") + wire + bytes(100_000))
        assert frame_from(raw) == (1, b"echo: a")
        kind, payload = frame_from(raw)
        assert kind == 8 and int.from_bytes(payload[:2], "big") == code
        raw.sock.shutdown(socket.SHUT_WR)
        assert raw.ended()


def test_a_close_is_answered_with_its_code_and_the_server_hangs_up(urls: dict[str, str]) -> None:
    for payload in (b"", b"\x0f\xa0bye"):
        with upgraded(urls["websocket"]) as raw:
            raw.send(masked(0x88, payload) + masked(0x81, b"after"))
            assert frame_from(raw) == (8, payload[:2])
            assert raw.ended()


def test_connections_are_counted_out() -> None:
    with serving() as urls:
        with upgraded(urls["websocket"]):
            counted(urls, "loadgate_target_connections_open 2")
        counted(urls, "loadgate_target_connections_open 1")


def test_pushed_messages_are_numbered_and_come_beside_replies(urls: dict[str, str]) -> None:
    with opened(urls["websocket"], "?push=5ms") as ws:
        ws.send("a")
        got = [ws.recv(5) for _ in range(8)]
    assert "echo: a" in got
    assert [each for each in got if each != "echo: a"] == [f"push: {n}" for n in range(1, 8)]


def told(url: str, texts: int) -> list[float]:
    with opened(url, "?truth=1") as ws:
        delays = []
        for n in range(texts):
            ws.send(f"{n}")
            reply = json.loads(ws.recv(5))
            assert reply["echo"] == f"{n}"
            delays.append(reply["delay_ms"])
    return delays


def test_delays_are_told_follow_the_seed_and_are_never_shorter() -> None:
    latency = {"latency": {"shape": "uniform", "low_ms": 1, "high_ms": 4}}
    with serving(latency) as urls, serving(latency) as again:
        first = told(urls["websocket"], 20)
        assert first == told(again["websocket"], 20)
        assert len(set(first)) == 20 and all(1.0 <= delay <= 4.0 for delay in first)
        with opened(urls["websocket"], "?truth=1") as ws:
            for _ in range(10):
                start = time.perf_counter()
                ws.send("x")
                delay = json.loads(ws.recv(5))["delay_ms"]
                assert (time.perf_counter() - start) * 1000.0 >= delay - 0.002


def test_messages_wait_for_each_other_and_pings_for_nobody() -> None:
    chaos = {"protocols": {"websocket": {"latency": {"shape": "fixed", "ms": 100}}}}
    with serving(chaos) as urls, upgraded(urls["websocket"]) as raw:
        start = time.perf_counter()
        raw.send(b"".join(masked(0x81, b"%d" % n) for n in range(3)) + masked(0x89, b"ping"))
        assert frame_from(raw) == (10, b"ping")
        assert [frame_from(raw) for _ in range(3)] == [(1, b"echo: %d" % n) for n in range(3)]
        assert time.perf_counter() - start >= 0.3


def test_thousands_of_messages_that_wait_for_one_all_come() -> None:
    chaos = {"latency": {"shape": "fixed", "ms": 30, "probability": 0.001}, "seed": 3}
    with serving(chaos) as urls, upgraded(urls["websocket"]) as raw:
        raw.send(b"".join(masked(0x81, b"%d" % n) for n in range(5000)))
        for n in range(5000):
            assert frame_from(raw) == (1, b"echo: %d" % n)


def test_a_status_fault_is_for_the_handshake() -> None:
    with serving(certain("status", codes=[503])) as urls:
        with pytest.raises(InvalidStatus) as caught, opened(urls["websocket"]):
            pass
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["x-loadgate-fault"] == "status"


@pytest.mark.parametrize(
    ("chaos", "code"),
    [
        (certain("close"), 1011),
        (certain("close", codes=[4321]), 4321),
        (certain("reset"), None),
        (certain("partial"), None),
    ],
)
def test_a_message_with_a_fault_ends_the_connection(chaos: dict[str, Any], code: int | None) -> None:
    with serving(chaos) as urls:
        with opened(urls["websocket"]) as ws:
            ws.send("a")
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv(5)
        assert (caught.value.rcvd.code if caught.value.rcvd else None) == code
        kind = next(iter(chaos["faults"]))
        counted(urls, f'loadgate_target_faults_total{{kind="{kind}"}} 1')
        counted(urls, "loadgate_target_connections_open 1")


def test_a_reset_is_a_reset_and_half_a_frame_is_half_a_frame() -> None:
    with serving(certain("reset")) as urls, upgraded(urls["websocket"]) as raw:
        raw.send(masked(0x81, b"a"))
        with pytest.raises(ConnectionResetError):
            raw.exactly(1)
    with serving(certain("partial")) as urls, upgraded(urls["websocket"]) as raw:
        raw.send(masked(0x81, b"abcd"))
        assert raw.exactly(6) == b"\x81\x0aecho"
        assert raw.ended()


def test_a_timeout_silences_the_connection_but_for_pings_and_its_end() -> None:
    with serving(certain("timeout")) as urls, upgraded(urls["websocket"]) as raw:
        raw.send(b"".join(masked(0x81, b"a") for _ in range(100)) + masked(0x89, b"p") + masked(0x88))
        assert frame_from(raw) == (10, b"p")
        assert frame_from(raw) == (8, b"")
        assert raw.ended()


def test_faults_are_of_one_protocol_and_change_while_connections_stand() -> None:
    with serving({"protocols": {"websocket": {"faults": {"close": {"probability": 1}}}}}) as urls:
        assert ask(urls["http"], "GET /users/1").status == 200
        with opened(urls["websocket"]) as ws:
            assert ask(urls["http"], "PATCH /api/chaos/config", b'{"protocols": {"websocket": null}}').status == 200
            ws.send("a")
            assert ws.recv(5) == "echo: a"
            ask(
                urls["http"],
                "PATCH /api/chaos/config",
                b'{"routes": {"/ws": {"faults": {"reset": {"probability": 1}}}}}',
            )
            ws.send("a")
            with pytest.raises(ConnectionClosed):
                ws.recv(5)


def test_the_same_seed_breaks_the_same_messages() -> None:
    def survived(url: str) -> list[int]:
        found = []
        for _ in range(5):
            with opened(url) as ws:
                n = 0
                try:
                    while True:
                        ws.send("a")
                        ws.recv(5)
                        n += 1
                except ConnectionClosed:
                    found.append(n)
        return found

    chaos = {"seed": 9, "faults": {"close": {"probability": 0.1}}}
    with serving(chaos) as urls, serving(chaos) as again:
        first = survived(urls["websocket"])
        assert first == survived(again["websocket"]) and len(set(first)) > 1
