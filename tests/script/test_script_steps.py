"""Declarative steps against a real server: requests, checks, captures, data."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadgate.clients.http import HttpStack, RequestDefaults
from loadgate.clock import SystemClock
from loadgate.config.project import parse_project
from loadgate.errors import ConfigError
from loadgate.measure.recorder import Recorder
from loadgate.script.performance import Performance
from loadgate.script.role import Outcome
from loadgate.script.scenario import Script
from loadgate.script.source import project_script, url_script
from tests.script.play import errors, rate, recorded, series, tally
from tests.script.shop import Answer, Shop, json_answer, open_shop

USERS = {
    "/login": json_answer({"token": "t/1", "user": {"id": 42, "name": "Ann"}}),
    "/users/42": json_answer({"id": 42, "vip": True, "posts": [{"id": 1}, {"id": 2}]}, headers={"etag": "abc"}),
    "/posts": json_answer([{"id": 1}]),
    "/broken": Answer(500, b"oops"),
    "/text": Answer(200, "order no. 77 for Müller".encode()),
}


@dataclass
class Played:
    shop: Shop
    recorder: Recorder
    outcomes: list[Outcome]
    built: int
    """Requests kept for later iterations."""

    def check(self, name: str) -> tuple[int, int]:
        return rate(self.recorder, "checks", check=name)

    def error(self, kind: str, step: str) -> tuple[int, str]:
        return errors(self.recorder)[kind, step]


def script_from(steps: str, folder: Path = Path(), *, env: Mapping[str, str] | None = None, head: str = "") -> Script:
    """The script of a project with one scenario `main`; `head` is put before it."""
    lines = (
        textwrap.dedent(head) + "scenarios:\n  main:\n    steps:\n" + textwrap.indent(textwrap.dedent(steps), "      ")
    )
    return project_script(parse_project(lines, folder / "loadgate.yml", env or {}), env or {})


def play(script: Script, iterations: int = 1, users: int = 1, answers: Mapping[str, Answer] = USERS) -> Played:
    """Each user goes through `iterations`, one after the other."""

    async def run() -> Played:
        async with open_shop(answers) as shop:
            clock = SystemClock()
            recorder = Recorder(start=clock.now())
            http = HttpStack(recorder, RequestDefaults(base=shop.url))
            performance = Performance(
                script, recorder=recorder, http=http, clock=clock, env={}, seed=1, wall=lambda: 1767323045.678
            )
            role = performance.role()
            outcomes = []
            for number in range(1, users + 1):
                user = role.user(number)
                for _ in range(iterations):
                    outcomes.append(await role.iterate(user, 0.0))
                user.http.close()
            clock.close()
            return Played(shop, recorder, outcomes, len(user.ledger.requests))

    return asyncio.run(run())


def test_a_session_captures_checks_and_goes_on_with_what_it_got() -> None:
    played = play(
        script_from("""
            - post: /login
              name: log in
              json: {name: Ann, vu: "${vu}", at: "${now}"}
              expect: {status: 200, json: {$.user.id: 42}}
              capture: {token: {json: $.token}, user_id: {json: $.user.id}}
            - get: /users/${user_id}
              name: read user
              headers: {authorization: "Bearer ${token}"}
              query: {token: "${token}", fields: id}
              expect:
                status: 2xx
                header: {etag: abc, content-type: contains json}
                body_contains: '"vip"'
                json: {"$.id": "${user_id}", "$.vip": true, "$.posts.length()": 2, "$.posts[*].id": [1, 2]}
                max_duration: 5s
            """)
    )
    assert played.outcomes == [Outcome.DONE]
    login, read = played.shop.asked
    assert login.body == b'{"name":"Ann","vu":1,"at":"2026-01-02T03:04:05.678Z"}'
    assert login.headers["content-type"] == "application/json"
    assert (read.method, read.target) == ("GET", "/users/42?token=t%2F1&fields=id")
    assert read.headers["authorization"] == "Bearer t/1"
    for name in (
        "log in: status is 200",
        "log in: $.user.id is 42",
        "log in: has token",
        "read user: status is 2xx",
        "read user: header etag is abc",
        "read user: header content-type contains json",
        'read user: body contains "vip"',
        "read user: $.id is ${user_id}",
        "read user: $.vip is true",
        "read user: $.posts.length() is 2",
        "read user: $.posts[*].id is [1,2]",
        "read user: within 5s",
    ):
        assert played.check(name) == (1, 1), name
    assert errors(played.recorder) == {}
    assert tally(played.recorder, "http_reqs", name="read user", scenario="main").total == 1


def test_each_expectation_that_does_not_hold_fails_its_own_check_and_says_why() -> None:
    played = play(
        script_from("""
            - get: /users/42
              name: read
              expect:
                status: [201, 404]
                header: {etag: xyz, x-none: contains a}
                body_contains: [nothing]
                json: {$.id: true, $.vip: 1, $.none: 1}
                max_duration: 1us
            """)
    )
    failed = {
        "read: status is 201 or 404": "got status 200",
        "read: header etag is xyz": "got abc",
        "read: header x-none contains a": "no such header, status 200",
        "read: $.id is true": "got 42",
        "read: $.vip is 1": "got true",
        "read: $.none is 1": "not in the reply, status 200",
    }
    for name, text in failed.items():
        assert played.check(name) == (0, 1), name
        assert played.error("check", name) == (1, text)
    assert played.check("read: body contains nothing") == (0, 1)
    assert played.check("read: within 1us") == (0, 1)
    assert rate(played.recorder, "http_req_failed", name="read", status="200") == (1, 1)


def test_an_expected_error_status_is_no_failed_request() -> None:
    played = play(script_from("- {get: /nowhere, expect: {status: 404}}"))
    assert rate(played.recorder, "http_req_failed") == (0, 1)
    assert played.check("GET /nowhere: status is 404") == (1, 1)


def test_a_missing_capture_fails_its_check_and_skips_what_depends_on_it() -> None:
    played = play(
        script_from("""
            - get: /broken
              capture: {id: {json: $.id}, mark: {header: x-mark}, number: {regex: 'no\\. (\\d+)'}}
            - get: /users/${id}
              name: dependant
            - get: /posts
            """),
        iterations=2,
    )
    assert played.outcomes == [Outcome.DONE] * 2
    assert played.shop.targets == ["/broken", "/posts"] * 2
    assert played.check("GET /broken: has id") == (0, 2)
    assert played.error("check", "GET /broken: has id") == (2, "$.id is not in the reply, status 500")
    assert played.error("skipped", "dependant") == (2, "`id` was not captured in this iteration")


def test_an_expectation_on_a_missing_capture_fails_as_a_check() -> None:
    played = play(
        script_from("""
            - get: /users/42
              name: read
              capture: {owner: {json: $.owner}}
              expect: {json: {$.id: "${owner}", $.vip: true}}
            """)
    )
    assert played.check("read: $.id is ${owner}") == (0, 1)
    assert played.error("check", "read: $.id is ${owner}") == (1, "`owner` was not captured in this iteration")
    assert played.check("read: $.vip is true") == (1, 1)


def test_what_cannot_be_sent_fails_the_iteration_and_names_the_step() -> None:
    played = play(
        script_from("""
            - get: /login
              capture: {name: {json: $.user.name}}
            - {get: "${name}", name: read}
            """)
    )
    assert played.outcomes == [Outcome.FAILED]
    count, text = played.error("script", "main")
    assert count == 1
    assert text.startswith("ValueError: step `read`: `Ann` is neither a path")


def test_a_row_without_the_column_fails_the_iteration(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text('[{"id": 1}, {"name": "Bob"}]')
    script = script_from("- get: /users/${data.people.id}", tmp_path, head="data: {people: {file: people.json}}\n")
    played = play(script, iterations=2)
    assert played.outcomes == [Outcome.DONE, Outcome.FAILED]
    assert (
        played.error("script", "main")[1]
        == "ValueError: step `GET /users/${data.people.id}`: this row of `people` has no `id`"
    )


def test_secrets_stay_out_of_check_names_and_samples() -> None:
    played = play(
        script_from("""
            - get: /login
              name: log in
              expect:
                header: {set-cookie: a}
                json: {$.token: "${env.TOKEN}", $.user: ["${env.TOKEN}"]}
            """, env={"TOKEN": "t0ps3cret"}),
        answers={"/login": json_answer({"token": "r3ply", "user": 1}, headers={"set-cookie": "s=c00kie"})},
    )  # fmt: skip
    shown = repr(errors(played.recorder))
    assert {step for _, step in errors(played.recorder)} == {
        "log in: header set-cookie is a",
        "log in: $.token is ${env.TOKEN}",
        'log in: $.user is ["${env.TOKEN}"]',
    }
    for secret in ("t0ps3cret", "r3ply", "c00kie"):
        assert secret not in shown


def test_captures_from_header_and_text() -> None:
    played = play(
        script_from("""
            - get: /users/42
              capture: {tag: {header: ETag}}
            - get: /text
              capture: {number: {regex: 'no\\. (\\d+)'}, whole: {regex: 'M.ller'}}
            - get: /posts?tag=${tag}&number=${number}&name=${whole}
            """)
    )
    assert played.shop.targets[-1] == "/posts?tag=abc&number=77&name=M%C3%BCller"


def test_a_capture_does_not_outlive_its_iteration() -> None:
    script = script_from("""
        - get: /login
          capture: {id: {json: $.user.id}}
        - get: /users/${id}
        """)
    answers = dict(USERS)

    async def run() -> list[str]:
        async with open_shop(answers) as shop:
            recorder = Recorder(start=0.0)
            http = HttpStack(recorder, RequestDefaults(base=shop.url))
            performance = Performance(script, recorder=recorder, http=http, clock=SystemClock(), env={}, seed=1)
            role = performance.role()
            user = role.user(1)
            await role.iterate(user, 0.0)
            shop.answers["/login"] = Answer(500)
            await role.iterate(user, 0.0)
            user.http.close()
            return shop.targets

    assert asyncio.run(run()) == ["/login", "/users/42", "/login"]


def test_a_target_that_is_down_fails_checks_and_nothing_else() -> None:
    script = script_from("""
        - get: http://127.0.0.1:1/x
          name: down
          expect: {status: 200, json: {$.a: 1}}
          capture: {id: {json: $.id}}
        """)
    played = play(script)
    assert played.outcomes == [Outcome.DONE]
    assert played.check("down: status is 200") == (0, 1)
    assert played.error("check", "down: status is 200") == (1, "got connect error")
    assert played.error("check", "down: has id") == (1, "$.id is not in the reply, connect error")


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ("json: null", "application/json", b"null"),
        ('json: [1, "${vu}"]', "application/json", b"[1,1]"),
        ("form: {a: 'x y', b: '${vu}'}", "application/x-www-form-urlencoded", b"a=x+y&b=1"),
        ("body: 'plain ${vu}'", None, b"plain 1"),
        ("file: note.txt", None, b"from a file"),
    ],
)
def test_bodies(tmp_path: Path, body: str, content_type: str | None, sent: bytes) -> None:
    (tmp_path / "note.txt").write_bytes(b"from a file")
    played = play(script_from(f"- post: /login\n  {body}\n", tmp_path))
    (asked,) = played.shop.asked
    assert asked.body == sent
    assert asked.headers.get("content-type") == content_type


def test_a_multipart_body_holds_fields_and_files(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_bytes(b"from a file")
    steps = """
        - post: /login
          multipart: {title: "no ${vu}", note: {file: note.txt, content_type: text/x-note}}
        """
    (asked,) = play(script_from(steps, tmp_path)).shop.asked
    assert re.search(rb'name="title"\r\n\r\nno 1\r\n', asked.body)
    assert re.search(rb'filename="note.txt"\r\nContent-Type: text/x-note\r\n\r\nfrom a file\r\n', asked.body)


def test_authorization_of_a_step() -> None:
    played = play(
        script_from("""
            - {get: /posts, auth: {basic: {user: Ann, password: "${vars.secret}"}}}
            - {get: /posts, auth: {bearer: "${env.TOKEN}"}}
            """, env={"TOKEN": "t0"}, head="vars: {secret: s3}\n")
    )  # fmt: skip
    assert [asked.headers["authorization"] for asked in played.shop.asked] == ["Basic QW5uOnMz", "Bearer t0"]


def test_groups_tags_and_thinking() -> None:
    played = play(
        script_from("""
            - group: checkout
              steps:
                - {get: /posts, name: list, tags: {kind: read}, expect: {status: 200}, think: 1ms}
                - think: 1ms..2ms
            - get: /posts
            """)
    )
    tags = {"group": "::checkout", "kind": "read", "name": "list"}
    assert tally(played.recorder, "http_reqs", **tags).total == 1
    assert rate(played.recorder, "checks", group="::checkout", kind="read") == (1, 1)
    assert tally(played.recorder, "group_duration", group="::checkout").histogram.minimum >= 2.0
    assert tally(played.recorder, "http_reqs", name="GET /posts").total == 1


def test_rows_of_data_are_drawn_once_an_iteration_and_end_the_user_when_used_up(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,id\nAnn,1\nBob,2\n")
    script = script_from("""
        - get: /posts?name=${data.people.name}
        - get: /users/${data.people.id}
        """, tmp_path, head="data: {people: {file: people.csv, order: unique}}\n")  # fmt: skip
    played = play(script, iterations=3)
    assert played.shop.targets == ["/posts?name=Ann", "/users/1", "/posts?name=Bob", "/users/2"]
    assert played.outcomes == [Outcome.DONE, Outcome.DONE, Outcome.STOPPED]
    assert played.error("stopped", "main") == (1, "all 2 rows of people.csv are used")


def test_a_static_step_is_built_once() -> None:
    played = play(script_from("- {get: /posts, headers: {x-a: b}}"), iterations=3, users=2)
    assert played.shop.targets == ["/posts"] * 6
    assert {asked.headers["x-a"] for asked in played.shop.asked} == {"b"}
    assert played.built == 1


def test_a_step_with_templates_is_built_anew() -> None:
    played = play(script_from('- {get: "/posts?n=${iteration}"}'), iterations=2)
    assert played.shop.targets == ["/posts?n=0", "/posts?n=1"]
    assert played.built == 0


def test_a_second_capture_of_a_name_that_fails_leaves_nothing_of_the_first() -> None:
    played = play(
        script_from("""
            - {get: /login, capture: {id: {json: $.user.id}}}
            - {get: /posts, capture: {id: {json: $.id}}}
            - {get: "/users/${id}", name: read}
            """)
    )
    assert played.shop.targets == ["/login", "/posts"]
    assert played.error("skipped", "read")[0] == 1


def test_tags_of_a_step_end_with_it() -> None:
    played = play(script_from("- {get: /posts, tags: {kind: read}}\n- {get: /login}\n"))
    assert tally(played.recorder, "http_reqs", name="GET /posts", kind="read").total == 1
    (login,) = [key for key in series(played.recorder, "http_reqs") if key.tags["name"] == "GET /login"]
    assert "kind" not in login.tags


def test_timeout_and_redirects_of_a_step() -> None:
    answers = {"/slow": Answer(silent=True), "/old": Answer(302, headers={"location": "/new"})}
    played = play(
        script_from("""
            - {get: /slow, timeout: 20ms, expect: {status: 200}}
            - {get: /old, redirects: 0, expect: {status: 302}}
            """),
        answers=answers,
    )
    assert played.error("check", "GET /slow: status is 200") == (1, "got timeout error")
    assert played.check("GET /old: status is 302") == (1, 1)
    assert played.shop.targets == ["/slow", "/old"]


def test_mistakes_in_all_steps_are_reported_at_once_with_their_place() -> None:
    with pytest.raises(ConfigError) as caught:
        script_from("""
            - get: /users/${id}
              expect: {json: {"$..id": "${nmae}"}}
            - post: "${vars.name}s"
              capture: {id: {json: "$.a[1:2]"}, uuid: {json: $.b}}
            - group: "a::b"
              steps: [{get: "/${data.people.name}"}]
            """, head="vars: {name: x}\n")  # fmt: skip
    problems = [(str(problem.span), problem.message) for problem in caught.value.problems]
    assert problems == [
        ("loadgate.yml:6:23", "`id` is used before it is captured"),
        ("loadgate.yml:7:27", "`$..id` is not a JSON path: descendants (`..`) are not supported"),
        ("loadgate.yml:7:37", "unknown name `nmae`"),
        ("loadgate.yml:8:16", "`${vars.name}s` is neither a path nor a URL"),
        ("loadgate.yml:9:34", "`$.a[1:2]` is not a JSON path: slices (`[1:3]`) are not supported"),
        ("loadgate.yml:9:56", "`uuid` cannot be the name of a capture"),
        ("loadgate.yml:10:9", "`a::b` cannot be the name of a group"),
        ("loadgate.yml:11:32", "unknown data `people`"),
    ]


def test_one_url_is_sent_and_its_status_checked() -> None:
    played = play(url_script("/login", method="post", headers={"x-a": "b"}, body=b"hello"), iterations=2)
    assert {(asked.method, asked.body, asked.headers["x-a"]) for asked in played.shop.asked} == {
        ("POST", b"hello", "b")
    }
    assert played.check("status is 2xx or 3xx") == (2, 2)
    assert tally(played.recorder, "http_reqs", name="POST /login", scenario="default").total == 2


def test_one_url_that_fails() -> None:
    played = play(url_script("/broken"))
    assert played.check("status is 2xx or 3xx") == (0, 1)
    assert "http_req_failed" in recorded(played.recorder)


SCRIPT = """
from loadgate import Counter, scenario, setup
seen = Counter("seen")
@setup
def prepare(): return 1
@scenario(weight=3, tags={"kind": "write", "team": "a"})
async def buy(user):
    seen.add(user)
    await user.http.get("/posts")
