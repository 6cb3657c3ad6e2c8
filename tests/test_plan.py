"""What files, flags and defaults give together."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.load import Executor
from loadgate.errors import ConfigError, LoadgateError
from loadgate.flags import Flags
from loadgate.plan import Plan, every_plan, make_plan

PROJECT = """
target: {url: "http://127.0.0.1:9"}
scenarios:
  browse:
    steps:
      - get: /users
profiles:
  quick: {vus: 2, duration: 1s, warmup: 200ms, thresholds: {http_req_duration: ["p(95)<500"]}}
  long: {rate: 5/s, duration: 1m}
"""

SCRIPT = """
from loadgate import scenario

options = {"vus": 3, "duration": "2s", "thresholds": {"checks": ["rate>0.9"]}}

@scenario
async def browse(user):
    await user.http.get("/")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(**flags: object) -> Plan:
    return make_plan(Flags(**flags), {})  # type: ignore[arg-type]


def test_nothing_at_all_is_the_standard_test_of_the_embedded_target(here: Path) -> None:
    made = plan()
    assert (made.embedded, made.profile.name) == (True, "standard")
    assert {threshold.metric for threshold in made.profile.thresholds} >= {"http_req_duration", "http_req_failed"}


def test_load_flags_alone_change_the_standard_test(here: Path) -> None:
    made = plan(vus=3, duration="1s")
    assert made.embedded
    assert [(load.executor, load.vus) for load in made.profile.loads] == [(Executor.CONSTANT_VUS, 3)]
    assert made.profile.thresholds


def test_a_url_alone_is_requested_as_it_is_written(here: Path) -> None:
    made = plan(url="http://127.0.0.1:9/a?b=c#d", rate="5/s")
    assert made.target.url == "http://127.0.0.1:9/a"
    assert made.profile.loads[0].executor is Executor.CONSTANT_ARRIVAL_RATE
    assert [scenario.name for scenario in made.script.scenarios] == ["default"]


def test_a_url_alone_does_not_read_the_project_that_lies_around(here: Path) -> None:
    (here / "loadgate.yml").write_text("nonsense: [")
    assert plan(url="http://127.0.0.1:9/").script.name == "--url"


def test_a_profile_is_found_by_its_name(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    made = plan(what="quick")
    assert (made.profile.name, made.profile.warmup, made.target.url) == ("quick", 0.2, "http://127.0.0.1:9")
    assert made.does == {"loadgate.yml": PROJECT}


def test_a_profile_that_is_not_there_is_named_with_the_nearest(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    with pytest.raises(LoadgateError, match="no profile `quik`") as caught:
        plan(what="quik")
    assert "quick" in str(caught.value)


def test_two_profiles_and_no_name_is_asked_about(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    with pytest.raises(LoadgateError, match="no profile is named"):
        plan()


def test_flags_stand_over_the_file(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    made = plan(what="quick", url="http://127.0.0.1:8/x", vus=7, duration="3s", warmup="1s", seed=5, headers=("A: b",))
    assert (made.profile.loads[0].vus, made.profile.loads[0].duration) == (7, 3.0)
    assert (made.profile.warmup, made.profile.seed, made.target.url) == (1.0, 5, "http://127.0.0.1:8/x")
    assert dict(made.target.headers) == {"A": "b"}
    assert len(made.profile.thresholds) == 1


def test_a_threshold_flag_is_one_more(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    made = plan(what="quick", thresholds=("http_req_duration{name:GET /users}: p(99)<1s",))
    assert [threshold.key for threshold in made.profile.thresholds] == [
        "http_req_duration",
        "http_req_duration{name:GET /users}",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p(95)<5", "must be `metric: expression`"),
        ("http_req_duration: p(950)<5", "p(950)"),
        ("http_req_durations: p(95)<5", "did you mean `http_req_duration`?"),
        ("http_reqs: p(95)<5", "is a counter"),
    ],
)
def test_a_wrong_threshold_flag_is_refused(here: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(url="http://127.0.0.1:9/", thresholds=(text,))
    assert says in str(caught.value)


def test_a_path_without_a_target_is_pointed_at(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT.replace('target: {url: "http://127.0.0.1:9"}', ""))
    with pytest.raises(ConfigError) as caught:
        plan(what="quick")
    assert "loadgate.yml:6:14" in str(caught.value)
    assert plan(what="quick", url="http://127.0.0.1:9").target.url == "http://127.0.0.1:9"


def test_a_script_brings_its_own_load(here: Path) -> None:
    (here / "load.py").write_text(SCRIPT)
    made = plan(what="load.py", url="http://127.0.0.1:9")
    assert (made.profile.name, made.profile.loads[0].vus, made.profile.loads[0].duration) == ("load", 3, 2.0)
    assert [threshold.key for threshold in made.profile.thresholds] == ["checks"]


def test_a_mistake_in_a_scripts_options_is_shown_with_its_place(here: Path) -> None:
    (here / "load.py").write_text(SCRIPT.replace('"vus"', '"vuss"'))
    with pytest.raises(ConfigError) as caught:
        plan(what="load.py")
    assert "load.py (options):2:4" in str(caught.value)
    assert "did you mean `vus`?" in str(caught.value)


def test_options_that_are_no_plain_values_are_refused(here: Path) -> None:
    (here / "load.py").write_text(SCRIPT.replace('"2s"', "object()"))
    with pytest.raises(ConfigError, match="no plain value"):
        plan(what="load.py")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"what": "quick"}, "there is no loadgate.yml here"),
        ({"what": "gone.py"}, "there is no file gone.py"),
        ({"method": "POST"}, "--method is for --url alone"),
        ({"body": "x", "what": "load.py"}, "--body is for --url alone"),
        ({"url": "127.0.0.1:9"}, "has no scheme"),
        ({"url": "http://127.0.0.1:9", "headers": ("nonsense",)}, "`Name: value`"),
        ({"url": "http://127.0.0.1:9", "vus": 0}, "--vus must be 1 or more"),
        ({"url": "http://127.0.0.1:9", "duration": "30"}, "a duration without a unit"),
    ],
)
def test_what_cannot_be_meant_is_refused(here: Path, flags: dict[str, object], says: str) -> None:
    (here / "load.py").write_text(SCRIPT)
    with pytest.raises(LoadgateError) as caught:
        plan(**flags)
    assert says in str(caught.value)


def test_every_profile_of_a_project_is_planned_for_check(here: Path) -> None:
    (here / "loadgate.yml").write_text(PROJECT)
    assert [made.profile.name for made in every_plan(Path("loadgate.yml"), {})] == ["quick", "long"]


def test_a_project_of_a_target_and_a_load_requests_the_target_itself(here: Path) -> None:
    (here / "loadgate.yml").write_text('target: {url: "http://127.0.0.1:9/a"}\nprofiles: {p: {vus: 1, duration: 1s}}\n')
    assert plan().target.url == "http://127.0.0.1:9/a"
    assert plan(what="p", url="http://127.0.0.1:8/b").target.url == "http://127.0.0.1:8/b"
