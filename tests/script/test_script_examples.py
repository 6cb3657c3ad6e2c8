"""The examples are valid, and do against a server what they say."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from loadgate.clients.http import HttpStack, RequestDefaults
from loadgate.clock import SystemClock
from loadgate.config.project import load_project
from loadgate.measure.recorder import Recorder
from loadgate.script.loader import load_script
from loadgate.script.performance import Performance, ScriptError
from loadgate.script.role import Outcome
from loadgate.script.scenario import Script
from loadgate.script.source import project_script
from tests.script.play import rate, recorded
from tests.script.shop import Answer, Shop, json_answer, open_shop

EXAMPLE = Path(__file__).parents[2] / "examples" / "http"
ADA = {"id": "u-1", "name": "Ada Lovelace"}
ANSWERS = {
    "/health": json_answer({"status": "ok"}),
    "/users": json_answer([ADA]),
    "POST /users": json_answer(ADA, 201),
    "/users/u-1": json_answer(ADA),
    "/posts": json_answer([]),
    "/comments": json_answer([]),
}


@pytest.fixture(autouse=True)
def _leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def declared() -> Script:
    return project_script(load_project(EXAMPLE / "loadgate.yml", {}), {})


def programmed() -> Script:
    return load_script(EXAMPLE / "load.py")


def play_all(script: Script, answers: Mapping[str, Answer] = ANSWERS) -> tuple[Shop, Recorder, list[Outcome]]:
    """Setup, one round of the mix, teardown."""

    async def run() -> tuple[Shop, Recorder, list[Outcome]]:
        async with open_shop(answers) as shop:
            clock = SystemClock()
            recorder = Recorder(start=clock.now())
            http = HttpStack(recorder, RequestDefaults(base=shop.url))
            performance = Performance(script, recorder=recorder, http=http, clock=clock, env={}, seed=1)
            await performance.setup()
            role = performance.role()
            user = role.user(1)
            outcomes = [await role.iterate(user, 0.0) for _ in range(4)]
            await performance.teardown()
            user.http.close()
            clock.close()
            return shop, recorder, outcomes

    return asyncio.run(run())


@pytest.mark.parametrize("make", [declared, programmed])
def test_every_iteration_ends_well_and_the_created_user_is_read(make: Callable[[], Script]) -> None:
    script = make()
    assert [item.weight for item in script.scenarios] == [3, 1]
    shop, recorder, outcomes = play_all(script)
    assert outcomes == [Outcome.DONE] * 4
    assert shop.targets.count("/comments") == 3
    assert shop.targets.count("/users/u-1") == 1
    assert {"checks", "http_req_duration", "iterations", "group_duration"} <= recorded(recorder)


def test_the_declared_rows_reach_the_server() -> None:
    shop, recorder, _ = play_all(declared())
    created = next(asked for asked in shop.asked if asked.method == "POST" and asked.target == "/users")
    assert json.loads(created.body).keys() == {"name", "email"}
    assert rate(recorder, "checks", check="read user: status is 200") == (1, 1)


def test_a_target_that_is_not_healthy_ends_the_programmed_one_in_setup() -> None:
    with pytest.raises(ScriptError, match=r"setup of load\.py failed: RuntimeError: the target is not healthy"):
        play_all(programmed(), {**ANSWERS, "/health": Answer(503)})
