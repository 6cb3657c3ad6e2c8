"""Custom metrics of script authors."""

from __future__ import annotations

import math

import pytest

from loadgate import Counter, Gauge, Rate, Trend
from loadgate.errors import LoadgateError
from loadgate.script.metrics import declarations
from loadgate.script.scenario import Scenario, Script
from tests.script.play import nothing, offstage, rate, tally

with declarations() as DECLARED:
    took = Trend("checkout_time", time=True)
    logins = Counter("logins", better="higher")
    cached = Rate("cached")
    depth = Gauge("queue_depth")

SCRIPT = Script("load.py", (Scenario("idle", nothing),), metrics=DECLARED)


def test_each_kind_adds_up_in_its_own_way() -> None:
    with offstage(SCRIPT) as stage:
        user = stage.user()
        for value in (10.0, 30.0):
            took.add(user, value)
            depth.add(user, value)
        logins.add(user)
        logins.add(user, 2)
        cached.add(user, True)
        cached.add(user, 0)
        found = tally(stage.recorder, "checkout_time", scenario="idle").histogram
        assert (found.count, found.minimum, found.maximum) == (2, 10.0, 30.0)
        assert tally(stage.recorder, "queue_depth").last == 30.0
        assert tally(stage.recorder, "logins").total == 3
        assert rate(stage.recorder, "cached") == (1, 2)


def test_tags_of_the_user_and_of_the_call_make_series() -> None:
    with offstage(SCRIPT) as stage:
        user = stage.user()
        with user.group("login"):
            logins.add(user, plan="gold")
        logins.add(user, plan="free")
        logins.add(user, plan="free")
        assert tally(stage.recorder, "logins", plan="gold", group="::login").total == 1
        assert tally(stage.recorder, "logins", plan="free").total == 2


def test_a_metric_that_is_not_of_this_run_is_refused() -> None:
    late = Counter("logims")
    with offstage(SCRIPT) as stage, pytest.raises(LoadgateError, match="`logims` is not part of this run") as caught:
        late.add(stage.user())
    assert caught.value.hint == "did you mean `logins`?"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with offstage(SCRIPT) as stage, pytest.raises(ValueError, match="not a finite number"):
        took.add(stage.user(), value)


@pytest.mark.parametrize("name", ["", "7up", "a-b", "a b", "ä", "x" * 129])
def test_names_are_as_in_k6(name: str) -> None:
    with pytest.raises(LoadgateError, match="is not a metric name"):
        Counter(name)


def test_a_built_in_name_is_taken() -> None:
    with pytest.raises(LoadgateError, match="`iterations_failed` is a built-in metric"):
        Rate("iterations_failed")


def test_one_name_is_one_metric() -> None:
    with declarations() as declared:
        Trend("mine", time=True)
        Trend("mine", time=True)
        with pytest.raises(LoadgateError, match="created twice, as trend of times and as trend"):
            Trend("mine")
    assert list(declared) == ["mine"]


def test_better_is_lower_or_higher() -> None:
    with pytest.raises(LoadgateError, match="better is `more`"):
        Counter("logins", better="more")  # type: ignore[arg-type]
