"""`loadgate ab` with real services: what it finds, and one clear end whatever an arm does."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.support.command import Done, loadgate, read_json, start, until
from tests.support.processes import with_word

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
SHORT = ("--pairs", "8", "--length", "300ms", "--warmup", "100ms", "--rate", "300")


WIDE = 'gate: {limits: {"*": 100%}}'
"""Limits that a busy machine keeps to."""
IMPATIENT = """
target: {url: "http://127.0.0.1:1", start: {command: x}, ready: {path: /, within: 3s}}
scenarios: {main: {steps: [{get: /}]}}
profiles: {quick: {vus: 1, duration: 1s}}
"""
BUSY = """
import socket, sys
try:
    socket.create_server(("127.0.0.1", int(sys.argv[1])))
except OSError:
    sys.exit(f"port {sys.argv[1]} is taken")
"""
SERVE = f"{sys.executable} -m loadgate serve"
PROTOCOLS = {
    "websocket": (
        "--http-port {port} --ws-port 0",
        "url: http://127.0.0.1",
        '{ws: /ws, name: talk, steps: [{ask: hello, name: hello, expect: {text: "echo: hello"}}]}',
    ),
    "graphql": (
        "--http-port {port} --graphql-port 0",
        "url: http://127.0.0.1, graphql: {schema: introspect}",
        '{graphql: "{ users(limit: 3) { id } }", expect: {errors: none}}',
    ),
    "grpc": (
        "--http-port 0 --grpc-port {port}",
        "grpc: 127.0.0.1:50051",
        "{grpc: mockforge.greeter.Greeter/SayHello, message: {name: Ada}, expect: {status: OK}}",
    ),
}
"""What `serve` is told, the target, and the step that users do."""
FIGURES = {"websocket": "ws_message", "graphql": "graphql_req", "grpc": "grpc_req"}


def arm(mark: Path, options: str = "") -> str:
    return f"{sys.executable} -S -E {SERVICE} {{port}} --note-password {mark} {options}"


def ab(folder: Path, head: str, *more: str) -> Done:
    done = loadgate("ab", "--base", arm(folder), "--head", arm(folder, head), *SHORT, *more, cwd=folder)
    assert not with_word(str(folder)), "a program is left"
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("--child none", "head: the target ended before it was ready: exit code 2"),
        ("--die-after 40", "the last it printed: fatal: out of cheese"),
    ],
)
def test_a_head_that_crashes(tmp_path: Path, head: str, said: str) -> None:
    done = ab(tmp_path, head)
    assert done.code == 3, done.out + done.err
    assert said in done.err


@pytest.mark.slow
def test_a_head_that_fails_every_request_is_worse(tmp_path: Path) -> None:
    done = ab(tmp_path, "--refuse", "--request", "/x", "--format", "json")
    assert done.code == 1, done.out + done.err
    assert '"fail"' in done.out
    record = read_json(tmp_path / "loadgate-out" / "ab.json")
    assert (record["state"], record["verdict"], len(record["pairs"])) == ("complete", "fail", 8 + record["confirming"])


@pytest.mark.slow
def test_a_head_that_waits_2_ms_longer_fails_by_name(tmp_path: Path) -> None:
    done = ab(tmp_path, "--reply-after 0.002")
    assert done.code == 1, done.out + done.err
    assert "http_req_duration p50 is worse than base" in done.out
    assert "confirmed by" in done.out


@pytest.mark.slow
def test_two_of_a_kind_pass_and_it_is_said_what_is_ruled_out(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(WIDE)
    done = ab(tmp_path, "", "--request", "/", "--strict")
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("PASS  no figure is worse by its limit, 95 % sure"), done.out
    said = " ".join(done.out.split())
    assert "ruled out, for the worse, is a change of so much or more in" in said
    assert "http_req_duration p50 100 %" in said


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_other_protocols_are_compared_too(tmp_path: Path, protocol: str) -> None:
    options, target, step = PROTOCOLS[protocol]
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{{target}}}\nscenarios: {{main: {{steps: [{step}]}}}}\nprofiles: {{quick: {{vus: 1, duration: 1s}}}}\n"
    )
    mark = str(id(tmp_path))  # of its processes
    head = f"{SERVE} {options} --seed {mark}"
    base = f"{head} --latency {protocol}=fixed:20ms"
    done = loadgate(
        "ab", "quick", "--base", base, "--head", head, *SHORT, "--length", "600ms", "--rate", "50", cwd=tmp_path
    )
    assert not with_word(mark), "a program is left"
    assert done.code == 0, done.out + done.err
    rows = {row["series"]: row for row in read_json(tmp_path / "loadgate-out" / "ab.json")["comparison"]["rows"]}
    figure = FIGURES[protocol]
    assert rows[f"{figure}_duration p50"]["word"] == "better"
    assert rows[f"{figure}_duration p50"]["base"] == pytest.approx(20.0, rel=0.5)
    assert [rows[f"{figure}_failed share"][side] for side in ("base", "head")] == [0.0, 0.0]


@pytest.mark.slow
def test_a_head_that_never_gets_ready(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(IMPATIENT)
    done = ab(tmp_path, "--never", "quick")
    assert done.code == 3, done.out + done.err
    assert "head: the target was not ready within 3 s of its start: GET http://127.0.0.1:" in done.err


@pytest.mark.slow
def test_a_head_that_takes_a_port_which_another_program_has(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BUSY)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        head = f"{sys.executable} app.py {port} --label {{port}} {tmp_path}"
        done = loadgate("ab", "--base", arm(tmp_path), "--head", head, *SHORT, cwd=tmp_path)
    assert done.code == 3, done.out + done.err
    assert "head: the target ended before it was ready: exit code 1" in done.err
    assert f"port {port} is taken" in done.err
    assert not with_word(str(tmp_path)), "a program is left"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "state"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -9, "running")]
)
def test_an_end_in_mid_test_keeps_the_pairs_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int, state: str
) -> None:
    process = start("ab", "--base", arm(tmp_path), "--head", arm(tmp_path), *SHORT, cwd=tmp_path)
    record = tmp_path / "loadgate-out" / "ab.json"
    try:
        until(record.exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, out + err
    assert read_json(record)["state"] == state
    if number is signal.SIGINT:
        assert re.search(r"interrupted after (1 pair|[2-9] pairs): nothing is decided", out), out
    until(lambda: not with_word(f"--note-password {tmp_path}".split()[1]))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ab(tmp_path, "", "--out", "file/out")
    assert done.code == 2
    assert "cannot write to" in done.err
