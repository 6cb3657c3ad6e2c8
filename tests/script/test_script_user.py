"""What a scenario can do with its user, short of sending requests."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

from loadgate import User
from tests.script.play import errors, offstage, rate, recorded, tally


async def ready() -> bool:
    return True


def test_a_check_is_counted_by_name() -> None:
    with offstage() as stage:
        user = stage.user()
        assert user.check(True, "ok") is True
        assert user.check(False, "ok") is False
        assert user.check(1, "other") is True
        assert rate(stage.recorder, "checks", check="ok", scenario="idle") == (1, 2)
        assert rate(stage.recorder, "checks", check="other") == (1, 1)


def test_predicates_all_run_and_all_must_hold() -> None:
    with offstage() as stage:
        held = stage.user().check(
            {"id": 3}, {"has id": lambda reply: "id" in reply, "small": lambda reply: reply["id"] < 3}
        )
        assert held is False
        assert rate(stage.recorder, "checks", check="has id") == (1, 1)
        assert rate(stage.recorder, "checks", check="small") == (0, 1)


def test_a_predicate_that_raises_has_failed_and_says_where() -> None:
    with offstage() as stage:
        assert stage.user().check({}, {"has id": lambda reply: reply["id"] == 1}) is False
        assert rate(stage.recorder, "checks", check="has id") == (0, 1)
        count, sample = errors(stage.recorder)["check", "has id"]
        assert count == 1
        assert re.fullmatch(r"tests/script/test_script_user\.py:\d+: KeyError: 'id'", sample)


class Reply:
    def __init__(self, ok: bool) -> None:
        self.ok = ok


def test_a_response_counts_as_true_when_it_is_ok() -> None:
    with offstage() as stage:
        user = stage.user()
        assert user.check(Reply(True), "reply") is True
        assert user.check(Reply(False), "reply") is False


def test_a_forgotten_await_is_an_error_not_a_passed_check() -> None:
    with offstage() as stage:
        user = stage.user()
        with pytest.raises(TypeError, match="write `await` before it"):
            user.check(ready(), "ready")
        assert user.check("reply", {"ready": lambda reply: ready()}) is False
        assert recorded(stage.recorder) == {"checks"}


def test_groups_nest_tag_what_is_inside_and_are_timed() -> None:
    async def shop(user: User) -> None:
        with user.group("checkout"):
            await user.sleep(0.25)
            with user.group("pay"):
                user.check(True, "paid")
                await user.sleep(0.5)
        user.check(True, "done")

    with offstage() as stage:
        user = stage.user()
        stage.wait(shop(user))
        assert rate(stage.recorder, "checks", check="paid", group="::checkout::pay") == (1, 1)
        assert user.http.tags == {"scenario": "idle"}
        outer = tally(stage.recorder, "group_duration", group="::checkout", scenario="idle").histogram
        inner = tally(stage.recorder, "group_duration", group="::checkout::pay").histogram
        assert (outer.count, outer.maximum, inner.maximum) == (1, 750.0, 500.0)


def test_a_group_ends_when_its_body_raises() -> None:
    with offstage() as stage:
        user = stage.user()
        with pytest.raises(RuntimeError), user.group("login"):
            raise RuntimeError
        assert "group" not in user.http.tags
        assert recorded(stage.recorder) == {"group_duration"}


@pytest.mark.parametrize("name", ["", "a::b"])
def test_a_group_name_has_no_separator(name: str) -> None:
    with offstage() as stage, pytest.raises(ValueError, match="is not a group name"):
        stage.user().group(name)


def test_tags_go_on_every_later_sample_and_outlive_a_group() -> None:
    with offstage() as stage:
        user = stage.user()
        with user.group("login"):
            user.tags["plan"] = "gold"
            user.check(True, "inside")
        user.check(True, "outside")
        assert dict(user.tags) == {"plan": "gold"}
        assert user.http.tags == {"scenario": "idle", "plan": "gold"}
        del user.tags["plan"]
        user.check(True, "after")
        assert rate(stage.recorder, "checks", check="inside", plan="gold", group="::login") == (1, 1)
        assert rate(stage.recorder, "checks", check="outside", plan="gold") == (1, 1)
        assert "plan" not in user.tags
        assert len(user.tags) == 0


def test_tags_of_loadgate_can_be_neither_set_nor_read_as_the_users_own() -> None:
    with offstage() as stage:
        user = stage.user()
        with pytest.raises(ValueError, match="`scenario` is set by Loadgate"):
            user.tags["scenario"] = "mine"
        assert "scenario" not in user.tags
        with pytest.raises(KeyError):
            del user.tags["scenario"]


def test_sleep_takes_the_time_of_the_runs_clock() -> None:
    with offstage() as stage:
        user = stage.user()
        start = stage.loop.time()
        stage.wait(user.sleep(1.5))
        assert stage.loop.time() - start == 1.5
        stage.wait(user.think(2.0, 2.0))
        assert stage.loop.time() - start == 3.5


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), -0.001])
def test_a_time_that_cannot_be_waited_is_refused(seconds: float) -> None:
    with offstage() as stage:
        user = stage.user()
        with pytest.raises(ValueError, match="finite number of seconds from 0 up"):
            stage.wait(user.sleep(seconds))
        with pytest.raises(ValueError, match="finite number of seconds from 0 up"):
            stage.wait(user.think(seconds, seconds))
        stage.wait(user.sleep(0.0))


def test_thinking_stays_in_its_range() -> None:
    with offstage() as stage:
        user = stage.user()
        for _ in range(50):
            start = stage.loop.time()
            stage.wait(user.think(1.0, 3.0))
            assert 1.0 <= stage.loop.time() - start <= 3.0


def test_random_is_seeded_by_run_and_user() -> None:
    def draw(seed: int) -> list[float]:
        with offstage(seed=seed) as stage:
            return [stage.user().random.random() for _ in range(3)]

    assert draw(1) == draw(1)
    assert len({*draw(1), *draw(2)}) == 6


def test_users_know_who_they_are() -> None:
    with offstage(env={"PLAN": "gold"}) as stage:
        one, two = stage.user(), stage.user()
        assert (one.id, two.id, one.iteration, one.scenario, one.env["PLAN"]) == (1, 2, 0, "idle", "gold")
        assert one.setup_data is None


def test_five_thousand_users_fit_in_a_few_megabytes() -> None:
    with offstage() as stage:
        user = stage.user()
        own = sys.getsizeof(user) + sys.getsizeof(user.http)
        assert not hasattr(user, "__dict__")
        assert 5000 * own < 3_000_000


def test_concurrent_requests_of_one_user_may_be_gathered() -> None:
    async def both(user: User) -> None:
        await asyncio.gather(user.sleep(1.0), user.sleep(2.0))

    with offstage() as stage:
        start = stage.loop.time()
        stage.wait(both(stage.user()))
        assert stage.loop.time() - start == 2.0
