"""Subscriptions as declared steps, against strawberry's own protocol."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadgate.clients.http.stack import stack_for
from loadgate.clock import SystemClock
from loadgate.config.project import parse_project
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.script.performance import Performance
from loadgate.script.role import Outcome, Role, interrupt
from loadgate.script.source import project_script
from loadgate.script.user import User
from tests.script.play import errors, rate, tally
from tests.support.subscriptions import Served, strawberry_server

COUNT = "graphql: 'subscription Count($to: Int!) { count(to: $to) }'"


@dataclass
class Played:
    recorder: Recorder
    outcomes: list[Outcome]
    server: Served

    def check(self, name: str) -> tuple[int, int]:
        return rate(self.recorder, "checks", check=name)

    def errors(self) -> dict[tuple[str, str], tuple[int, str]]:
        return dict(errors(self.recorder))


async def to_the_end(role: Role, user: User, recorder: Recorder) -> list[Outcome]:
    return [await role.iterate(user, 0.0)]


def play(
    steps: str, main: Callable[[Role, User, Recorder], Awaitable[list[Outcome]]] = to_the_end, limit: float = 20.0
) -> Played:
    """One user goes through `steps`, as `main` says."""

    async def whole() -> Played:
        clock = SystemClock()
        try:
            async with asyncio.timeout(limit), strawberry_server() as server:
                target = f"target: {{url: 'http://127.0.0.1:1', graphql: {{subscriptions: '{server.url}'}}}}\n"
                text = "scenarios:\n  main:\n    steps:\n" + textwrap.indent(textwrap.dedent(steps), "      ")
                project = parse_project(target + text, Path("loadgate.yml"), {"TOKEN": "abc"})
                recorder = Recorder(start=clock.now())
                http = stack_for(project.target, recorder, "test")
                script = project_script(project, {"TOKEN": "abc"})
                performance = Performance(script, recorder=recorder, http=http, clock=clock, env={}, seed=1)
                role = performance.role()
                user = role.user(1)
                try:
                    return Played(recorder, await main(role, user, recorder), server)
                finally:
                    user.close()
        finally:
            clock.close()

    return asyncio.run(whole())


def test_several_events_are_a_list_and_one_is_itself() -> None:
    async def twice(role: Role, user: User, recorder: Recorder) -> list[Outcome]:
        return [await role.iterate(user, 0.0) for _ in range(2)]

    played = play(
        f"""
        - {COUNT}
          variables: {{to: 10}}
          events: 3
          connection_payload: {{token: "${{env.TOKEN}}"}}
          expect: {{errors: none, json: {{"$.length()": 3, "$[-1].data.count": 3}}, max_duration: 20s}}
          capture: {{last: {{json: "$[-1].data.count"}}}}
        - {COUNT}
          name: one
          variables: {{to: "${{last}}"}}
          expect: {{json: {{"$.data.count": 1}}, body_contains: '"count"'}}
        """,
        twice,
    )
    assert played.outcomes == [Outcome.DONE] * 2
    assert played.errors() == {}
    assert played.check("subscription Count: received 3 events") == (2, 2)
    assert played.check("subscription Count: no errors") == (2, 2)
    assert played.check("subscription Count: $[-1].data.count is 3") == (2, 2)
    assert played.check("one: received an event") == (2, 2)
    assert played.check("one: $.data.count is 1") == (2, 2)
    assert played.server.tokens == ["abc", None]
    assert tally(played.recorder, "graphql_events", name="subscription Count").total >= 6
    assert tally(played.recorder, "graphql_reqs", name="one", status="101").total == 2


def test_a_server_that_has_fewer_events_fails_the_check_and_no_exchange() -> None:
    played = play(f"- {{{COUNT}, variables: {{to: 2}}, events: 5, expect: {{max_duration: 20s}}}}")
    name = "subscription Count: received 5 events"
    assert played.check(name) == (0, 1)
    assert played.errors()["check", name] == (1, "2 of 5 came: completed by the server")
    assert played.check("subscription Count: within 20s") == (0, 1)
    assert rate(played.recorder, "graphql_req_failed") == (0, 1)


def test_events_that_do_not_come_in_time_fail_both() -> None:
    played = play("- {graphql: 'subscription { silence }', timeout: 30ms, expect: {errors: none}}")
    text = "no event within 0.03 s"
    assert played.errors() == {
        ("timeout", "subscription silence"): (1, text),
        ("check", "subscription silence: received an event"): (1, f"0 of 1 came: {text}"),
        ("check", "subscription silence: no errors"): (1, f"no GraphQL reply, 0 of 1 came: {text}"),
    }
    assert rate(played.recorder, "graphql_req_failed") == (1, 1)


def test_an_event_that_is_waited_for_when_the_user_is_given_up_is_unanswered() -> None:
    async def given_up(role: Role, user: User, recorder: Recorder) -> list[Outcome]:
        task = asyncio.ensure_future(role.iterate(user, 0.0))
        begun = recorder.counter(BUILTIN["graphql_subscriptions"], {**user.ledger.tags, **tags})
        while not begun.total:
            await asyncio.sleep(0.002)
        user.cut_off(0.0)
        interrupt(task)
        await asyncio.wait([task])
        return []

    tags = {"name": "subscription silence", "proto": "websocket"}
    played = play("- {graphql: 'subscription { silence }'}", given_up)
    ((key, (count, text)),) = played.errors().items()
    assert (key, count) == (("unanswered", "subscription silence"), 1)
    assert text.endswith("after it was waited for, when its user was given up")


@pytest.mark.parametrize(
    ("query", "expected", "check", "held", "failed"),
    [
        ("subscription S { users { secret } }", "none", "no errors", False, 2),
        ("subscription S { users { secret } }", "some", "has errors", True, 0),
        ("subscription S { users { secret } }", "any", "received 2 events", True, 0),
        ("subscription S { users { id } }", "some", "has errors", False, 0),
        ("subscription S { usrs { id } }", "none", "no errors", False, 1),
        ("subscription S { usrs { id } }", "some", "has errors", True, 0),
    ],
)
def test_errors_are_failures_unless_they_are_expected(
    query: str, expected: str, check: str, held: bool, failed: int
) -> None:
    events = 1 if "usrs" in query else 2
    played = play(f"- {{graphql: '{query}', events: {events}, expect: {{errors: {expected}}}}}")
    assert played.check(f"subscription S: {check}") == (held, 1)
    counted = played.errors().get(("graphql", "subscription S"), (0, ""))
    assert counted[0] == failed
    came = not ("usrs" in query and failed)  # a refusal is an event only where it is expected
    assert played.check(f"subscription S: received {'an event' if events == 1 else '2 events'}") == (came, 1)


def test_what_cannot_be_sent_names_the_step() -> None:
    played = play(f"- {{{COUNT}, variables: {{to: 1}}, name: odd, at: '${{env.TOKEN}}'}}")
    assert played.outcomes == [Outcome.FAILED]
    ((_, (_, text)),) = played.errors().items()
    assert text.startswith("ValueError: step `odd`: `abc` is neither a path")
