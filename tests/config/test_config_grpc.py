"""`target.grpc` and `grpc:` steps as they are read: defaults, shorthands, and every mistake in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.clients.grpc import Code
from loadgate.config.grpc import GrpcSpec
from loadgate.config.project import parse_project
from loadgate.config.steps import GrpcStep
from loadgate.config.steps.grpc import STATUSES
from loadgate.errors import ConfigError

HERE = Path(__file__).parent / "loadgate.yml"
PROTOS = "../support/protos"


def read(target: str) -> GrpcSpec | None:
    return parse_project(f"target: {{grpc: {target}}}\n", HERE, {"TOKEN": "s3cret"}).target.grpc


def step(text: str) -> GrpcStep:
    project = parse_project(f"scenarios: {{a: {{steps: [{text}]}}}}\n", HERE, {})
    (found,) = project.scenarios[0].steps
    assert isinstance(found, GrpcStep)
    return found


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("127.0.0.1:50051", "grpc://127.0.0.1:50051"),
        ("GRPC://host:1", "grpc://host:1"),
        ("'grpcs://[::1]:443'", "grpcs://[::1]:443"),
        ("https://host:8443/", "grpcs://host:8443"),
        ("{url: 'http://host:80'}", "grpc://host:80"),
    ],
)
def test_where_a_server_is(written: str, url: str) -> None:
    assert read(written) == GrpcSpec(url)


def test_all_that_is_said_of_a_server() -> None:
    spec = read(
        f"{{url: 'h:1', proto: {PROTOS}/greeter.proto, proto_path: [{PROTOS}], timeout: 5s, shared: true, "
        "metadata: {authorization: 'Bearer ${env.TOKEN}'}}"
    )
    folder = HERE.parent / PROTOS
    assert spec == GrpcSpec(
        "grpc://h:1", (folder / "greeter.proto",), (folder,), False, {"authorization": "Bearer s3cret"}, 5.0, True
    )
    assert "s3cret" not in repr(spec)
    without = read("{url: 'h:1', reflection: false}")
    assert without is not None
    assert not without.reflection


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("localhost", "`grpc` in `target` has no port"),
        ("'localhost:0'", "`grpc` in `target` has no port"),
        ("'host:99999'", "`grpc` in `target` names no host"),
        ("'grpc://:1'", "`grpc` in `target` names no host"),
        ("'a b:1'", "`grpc` in `target` names no host"),
        ("'gprc://host:1'", "`grpc` in `target` has the scheme `gprc`"),
        ("{url: 'host:1/pkg.S/M'}", "`url` in `grpc` in `target` has a path"),
        ("{reflection: true}", "`url` is missing in `grpc` in `target`"),
        ("{url: 'h:1', proto: none.proto}", "`proto` in `grpc` in `target` must be a file"),
        ("{url: 'h:1', proto_path: none}", "`proto_path` in `grpc` in `target` must be a folder"),
        (
            f"{{url: 'h:1', proto: {PROTOS}/greeter.proto, reflection: true}}",
            "`proto` and `reflection` in `grpc` in `target`",
        ),
        (f"{{url: 'h:1', proto_path: {PROTOS}}}", "`proto_path` without `proto` in `grpc` in `target`"),
        ("{url: 'h:1', protos: x}", "unknown key `protos` in `grpc` in `target`"),
    ],
)
def test_a_mistake_about_a_server_is_told(target: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(target)
    assert message in [problem.message for problem in caught.value.problems]
    assert all(problem.span is not None for problem in caught.value.problems)


def test_a_step() -> None:
    found = step("{grpc: /a.b.S/M, message: {n: 1}, timeout: 2s, expect: {status: [not_found, OK, 7]}}")
    assert (found.name, found.method, found.timeout, found.listed) == ("a.b.S/M", "a.b.S/M", 2.0, False)
    assert found.expect.status == frozenset((0, 5, 7))
    assert [dict(message.fields) for message in found.messages] == [{"n": 1}]
    listed = step("{grpc: S/M, message: [{n: 1}, {}], name: both}")
    assert (listed.name, listed.listed, len(listed.messages)) == ("both", True, 2)
    assert [dict(message.fields) for message in step("{grpc: S/M}").messages] == [{}]
    assert step("{grpc: S/M, message: []}").messages == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{grpc: SayHello}", "`grpc` in a step must be a method as `package.Service/Method`"),
        ("{grpc: '${x}/M'}", "`${x}` cannot be used for `grpc` in a step"),
        ("{grpc: S/M, message: text}", "`message` in step `S/M` must be a mapping of fields to values"),
        ("{grpc: S/M, headers: {a: b}}", "`headers` cannot be used in step `S/M`, which is a gRPC call"),
        ("{grpc: S/M, auth: {bearer: b}}", "`auth` cannot be used in step `S/M`, which is a gRPC call"),
        ("{grpc: S/M, timeout: 1000000h}", "`timeout` in step `S/M` must be at most 24h"),
        ("{grpc: S/M, expect: {status: []}}", "`status` in `expect` in step `S/M` must be one or a list of them"),
        ("{grpc: S/M, expect: {status: 200}}", "`status` in `expect` in step `S/M` must be a status of gRPC"),
        ("{grpc: S/M, expect: {status: NOTFOUND}}", "`status` in `expect` in step `S/M` must be a status of gRPC"),
        ("{grpc: S/M, get: /}", "a step does one thing, but this one has `get` and `grpc`"),
    ],
)
def test_a_mistake_in_a_step_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        step(text)
    assert any(problem.message.startswith(message) for problem in caught.value.problems), caught.value.problems


def test_only_what_a_call_may_have_is_listed_as_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        step("{grpc: S/M, headers: {a: b}, mesage: {}}")
    told = {problem.message: (problem.label, problem.note) for problem in caught.value.problems}
    allowed = "allowed here: capture, expect, grpc, message, metadata, name, tags, think, timeout"
    assert told["unknown key `mesage` in step `S/M`"] == ("did you mean `message`?", allowed)
    with pytest.raises(ConfigError) as caught:
        step("{grcp: S/M}")
    assert caught.value.problems[0].label == "did you mean `grpc`?"


def test_statuses_are_those_of_the_client() -> None:
    assert [code.name for code in Code] == list(STATUSES)
