"""The plan of an A/B test: what is refused, where a port goes, what files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.ab.order import ARMS, Arm
from loadgate.ab.plan import AbFlags, AbPlan, make_ab_plan
from loadgate.ab.refs import RefsSpec
from loadgate.errors import LoadgateError

APP = "app --port {port}"
PROJECT = """
target: {url: "http://[::1]:3000/api", start: {command: x, env: {PORT: "{port}"}}, ready: {path: /ok, within: 7s}}
scenarios: {a: {steps: [{get: /a}]}, b: {steps: [{get: /b}]}}
profiles:
  steady: {rate: 50/s, duration: 1m, warmup: 2s}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(base: str | None = APP, head: str | None = APP, **flags: object) -> AbPlan:
    return make_ab_plan(AbFlags(base=base, head=head, **flags), {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "head", "flags", "said"),
    [
        ("", APP, {}, "--base is empty"),
        (APP, " ", {}, "--head is empty"),
        (APP, "app", {}, "--head: there is no {port} in the command"),
        (APP, "http://127.0.0.1:1", {}, "one arm is a command and the other a URL"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/", {}, "base and head are the same URL"),
        ("http://", "http://127.0.0.1:1", {}, "--base: `http://` has no host"),
        ("http://127.0.0.1:1", "htp://h", {}, "--head: `htp://h` has the scheme `htp`"),
        (APP, APP, {"rate": "0"}, "--rate must be more than 0"),
        (APP, APP, {"rate": "fast"}, "--rate: `fast` is not a rate"),
        (APP, APP, {"length": "3"}, "--length: `3` is a duration without a unit"),
        (APP, APP, {"length": "0s"}, "--length must be more than 0"),
        (APP, APP, {"time": "0s"}, "--time must be more than 0"),
        (APP, APP, {"capacity": "0s"}, "--capacity must be more than 0"),
        (APP, APP, {"warmup": "-1s"}, "--warmup: `-1s` is a negative duration"),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", {"ready": "/"}, "--ready is about programs"),
        (None, None, {}, "nothing says what base and head are\n  = give --base and --head, or --base-ref"),
        (APP, None, {}, "nothing says what head is"),
        (None, None, {"base_ref": ""}, "--base-ref: `` is no ref"),
        (None, None, {"base_ref": "main"}, "nothing says how a build is started\n  = give --start"),
        (None, None, {"base_ref": "main", "start": "app"}, "--start: there is no {port} in the command"),
        (None, None, {"base_ref": "main", "start": APP, "build": "a && b"}, "--build: `&&` is for a shell"),
        (APP, None, {"base_ref": "main"}, "--base-ref, and --base\n  = give one of them"),
        (APP, APP, {"head_ref": "x"}, "--head-ref without --base-ref"),
        (APP, APP, {"build": "x"}, "--build without --base-ref"),
        (APP, APP, {"start": "x"}, "--start without --base-ref"),
        (APP, APP, {"what": "a", "request": "/"}, "--request, and `a` says what is asked, too"),
    ],
)
def test_what_cannot_be_is_refused(base: str, head: str, flags: dict[str, str], said: str) -> None:
    with pytest.raises(LoadgateError) as caught:
        plan(base, head, **flags)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("{url: 'http://h:1', grpc: 'h:2'}", "each arm has one place only"),
        ("{url: 'http+unix://%2Frun%2Fa.sock'}", "the target's URL is a Unix socket"),
        ("{url: 'http://h:1', graphql: 'http://h:2/graphql'}", "`graphql` in `target` is a whole URL"),
    ],
)
def test_a_target_that_cannot_be_two_is_refused(here: Path, target: str, said: str) -> None:
    (here / "loadgate.yml").write_text(f"target: {target}\nscenarios: {{a: {{steps: [{{get: /}}]}}}}\n")
    with pytest.raises(LoadgateError) as caught:
        plan()
    assert said in str(caught.value)


