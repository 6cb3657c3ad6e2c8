"""A user's WebSocket sessions, in Python and as declared steps, against a `websockets` server."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pytest

from loadgate.clients.http import HttpStack, RequestDefaults
from loadgate.clock import SystemClock
from loadgate.config.project import parse_project
from loadgate.load.users import UserPool
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally
from loadgate.script.performance import Performance
from loadgate.script.role import Outcome
from loadgate.script.scenario import Scenario, Script
from loadgate.script.source import project_script
from loadgate.script.user import User
from tests.script.play import errors, rate, series, tally
from tests.support.virtual_loop import EPOCH
from tests.support.ws_server import WsServer, ws_server


@pytest.fixture(scope="module")
def running() -> Iterator[WsServer]:
    with ws_server() as found:
        yield found


@pytest.fixture
def server(running: WsServer) -> WsServer:
    """The same for all tests, with a fresh account."""
    running.sessions = 0
    for account in (running.messages, running.codes, running.requests):
        account.clear()
    return running


async def nothing(user: User) -> None:
    await user.sleep(0)


def talk(
    main: Callable[[Performance, Recorder], Awaitable[None]], script: Script, server: WsServer, *, limit: float = 20.0
) -> None:
    """Run `main` with a performance of `script` against `server`."""

    async def whole() -> None:
        clock = SystemClock()
        recorder = Recorder(start=clock.now())
        http = HttpStack(recorder, RequestDefaults(base=server.http))
        performance = Performance(script, recorder=recorder, http=http, clock=clock, env={}, seed=1)
        try:
            await asyncio.wait_for(main(performance, recorder), limit)
        finally:
            clock.close()

    asyncio.run(whole())


def with_user(
    main: Callable[[UserPool, User, Recorder], Awaitable[None]], server: WsServer, patience: float = 0.0
) -> None:
    """Run `main` with a user of a pool, which is closed afterwards."""

    async def inside(performance: Performance, recorder: Recorder) -> None:
        pool = UserPool(performance.role(), iter((1, 2)), lambda: patience)
        try:
            await main(pool, pool.acquire_new().user, recorder)
        finally:
            pool.close()

    talk(inside, Script("test", (Scenario("main", nothing),)), server)


@dataclass
class Played:
    recorder: Recorder
    outcomes: list[Outcome]

    def check(self, name: str) -> tuple[int, int]:
        return rate(self.recorder, "checks", check=name)

    def errors(self) -> dict[tuple[str, str], tuple[int, str]]:
        return dict(errors(self.recorder))

    def exchanges(self) -> dict[str, float]:
        """By step and kind of error, if any."""
        self.recorder.close_window(EPOCH)
        totals: dict[str, float] = {}
        for number, counted in self.recorder.totals().items():
            key = self.recorder.describe(number)
            if key.metric.name == "ws_messages" and isinstance(counted, CounterTally):
                name = f"{key.tags['name']} {key.tags.get('error', '')}".strip()
                totals[name] = totals.get(name, 0.0) + counted.total
        return totals


def play(steps: str, server: WsServer, iterations: int = 1) -> Played:
    """One user goes through the `steps` of a session with `/chat` that is named chat."""
    text = "scenarios:\n  main:\n    steps:\n" + textwrap.indent(textwrap.dedent(steps), "      ")
    script = project_script(parse_project(text, Path("loadgate.yml"), {}), {})
    found: list[Played] = []

    async def inside(performance: Performance, recorder: Recorder) -> None:
        role = performance.role()
        user = role.user(1)
        outcomes = [await role.iterate(user, 0.0) for _ in range(iterations)]
        user.close()
        found.append(Played(recorder, outcomes))

    talk(inside, script, server)
    return found[0]


def test_a_message_that_comes_first_takes_the_planned_start(server: WsServer) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        user.http.planned = perf_counter() - 1.0
        async with user.ws.connect("/chat") as session:
            late = await session.ask("hello")
            assert late.latency >= 1000 > late.duration
            assert (await session.ask("hello")).latency < 1000
        assert user.ws is user.ws

    with_user(main, server)


def test_messages_have_the_tags_of_their_user(server: WsServer) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        user.tags["team"] = "red"
        async with user.ws.connect("/chat") as session:
            with user.group("inner"):
                await session.ask("a")
            await session.ask("b", name="outer")
        found = {
            (key.tags["name"], key.tags.get("group"), key.tags["team"], key.tags["scenario"])
            for key in recorder.described()
            if key.metric.name == "ws_messages"
        }
        assert {("WS /chat", "::inner", "red", "main"), ("outer", None, "red", "main")} <= found

    with_user(main, server)


@pytest.mark.parametrize(("patience", "counted"), [(0.0, [("unanswered", "WS /chat")]), (60.0, [])])
def test_what_is_under_way_when_its_user_is_given_up(
    server: WsServer, patience: float, counted: list[tuple[str, str]]
) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        session = user.ws.connect("/chat")
        await session.open()
        endless = asyncio.ensure_future(session.ask("silent"))
        await asyncio.sleep(0)
        pool.close()
        await asyncio.wait([endless], timeout=5)
        assert endless.done()
        assert not session.is_open
        assert [(error.kind, error.step) for error in recorder.errors] == counted

    with_user(main, server, patience)


def test_users_of_a_run_share_what_steps_are_counted_in(server: WsServer) -> None:
    async def main(pool: UserPool, user: User, recorder: Recorder) -> None:
        other = pool.acquire_new().user
        assert user.ws.stack is other.ws.stack
        assert user.ws is not other.ws

    with_user(main, server)


def test_replies_are_examined_and_captured(server: WsServer) -> None:
    done = play(
        """
        - ws: /chat
          name: chat
          expect: {close_code: [1000, 1001], subprotocol: chat.v2, max_duration: 10s}
          subprotocols: chat.v2
          steps:
            - ask: {id: "n${iteration}", deep: [{a: 1}]}
              match: id
              name: json
              expect: {json: {$.id: "n${iteration}", "$.deep[0].a": 2}, body_contains: deep, text: other}
              capture: {one: {json: "$.deep[0].a"}, two: {json: $.nothing}, three: {regex: '"deep":(.)'}}
            - {ask: "${one}${three}", name: text, expect: {text: "1["}}
            - {ask: "${two}", name: skipped}
            - {ask: AAEC, binary: true, name: bytes, expect: {body_contains: "\\x01"}, capture: {four: {regex: ^.}}}
        """,
        server,
    )
    assert done.outcomes == [Outcome.DONE]
    assert done.exchanges() == {"json": 1, "text": 1, "bytes": 1}
    for check, held in (
        ("chat: subprotocol is chat.v2", 1),
        ("chat: closed 1000 or 1001", 1),
        ("chat: within 10s", 1),
        ("json: $.id is n${iteration}", 1),
        ("json: $.deep[0].a is 2", 0),
        ("json: body contains deep", 1),
        ("json: text is other", 0),
        ("json: has one", 1),
        ("json: has two", 0),
        ("json: has three", 1),
        ("text: text is 1[", 1),
        ("bytes: body contains \x01", 1),
        ("bytes: has four", 1),
    ):
        assert done.check(check) == (held, 1), check
    found = done.errors()
    assert found["skipped", "skipped"] == (1, "`two` was not captured in this iteration")
    assert found["check", "json: $.deep[0].a is 2"] == (1, "got 1")
    assert found["check", "json: text is other"][1] == 'got {"id":"n0","deep":[{"a":1}]}, 1 message'


def test_messages_that_come_unasked_are_one_thing_to_look_at(server: WsServer) -> None:
    done = play(
        """
        - ws: /chat
          name: chat
          steps:
            - send: {push: 5}
            - {receive: 1, expect: {json: {$.number: 0}, text: '{"number": 0}'}}
            - receive: 2
              name: two
              expect: {json: {"$[1].number": 2, "$.length()": 2}, body_contains: "}\\n{", max_duration: 5s}
            - {receive: 3, name: three, timeout: 50ms, expect: {json: {"$[0].number": 3}, max_duration: 5s}}
        """,
        server,
    )
    assert done.exchanges() == {}
    for check, held in (
        ("chat: received a message", 1),
        ("chat: $.number is 0", 1),
        ('chat: text is {"number": 0}', 1),
        ("two: received 2 messages", 1),
        ("two: $[1].number is 2", 1),
        ("two: $.length() is 2", 1),
        ("two: body contains }\n{", 1),
        ("two: within 5s", 1),
        ("three: received 3 messages", 0),
        ("three: $[0].number is 3", 0),
        ("three: within 5s", 0),
    ):
        assert done.check(check) == (held, 1), check
    assert done.errors()["check", "three: received 3 messages"] == (1, "2 of 3 came within 0.05 s")


def test_all_messages_must_come_within_one_time(server: WsServer) -> None:
    done = play(
        """
        - ws: /chat
          name: chat
          steps:
            - {send: slow}
            - {send: slow}
            - {receive: 2, timeout: 50ms}
        """,
        server,
    )
    assert done.check("chat: received 2 messages") == (0, 1), "the second comes 60 ms after it was sent"


def test_a_server_may_choose_another_subprotocol(server: WsServer) -> None:
    done = play(
        """
        - ws: /chat
          name: chat
          subprotocols: [chat.v1, chat.v2]
          expect: {subprotocol: chat.v1}
          steps: [{ask: x}]
        - {ws: /chat, name: none, subprotocols: chat.v1, expect: {subprotocol: chat.v1}, steps: [{ask: x}]}
        """,
        server,
    )
    for name, chosen in (("chat", "chat.v2"), ("none", "none")):
        assert done.errors()["check", f"{name}: subprotocol is chat.v1"] == (1, f"got {chosen}, closed 1000")


def test_pings_wait_for_their_pongs_and_fail_with_their_session(server: WsServer) -> None:
    done = play(
        """
        - ws: /chat
          name: chat
          steps:
            - {ping: 3, expect: {max_duration: 5s}}
            - {ask: close 1011, name: end}
            - {ping: 1, name: late, expect: {max_duration: 5s}}
            - {send: lost}
        """,
        server,
    )
    assert tally(done.recorder, "ws_ping").histogram.count == 3
    assert (done.check("chat: within 5s"), done.check("late: within 5s")) == ((1, 1), (0, 1))
    assert done.exchanges() == {"end reset": 1, "chat reset": 2}
    assert server.messages == {("/chat", "close 1011"): 1}


@pytest.mark.parametrize(("url", "kind"), [("/no", "protocol"), ("ws://127.0.0.1:1/ws", "connect")])
def test_steps_of_a_session_that_cannot_be_opened_are_left_out(server: WsServer, url: str, kind: str) -> None:
    done = play(
        f"""
        - ws: {url}
          name: chat
          expect: {{close_code: 1000, max_duration: 10s}}
          steps: [{{ask: never}}, {{get: /plain}}]
        - {{get: /plain, name: behind it}}
        """,
        server,
    )
    assert done.outcomes == [Outcome.DONE]
    assert done.exchanges() == {f"chat {kind}": 1}
    assert (done.check("chat: closed 1000"), done.check("chat: within 10s")) == ((0, 1), (0, 1))
    assert done.errors()["check", "chat: closed 1000"] == (1, f"got {kind} error")
    assert [key.tags["name"] for key in series(done.recorder, "http_reqs")] == ["behind it"]
    assert not server.messages


def test_a_session_within_another_has_its_own_messages(server: WsServer) -> None:
    done = play(
        """
        - ws: /outer
          steps:
            - ask: a
            - {ws: /inner, steps: [{ask: b}, {group: g, steps: [{ask: c}]}]}
            - ask: d
        """,
        server,
    )
    assert done.exchanges() == {"WS /outer": 2, "WS /inner": 2}
    assert server.messages == {("/outer", "a"): 1, ("/inner", "b"): 1, ("/inner", "c"): 1, ("/outer", "d"): 1}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[{ask: '${vu}!', binary: true, name: bytes}]", "step `bytes`: "),
        ("[{ask: '${iteration}', match: id, name: matched}]", "step `matched`: no `id` with a text or a number"),
        ("[{ws: 'ws://h:${vu}00000/', name: nowhere, steps: [{ask: x}]}]", "step `nowhere`: "),
    ],
)
def test_what_cannot_be_sent_fails_its_iteration_and_closes_the_session(
    server: WsServer, steps: str, words: str
) -> None:
    done = play(f"[{{ws: /chat, steps: {steps}}}]", server)
    assert done.outcomes == [Outcome.FAILED]
    (sample,) = [sample for (kind, _), (_, sample) in done.errors().items() if kind == "script"]
    assert words in sample
    assert server.sessions == 1
    assert series(done.recorder, "ws_session_duration")
