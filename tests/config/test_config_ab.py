from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.ab import AbSpec
from loadgate.config.project import parse_project
from loadgate.config.sizes import RequestText
from loadgate.errors import ConfigError


def read(text: str) -> AbSpec:
    return parse_project(f"gate:\n  ab: {text}\n", Path("loadgate.yml"), {"HOST": "http://blue.test"}).gate.ab


def test_everything_can_be_said_of_builds_from_git() -> None:
    spec = read(
        "{base_ref: origin/main, head_ref: v2, build: make all, start: './app --port {port}', request: POST /echo, "
        "ready: /up, rate: 200/s, pairs: 12, length: 3s, warmup: 0s, capacity: 2s, time: 3m}"
    )
    assert (spec.base_ref, spec.head_ref, spec.build) == ("origin/main", "v2", ("make", "all"))
    assert spec.start is not None
    assert spec.start.argv == ("./app", "--port", "{port}")
    assert (spec.request, spec.ready, spec.rate) == (RequestText("POST", "/echo"), "/up", 200.0)
    assert (spec.pairs, spec.length, spec.warmup, spec.capacity, spec.time) == (12, 3.0, 0.0, 2.0, 180.0)


def test_a_side_is_a_command_or_a_url() -> None:
    spec = read("{base: '${env.HOST}/api', head: [env, 'PORT={port}', my app]}")
    assert spec.base is not None and spec.head is not None
    assert (spec.base.url, spec.base.argv) == ("http://blue.test/api", ())
    assert (spec.head.url, spec.head.argv) == ("", ("env", "PORT={port}", "my app"))


def test_nothing_said() -> None:
    assert parse_project("target: {url: 'http://h'}", Path("loadgate.yml"), {}).gate.ab == AbSpec()
    assert (AbSpec().head_ref, AbSpec().time) == ("HEAD", 90.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "`ab` in `gate` must be a mapping"),
        ("{base-ref: main}", "unknown key `base-ref` in `ab` in `gate`"),
        ("{base-ref: main}", "did you mean `base_ref`?"),
        ("{base_ref: --upload-pack=x}", "`base_ref` in `ab` in `gate` must be a ref"),
        ("{base_ref: ''}", "`base_ref` in `ab` in `gate` must be a ref"),
        ("{head_ref: a b}", "`head_ref` in `ab` in `gate` must be a ref"),
        ("{base_ref: main, head: 'app {port}'}", "`ab` in `gate` has `base_ref` and `head`"),
        ("{base: 'a | b'}", "`base` in `ab` in `gate`: `|` is for a shell"),
        ("{build: 'make && x'}", "`build` in `ab` in `gate`: `&&` is for a shell"),
        ("{start: ''}", "`start` in `ab` in `gate`: there is no program in it"),
        ("{request: users}", "`request` in `ab` in `gate` must be a request"),
        ("{ready: up}", "`ready` in `ab` in `gate` must be a path that begins with /"),
        ("{rate: 0}", "`rate` in `ab` in `gate` must be more than 0"),
        ("{pairs: 7}", "`pairs` in `ab` in `gate` must be 8 or more"),
        ("{pairs: 1001}", "too large: 1,000 at most"),
        ("{length: 0s}", "`length` in `ab` in `gate` must be more than 0"),
        ("{capacity: 0s}", "`capacity` in `ab` in `gate` must be more than 0"),
        ("{time: soon}", "`time` in `ab` in `gate`: `soon` is not a duration"),
        ("{warmup: -1s}", "`warmup` in `ab` in `gate`"),
    ],
)
def test_mistakes_are_shown_where_they_are(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    shown = str(caught.value)
    assert said in shown
    assert "--> loadgate.yml:2:" in shown
    assert len(caught.value.problems) == 1, shown
