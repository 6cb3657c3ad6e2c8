"""`loadgate.yml` as a whole: what a full file becomes, and how mistakes in one are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.body import FieldPart, FileBody, FilePart, FormBody, JsonBody, MultipartBody, TextBody
from loadgate.config.data import Order, Share
from loadgate.config.expect import CaptureFrom
from loadgate.config.project import Project, load_project, parse_project
from loadgate.config.steps import GroupStep, RequestStep, Think, ThinkStep
from loadgate.config.target import BasicAuth, BearerAuth
from loadgate.config.template import Template
from loadgate.errors import ConfigError

GOLDEN = Path(__file__).parent / "golden"

FULL = """\
target:
  url: http://127.0.0.1:3000
  headers: {accept: application/json, x-build: "${env.BUILD}"}
  auth: {basic: {user: ann, password: "${env.PW}"}}
  tls: {ca: ca.pem, cert: ca.pem, key: ca.pem, verify: false}
  timeout: 5s
  connect_timeout: 500ms
  redirects: 0
data:
  people: {file: people.csv, order: unique, share: vu}
vars: {page: 2, name: "x-${env.BUILD}", list: [1, {a: null}]}
scenarios:
  browse:
    weight: 3
    tags: {team: web}
    steps:
      - get: /users/${user_id}?page=${vars.page}
        name: one user
        headers: {x-a: "${id}"}
        query: {q: "${data.people.name}"}
        auth: {bearer: "${token}"}
        timeout: 1s
        redirects: 3
        expect:
          status: [200, 3xx]
          header: {content-type: contains json, server: nginx}
          body_contains: [x, y]
          json: {"$.name": ann, "$.items[0].id": 3}
          max_duration: 500ms
        capture: {user_id: {json: "$[0].id"}, loc: {header: location}, token: {regex: 'id=(\\d+)'}}
        tags: {a: 1}
        think: 1s..3s
      - {post: /a, json: {a: [1, "${id}"]}}
      - {put: /a, form: {a: 1}}
      - {patch: /a, body: text}
      - {delete: /a, file: people.csv}
      - {post: /a, multipart: {field: text, upload: {file: people.csv, content_type: text/csv}}}
      - think: 2s
      - group: login
        steps: [{head: /}, {options: "http://other/"}]
  checkout: {python: "load.py:checkout"}
