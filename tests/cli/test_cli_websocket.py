"""WebSocket from the command line, against a `websockets` server and the embedded target: steps, scripts, budgets, mistakes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.measure.tally import CounterTally, TrendTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from tests.support.command import Done, environment, loadgate
from tests.support.ws_server import WsServer, ws_server
from tests.target.serving import serving

STEPS = """
target: {url: "HTTP", headers: {x-all: "yes"}, timeout: 20s}
scenarios:
  talk:
    steps:
      - get: /plain
        expect: {status: 200}
        capture: {who: {json: $.user}}
      - ws: /chat
        name: chat
        query: {room: "${who}"}
        headers: {x-own: "n${iteration}"}
        subprotocols: [chat.v1, chat.v2]
        compress: true
        timeout: 15s
        tags: {team: red}
        expect: {subprotocol: chat.v2, close_code: 1000, max_duration: 15s}
        steps:
          - ask: "hello ${who}"
            expect: {text: "hello ada", body_contains: ada, max_duration: 15s}
          - ask: {id: "${uuid}", list: [1, 2]}
            match: id
            name: add
            expect: {json: {"$.list": [1, 2]}}
            capture: {second: {json: "$.list[1]"}}
          - {ask: "${second}", expect: {text: "2"}}
          - {ask: AAECAw==, binary: true, name: bytes}
          - send: {push: 3}
          - get: /plain
          - {receive: 3, timeout: 15s, expect: {json: {"$[*].number": [0, 1, 2]}}}
          - {ping: 2, expect: {max_duration: 15s}}
          - group: last
            steps: [{ask: fragments, expect: {text: fragments}}, {think: 1ms}]
profiles:
  quick:
    vus: 2
    iterations: 60
    thresholds:
      checks: ["rate==1"]
      ws_message_duration: ["p(95)<20s"]
      "ws_message_duration{name:add}": ["p(95)<20s"]
      ws_connecting: ["p(95)<20s"]
      "checks{check:chat: received 3 messages}": ["rate==1"]
budgets:
  websocket: {connection_time_ms: 20000, message_latency_ms: 20000, max_error_rate: 0.5}
"""

SCRIPT = """
from loadgate import scenario


@scenario
async def talk(user):
    assert (await user.http.get("/plain")).ok
    with user.group("chats"):
        async with user.ws.connect("/chat", name="chat", subprotocols=["chat.v2"]) as session:
            reply = await session.ask({"id": user.id}, match="id")
            user.check(reply.json() == {"id": user.id}, "echo")
            user.check(session.subprotocol == "chat.v2", "subprotocol")
"""

FAULTS = """
target: {url: "WS"}
scenarios:
  faults:
    steps:
      - {ws: /a, name: in order, expect: {close_code: 1000}, steps: [{ask: a}, {ask: close 1000}]}
      - ws: /b
        name: not in order
        expect: {close_code: 1011}
        steps: [{ask: b}, {send: close 1011}, {receive: 1}, {ask: late}]
      - {ws: /c, name: pieces, steps: [{ask: fragments}, {ask: pings, expect: {text: ponged}}, {ask: fragments}]}
      - {ws: /d, name: dropped, steps: [{ask: d}, {ask: drop}]}
      - {ws: /e, name: silence, steps: [{ask: silent, timeout: 20ms}, {ask: e, name: behind it, timeout: 20ms}]}
      - {ws: /no, name: refused, steps: [{ask: never, name: never sent}, {get: /plain, name: never asked}]}
profiles:
  quick: {vus: 3, iterations: 12}
