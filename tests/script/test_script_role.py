"""Iterations: what is counted, what an exception does, and how scenarios are mixed."""

from __future__ import annotations

import asyncio
import re
from collections import Counter as Tally

import pytest

from loadgate import StopUser, User
from loadgate.errors import ConfigError
from loadgate.script.failure import MOST_TEXT, describe_plain
from loadgate.script.performance import ScriptError
from loadgate.script.role import Outcome, Role, interrupt
from loadgate.script.scenario import Scenario, Script
from tests.script.play import errors, offstage, rate, recorded, script_of, tally


async def browse(user: User) -> None:
    await user.sleep(0.5)


async def broken(user: User) -> None:
    with user.group("login"):
        raise KeyError("id")


async def leave(user: User) -> None:
    raise StopUser("nothing left")


async def gives_up(user: User) -> None:
    inner = asyncio.ensure_future(user.sleep(10.0))
    inner.cancel()
    await inner


def test_an_iteration_is_counted_and_timed() -> None:
    with offstage(script_of(browse)) as stage:
        role = stage.role()
        user = stage.user(role)
        for _ in range(2):
            assert stage.wait(role.iterate(user, 0.0)) is Outcome.DONE
        assert user.iteration == 2
        assert tally(stage.recorder, "iterations", scenario="browse").total == 2
        assert tally(stage.recorder, "iteration_duration", scenario="browse").histogram.maximum == 500.0
        assert rate(stage.recorder, "iterations_failed", scenario="browse") == (0, 2)


def test_an_exception_fails_the_iteration_and_names_the_line() -> None:
    with offstage(script_of(broken)) as stage:
        role = stage.role()
        user = stage.user(role)
        for _ in range(3):
            assert stage.wait(role.iterate(user, 0.0)) is Outcome.FAILED
        assert user.iteration == 3
        assert rate(stage.recorder, "iterations_failed") == (3, 3)
        count, sample = errors(stage.recorder)["script", "broken"]
        assert count == 3
        assert re.fullmatch(r"tests/script/test_script_role\.py:\d+: KeyError: 'id'", sample)
        assert user.http.tags == {"scenario": "broken"}


def test_an_error_raised_deeper_points_at_the_line_of_the_script() -> None:
    async def relative(user: User) -> None:
        await user.http.get("no/slash")

    with offstage(script_of(relative)) as stage:
        role = stage.role()
        assert stage.wait(role.iterate(stage.user(role), 0.0)) is Outcome.FAILED
        _, sample = errors(stage.recorder)["script", "relative"]
        assert re.match(r"tests/script/test_script_role\.py:\d+: ValueError: ", sample)


def test_of_a_task_group_the_first_error_counts() -> None:
    async def fail(user: User) -> None:
        raise RuntimeError("no http://ann:pw@shop/ there")

    async def group(user: User) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail(user))

    with offstage(script_of(group)) as stage:
        role = stage.role()
        assert stage.wait(role.iterate(stage.user(role), 0.0)) is Outcome.FAILED
        _, sample = errors(stage.recorder)["script", "group"]
        assert sample.endswith(": RuntimeError: no http://ann:***@shop/ there")


def test_a_stopped_user_is_no_iteration_and_no_failure() -> None:
    with offstage(script_of(leave)) as stage:
        role = stage.role()
        assert stage.wait(role.iterate(stage.user(role), 0.0)) is Outcome.STOPPED
        assert recorded(stage.recorder) == set()
        assert errors(stage.recorder) == {("stopped", "leave"): (1, "nothing left")}


def test_an_interruption_passes_and_is_not_counted() -> None:
    with offstage(script_of(browse)) as stage:
        role = stage.role()
        user = stage.user(role)

        async def cancelled() -> None:
            task = asyncio.ensure_future(role.iterate(user, 0.0))
            await asyncio.sleep(0.25)
            interrupt(task)
            with pytest.raises(asyncio.CancelledError):
                await task

        stage.wait(cancelled())
        assert recorded(stage.recorder) == set()


def test_a_cancellation_inside_the_scenario_only_fails_the_iteration() -> None:
    with offstage(script_of(gives_up)) as stage:
        role = stage.role()
        assert stage.wait(role.iterate(stage.user(role), 0.0)) is Outcome.FAILED


