"""Delays and faults as a client sees them, and changing them while requests run."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.target import running_target
from tests.target.raw import Got, Raw, ask, connect

GET = b"GET /users/1 HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture
def own() -> Iterator[str]:
    with running_target() as url:
        yield url


def put(url: str, text: str, method: str = "PUT") -> Got:
    return ask(url, f"{method} /api/chaos/config", text.encode())


def certain(kind: str, **more: Any) -> dict[str, Any]:
    return {"faults": {kind: {"probability": 1, **more}}}


def test_a_reset_is_a_reset() -> None:
    with running_target(certain("reset")) as url, connect(url) as raw:
        raw.send(GET)
        with pytest.raises(ConnectionResetError):
            raw.reply()


def test_a_timeout_never_answers_and_lets_go_when_the_client_does() -> None:
    with running_target(certain("timeout")) as url:
        with connect(url, timeout=0.2) as raw:
            raw.send(GET + GET)
            with pytest.raises(TimeoutError):
                raw.reply()
            raw.send(GET * 1000)
        deadline = time.monotonic() + 5
        while "loadgate_target_connections_open 1\n" not in ask(url, "GET /metrics").body.decode():
            assert time.monotonic() < deadline


def test_an_error_status_says_that_it_was_injected_and_nothing_was_done() -> None:
    with running_target(certain("status", codes=[503])) as url, connect(url) as raw:
        got = raw.ask("POST /users", b"{}")
        assert (got.status, got.headers["x-loadgate-fault"]) == (503, "status")
        assert got.json == {"error": "injected fault", "status": 503}
        assert raw.ask("HEAD /users").status == 503
        assert ask(url, "DELETE /api/chaos/config").status == 200
        assert ask(url, "POST /api/chaos/disable").status == 200
        assert raw.ask("GET /users").headers["x-total-count"] == "100"


@pytest.mark.parametrize(
    ("line", "promised", "sent"),
    [("GET /bytes/1000", 1000, 500), ("GET /bytes/1000000", 1_000_000, 500_000), ("GET /bytes/1", 1, 0)],
)
def test_a_partial_body_is_half_of_what_was_promised(line: str, promised: int, sent: int) -> None:
    with running_target(certain("partial")) as url, connect(url) as raw:
        raw.send(f"{line} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        head = raw.until(b"\r\n\r\n").decode()
        assert f"content-length: {promised}\r\n" in head
        assert "x-loadgate-fault: partial\r\n" in head and "connection: close\r\n" in head
        assert len(raw.exactly(sent)) == sent
        assert raw.ended()


@pytest.mark.parametrize("line", ["HEAD /users", "GET /status/204", "GET /bytes/0"])
def test_where_there_is_no_body_the_head_is_cut(line: str) -> None:
    with running_target(certain("partial")) as url, connect(url) as raw:
        raw.send(f"{line} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        with pytest.raises(EOFError, match=r"ended after b'HTTP/1\.1 20"):
            raw.reply(bodiless=True)


def test_control_routes_are_never_touched() -> None:
    chaos = certain("reset") | {"latency": {"shape": "fixed", "ms": 60_000}}
    with running_target(chaos) as url, connect(url) as raw:
        for path in ("/health", "/health/ready", "/metrics", "/api/chaos/config"):
            got = raw.ask(f"GET {path}")
            assert got.status == 200 and not [name for name in got.headers if name.startswith("x-loadgate")]


@pytest.mark.slow
def test_a_delay_is_what_the_header_says_within_a_millisecond() -> None:
    latency = {"shape": "lognormal", "median_ms": 10, "sigma": 0.5}
    excess: list[float] = []
    with running_target({"latency": latency}, process=True) as url, connect(url) as raw:
        raw.ask("GET /users/1")
        for _ in range(40):
            start = time.perf_counter()
            raw.send(GET)
            got = raw.reply()
            took = (time.perf_counter() - start) * 1000
            excess.append(took - float(got.headers["x-loadgate-delay-ms"]))
    assert min(excess) >= -0.002  # never early; told to the microsecond
    assert sorted(excess)[20] < 1.0


def test_delays_follow_the_seed_and_the_configured_shape(own: str) -> None:
    def delays() -> list[str]:
        put(own, '{"seed": 5, "latency": {"shape": "uniform", "low_ms": 1, "high_ms": 3}}')
        with connect(own) as raw:
            return [raw.ask("GET /users/1").headers["x-loadgate-delay-ms"] for _ in range(10)]

    first = delays()
    assert first == delays()
    assert len(set(first)) == 10 and all(1.0 <= float(delay) <= 3.0 for delay in first)


def test_own_and_injected_delays_add_up(own: str) -> None:
    put(own, '{"latency": {"shape": "fixed", "ms": 20}}')
    start = time.perf_counter()
    got = ask(own, "GET /delay/30")
    assert time.perf_counter() - start >= 0.05
    assert got.headers["x-loadgate-delay-ms"] == "50.000"


def test_a_fault_comes_after_its_delay(own: str) -> None:
    put(own, '{"latency": {"shape": "fixed", "ms": 30}, "faults": {"status": {"probability": 1}}}')
    start = time.perf_counter()
    got = ask(own, "GET /users")
    assert time.perf_counter() - start >= 0.03
    assert (got.status, got.headers["x-loadgate-delay-ms"]) == (500, "30.000")


def test_slow_requests_do_not_hold_up_each_other(own: str) -> None:
    put(own, '{"latency": {"shape": "fixed", "ms": 300}}')
    start = time.perf_counter()
    with connect(own) as one, connect(own) as two:
        one.send(GET)
        two.send(GET)
        assert one.reply().status == two.reply().status == 200
    assert time.perf_counter() - start < 0.55


def test_faults_come_at_their_rate_over_many_connections(own: str) -> None:
    put(own, '{"faults": {"status": {"probability": 0.25, "codes": [500, 502]}, "reset": {"probability": 0.1}}}')
    seen: Counter[str] = Counter()
    for _ in range(400):
        with connect(own) as raw:
            raw.send(GET)
            try:
                seen[str(raw.reply().status)] += 1
            except ConnectionResetError:
                seen["reset"] += 1
    assert set(seen) == {"200", "500", "502", "reset"}
    assert seen["reset"] == pytest.approx(40, abs=15) and seen["500"] + seen["502"] == pytest.approx(100, abs=25)
    text = ask(own, "GET /metrics").body.decode()
    assert f'loadgate_target_faults_total{{kind="reset"}} {seen["reset"]}\n' in text


def test_chaos_changes_while_a_connection_is_in_use(own: str) -> None:
    with connect(own) as raw:
        assert "x-loadgate-delay-ms" not in raw.ask("GET /users/1").headers
        shown = put(own, '{"latency": {"shape": "fixed", "ms": 5}}')
        assert shown.json == ask(own, "GET /api/chaos/config").json
        assert raw.ask("GET /users/1").headers["x-loadgate-delay-ms"] == "5.000"
        put(own, '{"routes": {"/users": {"latency": {"shape": "fixed", "ms": 7}}}}', "PATCH")
        assert raw.ask("GET /users/1").headers["x-loadgate-delay-ms"] == "7.000"
        assert raw.ask("GET /posts/1").headers["x-loadgate-delay-ms"] == "5.000"
        assert ask(own, "POST /api/chaos/disable").json["enabled"] is False
        assert "x-loadgate-delay-ms" not in raw.ask("GET /users/1").headers
        ask(own, "POST /api/chaos/enable")
        assert raw.ask("GET /users/1").headers["x-loadgate-delay-ms"] == "7.000"
        ask(own, "DELETE /api/chaos/config")
        assert "x-loadgate-delay-ms" not in raw.ask("GET /users/1").headers


def test_a_wrong_configuration_changes_nothing(own: str) -> None:
    put(own, '{"latency": {"shape": "fixed", "ms": 1}}')
    before = ask(own, "GET /api/chaos/config").body
    for method, text, words in (
        (
            "PUT",
            '{"latency": {"shape": "fixed", "ms": 5}, "faults": {"reset": {"probability": 2}}}',
            "faults.reset.probability: ",
        ),
        ("PATCH", '{"seed": 3, "latency": {"shape": "fixed", "ms": -1}}', "latency.ms: "),
        ("POST", '{"seed": 1, "seed": 2}', "seed: given twice"),
        ("PUT", "nonsense", "this is not JSON: "),
        ("PUT", '{"routes": {"/user": {}}}', "routes./user: no route begins so (for example /users or /users/7)"),
    ):
        got = put(own, text, method)
        assert got.status == 400 and got.json["error"].startswith(words)
        assert ask(own, "GET /api/chaos/config").body == before


def test_reset_goes_back_to_how_the_target_was_started() -> None:
    with running_target({"latency": {"shape": "fixed", "ms": 2}}) as url:
        started = ask(url, "GET /api/chaos/config").json
        assert put(url, "{}").json["latency"] == {"shape": "none"}
        for line in ("DELETE /api/chaos/config", "POST /api/chaos/reset"):
            put(url, "{}")
            assert ask(url, line).json == started


@pytest.mark.slow
def test_a_stall_makes_requests_wait_for_its_end(own: str) -> None:
    put(own, '{"stall": {"every_ms": 300, "for_ms": 150}}')
    waits: list[float] = []
    with connect(own) as raw:
        end = time.perf_counter() + 0.6
        while time.perf_counter() < end:
            waits.append(float(raw.ask("GET /users/1").headers.get("x-loadgate-delay-ms", "0")))
    stalled = [wait for wait in waits if wait]
    assert 1 <= len(stalled) <= 3 and max(stalled) <= 150
    assert len(waits) > 20


def test_a_target_that_is_closed_drops_what_waits() -> None:
    with running_target({"latency": {"shape": "fixed", "ms": 60_000}}) as url:
        raw = Raw(socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 5))
        raw.send(GET)
        while "loadgate_target_delayed_total 1\n" not in ask(url, "GET /metrics").body.decode():
            pass
        start = time.monotonic()
    assert time.monotonic() - start < 0.45  # without the grace that connections get which do not close
    with raw.sock:
        assert raw.ended()
