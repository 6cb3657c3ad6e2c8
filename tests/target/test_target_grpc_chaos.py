"""Delays and faults of gRPC calls as grpcio's client sees them: what is drawn, what is told, what is counted."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from loadgate.target.chaos import injector
from loadgate.target.settings import from_plain
from tests.target.greeting import SERVICE, Greeter, greeter, grpc, hello, named, status_of
from tests.target.raw import ask, connect
from tests.target.serving import certain, serving

PATIENCE = 20.0
HELLO = f"/{SERVICE}/SayHello"
COUNTED = "loadgate_target_requests_total"


def marks_of(call: Any) -> dict[str, str]:
    """The truth about a call that has ended, from wherever it stands."""
    fields = [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]
    return {name: value for name, value in fields if name.startswith("x-loadgate")}


def outcome(client: Greeter, name: str = "you") -> tuple[str, dict[str, str]]:
    """Status and truth of one call."""
    call = client.hello.future(named(name), timeout=PATIENCE)
    return status_of(call), marks_of(call)


def page(urls: dict[str, str]) -> str:
    return ask(urls["http"], "GET /metrics").body.decode()


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (["UNAVAILABLE"], "UNAVAILABLE"),
        ([8], "RESOURCE_EXHAUSTED"),
        ([503], "UNAVAILABLE"),
        ([401], "UNAUTHENTICATED"),
        ([500], "UNKNOWN"),
    ],
)
def test_an_error_status_is_that_of_grpc_or_what_that_of_http_means(codes: list[Any], status: str) -> None:
    chaos = {"protocols": {"grpc": certain("status", codes=codes)}}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        call = client.hello.future(named(), timeout=PATIENCE)
        assert (status_of(call), call.details()) == (status, "injected fault")
        assert marks_of(call) == {"x-loadgate-fault": "status"}
        number = grpc.StatusCode[status].value[0]
        assert f'{COUNTED}{{method="CALL",route="{HELLO}",status="{number}"}} 1\n' in page(urls)
        assert 'faults_total{kind="status"} 1\n' in page(urls)
        assert ask(urls["http"], "GET /users/1").status == 200


def test_a_fault_for_all_protocols_is_one_of_grpc_too() -> None:
    with serving(certain("status", codes=[503])) as urls, greeter(urls["grpc"]) as client:
        assert outcome(client)[0] == "UNAVAILABLE"
        assert ask(urls["http"], "GET /users/1").status == 503


@pytest.mark.parametrize("name", ["hello", "stream", "collect", "chat"])
def test_every_kind_of_call_has_delays_and_faults(name: str) -> None:
    chaos = {"latency": {"shape": "fixed", "ms": 30}, **certain("status", codes=[503])}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        asked = iter([named()]) if name in ("collect", "chat") else named()
        method = getattr(client, name)
        start = time.perf_counter()
        call = (
            method.future(asked, timeout=PATIENCE) if name in ("hello", "collect") else method(asked, timeout=PATIENCE)
        )
        assert status_of(call) == "UNAVAILABLE"
        assert time.perf_counter() - start >= 0.03
        assert marks_of(call) == {"x-loadgate-delay-ms": "30.000", "x-loadgate-fault": "status"}


def test_what_is_drawn_is_the_sequence_of_the_seed_and_the_client_is_told_all_of_it() -> None:
    plain: dict[str, Any] = {
        "seed": 11,
        "latency": {"shape": "uniform", "low_ms": 0.1, "high_ms": 2},
        "faults": {"status": {"probability": 0.3, "codes": [503, 401]}, "reset": {"probability": 0.1}},
    }
    drawn = injector(from_plain(plain, seed=1), 0.0)
    assert drawn is not None
    expected = []
    for _ in range(60):
        delay, fault = drawn.draw(HELLO, 0.0, "grpc")
        told = {"x-loadgate-delay-ms": f"{delay:.3f}"}
        if fault is None:
            expected.append(("OK", told))
        elif fault.code:
            expected.append(
                ({503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}[fault.code], {**told, "x-loadgate-fault": "status"})
            )
        else:
            expected.append(("INTERNAL", {}))
    with serving(plain) as urls, greeter(urls["grpc"]) as client:
        assert [outcome(client) for _ in range(60)] == expected
        seen = Counter(status for status, _ in expected)
        assert len(seen) == 4
        assert f'faults_total{{kind="reset"}} {seen["INTERNAL"]}\n' in page(urls)
        assert f'{COUNTED}{{method="CALL",route="{HELLO}",status="0"}} {seen["OK"]}\n' in page(urls)
        assert "loadgate_target_delayed_total 60\n" in page(urls)


def test_a_reset_is_of_one_call() -> None:
    chaos = {"routes": {HELLO: certain("reset")}}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        stream = client.stream(named(), timeout=PATIENCE)
        next(stream)
        assert outcome(client) == ("INTERNAL", {})
        assert len(list(stream)) == 4
        # the calls' connection, and that of the question
        assert "loadgate_target_connections_open 2\n" in page(urls)
        assert "loadgate_target_abandoned_total 0\n" in page(urls)


def test_a_timeout_is_silence() -> None:
    chaos = {"routes": {HELLO: certain("timeout")}}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        call = client.hello.future(named(), timeout=0.1)
        assert status_of(call) == "DEADLINE_EXCEEDED"
        assert marks_of(call) == {}
        assert client.collect(iter([named()]), timeout=PATIENCE).message.startswith("Hello you!")


@pytest.mark.parametrize("name", ["hello", "stream", "collect", "chat"])
def test_a_partial_reply_is_no_reply(name: str) -> None:
    with serving(certain("partial")) as urls, greeter(urls["grpc"]) as client:
        asked = iter([named()]) if name in ("collect", "chat") else named()
        method = getattr(client, name)
        call = (
            method.future(asked, timeout=PATIENCE) if name in ("hello", "collect") else method(asked, timeout=PATIENCE)
        )
        assert status_of(call) in ("INTERNAL", "UNKNOWN", "UNAVAILABLE")
        assert marks_of(call) == {"x-loadgate-fault": "partial"}


def test_a_path_goes_before_the_protocol_and_both_are_changed_while_calls_run() -> None:
    chaos = {"protocols": {"grpc": {"latency": {"shape": "fixed", "ms": 2}}}}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        assert outcome(client) == ("OK", {"x-loadgate-delay-ms": "2.000"})
        change = b'{"routes": {"%b": {"latency": {"shape": "fixed", "ms": 3}}}}'
        assert ask(urls["http"], "PATCH /api/chaos/config", change % f"/{SERVICE}".encode()).status == 200
        assert outcome(client) == ("OK", {"x-loadgate-delay-ms": "3.000"})
        assert ask(urls["http"], "PATCH /api/chaos/config", change.replace(b"3", b"4") % HELLO.encode()).status == 200
        assert outcome(client) == ("OK", {"x-loadgate-delay-ms": "4.000"})
        _, call = client.collect.with_call(iter([named()]), timeout=PATIENCE)
        assert marks_of(call) == {"x-loadgate-delay-ms": "3.000"}
        assert ask(urls["http"], "PATCH /api/chaos/config", b'{"routes": {"%b": null}}' % HELLO.encode()).status == 200
        ask(urls["http"], "POST /api/chaos/disable")
        assert outcome(client) == ("OK", {})
        assert "x-loadgate-delay-ms" not in ask(urls["http"], "GET /users/1").headers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"routes": {"/mockforge.greeter.Greeter/SayHell": {}}}', "no route begins so"),
        (b'{"routes": {"/mockforge.greeter.Greete": {}}}', "no route begins so"),
        (
            b'{"routes": {"/grpc.reflection.v1.ServerReflection": {"faults": {"reset": {"probability": 1}}}}}',
            "no route begins so",
        ),
        (
            b'{"routes": {"/users": {"faults": {"status": {"codes": [14]}}}}}',
            "routes./users.faults.status.codes: 14 is a status of gRPC",
        ),
        (b'{"protocols": {"grpc": {"faults": {"close": {"probability": 1}}}}}', "grpc has no such fault"),
    ],
)
def test_what_no_call_can_have_is_refused(text: bytes, words: str) -> None:
    with serving() as urls:
        got = ask(urls["http"], "PATCH /api/chaos/config", text)
        assert got.status == 400 and words in got.json["error"]


def test_health_and_reflection_are_never_touched() -> None:
    with (
        serving(certain("reset") | {"latency": {"shape": "fixed", "ms": 60_000}}) as urls,
        greeter(urls["grpc"]) as client,
    ):
        for version in ("v1", "v1alpha"):
            ask_for = client.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
            (answer,) = ask_for(iter([b"\x3a\x00"]), timeout=PATIENCE)
            assert SERVICE.encode() in answer
        assert client.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=PATIENCE) == b"\x08\x01"


@pytest.mark.slow
def test_a_delay_holds_back_the_first_message_of_a_stream_only() -> None:
    with serving({"latency": {"shape": "fixed", "ms": 50}}) as urls, greeter(urls["grpc"]) as client:
        start = time.perf_counter()
        call = client.stream(named(), timeout=PATIENCE)
        times = [time.perf_counter() - start for _ in call]
        assert times[0] >= 0.05 and times[4] >= 0.45
        assert marks_of(call) == {"x-loadgate-delay-ms": "50.000"}
        call = client.chat(map(named, "abc"), timeout=PATIENCE)
        assert [reply.message[:15] for reply in call] == ["Chat response 1", "Chat response 2", "Chat response 3"]
        assert "loadgate_target_delayed_total 2\n" in page(urls)


@pytest.mark.slow
def test_a_stall_makes_calls_wait_for_its_end() -> None:
    with (
        serving({"stall": {"every_ms": 300, "for_ms": 150}}) as urls,
        greeter(urls["grpc"]) as client,
        connect(urls["http"]),
    ):
        waits = []
        end = time.perf_counter() + 0.6
        while time.perf_counter() < end:
            status, told = outcome(client)
            assert status == "OK"
            waits.append(float(told.get("x-loadgate-delay-ms", "0")))
        stalled = [wait for wait in waits if wait]
        assert 1 <= len(stalled) <= 3 and max(stalled) <= 150
        assert len(waits) > 20


def test_a_target_that_ends_drops_what_waits_and_says_goodbye() -> None:
    with ExitStack() as stack:
        with serving({"latency": {"shape": "fixed", "ms": 60_000}}) as urls:
            client = stack.enter_context(greeter(urls["grpc"]))
            call = client.hello.future(named(), timeout=PATIENCE)
            while "loadgate_target_delayed_total 1\n" not in page(urls):
                pass
            start = time.monotonic()
        assert time.monotonic() - start < 0.45  # without the grace that connections get which do not close
        assert status_of(call) == "UNAVAILABLE"


def test_without_chaos_nothing_is_told() -> None:
    with serving() as urls, greeter(urls["grpc"]) as client:
        reply, call = client.hello.with_call(named(), timeout=PATIENCE)
        assert reply.message == hello() and marks_of(call) == {}
