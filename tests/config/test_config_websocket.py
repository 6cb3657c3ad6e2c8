"""`ws:` steps and WebSocket targets as they are read: defaults, kinds of messages, and every mistake in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.body import JsonBody, TextBody
from loadgate.config.project import parse_project
from loadgate.config.steps import GroupStep, MessageStep, RequestStep, SessionStep, Step, exchanges_of
from loadgate.config.steps.websocket import BinaryMessage, Deed
from loadgate.config.steps.websocket_flags import session_from_flags
from loadgate.config.target import target_from_url
from loadgate.errors import ConfigError, Problem
from loadgate.script.source import project_script

HERE = Path(__file__).parent / "loadgate.yml"


def session(keys: str = "", steps: str = "[{ask: x}]") -> SessionStep:
    text = f"scenarios: {{a: {{steps: [{{ws: /ws, {keys}steps: {steps}}}]}}}}\n"
    (found,) = parse_project(text, HERE, {"NAME": "chat"}).scenarios[0].steps
    assert isinstance(found, SessionStep)
    return found


def step(text: str) -> Step:
    (found,) = session(steps=f"[{text}]").steps
    return found


def message(text: str) -> MessageStep:
    found = step(text)
    assert isinstance(found, MessageStep)
    return found


def problems(steps: str) -> list[Problem]:
    """What is wrong with a scenario of these steps, be it found by reading or by compiling them."""
    with pytest.raises(ConfigError) as caught:
        project_script(parse_project(f"scenarios: {{a: {{steps: {steps}}}}}\n", HERE, {}), {})
    return list(caught.value.problems)


def test_a_session_with_nothing_but_its_path() -> None:
    found = session()
    assert (found.name, found.url.text, found.timeout, found.compress) == ("WS /ws", "/ws", None, False)
    assert (found.subprotocols, found.expect.subprotocol, found.expect.close_codes) == ((), None, None)
    (ask,) = found.steps
    assert isinstance(ask, MessageStep)
    assert (ask.name, ask.named, ask.deed, ask.match, ask.count) == ("WS /ws", False, Deed.ASK, None, 1)


def test_all_that_is_said_of_a_session() -> None:
    found = session(
        "name: '${env.NAME}', query: {a: '${vu}'}, headers: {x-a: b}, auth: {bearer: t}, timeout: 2s, compress: true, "
        "subprotocols: [a, b.v2], expect: {subprotocol: b.v2, close_code: [1000, 4001], max_duration: 1s}, "
    )
    assert (found.name, found.timeout, found.compress, found.subprotocols) == ("chat", 2.0, True, ("a", "b.v2"))
    assert (found.expect.subprotocol, found.expect.close_codes) == ("b.v2", frozenset({1000, 4001}))
    assert found.expect.max_duration == 1.0
    assert found.query["a"].text == "${vu}"
    assert session("subprotocols: one, ").subprotocols == ("one",)


def test_messages_are_text_json_or_binary() -> None:
    for written, kind in (
        ("hello", TextBody),
        ("1.10", TextBody),
        ("''", TextBody),
        ("{id: 1}", JsonBody),
        ("[1, 2]", JsonBody),
        ("AAEC, binary: true", BinaryMessage),
        ("'${x}', binary: true", BinaryMessage),
    ):
        for deed in ("ask", "send"):
            assert isinstance(message(f"{{{deed}: {written}}}").message, kind), written
    text = message("{ask: 1.10}").message
    assert isinstance(text, TextBody) and text.text.text == "1.10"


def test_what_is_received_and_pinged_is_counted() -> None:
    receive = message(
        "{receive: 3, timeout: 2s, expect: {text: a, body_contains: b, json: {$.c: 1}, max_duration: 1s}}"
    )
    assert (receive.deed, receive.count, receive.timeout, receive.message) == (Deed.RECEIVE, 3, 2.0, None)
    assert receive.expect.text is not None and receive.expect.text.text == "a"
    assert (message("{ping: 2}").deed, message("{ping: 2}").count) == (Deed.PING, 2)


def test_every_other_step_may_stand_in_a_session() -> None:
    found = session(steps="[{get: /a}, {group: g, steps: [{ask: x}, {ws: /b, steps: [{send: y}]}]}, {think: 1s}]")
    request, group, _ = found.steps
    assert isinstance(request, RequestStep) and isinstance(group, GroupStep)
    kinds = [type(each).__name__ for each in exchanges_of((found,))]
    assert kinds == ["SessionStep", "RequestStep", "MessageStep", "SessionStep", "MessageStep"]


@pytest.mark.parametrize(
    ("written", "needs"), [("/ws", True), ("ws://h/ws", False), ("'wss://h'", False), ("'${x}/ws'", False)]
)
def test_only_a_path_needs_a_target(written: str, needs: bool) -> None:
    text = f"scenarios: {{a: {{steps: [{{ws: {written}, steps: [{{ask: x}}]}}]}}}}\n"
    found = list(exchanges_of(parse_project(text, HERE, {}).scenarios[0].steps))
    assert [each.needs_target is not None for each in found] == [needs, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ws: chat, steps: [{ask: x}]}", "`ws` in step `WS chat` must be a path, or a URL with ws:// or wss://"),
        ("{ws: /ws, timeout: 25h, steps: [{ask: x}]}", "`timeout` in step `WS /ws` must be at most 24h"),
        ("{ws: /ws, subprotocols: [], steps: [{ask: x}]}", "`subprotocols` in step `WS /ws` must be one or a list"),
        (
            "{ws: /ws, expect: {close_code: []}, steps: [{ask: x}]}",
            "`close_code` in `expect` in step `WS /ws` must be one",
        ),
        ("{ws: 'ftp://h/', steps: [{ask: x}]}", "`ws` in step `WS ftp://h/` must be a path, or a URL with ws://"),
        ("{ws: /ws}", "`steps` is missing in step `WS /ws`"),
        ("{ws: /ws, steps: []}", "`steps` in step `WS /ws` must be a list of at least one step"),
        ("{ws: /ws, get: /, steps: [{ask: x}]}", "a step does one thing, but this one has `get` and `ws`"),
        (
            "{ws: /ws, headers: {Upgrade: x}, steps: [{ask: x}]}",
            "`Upgrade` in `headers` in step `WS /ws` cannot be set",
        ),
        ("{ws: /ws, headers: {sec-websocket-key: x}, steps: [{ask: x}]}", "`sec-websocket-key` in `headers` in step"),
        ("{ws: /ws, subprotocols: ['a b'], steps: [{ask: x}]}", "`subprotocols` in step `WS /ws` must be a name, or"),
        ("{ws: /ws, subprotocols: [a, a], steps: [{ask: x}]}", "`subprotocols` in step `WS /ws` must be a list of"),
        ("{ws: /ws, subprotocols: [], expect: {subprotocol: a}, steps: [{ask: x}]}", "the subprotocol `a` is expected"),
        ("{ws: /ws, expect: {close_code: 999}, steps: [{ask: x}]}", "`close_code` in `expect` in step `WS /ws` must"),
        ("{ws: /ws, expect: {status: 101}, steps: [{ask: x}]}", "unknown key `status` in `expect` in step `WS /ws`"),
        ("{ws: /ws, capture: {a: {json: $}}, steps: [{ask: x}]}", "`capture` cannot be used in step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: }]}", "`ask` in step `WS /ws` must be a text, or a mapping or list"),
        ("{ws: /ws, steps: [{ask: x, send: y}]}", "a step does one thing, but this one has `ask` and `send`"),
        ("{ws: /ws, steps: [{ask: x, binary: true}]}", "`ask` in step `WS /ws` is not base64, as `binary` says"),
        ("{ws: /ws, steps: [{ask: x, headers: {a: b}}]}", "`headers` cannot be used in step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: x, capture: {a: {header: b}}}]}", "capture `a` in step `WS /ws` is of a header"),
        ("{ws: /ws, steps: [{ask: x, expect: {status: 200}}]}", "unknown key `status` in `expect` in step `WS /ws`"),
        ("{ws: /ws, steps: [{send: x, expect: {text: y}}]}", "`expect` cannot be used in step `WS /ws`"),
        ("{ws: /ws, steps: [{send: x, timeout: 1s}]}", "`timeout` cannot be used in step `WS /ws`"),
        ("{ws: /ws, steps: [{send: x, match: id}]}", "unknown key `match` in step `WS /ws`"),
        ("{ws: /ws, steps: [{receive: 0}]}", "`receive` in step `WS /ws` must be a whole number, 1 or more"),
        ("{ws: /ws, steps: [{receive: 100001}]}", "`receive` in step `WS /ws` must be a whole number, 1 or more"),
        ("{ws: /ws, steps: [{ping: 100001}]}", "`ping` in step `WS /ws` must be a whole number, 1 or more"),
        ("{ws: /ws, steps: [{receive: 1, binary: true}]}", "unknown key `binary` in step `WS /ws`"),
        ("{ws: /ws, steps: [{ping: 1, expect: {text: x}}]}", "unknown key `text` in `expect` in step `WS /ws`"),
        ("{ws: /ws, steps: [{ping: 1, capture: {a: {json: $}}}]}", "`capture` cannot be used in step `WS /ws`"),
        ("{group: g, steps: [{send: x}]}", "there is no session here for `send`"),
        ("{ws: /ws, steps: [{group: g, steps: [{asc: x}]}]}", "unknown key `asc` in a step"),
        ("{ws: /ws, steps: [{ask: {id: 1}, match: idd}]}", "no `idd` is in the message of step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: {id: {a: true}}, match: id.a}]}", "no `id.a` is in the message of step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: hello, match: id}]}", "no `id` is in the message of step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: AAEC, binary: true, match: id}]}", "no `id` is in the message of step `WS /ws`"),
        ("{ws: /ws, steps: [{ask: '${nobody}'}]}", "unknown name `nobody`"),
        ("{ws: /ws, headers: {a: '${nobody}'}, steps: [{ask: x}]}", "unknown name `nobody`"),
        ("{ws: /ws, steps: [{ask: x, expect: {json: {$.: 1}}}]}", "`$.` is not a JSON path"),
    ],
)
def test_a_mistake_is_told_in_its_place(text: str, message: str) -> None:
    found = problems(f"[{text}]")
    assert any(problem.message.startswith(message) for problem in found), found
    assert all(problem.span is not None for problem in found)


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("ws://", "`ws://` has no host"),
        ("ws://h:99999/", "`ws://h:99999` is not a URL"),
        ("wss://u:pw@h:x/a?b=c", "`wss://u:***@h:x` is not a URL"),
        ("ws://${x}:y/", ""),
    ],
)
def test_a_server_that_cannot_be_is_found_before_load(url: str, label: str) -> None:
    found = problems(f"[{{ws: '{url}', steps: [{{ask: x}}]}}]")
    assert [problem.label for problem in found if "wss://" in problem.message] == ([label] if label else [])


def test_what_a_step_captures_is_known_behind_it_and_not_before() -> None:
    asks = ("{ask: '${a}'}", "{ask: {id: '${uuid}'}, match: id, capture: {a: {json: $.id}}}")
    text = "scenarios: {a: {steps: [{ws: '/ws', steps: [%s, %s]}, {get: '/${a}'}]}}\n"
    project_script(parse_project(text % (asks[1], asks[0]), HERE, {}), {})
    (problem,) = problems(f"[{{ws: /ws, steps: [{asks[0]}, {asks[1]}]}}]")
    assert "`a`" in problem.message


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("ws://h:1/x", "http://h:1/x"),
        ("WSS://h", "https://h"),
        ("ws+unix://%2Fa.sock", "http+unix://%2Fa.sock"),
        ("http://h", "http://h"),
    ],
)
def test_a_target_may_be_a_websocket_server(written: str, url: str) -> None:
    assert target_from_url(written).url == url
    read = parse_project(f"target: {{url: '{written}'}}\n", HERE, {}).target
    assert read.url == url
    assert target_from_url(written).place == read.place == written[0:3].lower() + written[3:]


def test_a_url_and_a_body_are_sent_as_they_are() -> None:
    found = session_from_flags("ws://user:pw@h/ws?a=${b}", "${vu}")
    assert (found.name, found.url.text) == ("WS ws://user:***@h/ws?a=${b}", "ws://user:pw@h/ws?a=$${b}")
    (ask,) = found.steps
    assert isinstance(ask, MessageStep) and isinstance(ask.message, TextBody)
    assert ask.message.text.text == "$${vu}"
    for body, words in ((None, "nothing to send"), ("\udcff", "no UTF-8")):
        with pytest.raises(ConfigError, match=words):
            session_from_flags("ws://h/ws", body)