"""


@pytest.fixture
def server() -> Iterator[WsServer]:
    with ws_server() as found:
        yield found


def write(folder: Path, project: str, server: WsServer) -> None:
    (folder / "loadgate.yml").write_text(project.replace("HTTP", server.http).replace("WS", server.url))


def run(folder: Path, *more: str) -> Done:
    return loadgate("run", *more, "--out", "out", cwd=folder, timeout=60)


def record(folder: Path) -> Run:
    (path,) = (folder / "out").rglob("run.json*")
    return read_run(path)


def counts(found: Run, metric: str = "ws_messages") -> dict[str, int]:
    """Exchanges by step and kind of error, if any."""
    totals: dict[str, int] = {}
    for series in found.series:
        if series.metric.name == metric and isinstance(series.total, CounterTally):
            key = f"{series.tags['name']} {series.tags.get('error', '')}".strip()
            totals[key] = totals.get(key, 0) + int(series.total.total)
    return totals


def samples(found: Run, metric: str) -> int:
    total = found.total(metric)
    assert isinstance(total, TrendTally)
    return total.histogram.count


@pytest.mark.slow
def test_a_mixed_run_of_steps(tmp_path: Path, server: WsServer) -> None:
    write(tmp_path, STEPS, server)
    done = run(tmp_path, "quick")
    assert done.code == 0, done.out + done.err
    for row in ("http GET /plain", "websocket chat", "websocket add", "websocket bytes", "ws_connecting", "group last"):
        assert row in done.out, done.out
    assert "all 3 budgets hold" in done.out
    found = record(tmp_path)
    assert counts(found) == {"chat": 180, "add": 60, "bytes": 60}
    assert counts(found, "http_reqs") == {"GET /plain": 120}
    assert counts(found, "ws_sessions") == {"chat": 60}
    assert sum(counts(found, "ws_msgs_sent").values()) == 60 * 6
    assert sum(counts(found, "ws_msgs_received").values()) == 60 * (5 + 3)
    assert (samples(found, "ws_connecting"), samples(found, "ws_session_duration"), samples(found, "ws_ping")) == (
        60,
        60,
        120,
    )
    assert {series.tags.get("team") for series in found.series if series.tags.get("name") == "add"} == {"red"}
    assert "::last" in {series.tags.get("group") for series in found.series if series.metric.name == "ws_messages"}
    assert (server.sessions, server.codes) == (60, {1000: 60})
    (path,) = {request.path for request in server.requests if request.path != "/plain"}
    assert path == "/chat?room=ada"
    assert server.messages[path, b"\x00\x01\x02\x03"] == server.messages[path, "2"] == 60
    seen = [request.headers for request in server.requests if request.path == path]
    assert {headers["x-all"] for headers in seen} == {"yes"}
    assert "n0" in {headers["x-own"] for headers in seen}


@pytest.mark.slow
def test_a_script_talks_and_a_target_may_be_a_websocket_server(tmp_path: Path, server: WsServer) -> None:
    (tmp_path / "load.py").write_text(SCRIPT)
    (tmp_path / "loadgate.yml").write_text(f"target: {{url: '{server.url}'}}\n")
    done = run(tmp_path, "load.py", "--iterations", "6", "--vus", "2", "--threshold", "checks: rate==1")
    assert done.code == 0, done.out + done.err
    assert f"-> {server.url}" in done.out
    found = record(tmp_path)
    assert (counts(found), counts(found, "ws_sessions")) == ({"chat": 6}, {"chat": 6})
    assert {series.tags.get("group") for series in found.series if series.metric.name == "ws_messages"} == {"::chats"}


@pytest.mark.slow
def test_a_server_that_closes_fragments_pings_drops_and_is_silent_is_counted_right(
    tmp_path: Path, server: WsServer
) -> None:
    write(tmp_path, FAULTS, server)
    done = run(tmp_path, "quick")
    assert done.code == 0, done.out + done.err
    found = record(tmp_path)
    assert counts(found) == {
        "in order": 12,
        "in order reset": 12,
        "not in order": 12,
        "not in order reset": 24,  # the session that broke, and the question it could not take any more
        "pieces": 36,
        "dropped": 12,
        "dropped reset": 12,
        "silence timeout": 12,
        "behind it timeout": 12,  # what answers it is taken for what was asked before
        "refused protocol": 12,
    }
    assert "http_reqs" not in {series.metric.name for series in found.series}
    errors = {(error.kind, error.step): (error.count, error.sample) for error in found.errors}
    assert errors["reset", "in order"] == (12, "closed 1000 by the server: as told")
    assert errors["reset", "not in order"][0] == 24
    assert errors["protocol", "refused"] == (12, "handshake refused: 403 Forbidden")
    assert errors["check", "not in order: received a message"][1] == "0 of 1 came: closed 1011 by the server: as told"
    assert not {kind for kind, _ in errors} - {"reset", "timeout", "protocol", "check"}, errors
    assert server.sessions == 60
    assert counts(found, "ws_sessions") == dict.fromkeys(
        ("in order", "not in order", "pieces", "dropped", "silence"), 12
    )
    assert samples(found, "ws_session_duration") == 60
    assert sum(server.messages.values()) == sum(counts(found, "ws_msgs_sent").values()) == 12 * 11


@pytest.mark.slow
def test_budgets_of_websocket_fail_a_run(tmp_path: Path, server: WsServer) -> None:
    project = """
