"""The plan of an A/B test: what is refused, where a port goes, what files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.ab.order import ARMS, Arm
from loadgate.ab.plan import AbFlags, AbPlan, make_ab_plan
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


def plan(base: str = APP, head: str = APP, **flags: object) -> AbPlan:
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
