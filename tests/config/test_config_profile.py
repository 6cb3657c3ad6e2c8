"""Load forms, in the file and from flags: which executor each makes, and which mixtures are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.load import Executor, LoadSpec, Stage
from loadgate.config.profile import Profile, profile_from_flags
from loadgate.config.project import parse_project
from loadgate.config.target import target_from_url
from loadgate.errors import ConfigError, LoadgateError


def _profile(body: str, scenarios: str = "") -> Profile:
    text = f"scenarios: {{{scenarios}}}\nprofiles: {{p: {{{body}}}}}"
    return parse_project(text, Path("loadgate.yml"), {}).profiles["p"]


def _load(body: str) -> LoadSpec:
    (load,) = _profile(body, "browse: {steps: [{get: /}]}").loads
    return load


def _messages(body: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        _profile(body)
    return [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("body", "load"),
    [
        ("vus: 10, duration: 30s", LoadSpec("default", Executor.CONSTANT_VUS, vus=10, duration=30.0)),
        ("duration: 30s", LoadSpec("default", Executor.CONSTANT_VUS, vus=1, duration=30.0)),
        ("vus: 5, iterations: 9", LoadSpec("default", Executor.SHARED_ITERATIONS, vus=5, iterations=9)),
        (
            "iterations: 9, duration: 5s",
            LoadSpec("default", Executor.SHARED_ITERATIONS, iterations=9, max_duration=5.0),
        ),
        (
            "rate: 30/m, duration: 1m, max_vus: 7",
            LoadSpec("default", Executor.CONSTANT_ARRIVAL_RATE, rate=0.5, duration=60.0, max_vus=7),
        ),
        (
            'vus: 5, stages: ["1m:100", {duration: 2m, target: 0}], graceful_ramp_down: 3s, graceful_stop: 0',
            LoadSpec(
                "default",
                Executor.RAMPING_VUS,
                start_vus=5,
                stages=(Stage(60.0, 100.0), Stage(120.0, 0.0)),
                graceful_ramp_down=3.0,
                graceful_stop=0.0,
            ),
        ),
        (
            "rate: 10/s, stages: [1m:500/s, {duration: 2m, target: 60/m}]",
            LoadSpec(
                "default",
                Executor.RAMPING_ARRIVAL_RATE,
                start_rate=10.0,
                stages=(Stage(60.0, 500.0), Stage(120.0, 1.0)),
            ),
        ),
        (
            (
                "scenarios: {a: {executor: ramping-arrival-rate, startRate: 60, timeUnit: 1m, preAllocatedVUs: 10,"
                " maxVUs: 100, stages: [{duration: 1500, target: 120}], exec: browse, startTime: 10s,"
                " gracefulStop: 5s, tags: {a: 1}, env: {B: c}}}"
            ),
            LoadSpec(
                "a",
                Executor.RAMPING_ARRIVAL_RATE,
                start_rate=1.0,
                stages=(Stage(1.5, 2.0),),
                pre_allocated_vus=10,
                max_vus=100,
                start_time=10.0,
                graceful_stop=5.0,
                exec="browse",
                tags={"a": "1"},
                env={"B": "c"},
            ),
        ),
        (
            "scenarios: {a: {executor: constant-arrival-rate, rate: 5, duration: 1s, preAllocatedVUs: 3}}",
            LoadSpec("a", Executor.CONSTANT_ARRIVAL_RATE, rate=5.0, duration=1.0, pre_allocated_vus=3, max_vus=3),
        ),
        (
            "scenarios: {a: {executor: ramping-vus, startVUs: 0, stages: [{duration: 1m, target: 5}]}}",
            LoadSpec("a", Executor.RAMPING_VUS, start_vus=0, stages=(Stage(60.0, 5.0),)),
        ),
        (
            "scenarios: {a: {executor: per-vu-iterations, vus: 2, iterations: 3}}",
            LoadSpec("a", Executor.PER_VU_ITERATIONS, vus=2, iterations=3, max_duration=600.0),
        ),
        ("scenarios: {a: {executor: shared-iterations}}", LoadSpec("a", Executor.SHARED_ITERATIONS)),
        (
            "scenarios: {a: {executor: constant-vus, duration: 1d}}",
            LoadSpec("a", Executor.CONSTANT_VUS, duration=86400.0),
        ),
    ],
)
def test_each_form_makes_its_executor_with_k6_defaults(body: str, load: LoadSpec) -> None:
    assert _load(body) == load


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("seed: 1", "no load is given in profile `p`"),
        ("vus: 1", "`vus` does not say how long in profile `p`"),
        ("rate: 5/s", "`rate` does not say how long in profile `p`"),
        ("rate: 0, duration: 1s", "`rate` must be more than 0 in profile `p`"),
        ("vus: 1, rate: 5/s, duration: 1s", "`vus` and `rate` cannot be given together in profile `p`"),
        ("stages: [1m:1], duration: 1s", "`stages` and `duration` cannot be given together in profile `p`"),
        (
            "stages: [1m:1], iterations: 1",
            "`stages` and `iterations` cannot be given together in profile `p`",
        ),
        ("rate: 1, stages: [1m:1]", "`rate` and `stages` cannot be given together in profile `p`"),
        ("vus: 1, stages: [1m:1/s]", "`vus` and `stages` cannot be given together in profile `p`"),
        ("stages: [1m:1, 1m:1/s]", "`stages` mixes VUs and rates in profile `p`"),
        ("stages: [1m:1.5]", "1.5 in `stages` is not a number of VUs in profile `p`"),
        ("stages: [0:5, 0:6]", "this load takes no time in profile `p`"),
        (
            "vus: 2, iterations: 1",
            "`iterations` is less than `vus`: 1 VUs would have nothing to do in profile `p`",
        ),
        ("duration: 1s, max_vus: 5", "`max_vus` is for rates in profile `p`"),
        ("duration: 1s, graceful_ramp_down: 5s", "`graceful_ramp_down` is for stages of VUs in profile `p`"),
        ("duration: 5s, warmup: 5s", "`warmup` in profile `p` leaves nothing to measure"),
        ("duration: 0s", "`duration` in profile `p` must be more than 0"),
        ("duration: 30", "`duration` in profile `p`: `30` is a duration without a unit"),
        ("duration: 1s, vus: 1.5", "`vus` in profile `p` must be a whole number, 1 or more"),
        ("duration: 1s, vus: 1000001", "`vus` in profile `p` must be a whole number, 1 or more"),
        ("stages: [1m:1e9]", "`1e9` is not what a stage can go to"),
        ("stages: [1m:1000000000]", "1e+09 in `stages` is not a number of VUs in profile `p`"),
        ("duration: 1s, vus: true", "`vus` in profile `p` must be a whole number, 1 or more"),
        ("duration: 1s, vus: .nan", "`vus` in profile `p` must be a whole number, 1 or more"),
        ("rate: .nan, duration: 1s", "`rate` in profile `p`: `.nan` is not a rate"),
        ("scenarios: {}", "`scenarios` in profile `p` must be a mapping of names to loads"),
        ("scenarios: {a: {}}", "`executor` is missing in load `a`"),
        ("scenarios: {a: {executor: constant-vus}}", "`duration` is missing in load `a` (constant-vus)"),
        (
            "scenarios: {a: {executor: constant-vus, duration: 1s, exec: b}}",
            "there is no scenario `b`",
        ),
        (
            "scenarios: {a: {executor: constant-arrival-rate, rate: .inf, duration: 1s}}",
            "`rate` in load `a` (constant-arrival-rate) must be a number, 0 or more",
        ),
        (
            "scenarios: {a: {executor: constant-arrival-rate, rate: 1, duration: 1s, preAllocatedVUs: 5, maxVUs: 4}}",
            "`maxVUs` must not be less than `preAllocatedVUs` in load `a` (constant-arrival-rate)",
        ),
        (
            "scenarios: {a: {executor: ramping-vus, stages: [{duration: 1m, target: 5/s}]}}",
            "a stage in load `a` (ramping-vus) must go to a whole number of VUs",
        ),
        (
            "scenarios: {a: {executor: ramping-vus, stages: [{duration: 0, target: 5}]}}",
            "`stages` in load `a` (ramping-vus) take no time",
        ),
        (
            "duration: 1s, thresholds: [a]",
            "`thresholds` in profile `p` must be a mapping of metrics to lists of thresholds",
        ),
        (
            "duration: 1s, thresholds: {m: [{abortOnFail: true}]}",
            "`threshold` is missing in a threshold on `m`",
        ),
    ],
)
def test_what_makes_no_load_is_one_clear_problem(body: str, message: str) -> None:
    assert _messages(body) == [message]


def test_threshold_options_are_read_in_seconds() -> None:
    profile = _profile(
        "duration: 1s, thresholds: {m: ['avg<1', {threshold: 'p(95)<500ms', abortOnFail: true,"
        " delayAbortEval: 1500, warmup: 10s, over: 30s}], n: 'rate<1'}"
    )
    plain, full, single = profile.thresholds
    assert (plain.abort_on_fail, plain.delay_abort, plain.warmup, plain.over) == (False, 0.0, None, None)
    assert (full.abort_on_fail, full.delay_abort, full.warmup, full.over) == (True, 1.5, 10.0, 30.0)
    assert full.span is not None
    assert (full.span.text, single.metric) == ("p(95)<500ms", "n")


def test_a_profile_is_as_long_as_its_last_load() -> None:
    first = "a: {executor: constant-vus, duration: 10s}"
    second = "b: {executor: constant-vus, duration: 5s, startTime: 30s}"
    assert _profile(f"scenarios: {{{first}, {second}}}").length == 35.0


def test_flags_make_the_same_loads_and_fill_in_what_is_left_out() -> None:
    assert profile_from_flags().loads == (LoadSpec("default", Executor.CONSTANT_VUS, vus=10, duration=30.0),)
    assert profile_from_flags(vus=3).loads[0].duration == 30.0
    assert profile_from_flags(rate="500/s").loads == (
        LoadSpec("default", Executor.CONSTANT_ARRIVAL_RATE, rate=500.0, duration=30.0),
    )
    assert profile_from_flags(stages=["1m:10", "10s:0"]).loads[0].stages == (
        Stage(60.0, 10.0),
        Stage(10.0, 0.0),
    )
    assert profile_from_flags(stages=["1m:10/s"]).loads[0].executor is Executor.RAMPING_ARRIVAL_RATE
    profile = profile_from_flags(vus=2, iterations=4, warmup="1s", seed=7)
    assert (profile.loads[0].executor, profile.warmup, profile.seed) == (Executor.SHARED_ITERATIONS, 1.0, 7)


def test_wrong_flags_are_told_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        profile_from_flags(vus=0, duration="5", stages=["x"])
    assert str(caught.value) == (
        "--vus must be 1 or more, not 0\n\n"
        "error: --duration: `5` is a duration without a unit\n  = give a unit, for example 5s or 5ms\n\n"
        "error: --stage: `x` is not a stage\n  = write duration:target, for example 1m:100 or 1m:500/s\n\n"
        "3 errors, nothing was run"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"vus": 1, "rate": "5/s"}, "--vus and --rate cannot be given together"),
        ({"stages": ["1m:1"], "duration": "5s"}, "--stage and --duration cannot be given together"),
        ({"vus": 1, "max_vus": 5}, "--max-vus is for rates"),
        ({"duration": "5s", "warmup": "5s"}, "--warmup leaves nothing to measure"),
        ({"rate": "0"}, "--rate must be more than 0"),
    ],
)
def test_conflicting_flags_are_named_as_flags(flags: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        profile_from_flags(**flags)  # type: ignore[arg-type]
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:3000", "--url: `localhost:3000` has no scheme\n  = did you mean http://localhost:3000?"),
        ("ann:pw@host", "--url: `ann:***@host` has no scheme\n  = did you mean http://ann:***@host?"),
        ("htp://h", "--url: `htp://h` has the scheme `htp`\n  = did you mean `http`?"),
        ("http://", "--url: `http://` has no host\n  = for example http://127.0.0.1:3000"),
        (
            "http://h:99999",
            "--url: `http://h:99999` is not a URL\n  = check host and port; write / ? # in a password as",
        ),
        (
            "http://h/?a=1",
            "--url: `http://h/?a=1` has a query or fragment\n  = a base URL ends with its path",
        ),
        ("http://h h", "--url: `http://h h` is not a URL\n  = no blanks and no control characters"),
        (
            "http+unix://tmp/a.sock",
            "--url: `http+unix://tmp/a.sock` names no socket\n  = write the path with %2F for /",
        ),
    ],
)
def test_a_wrong_url_says_what_to_write(url: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        target_from_url(url)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("url", ["http://127.0.0.1:3000", "https://[::1]/base/", "http+unix://%2Ftmp%2Fa.sock"])
def test_a_url_is_kept_as_it_is(url: str) -> None:
    assert target_from_url(url).url == url


def test_a_profile_is_found_by_name_or_because_it_is_the_only_one() -> None:
    one = parse_project("profiles: {smoke: {duration: 1s}}", Path("loadgate.yml"), {})
    two = parse_project("profiles: {smoke: {duration: 1s}, soak: {duration: 1h}}", Path("loadgate.yml"), {})
    assert one.profile(None).name == "smoke"
    assert two.profile("soak").name == "soak"
    with pytest.raises(LoadgateError) as unnamed:
        two.profile(None)
    assert str(unnamed.value) == "no profile is named\n  = profiles in loadgate.yml: smoke, soak"
    with pytest.raises(LoadgateError) as unknown:
        two.profile("smok")
    assert str(unknown.value).startswith("there is no profile `smok`\n  = did you mean `smoke`?")


def test_a_load_that_is_named_like_a_scenario_does_not_run_it_alone_unsaid() -> None:
    """In k6 too the name says nothing about what is run (`exec` does), but there the two have no names in common."""
    load = "scenarios: {browse: {executor: constant-vus, duration: 1s}}"
    both = "browse: {steps: [{get: /}]}, buy: {steps: [{get: /buy}]}"
    with pytest.raises(ConfigError) as caught:
        _profile(load, both)
    (problem,) = caught.value.problems
    assert problem.message == "load `browse` has the name of a scenario and runs the weighted mix of all of them"
    assert problem.label == "write `exec: browse`"
    (said,) = _profile(load.replace("1s}", "1s, exec: browse}"), both).loads
    assert said.exec == "browse"
    (alone,) = _profile(load, "browse: {steps: [{get: /}]}").loads
    assert alone.exec is None