profiles:
  standard: {vus: 1, duration: 1s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ca.pem", "people.csv", "load.py"):
        (tmp_path / name).touch()
    (tmp_path / "loadgate.yml").write_text(FULL)
    return tmp_path


@pytest.fixture
def project(folder: Path) -> Project:
    return load_project(folder / "loadgate.yml", {"PW": "hunter2", "BUILD": "7"})


def _first(project: Project) -> RequestStep:
    step = project.scenarios[0].steps[0]
    assert isinstance(step, RequestStep)
    return step


def test_the_target_is_read_with_its_environment(project: Project, folder: Path) -> None:
    target = project.target
    assert target.url == "http://127.0.0.1:3000"
    assert target.headers == {"accept": "application/json", "x-build": "7"}
    assert target.auth == BasicAuth("ann", "hunter2")
    assert (target.tls.ca, target.tls.verify) == (folder / "ca.pem", False)
    assert (target.timeout, target.connect_timeout, target.redirects) == (5.0, 0.5, 0)


def test_no_repr_shows_a_secret() -> None:
    text = 'target: {url: "http://ann:s3cret@h", headers: {a: s3cret}, auth: {bearer: s3cret}}\nvars: {a: s3cret}'
    project = parse_project(text, Path("loadgate.yml"), {})
    assert project.target.auth == BearerAuth("s3cret")
    assert "s3cret" not in repr(project)


def test_data_and_vars_are_read(project: Project, folder: Path) -> None:
    (people,) = project.data
    assert (people.name, people.path) == ("people", folder / "people.csv")
    assert (people.order, people.share) == (Order.UNIQUE, Share.VU)
    assert project.vars == {"page": 2, "name": "x-7", "list": [1, {"a": None}]}


def test_a_request_step_keeps_its_templates_with_their_places(project: Project) -> None:
    step = _first(project)
    assert (step.method, step.name, step.url.text) == (
        "GET",
        "one user",
        "/users/${user_id}?page=${vars.page}",
    )
    assert step.url.span is not None
    assert step.url.span.part(step.url.text, 7, 10).text == "${user_id}"
    assert (step.url.span.line, step.query["q"].text) == (17, "${data.people.name}")
    assert isinstance(step.auth, BearerAuth)
    assert step.auth.token.text == "${token}"
    assert (step.timeout, step.redirects, step.tags, step.think) == (1.0, 3, {"a": "1"}, Think(1.0, 3.0))


def test_expectations_and_captures_are_read(project: Project) -> None:
    expect = _first(project).expect
    assert expect.status == frozenset((200, *range(300, 400)))
    assert [(each.name, each.value.text, each.contains) for each in expect.headers] == [
        ("content-type", "json", True),
        ("server", "nginx", False),
    ]
    assert [each.text for each in expect.body_contains] == ["x", "y"]
    assert [each.path.text for each in expect.json] == ["$.name", "$.items[0].id"]
    assert expect.max_duration == 0.5
    assert [(each.name, each.source, each.expression) for each in _first(project).captures] == [
        ("user_id", CaptureFrom.JSON, "$[0].id"),
        ("loc", CaptureFrom.HEADER, "location"),
        ("token", CaptureFrom.REGEX, r"id=(\d+)"),
    ]


def test_each_body_is_read(project: Project, folder: Path) -> None:
    bodies = [step.body for step in project.scenarios[0].steps[1:6] if isinstance(step, RequestStep)]
    json, form, text, file, multipart = bodies
    assert isinstance(json, JsonBody)
    assert isinstance(json.value, dict)
    assert isinstance(json.value["a"], list)
    assert isinstance(json.value["a"][1], Template)
    assert isinstance(form, FormBody)
    assert [(name, value.text) for name, value in form.fields] == [("a", "1")]
    assert isinstance(text, TextBody)
    assert text.text.text == "text"
    assert file == FileBody(folder / "people.csv")
    assert isinstance(multipart, MultipartBody)
    field, upload = multipart.parts
    assert isinstance(field, FieldPart)
    assert upload == FilePart("upload", folder / "people.csv", "people.csv", "text/csv")


def test_steps_without_a_request_and_python_scenarios_are_read(project: Project, folder: Path) -> None:
    browse, checkout = project.scenarios
    pause, group = browse.steps[6:]
    assert isinstance(pause, ThinkStep)
    assert pause.think == Think(2.0, 2.0)
    assert isinstance(group, GroupStep)
    assert [step.name for step in group.steps if isinstance(step, RequestStep)] == [
        "HEAD /",
        "OPTIONS http://other/",
    ]
    assert (browse.weight, checkout.weight, checkout.steps) == (3, None, ())
    assert checkout.python is not None
    assert (checkout.python.path, checkout.python.function) == (folder / "load.py", "checkout")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.yml")), ids=lambda path: path.stem)
def test_all_mistakes_of_a_file_are_told_at_once_each_in_its_place(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_project(path.read_text(), Path("loadgate.yml"), {})
    assert f"error: {caught.value}\n" == path.with_suffix(".txt").read_text()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target: {begin: ./run}", "unknown key `begin` in `target`"),
        ("budget: {}", "unknown key `budget` at the top level"),
        ("target: {tls: {ca: none.pem}}", "`ca` in `tls` in `target` must be a file"),
        ("target: {tls: {key: golden/tab.yml}}", "`key` without `cert` in `tls` in `target`"),
        ("target: {auth: {}}", "`auth` in `target` needs `basic` or `bearer`"),
        ("target: {auth: {basic: {user: a}}}", "`password` is missing in `basic` in `auth` in `target`"),
        ("target: {headers: {a b: c}}", "`a b` in `headers` in `target` is not a header name"),
        ('target: {headers: {a: "b\\r\\nc: d"}}', "`a` in `headers` in `target` must stay on one line"),
        ("target: {url: '${env.A'}", "`${` is not closed in `url` in `target`"),
        ("target: {redirects: -1}", "`redirects` in `target` must be a whole number, 0 or more"),
        ("target: {timeout: .nan}", "`timeout` in `target`: `.nan` is not a duration"),
        ("data: {a: {}}", "`file` is missing in data `a`"),
        ("data: {a: {file: golden/tab.yml}}", "`file` in data `a` must be a file that ends in .csv or .json"),
        ("data: {a: {file: golden}}", "`file` in data `a` must be a file"),
        ("scenarios: {a: {steps: []}}", "`steps` in scenario `a` must be a list of at least one step"),
        (
            "scenarios: {a: {steps: [{get: users}]}}",
            "`get` in step `GET users` must be a path or a whole URL",
        ),
        ("scenarios: {a: {steps: [{get: }]}}", "`get` in step `GET` must be text"),
        (
            "scenarios: {a: {steps: [{get: /, post: /}]}}",
            "a step does one thing, but this one has `get` and `post`",
        ),
        (
            "scenarios: {a: {steps: [{get: /, group: g}]}}",
            "a step does one thing, but this one has `get` and `group`",
        ),
        (
            "scenarios: {a: {steps: [{}]}}",
            "a step needs one of get, post, put, patch, delete, head, options, graphql, grpc, ws, group, think",
        ),
        ("scenarios: {a: {steps: [{group: g}]}}", "`steps` is missing in group `g`"),
        ("scenarios: {a: {steps: [{think: -1s}]}}", "`think` in a step: `-1s` is a negative duration"),
        ("scenarios: {a: {steps: [{think: 2s..1s}]}}", "`think` in a step must be a range from low to high"),
        ("scenarios: {a: {steps: [{get: /, name: '${x}'}]}}", "`${x}` cannot be used for `name` in a step"),
        (
            "scenarios: {a: {steps: [{get: /, capture: {env: {json: $.a}}}]}}",
            "`env` cannot be the name of a capture",
        ),
        (
            "scenarios: {a: {steps: [{get: /, capture: {b: {json: $.a, header: c}}}]}}",
            "capture `b` needs exactly one of json, header, regex",
        ),
        (
            "scenarios: {a: {steps: [{get: /, expect: {status: 2x}}]}}",
            "`status` in `expect` in step `GET /` must be a status from 100 to 599, or a class such as 2xx",
        ),
        ("scenarios: {a: {steps: [{get: /, json: .nan}]}}", "`json` in step `GET /` must be JSON"),
        ("scenarios: {a: {python: x}}", "`python` in scenario `a` must be file.py:function"),
        ("scenarios: {a: {python: 'none.py:f'}}", "`python` in scenario `a`: there is no file none.py"),
        ("profiles: {a: [1]}", "profile `a` must be a mapping (`key: value` lines)"),
        ("profiles: ", "`profiles` at the top level must be a mapping (`name: ...` lines)"),
    ],
)
def test_a_mistake_is_one_problem(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_project(text, Path(__file__).parent / "loadgate.yml", {})
    assert [problem.message.replace(f"{Path(__file__).parent}/", "") for problem in caught.value.problems] == [message]
    assert caught.value.problems[0].span is not None


@given(st.data())
@pytest.mark.slow
def test_a_mangled_file_raises_nothing_but_a_config_error(data: st.DataObject) -> None:
    lines = FULL.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        words = re.split(r"(\W+)", lines[index])
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(
            st.sampled_from(
                ["", "x", "[", "{", ": ", "- ", "~", "1", "-1", ".nan", "1e999", "'", "${", "${env.X}", "*a"]
            )
        )
        lines[index] = "".join(words)
    try:
        parse_project("\n".join(lines), Path("loadgate.yml"), {"PW": "hunter2", "BUILD": "7"})
    except ConfigError as error:
        assert "hunter2" not in str(error)


def test_an_exec_may_name_a_scenario_that_is_itself_wrong() -> None:
    text = (
        "scenarios: {a: {steps: 5}}\nprofiles: {p: {scenarios: {l: {executor: constant-vus, duration: 1s, exec: a}}}}"
    )
    with pytest.raises(ConfigError) as caught:
        parse_project(text, Path("loadgate.yml"), {})
    assert [problem.message for problem in caught.value.problems] == ["`steps` in scenario `a` must be a list"]