def test_the_port_goes_into_command_variables_and_place(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    target = plan().arms[Arm.HEAD].at(4711)
    assert target.start is not None
    assert (target.start.argv, target.start.env) == (("app", "--port", "4711"), {"PORT": "4711"})
    assert target.url == "http://[::1]:4711/api"
    assert (target.ready.path, target.ready.within) == ("/ok", 7.0)
    assert plan(ready="/up").arms[Arm.BASE].target.ready.within == 7.0


def test_the_port_goes_into_the_place_of_grpc(here: Path) -> None:
    (here / "loadgate.yml").write_text("target: {grpc: 'h:1'}\nscenarios: {a: {steps: [{grpc: p.S/M}]}}\n")
    target = plan().arms[Arm.BASE].at(4711)
    assert (target.url, target.place) == (None, "grpc://h:4711")


def test_a_profile_says_rate_and_warm_up_unless_flags_do(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    made = plan(what="steady")
    assert (made.rate, made.warmup, made.restarts) == (50.0, 2.0, True)
    assert {scenario.name for scenario in made.script.scenarios} == {"a", "b"}
    said = plan(what="steady", rate="9/s", warmup="0s", length="3s")
    assert (said.rate, said.warmup, said.length) == (9.0, 0.0, 3.0)


def test_two_urls_are_not_started(here: Path) -> None:
    made = plan("http://127.0.0.1:1", "http://127.0.0.1:2")
    assert not made.restarts
    assert [made.arms[arm].at(9).url for arm in ARMS] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]


def test_the_project_says_what_flags_do_not(here: Path) -> None:
    said = "base: 'old {port}', head: 'new {port}', request: /x, rate: 9/s, pairs: 8, length: 1s, warmup: 0s, time: 2m"
    (here / "loadgate.yml").write_text(f"{PROJECT}gate: {{ab: {{{said}, capacity: 3s}}}}\n")
    made = plan(None, None)
    assert [made.arms[arm].words for arm in ARMS] == ["old '{port}'", "new '{port}'"]
    assert (made.rate, made.pairs, made.length, made.warmup, made.time, made.capacity) == (9.0, 8, 1.0, 0.0, 120.0, 3.0)
    assert [scenario.name for scenario in made.script.scenarios] == [plan(request="/x").script.scenarios[0].name]
    flags = {"rate": "5/s", "pairs": 9, "length": "2s", "warmup": "1s", "time": "1m", "capacity": "1s"}
    made = plan(None, APP, what="steady", **flags)
    assert [made.arms[arm].words for arm in ARMS] == ["old '{port}'", "app --port '{port}'"]
    assert (made.rate, made.pairs, made.length, made.warmup, made.time, made.capacity) == (5.0, 9, 2.0, 1.0, 60.0, 1.0)
    assert {scenario.name for scenario in made.script.scenarios} == {"a", "b"}


def test_sides_on_the_command_line_stand_instead_of_refs_in_the_project(here: Path) -> None:
    (here / "loadgate.yml").write_text("gate: {ab: {base_ref: main, build: make}}\n")
    assert plan().refs is None
    with pytest.raises(LoadgateError) as caught:
        plan(APP, None)
    assert "nothing says what head is" in str(caught.value)


def test_refs_on_the_command_line_stand_instead_of_sides_in_the_project(here: Path) -> None:
    (here / "loadgate.yml").write_text(
        "gate: {ab: {base: 'old {port}', head: 'new {port}', start: 'app {port}', build: x}}\n"
    )
    refs = plan(None, None, base_ref="main", head_ref="v2", build="make all").refs
    assert refs == RefsSpec("main", "v2", here, ("make", "all"))
    made = plan(None, None, base_ref="main")
    assert (made.refs, {made.arms[arm].words for arm in ARMS}) == (
        RefsSpec("main", "HEAD", here, ("x",)),
        {"app '{port}'"},
    )


def test_a_build_is_started_as_the_target_is(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT + "gate: {ab: {base_ref: main}}\n")
    start = plan(None, None, what="steady").arms[Arm.HEAD].at(4711).start
    assert start is not None
    assert (start.argv, start.env) == (("x",), {"PORT": "4711"})


@pytest.mark.parametrize(
    ("ab", "said"),
    [
        ("{base: 'old', head: 'new {port}'}", "`base` in `ab` in `gate`: there is no {port} in the command"),
        ("{base: 'http://', head: 'http://h'}", "`base` in `ab` in `gate`: `http://` has no host"),
        ("{base: 'http://a', head: 'http://b', ready: /}", "`ready` in `ab` in `gate` is about programs"),
        ("{base_ref: main, start: app}", "`start` in `ab` in `gate`: there is no {port} in the command"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(here: Path, ab: str, said: str) -> None:
    (here / "loadgate.yml").write_text(f"gate: {{ab: {ab}}}\n")
    with pytest.raises(LoadgateError) as caught:
        plan(None, None)
    assert said in str(caught.value)


def test_a_command_of_the_project_without_its_port_is_pointed_at(here: Path) -> None:
    (here / "loadgate.yml").write_text("gate:\n  ab: {base: old, head: 'new {port}'}\n")
    with pytest.raises(LoadgateError) as caught:
        plan(None, None)
    assert "--> loadgate.yml:2:14" in str(caught.value)


def test_loads_whose_users_differ_in_their_environment_cannot_be_one(here: Path) -> None:
    (here / "load.py").write_text(
        """
from loadgate import scenario

load = {"executor": "constant-vus", "duration": "1s", "exec": "ask"}
options = {"scenarios": {each: {**load, "env": {"WHO": each}} for each in "ab"}}

@scenario
async def ask(user):
    await user.http.get("/")
"""
    )
    with pytest.raises(LoadgateError) as caught:
        plan(what="load.py")
    assert "differ in `env`, and an A/B test has one load for all" in str(caught.value)


def test_its_definition_is_what_is_asked_and_not_of_whom(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    asked = plan("app {port}", "new {port}", what="steady")
    assert plan("other {port}", "newer {port}", what="steady", rate="10/s").definition == asked.definition
    assert plan("app {port}", "new {port}", request="/a").definition != asked.definition
    assert plan(request="/a").definition == plan("other {port}", request="/a").definition
    assert plan(request="/a").definition != plan(request="/b").definition
