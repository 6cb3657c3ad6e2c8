from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.bench import (
    BenchSpec,
    StartsSpec,
    duration_from_flag,
    interval_from_flag,
    rates_from_flags,
    request_from_flag,
)
from loadgate.config.project import parse_project
from loadgate.config.sizes import RequestText, SizesSpec
from loadgate.config.start import StartSpec
from loadgate.errors import ConfigError

HERE = Path(__file__).parent


def bench(text: str, **env: str) -> BenchSpec:
    return parse_project(f"bench: {text}\n", HERE / "loadgate.yml", env).bench


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        bench(text)
    assert all(problem.span is not None for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def test_nothing_said_is_the_usual() -> None:
    assert parse_project("{}\n", HERE / "loadgate.yml", {}).bench == BenchSpec() == bench("{}")


def test_all_of_it() -> None:
    spec = bench(
        "{starts: {least: 5, most: 9, request: post /orders, requests: 7}, "
        "sizes: {bytes: [0, 5], request: 'POST /echo', rates: [10/s, 3000/m], vus: 3, duration: 500ms}, "
        "script: test_config_bench.py, commands: {parse: 'a b', other: {command: [c], env: {K: '${env.K}'}}}, "
        "interval: 2.5%, time: 30s, warmup: 0}",
        K="v",
    )
    assert spec.starts == StartsSpec(5, 9, RequestText("POST", "/orders"), 7)
    assert spec.sizes == (SizesSpec(RequestText("POST", "/echo"), (0, 5), (10.0, 50.0), 3, 0.5),)
    assert spec.script == HERE / "test_config_bench.py"
    assert spec.commands == {"parse": StartSpec(("a", "b"), HERE), "other": StartSpec(("c",), HERE, {"K": "v"})}
    assert (spec.interval, spec.time, spec.warmup) == (0.025, 30.0, 0)


def test_starts_can_be_turned_off() -> None:
    assert bench("{starts: off}").starts is bench("{starts: false}").starts is bench("{starts: 'off'}").starts is None


def test_one_bound_moves_the_other_that_nobody_gave() -> None:
    assert bench("{starts: {most: 3}}").starts == StartsSpec(3, 3)
    assert bench("{starts: {least: 100}}").starts == StartsSpec(100, 100)
    assert bench("{starts: {most: 30}}").starts == StartsSpec(10, 30)


def test_the_size_is_in_the_body_or_in_the_path() -> None:
    for request in ("POST /echo", "PUT /a", "PATCH /a", "GET /bytes/{size}", "/bytes/{size}"):
        assert bench(f"{{sizes: {{request: '{request}'}}}}").sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{startz: off}", "unknown key `startz` in `bench`"),
        ("{starts: {least: 9, most: 5}}", "`most` is less than `least` in `starts` in `bench`"),
        ("{starts: {least: 0}}", "`least` in `starts` in `bench` must be a whole number, 1 or more"),
        ("{starts: {request: users}}", "`request` in `starts` in `bench` must be a request"),
        ("{starts: {request: 'GET users'}}", "`request` in `starts` in `bench` must be a request"),
        ("{sizes: {bytes: 5}}", "one of request, grpc, graphql, ws is missing in `sizes` in `bench`"),
        (
            "{sizes: {request: GET /a}}",
            "`GET /a` is the same at every size: give a request with a body, or {size} in its path",
        ),
        ("{sizes: {request: POST /a, bytes: [5, 5]}}", "a size is given twice in `bytes` in `sizes` in `bench`"),
        (
            "{sizes: {request: POST /a, rates: [60/s, 1/s, 60/s]}}",
            "a rate is given twice in `rates` in `sizes` in `bench`",
        ),
        ("{sizes: {request: POST /a, rates: [0/s]}}", "`rates` in `sizes` in `bench` must be more than 0"),
        ("{sizes: {request: POST /a, duration: 0s}}", "`duration` in `sizes` in `bench` must be more than 0"),
        ("{script: nothing.py}", "`script` in `bench`"),
        ("{interval: 5}", "`interval` in `bench` must be a percentage above 0, for example 5%"),
        ("{interval: 0%}", "`interval` in `bench` must be a percentage above 0, for example 5%"),
        ("{time: 0s}", "`time` in `bench` must be more than 0"),
        ("{warmup: -1}", "`warmup` in `bench` must be a whole number, 0 or more"),
        ("{commands: {a: 'x | y'}}", "`|` is for a shell"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(text: str, message: str) -> None:
    [found] = problems(text)
    assert message in found


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems("{starts: {least: x}, sizes: {request: 5}, interval: no, time: long}")) == 4


def test_flags_are_read_as_the_file_is() -> None:
    assert request_from_flag("--request", " put  /a?b=c ") == RequestText("PUT", "/a?b=c")
    assert rates_from_flags(["60/m", "1/s", "5/s"]) == (1.0, 5.0)
    assert interval_from_flag("2.5 %") == 0.025
    assert duration_from_flag("--time", "1m30s") == 90.0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (lambda: request_from_flag("--request", "users"), "--request: `users` is no request"),
        (lambda: rates_from_flags(["fast"]), "--rate: `fast` is not a rate"),
        (lambda: rates_from_flags(["1/s", "0/s"]), "--rate must be more than 0"),
        (lambda: interval_from_flag("0.05"), "--interval: `0.05` is no percentage above 0"),
        (lambda: interval_from_flag("200%"), "--interval: `200%` is no percentage above 0"),
        (lambda: duration_from_flag("--time", "5"), "--time: `5` is a duration without a unit"),
        (lambda: duration_from_flag("--time", "0s"), "--time must be more than 0"),
    ],
)
def test_a_wrong_flag_is_named(flag: object, message: str) -> None:
    assert callable(flag)
    with pytest.raises(ConfigError) as caught:
        flag()
    assert caught.value.problems[0].message.startswith(message)