class Unprintable(Exception):
    def __str__(self) -> str:
        raise self


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (BaseException("x"), "BaseException: x"),
        (GeneratorExit(), "GeneratorExit"),
        (SystemExit(0), "SystemExit: 0"),
        (Unprintable(), "Unprintable: (its message cannot be shown: Unprintable)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_raised_fails_the_iteration_and_no_more(error: BaseException, shown: str) -> None:
    async def scenario(user: User) -> None:
        raise error

    with offstage(script_of(scenario)) as stage:
        role = stage.role()
        user = stage.user(role)
        for _ in range(2):
            assert stage.wait(role.iterate(user, 0.0)) is Outcome.FAILED
        count, sample = errors(stage.recorder)["script", "scenario"]
        assert (count, sample.partition(": ")[2]) == (2, shown)


def test_a_stop_that_cannot_be_printed_is_a_stop() -> None:
    async def scenario(user: User) -> None:
        raise StopUser(Unprintable())

    with offstage(script_of(scenario)) as stage:
        role = stage.role()
        assert stage.wait(role.iterate(stage.user(role), 0.0)) is Outcome.STOPPED


def test_a_scenario_that_cancels_its_own_task_fails_and_may_still_be_interrupted() -> None:
    async def scenario(user: User) -> None:
        if user.iteration == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await user.sleep(9.0)

    async def main(role: Role, user: User) -> None:
        assert await role.iterate(user, 0.0) is Outcome.FAILED
        task = asyncio.current_task()
        assert task is not None and not task.cancelling()
        user.shared.clock.call_at(user.shared.clock.now() + 1.0, lambda: interrupt(task))
        with pytest.raises(asyncio.CancelledError):
            await role.iterate(user, 0.0)
        task.uncancel()

    with offstage(script_of(scenario)) as stage:
        role = stage.role()
        stage.wait(main(role, stage.user(role)))
        assert rate(stage.recorder, "iterations_failed") == (1, 1)


def test_an_iteration_that_is_closed_from_outside_ends() -> None:
    with offstage(script_of(browse)) as stage:
        role = stage.role()
        iteration = role.iterate(stage.user(role), 0.0)

        async def begin() -> None:
            iteration.send(None)

        stage.wait(begin())
        iteration.close()
        assert recorded(stage.recorder) == set()


def test_of_a_long_message_the_beginning_is_kept_and_no_half_secret() -> None:
    text = describe_plain(ValueError("!a" * 5_000_000))
    assert len(text) == len("ValueError: ") + MOST_TEXT and text.endswith("!…")
    assert describe_plain(ValueError(f"no http://ann:{'s' * 9999}@shop/")) == "ValueError: no http://ann:***"
    assert describe_plain(ValueError("\n\n user:5 left \n" + "x" * 9999)) == "ValueError: user:5 left"


def test_the_planned_time_reaches_the_client() -> None:
    seen: list[float] = []

    async def look(user: User) -> None:
        seen.append(user.http.planned)

    with offstage(script_of(look)) as stage:
        role = stage.role()
        user = stage.user(role)
        stage.wait(role.iterate(user, 1030.5))
        stage.wait(role.iterate(user, 0.0))
        assert seen == [1030.5, 0.0]


def test_scenarios_are_mixed_by_weight_with_their_tags() -> None:
    seen: list[tuple[str, str]] = []

    async def note(user: User) -> None:
        seen.append((user.scenario, user.tags.get("kind", "")))

    script = Script("load.py", (Scenario("browse", note, 3, {"kind": "read"}), Scenario("buy", note, 1)))
    with offstage(script) as stage:
        role = stage.role()
        users = [stage.user(role), stage.user(role)]
        for turn in range(8):
            stage.wait(role.iterate(users[turn % 2], 0.0))
        assert Tally(seen) == {("browse", "read"): 6, ("buy", ""): 2}
        assert tally(stage.recorder, "iterations", scenario="browse", kind="read").total == 6
        assert tally(stage.recorder, "iterations", scenario="buy").total == 2


def test_a_load_brings_its_name_tags_and_environment() -> None:
    seen: list[str] = []

    async def look(user: User) -> None:
        seen.append(f"{user.env['PLAN']} {user.env['HOST']}")

    with offstage(script_of(look, browse), env={"PLAN": "free", "HOST": "h"}) as stage:
        role = stage.role("look", load="peak", tags={"phase": "two"}, env={"PLAN": "gold"})
        stage.wait(role.iterate(stage.user(role), 0.0))
        assert seen == ["gold h"]
        assert tally(stage.recorder, "iterations").total == 1
        assert tally(stage.recorder, "iterations", scenario="peak", phase="two").total == 1


def test_an_unknown_scenario_is_an_error_with_the_nearest_name() -> None:
    with offstage(script_of(browse)) as stage, pytest.raises(ConfigError) as caught:
        stage.role("browze")
    assert str(caught.value) == "load.py has no scenario `browze`\n  = did you mean `browse`?"


def test_setup_runs_once_and_reaches_every_user() -> None:
    calls: list[str] = []

    async def setup(user: User) -> dict[str, int]:
        user.check(True, "prepared")
        calls.append("setup")
        return {"token": 7}

    def teardown(user: User) -> None:
        calls.append(f"teardown {user.setup_data}")

    with offstage(script_of(browse, setup=setup, teardown=teardown)) as stage:
        stage.wait(stage.performance.setup())
        assert [stage.user().setup_data for _ in range(2)] == [{"token": 7}] * 2
        stage.wait(stage.performance.teardown())
        assert calls == ["setup", "teardown {'token': 7}"]
        assert rate(stage.recorder, "checks", group="::setup") == (1, 1)


def test_hooks_may_take_nothing() -> None:
    with offstage(script_of(browse, setup=lambda: 3)) as stage:
        stage.wait(stage.performance.setup())
        assert stage.user().setup_data == 3
        stage.wait(stage.performance.teardown())


@pytest.mark.parametrize(("kind", "code"), [("setup", 2), ("teardown", 1)])
def test_a_failing_hook_ends_the_run_with_the_line(kind: str, code: int) -> None:
    def hook() -> None:
        raise RuntimeError("no database")

    with offstage(script_of(browse, **{kind: hook})) as stage, pytest.raises(ScriptError) as caught:
        stage.wait(getattr(stage.performance, kind)())
    text = str(caught.value)
    assert text.startswith(
        f"{kind} of load.py failed: RuntimeError: no database\n  --> tests/script/test_script_role.py:"
    )
    assert '        raise RuntimeError("no database")' in text
    assert caught.value.exit_code == code