target: {url: "WS"}
scenarios: {main: {steps: [{ws: /slow, name: main, steps: [{ask: slow}, {ask: slow}, {ask: close 1000}]}]}}
profiles: {quick: {vus: 20, iterations: 200}}
budgets: {websocket: {connection_time_ms: 20, message_latency_ms: 20, max_error_rate: 0.1}}
"""
    write(tmp_path, project, server)
    done = run(tmp_path, "quick")
    assert done.code == 1, done.out + done.err
    for key in ("connection_time_ms", "message_latency_ms", "max_error_rate"):
        assert [line.split()[1] for line in done.out.splitlines() if f"websocket {key}" in line][:1] == ["fail"], (
            done.out
        )


@pytest.mark.slow
def test_a_run_that_only_listens_has_no_requests_and_is_one(tmp_path: Path, server: WsServer) -> None:
    project = """
target: {url: "WS"}
scenarios: {main: {steps: [{ws: /news, name: news, steps: [{send: {push: 2}}, {receive: 2, timeout: 15s}]}]}}
"""
    write(tmp_path, project, server)
    done = run(
        tmp_path, "--iterations", "5", "--threshold", "checks: rate==1", "--threshold", "ws_msgs_received: count==10"
    )
    assert done.code == 0, done.out + done.err
    assert "nothing was measured" not in done.out
    assert "ws_msgs_received" in done.out


@pytest.mark.slow
def test_a_url_and_a_body_ask_the_embedded_target(tmp_path: Path) -> None:
    with serving() as urls:
        url = urls["websocket"]
        limits = ("--threshold", "ws_messages: count==10", "--threshold", "ws_message_failed: rate==0")
        done = run(tmp_path, "--url", url, "--body", "hello ${vu}", "--iterations", "10", "--vus", "2", *limits)
    assert done.code == 0, done.out + done.err
    assert f"WS {url}" in done.out
    assert counts(record(tmp_path)) == {f"WS {url}": 10}


def test_a_url_alone_needs_something_to_send(tmp_path: Path) -> None:
    for more, words in (
        ((), "give --body TEXT"),
        (("--method", "GET", "--body", "x"), "--method is for HTTP"),
    ):
        done = run(tmp_path, "--url", "ws://127.0.0.1:1/ws", *more)
        assert (done.code, words in done.err) == (2, True), done.err


@pytest.mark.slow
def test_a_server_that_is_not_there_is_told_of_before_there_is_load(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(
        "target: {url: 'ws://127.0.0.1:1'}\nscenarios: {main: {steps: [{ws: /ws, steps: [{ask: x}]}]}}\n"
    )
    done = run(tmp_path, "--iterations", "1")
    assert (done.code, "nothing answered at 127.0.0.1:1 within 5 s" in done.err) == (3, True), done.err


WRONG = """
target: {url: "http://127.0.0.1:1"}
scenarios:
  main:
    steps:
      - ask: hello
      - ws: /ws
        name: chat
        compres: true
        steps:
          - {send: hello, expect: {text: hello}}
          - {aks: hello}
"""


def test_check_tells_mistakes_with_their_places(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(WRONG)
    done = loadgate("check", cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    for message, place in (
        ("there is no session here for `ask`", "loadgate.yml:6:9"),
        ("unknown key `compres` in step `chat`", "loadgate.yml:9:9"),
        ("`expect` cannot be used in step `chat`", "loadgate.yml:11:27"),
        ("unknown key `aks` in a step", "loadgate.yml:12:14"),
    ):
        assert message in done.err and place in done.err, (message, done.err)


def test_a_path_without_a_target_is_told(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text("scenarios: {main: {steps: [{ws: /ws, steps: [{ask: x}]}]}}\n")
    done = run(tmp_path, "--iterations", "1")
    assert (done.code, "there is no target URL for this step" in done.err) == (2, True), done.err
    assert "loadgate.yml:1:33" in done.err


def test_runs_without_a_session_do_not_import_its_client(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(
        "target: {url: 'http://127.0.0.1:1'}\nscenarios: {main: {steps: [{get: /}]}}\n"
    )
    code = "import sys; from loadgate.plan import every_plan; from pathlib import Path; import os\n"
    code += "import loadgate.session\nevery_plan(Path('loadgate.yml'), os.environ)\n"
    code += "sys.exit('loadgate.clients.websocket' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=30).returncode == 0
