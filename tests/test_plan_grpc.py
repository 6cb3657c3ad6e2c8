"""What files and flags say of gRPC: the files a plan is made of, where --url points, and the call it may say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

import pytest

from loadgate.clients.http.stack import stack_for
from loadgate.clock import SystemClock
from loadgate.config.budgets import Budgets
from loadgate.config.grpc import GrpcSpec
from loadgate.errors import ConfigError, LoadgateError
from loadgate.flags import Flags
from loadgate.measure.recorder import Recorder
from loadgate.plan import Plan, every_plan, make_plan
from loadgate.script.performance import Performance
from tests.support.grpc_server import GREETER, PROTOS, SERVICE

HELLO = f"{SERVICE}/SayHello"
PROJECT = f"""
target: {{grpc: {{url: "127.0.0.1:9", proto: own/greeter.proto, proto_path: shared}}}}
scenarios: {{greet: {{steps: [{{grpc: {HELLO}, message: {{name: x}}}}]}}}}
"""
SCRIPT = f"""
from loadgate import scenario

@scenario
async def greet(user):
    await user.grpc.unary("{HELLO}", {{"name": "x"}})
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with `.proto` files in two folders."""
    for folder, name in (("own", GREETER.name), ("shared", "parts.proto")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text((PROTOS / name).read_text())
    (tmp_path / "loadgate.yml").write_text(PROJECT)
    (tmp_path / "load.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(**flags: object) -> Plan:
    return make_plan(Flags(**{"iterations": 1, **flags}), {})  # type: ignore[arg-type]


def grpc(made: Plan) -> GrpcSpec:
    assert made.target.grpc is not None
    return made.target.grpc


def refused(**flags: object) -> str:
    with pytest.raises(LoadgateError) as caught:
        plan(**flags)
    return str(caught.value)


@pytest.mark.parametrize("what", [None, "load.py"])
def test_proto_files_and_what_they_import_are_part_of_the_plan(here: Path, what: str | None) -> None:
    files = {here / "own/greeter.proto", here / "shared/parts.proto"}
    before = plan(what=what)
    assert files <= set(before.files)
    assert len(before.files) == 4 - (what is None)
    for path in files:
        text = path.read_text()
        path.write_text(text + "\n// another one\n")
        assert plan(what=what).does != before.does, path.name
        path.write_text(text)
    assert plan(what=what).does == before.does


def test_where_proto_files_lie_is_no_part_of_what_is_measured(here: Path) -> None:
    before = plan().does
    (here / "shared/parts.proto").rename(here / "own/parts.proto")
    assert plan().does == before


@pytest.mark.parametrize("what", [None, "load.py"])
def test_proto_files_are_compiled_with_the_plan_only(here: Path, what: str | None) -> None:
    made = plan(what=what)
    assert made.script.schema is not None
    (here / "own/greeter.proto").unlink()

    async def main() -> None:
        recorder, clock = Recorder(start=perf_counter()), SystemClock()
        http = stack_for(made.target, recorder, "test")
        performance = Performance(made.script, recorder=recorder, http=http, clock=clock, env={}, seed=1)
        await performance.setup()
        await performance.teardown()
        clock.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("own/greeter.proto", "service Greeter {", "service Greeter", ('Expected "{"', "own/greeter.proto:10:3")),
        (
            "own/greeter.proto",
            "returns (Reply)",
            "returns (Replay)",
            ('"Replay" is not defined', "own/greeter.proto:10:"),
        ),
        ("own/greeter.proto", "parts.proto", "none.proto", ("no file `none.proto` to import", ":6:1", "`proto_path`")),
        (
            "shared/parts.proto",
            "string long_name",
            "strin long_name",
            ('"strin" is not defined', "shared/parts.proto:6:3"),
        ),
        ("own/greeter.proto", "rpc SayHello", "rpc SayHallo", ("no method `SayHello`", "did you mean `SayHallo`?")),
    ],
)
def test_what_is_wrong_with_a_proto_file_is_shown_in_it(
    here: Path, file: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    path = here / file
    path.write_text(path.read_text().replace(old, new, 1))
    told = refused()
    assert all(word in told for word in words), told
    assert ("to import" in told) == any("to import" in word for word in words), told
    with pytest.raises(ConfigError):
        every_plan(here / "loadgate.yml", {})


def test_fields_that_a_type_requires_may_be_filled_in_later(here: Path) -> None:
    text = 'syntax = "proto2"; message Q { required string a = 1; required int32 b = 2; } service S { rpc M(Q) returns (Q); }'
    (here / "own/old.proto").write_text(text)
    project = (
        "target: {grpc: {url: 'h:1', proto: own/old.proto}}\nscenarios: {s: {steps: [{grpc: S/M, message: FIELDS}]}}\n"
    )
    (here / "loadgate.yml").write_text(project.replace("FIELDS", '{a: x, b: "${vu}"}'))
    assert plan().script.calls
    (here / "loadgate.yml").write_text(project.replace("FIELDS", "{a: x}"))
    assert "Q lacks b in step `S/M`" in refused()
    assert "loadgate.yml:2:" in refused()


# -- --url


@pytest.mark.parametrize("what", [None, "load.py"])
@pytest.mark.parametrize("url", ["grpc://h:1", "grpcs://h:1/"])
def test_a_url_says_where_the_server_of_a_project_or_script_is(here: Path, what: str | None, url: str) -> None:
    made = plan(what=what, config=Path("loadgate.yml"), url=url)
    assert (grpc(made).url, made.target.url, len(grpc(made).protos)) == (url.rstrip("/"), None, 1)
    assert made.target.place == url.rstrip("/")
    (here / "loadgate.yml").unlink()
    assert grpc(plan(what="load.py", url=url)) == GrpcSpec(url.rstrip("/"))


def test_a_url_alone_is_one_call(here: Path) -> None:
    made = plan(url=f"grpcs://h:1/{HELLO}", body='{"name": "${x}", "part": {"numbers": [1, 2]}}', headers=("X-A: b",))
    assert grpc(made) == GrpcSpec("grpcs://h:1", metadata={"X-A": "b"})
    assert made.target.headers == {}
    assert [call.method for call in made.script.calls] == [HELLO]
    assert (made.files, made.budgets, made.script.name) == ((), Budgets(), "--url")
    others = (
        {"body": '{"name": "y"}'},
        {"headers": ("X-B: b",)},
        {"url": f"grpcs://h:1/{SERVICE}/Count"},
    )
    same: Mapping[str, object] = {"url": f"grpcs://h:1/{HELLO}", "headers": ("X-A: b",)}
    assert plan(**same).does == plan(**{**same, "url": f"grpc://other:2/{HELLO}", "headers": ("x-a: c",)}).does
    assert len({str(plan(**{**same, **other}).does) for other in ({}, *others)}) == 4


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"url": "grpc://h:1"}, "--url names no method of grpc://h:1"),
        ({"url": "grpc://h:1/SayHello"}, "`SayHello` in --url is no gRPC method"),
        ({"url": f"grpc://h:1/{HELLO}?a=b"}, "is no gRPC method"),
        ({"url": f"grpc://h/{HELLO}"}, "has no port"),
        ({"url": f"grpc://:1/{HELLO}"}, "names no host"),
        ({"url": f"grpc://u:hidden@h:1/{HELLO}"}, "has a user in it"),
        ({"url": f"grpc://h:1/{HELLO}", "method": "POST"}, "--method is for HTTP"),
        ({"url": f"grpc://h:1/{HELLO}", "headers": ("grpc-x: 1",)}, "--header: `grpc-x` is gRPC's own"),
        ({"url": f"grpc://h:1/{HELLO}", "headers": ("a: ü",)}, "--header: the value of the metadata `a`"),
        ({"url": f"grpc://h:1/{HELLO}", "body": '{"a": 1,\n "b": c}'}, "--body:2:7"),
        ({"url": f"grpc://h:1/{HELLO}", "body": ""}, "--body is not JSON"),
        ({"url": f"grpc://h:1/{HELLO}", "body": '{"a": NaN}'}, "JSON has no NaN"),
        ({"url": f"grpc://h:1/{HELLO}", "body": "[" * 100_000}, "--body is not JSON"),
        ({"url": f"grpc://h:1/{HELLO}", "body": '["a"]'}, "--body holds no message"),
        ({"url": f"grpc://h:1/{HELLO}", "body": "\udcff"}, "no UTF-8"),
        ({"url": f"grpc://h:1/{HELLO}", "what": "load.py"}, "give --url grpc://h:1,"),
    ],
)
def test_a_call_that_cannot_be_made_is_told(here: Path, flags: dict[str, object], words: str) -> None:
    told = refused(**flags)
    assert words in told
    assert "hidden" not in told


def test_what_a_project_without_an_http_target_lacks(here: Path) -> None:
    project = here / "loadgate.yml"
    project.write_text("target: {grpc: 'h:1'}\nscenarios: {a: {steps: [{grpc: S/M}, {get: /here}]}}\n")
    assert "there is no target URL for this step" in refused()
    assert "loadgate.yml:2:44" in refused()
    project.write_text("target: {grpc: 'h:1'}\nscenarios: {a: {steps: [{graphql: '{ a }'}]}}\n")
    assert "there is no target URL for this step" in refused()
    project.write_text("target: {grpc: 'h:1'}\n")
    assert "names a gRPC server and no scenario that calls it" in refused()
    project.write_text("target: {url: 'grpc://h:1'}\n")
    assert "write it as `grpc` in `target`" in refused()
    project.write_text("target: {grpc: 'h:1'}\nscenarios: {a: {steps: [{grpc: S/M}]}}\n")
    assert plan().target.place == "grpc://h:1"
    assert every_plan(project, {})[0].script.calls


def test_a_call_without_a_server_is_told_by_check_and_run(here: Path) -> None:
    project = here / "loadgate.yml"
    project.write_text("scenarios: {a: {steps: [{grpc: S/M}]}}\n")
    with pytest.raises(ConfigError, match="there is no gRPC target for this call"):
        every_plan(project, {})
    assert "--url grpc://HOST:PORT" in refused()
