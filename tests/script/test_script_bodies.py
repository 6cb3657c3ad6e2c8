"""Bodies of replies in declared steps: kept only where a step reads them, and an unusable one is no pass."""

from __future__ import annotations

from typing import Any

import pytest

from loadgate.clients.http import HttpClient, Request
from loadgate.script.role import Outcome
from loadgate.script.scenario import Script
from loadgate.script.source import url_script
from tests.script.shop import Answer
from tests.script.test_script_steps import play, script_from

PACKED = {"/": Answer(200, b"not gzip", {"content-encoding": "gzip", "etag": "abc"})}


def kept(script: Script, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the request of the script's only step keeps the body of its reply."""
    made: list[Request] = []
    prepare = HttpClient.prepare

    def noted(*given: Any, **more: Any) -> Request:
        made.append(prepare(*given, **more))
        return made[-1]

    monkeypatch.setattr(HttpClient, "prepare", noted)
    play(script, answers={"/": Answer(200, b"{}")})
    (request,) = made
    return request.keeps_body


@pytest.mark.parametrize(
    ("more", "keeps"),
    [
        ("", False),
        ("expect: {status: [200, 404]}", False),
        ("expect: {header: {etag: abc}}", False),
        ("expect: {max_duration: 1s}", False),
        ("capture: {tag: {header: etag}}", False),
        ("tags: {tier: gold}", False),
        ("expect: {body_contains: x}", True),
        ("expect: {json: {$.id: 1}}", True),
        ("capture: {id: {json: $.id}}", True),
        ("capture: {tag: {header: etag}, id: {regex: '[0-9]'}}", True),
    ],
)
def test_a_body_is_kept_only_where_the_step_reads_it(more: str, keeps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(script_from(f"- get: /\n  {more}\n"), monkeypatch) is keeps


def test_nobody_reads_the_body_of_a_url_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not kept(url_script("/"), monkeypatch)


def test_checks_on_a_body_that_cannot_be_unpacked_fail_and_say_why() -> None:
    steps = """
        - get: /
          name: read
          capture: {number: {regex: '[0-9]'}}
          expect: {body_contains: gzip, json: {$.id: 1}}
        """
    played = play(script_from(steps), answers=PACKED)
    assert played.outcomes == [Outcome.DONE]
    assert played.check("read: body contains gzip") == (0, 1)
    assert played.check("read: $.id is 1") == (0, 1)
    assert played.check("read: has number") == (0, 1)
    count, text = played.error("protocol", "read")
    assert count == 1
    assert "not valid gzip" in text
    assert "not valid gzip" in played.error("check", "read: body contains gzip")[1]


def test_a_body_that_nobody_reads_is_not_unpacked() -> None:
    played = play(script_from("- {get: /, name: read, expect: {header: {etag: abc}}}"), answers=PACKED)
    assert played.check("read: header etag is abc") == (1, 1)
    assert not list(played.recorder.errors)