"""


def test_a_project_may_name_python_scenarios(tmp_path: Path) -> None:
    (tmp_path / "flows_ok.py").write_text(SCRIPT)
    text = """
scenarios:
  order: {python: "flows_ok.py:buy", tags: {team: b}}
  list: {weight: 2, steps: [{get: /posts}]}
"""
    script = project_script(parse_project(text, tmp_path / "loadgate.yml", {}), {})
    assert [(item.name, item.weight, dict(item.tags)) for item in script.scenarios] == [
        ("order", 3, {"kind": "write", "team": "b"}),
        ("list", 2, {}),
    ]
    assert script.setup is not None
    played = play(script, iterations=5)
    assert tally(played.recorder, "seen", scenario="order", team="b").total == 3
    assert len(played.shop.asked) == 5


def test_a_python_scenario_that_is_not_there_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "flows_two.py").write_text(SCRIPT)
    text = "scenarios:\n  order: {python: flows_two.py:byu}\n"
    with pytest.raises(ConfigError) as caught:
        project_script(parse_project(text, Path(tmp_path / "loadgate.yml"), {}), {})
    (problem,) = caught.value.problems
    assert problem.message == "flows_two.py has no scenario `byu`"
    assert problem.label == "did you mean `buy`?"
    assert problem.span is not None
    assert problem.span.text == "byu"


def test_setup_in_two_files_of_one_project_is_an_error(tmp_path: Path) -> None:
    for name in ("flows_a.py", "flows_b.py"):
        (tmp_path / name).write_text(SCRIPT)
    text = "scenarios:\n  a: {python: 'flows_a.py:buy'}\n  b: {python: 'flows_b.py:buy'}\n"
    with pytest.raises(ConfigError, match=r"flows_a.py and flows_b.py both have a setup"):
        project_script(parse_project(text, tmp_path / "loadgate.yml", {}), {})


def test_a_broken_data_file_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,id\nAnn\n")
    with pytest.raises(ConfigError, match="a row has 1 value, the header 2 columns"):
        script_from("- get: /posts", tmp_path, head="data: {people: {file: people.csv}}\n")
