"""What to bench, as project, flags and defaults give it together."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadgate.bench.plan import BenchFlags, BenchPlan, make_bench_plan
from loadgate.bench.sizes import PAUSE, SETTLE, size_load
from loadgate.config.bench import StartsSpec
from loadgate.config.load import Executor
from loadgate.config.profile import Profile
from loadgate.config.sizes import RequestText, SizesSpec
from loadgate.config.start import StartSpec
from loadgate.config.target import TargetSpec
from loadgate.errors import ConfigError, LoadgateError
from loadgate.record.digest import digest
from loadgate.script.scenario import Script
from tests.support.grpc_server import GREETER, SERVICE

URL = "http://127.0.0.1:1"
STARTED: dict[str, Any] = {"start": "app --port 1", "url": URL}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.py").write_text("")
    return tmp_path


def plan(**flags: Any) -> BenchPlan:
    return make_bench_plan(BenchFlags(**flags), {})


def problem(**flags: Any) -> str:
    with pytest.raises(LoadgateError) as caught:
        plan(**flags)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_with_nothing_said_it_is_our_own_target() -> None:
    found = plan()
    assert found.own
    assert found.target.start is not None and "serve" in found.target.start.argv
    assert found.target.url is not None and found.target.url.rpartition(":")[2] in found.target.start.argv
    assert found.spec.starts == StartsSpec(request=RequestText("GET", "/users/1"))
    assert [bool(each.rates) for each in found.spec.sizes] == [True]
    assert found.does == plan().does, "whatever port was free"


def test_flags_for_starts_hold_for_our_own_target_too() -> None:
    found = plan(starts=3, request="/health")
    assert found.own
    assert found.spec.starts == StartsSpec(3, 3, RequestText("GET", "/health"))


def test_a_program_is_started_and_nothing_else() -> None:
    found = plan(**STARTED)
    assert (found.own, found.target.url, found.target.start) == (False, URL, StartSpec(("app", "--port", "1")))
    assert found.spec.starts == StartsSpec() and not found.spec.sizes
    assert (found.starts_policy.least, found.starts_policy.most, found.starts_policy.seconds) == (10, 50, 60.0)


def test_a_number_of_starts_is_kept_however_long_it_takes() -> None:
    policy = plan(**STARTED, starts=7, time="1s").starts_policy
    assert (policy.least, policy.most, policy.seconds) == (7, 7, math.inf)


def test_repetition_is_as_the_flags_say() -> None:
    policy = plan(**STARTED, interval="2%", time="5s").policy
    assert (policy.width, policy.seconds, policy.warmups) == (0.02, 5.0, 1)


def test_a_target_that_is_not_started_has_no_starts() -> None:
    found = plan(url=URL, size_request="POST /echo")
    assert found.spec.starts is None
    assert found.spec.sizes == (SizesSpec(RequestText("POST", "/echo")),)


def test_sizes_are_as_the_flags_say() -> None:
    found = plan(url=URL, size_request="/a/{size}", sizes=(5, 9, 5), rates=("60/m", "1/s"), vus=3, duration="2s")
    assert found.spec.sizes == (SizesSpec(RequestText("GET", "/a/{size}"), (5, 9), (1.0,), 3, 2.0),)


def test_flags_stand_instead_of_what_the_project_says(folder: Path) -> None:
    (folder / "loadgate.yml").write_text(
        "target: {url: 'http://127.0.0.1:1', start: app}\n"
        "bench:\n  starts: {least: 2, most: 4, request: GET /a, requests: 9}\n"
        "  sizes: {request: POST /a, bytes: [1], vus: 2, duration: 1s}\n"
        "  commands: {one: 'a', two: 'b'}\n  interval: 3%\n  time: 9s\n"
    )
    found = plan()
    assert found.spec.starts == StartsSpec(2, 4, RequestText("GET", "/a"), 9)
    assert (found.policy.width, found.policy.seconds) == (0.03, 9.0)
    found = plan(starts=3, request="GET /b", sizes=(7,), commands=("two=c d",), time="1s", url="http://127.0.0.1:2")
    assert found.spec.starts == StartsSpec(3, 3, RequestText("GET", "/b"), 9)
    assert found.spec.sizes == (SizesSpec(RequestText("POST", "/a"), (7,), (), 2, 1.0),)
    assert {name: each.argv for name, each in found.spec.commands.items()} == {"one": ("a",), "two": ("c", "d")}
    assert (found.policy.seconds, found.target.url) == (1.0, "http://127.0.0.1:2")


def test_a_project_whose_starts_are_off_starts_only_when_it_is_told_to(folder: Path) -> None:
    (folder / "loadgate.yml").write_text(
        "target: {url: 'http://127.0.0.1:1', start: app}\nbench: {starts: off, commands: {one: a}}\n"
    )
    assert plan().spec.starts is None
    assert plan(starts=2).spec.starts == StartsSpec(2, 2)
    assert "--request is the first request after each start, and `starts` is off in `bench`" in problem(request="/a")


def test_another_thing_to_measure_is_another_measurement(folder: Path) -> None:
    first = plan(**STARTED, script=Path("b.py"), commands=("a=b",), size_request="POST /echo")
    assert digest(first.does) == digest(
        plan(**STARTED, script=Path("b.py"), commands=("a=b",), size_request="POST /echo").does
    )
    others = [
        replace(first, spec=replace(first.spec, commands={"a": StartSpec(("c",))})),
        replace(first, spec=replace(first.spec, sizes=(SizesSpec(RequestText("PUT", "/echo")),))),
        replace(first, spec=replace(first.spec, starts=StartsSpec(requests=5))),
        replace(first, target=replace(first.target, start=StartSpec(("other",)))),
    ]
    (folder / "c.py").write_text("# another script")
    others.append(replace(first, spec=replace(first.spec, script=Path("c.py"))))
    assert len({digest(each.does) for each in (first, *others)}) == 6


def test_files_that_are_read_are_known(folder: Path) -> None:
    (folder / "budgets.yml").write_text("startup: {max_time_ms: 5}\n")
    found = plan(**STARTED, script=Path("b.py"), budgets=Path("budgets.yml"))
    assert found.files == (folder / "b.py", folder / "budgets.yml")
    assert len(found.budgets.of("bench")) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"start": "app"}, "the target is to be started, but nothing says where it will answer"),
        ({"url": URL}, "there is nothing to measure"),
        ({"url": URL, "starts": 5}, "--starts without a program to start"),
        ({"url": URL, "size_request": "POST /a", "request": "/b"}, "--request is the first request after each start"),
        ({"size_request": "POST /a"}, "latency by payload size needs a target"),
        ({"url": URL, "ready": "/health"}, "--ready without --start"),
        ({"url": URL, "size_request": "POST /\udcff"}, "--size-request holds bytes that are no UTF-8"),
        ({"script": Path("\udcff.py")}, "the script holds bytes that are no UTF-8"),
        ({**STARTED, "ready": "health"}, "--ready: `health` is no path"),
        ({**STARTED, "request": "users"}, "--request: `users` is no request"),
        ({**STARTED, "sizes": (5,)}, "sizes of what?"),
        ({**STARTED, "duration": "5s"}, "sizes of what?"),
        ({**STARTED, "size_request": ""}, "--size-request: `` is no request"),
        ({**STARTED, "size_request": "WS /ws"}, "--size-request: `WS /ws` is no request"),
        ({**STARTED, "size_request": "grpc a.B/C"}, "--size-request: `grpc a.B/C` is no request"),
        ({**STARTED, "size_request": "GET /a"}, "--size-request: `GET /a` is the same at every size"),
        ({**STARTED, "size_request": "POST /a", "duration": "0s"}, "--duration must be more than 0"),
        ({**STARTED, "size_request": "POST /a", "duration": "5"}, "--duration: `5` is a duration without a unit"),
        ({**STARTED, "size_request": "POST /a", "rates": ("0/s",)}, "--rate must be more than 0"),
        ({**STARTED, "interval": "5"}, "--interval: `5` is no percentage"),
        ({**STARTED, "time": "0s"}, "--time must be more than 0"),
        ({**STARTED, "start": "a | b"}, "--start: `|` is for a shell"),
        ({"commands": ("parse",)}, "--command: `parse` has no name"),
        ({"commands": ("=a",)}, "--command: `=a` has no name"),
        ({"commands": ("a=b", "a=c")}, "--command: `a` is given twice"),
        ({"commands": ("a=",)}, "--command: there is no program in it"),
        ({"script": Path("nothing.py")}, "the script nothing.py is not there"),
        ({"script": Path(".")}, "the script . is no file"),
        ({"config": Path("nothing.yml")}, "nothing.yml"),
        ({**STARTED, "budgets": Path("nothing.yml")}, "nothing.yml"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(flags: dict[str, Any], message: str) -> None:
    assert message in problem(**flags)


def load_of(*specs: SizesSpec) -> tuple[Profile, Script]:
    return size_load(specs, TargetSpec(url=URL), vars={}, env={})


def test_sizes_come_one_after_another_each_a_step_of_its_own() -> None:
    profile, script = load_of(SizesSpec(RequestText("POST", "/echo"), (100, 1000), (50.0,), 2, 3.0))
    assert [load.name for load in profile.loads] == [
        "POST /echo, warm-up",
        "POST /echo, 100 B, closed loop",
        "POST /echo, 100 B, 50/s",
        "POST /echo, 1,000 B, closed loop",
        "POST /echo, 1,000 B, 50/s",
    ]
    first, *rest = profile.loads
    assert first.end < SETTLE == profile.warmup
    assert [load.start_time for load in rest] == [pytest.approx(SETTLE + n * (3.0 + PAUSE)) for n in range(4)]
    assert {load.length for load in rest} == {3.0}
    assert [load.executor for load in rest[:2]] == [Executor.CONSTANT_VUS, Executor.CONSTANT_ARRIVAL_RATE]
    assert (rest[0].vus, rest[1].rate) == (2, 50.0)
    assert [load.exec for load in profile.loads] == [scenario.name for scenario in script.scenarios]


# -- latency by size of other protocols

CALL = f'{{grpc: {SERVICE}/SayHello, message: {{data: "${{payload_base64}}"}}, bytes: [8, 100]}}'


def project(folder: Path, sizes: str, target: str = f"grpc: {{url: '127.0.0.1:1', proto: {GREETER}}}") -> None:
    (folder / "loadgate.yml").write_text(f"target: {{{target}}}\nbench:\n  sizes: {sizes}\n")


def test_each_of_several_is_warmed_up_before_the_first_is_measured() -> None:
    post = SizesSpec(RequestText("POST", "/echo"), (10,), (), 1, 2.0)
    get = SizesSpec(RequestText("GET", "/bytes/{size}"), (20, 30), (), 1, 4.0)
    profile, _ = load_of(post, get)
    assert profile.warmup == 2 * SETTLE
    assert [(load.name, load.start_time) for load in profile.loads] == [
        ("POST /echo, warm-up", 0.0),
        ("GET /bytes/N, warm-up", SETTLE),
        ("POST /echo, 10 B, closed loop", 2 * SETTLE),
        ("GET /bytes/N, 20 B, closed loop", pytest.approx(2 * SETTLE + 2.0 + PAUSE)),
        ("GET /bytes/N, 30 B, closed loop", pytest.approx(2 * SETTLE + 6.0 + 2 * PAUSE)),
    ]


def test_methods_are_known_before_anything_runs_and_define_what_is_measured(folder: Path) -> None:
    project(folder, CALL)
    found = plan()
    assert found.load is not None
    profile, script = found.load
    assert [load.name for load in profile.loads[1:]] == [
        f"{SERVICE}/SayHello, {size} B, closed loop" for size in (8, 100)
    ]
    assert script.schema is not None and found.files == (folder / "loadgate.yml", *script.schema.paths)
    assert "SayHello" in str(found.does["protos"])
    project(folder, CALL.replace("100", "101"))
    assert digest(plan().does) != digest(found.does)


@pytest.mark.parametrize(
    ("sizes", "target", "message"),
    [
        (CALL, "url: 'http://127.0.0.1:1'", "there is no gRPC target for this call"),
        (CALL.replace("SayHello", "SayHallo"), None, "has no method `SayHallo`"),
        (CALL.replace("data", "dota"), None, "has no field `dota`"),
        (CALL.replace("_base64", ""), None, "comes to 77 bytes, less than its payload of 100"),
        (CALL.replace("payload_base64", "payloat"), None, "is the same at every size"),
        (CALL.replace("data:", 'name: "${nobody}", data:'), None, "unknown name `nobody`"),
        ("{ws: /ws}", None, "latency by payload size needs a target for `WS /ws`"),
        (
            "{graphql: 'query A($q: ID) { a(id: $q) }', variables: {p: '${payload}'}}",
            "url: 'http://127.0.0.1:1'",
            "`p`",
        ),
    ],
)
def test_what_does_not_fit_is_shown_in_the_file(folder: Path, sizes: str, target: str | None, message: str) -> None:
    project(folder, sizes) if target is None else project(folder, sizes, target)
    with pytest.raises(ConfigError) as caught:
        plan()
    [found] = caught.value.problems
    assert message in found.message and found.span is not None and found.span.line == 3


def test_flags_hold_for_everything_that_is_sent(folder: Path) -> None:
    project(folder, f"[{CALL}, {{ws: 'ws://127.0.0.1:1/ws', duration: 9s}}]")
    found = plan(sizes=(7,), rates=("5/s",), duration="1s")
    assert [(each.sizes, each.rates, each.duration) for each in found.spec.sizes] == [((7,), (5.0,), 1.0)] * 2
    found = plan(size_request="POST /echo", url=URL)
    assert found.spec.sizes == (SizesSpec(RequestText("POST", "/echo")),), "instead of what the project sends"
    found = plan(url="grpc://127.0.0.1:2")
    assert found.target.grpc is not None and found.target.grpc.url == "grpc://127.0.0.1:2"
