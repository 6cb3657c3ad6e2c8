"""One pair of two real programs: which samples its figures are of, what of it counts, and who did what."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from loadgate.ab import pair
from loadgate.ab.capacity import CAPACITY
from loadgate.ab.order import ARMS, Arm, capacity_order
from loadgate.ab.pair import TAG, Measured, Pace, measure_pair, named, of_arm
from loadgate.ab.plan import AbFlags, make_ab_plan
from loadgate.clock import SystemClock
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Signals
from loadgate.measure.tally import CounterTally
from loadgate.record.result import SeriesName
from loadgate.record.run import Series
from tests.support.made_up import MadeUp

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
PACE = Pace(rate=200.0, length=0.6, warmup=0.1)
RATE = SeriesName("", "http_reqs", "rate")
FAILED = SeriesName("", "http_req_failed", "share")


def measured(
    base: str, head: str, *, capacity: str | None = None, pace: Pace = PACE, script: Path | None = None
) -> Measured:
    """One pair of services with these options, asked for /x or what `script` asks."""
    flags = AbFlags(
        config=None,
        what=None if script is None else str(script),
        request="/x" if script is None else None,
        capacity=capacity,
        base=f"{sys.executable} -S -E {SERVICE} {{port}} {base}",
        head=f"{sys.executable} -S -E {SERVICE} {{port}} {head}",
    )
    plan = make_ab_plan(flags, {})

    async def one() -> Measured:
        clock = SystemClock()
        try:
            with Signals() as signals:
                return await measure_pair(plan, 1, pace, seed=1, clock=clock, env={}, agent="test", signals=signals)
        finally:
            clock.close()

    return asyncio.run(one())


def values(found: Measured, arm: Arm) -> Mapping[SeriesName, float]:
    return {figure.series: figure.estimate.value for figure in found.results[arm].figures}


def with_capacity(base: str, head: str) -> Measured:
    """A pair whose capacity is known: on a machine that others use the generator may be the limit, which is no fault of it."""
    for _ in range(5):
        found = measured(base, head, capacity="400ms")
        if not found.limit:
            break
    return found


@pytest.mark.slow
def test_the_capacity_is_each_arm_s_own_and_no_other_figure_counts_its_requests() -> None:
    found = with_capacity("--reply-after 0.01", "--reply-after 0.04")
    assert not found.limit
    base, head = (values(found, arm) for arm in ARMS)
    assert 200.0 < base[CAPACITY] <= 800.0, "8 users who wait for 10 ms each time"
    assert 50.0 < head[CAPACITY] <= 200.0
    assert base[CAPACITY] > 2.0 * head[CAPACITY]
    for arm in ARMS:
        assert found.requests[arm] == pytest.approx(60, abs=20), "the schedule's, without those of the capacity"
        assert values(found, arm)[RATE] == pytest.approx(100.0, rel=0.3)


@pytest.mark.slow
def test_requests_that_fail_are_no_capacity() -> None:
    found = with_capacity("--reply-after 0.01", "--refuse --work 0.001")
    assert values(found, Arm.BASE)[CAPACITY] > 200.0
    assert values(found, Arm.HEAD)[CAPACITY] == 0.0


@pytest.mark.slow
def test_an_arm_that_dies_while_its_capacity_is_asked_for_is_named() -> None:
    found = measured("", "--die-after 150", capacity="1s")
    assert found.requests[Arm.HEAD] > 40, "it lived through the schedule"
    said = found.faults[0]  # on a machine that others use there may be more
    assert said.startswith("head: the target ended before the run did (exit code 7)"), found.faults
    assert not found.limit, "nobody goes on asking"
    assert CAPACITY not in values(found, Arm.BASE)


@pytest.mark.slow
def test_ctrl_c_while_the_capacity_is_asked_for_ends_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    def order(seed: int, number: int) -> tuple[Arm, ...]:
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)
        return capacity_order(seed, number)

    monkeypatch.setattr(pair, "capacity_order", order)
    found = measured("", "", capacity="20s", pace=Pace(200.0, 0.2, 0.0))
    assert found.interrupted
    assert not found.limit


@pytest.mark.slow
def test_no_capacity_is_measured_unless_asked_for() -> None:
    found = measured("", "", pace=Pace(200.0, 0.2, 0.0))
    assert CAPACITY not in values(found, Arm.BASE)


@pytest.mark.slow
def test_users_have_the_environment_of_their_load(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
from loadgate import scenario

options = {"scenarios": {"a": {"executor": "constant-vus", "duration": "1s", "exec": "ask", "env": {"WHERE": "/"}}}}

@scenario
async def ask(user):
    await user.http.get(user.env.get("WHERE", "/x"))
"""
    )
    found = measured("--refuse", "--refuse", pace=Pace(200.0, 0.2, 0.0), script=script)
    assert values(found, Arm.BASE)[FAILED] == values(found, Arm.HEAD)[FAILED] == 0.0


@pytest.mark.slow
def test_starts_without_a_free_user_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair, "_GRACE", 0.05)  # with it go the users there may be: 50 then
    slow = "--reply-after 0.3"
    found = measured(slow, slow, pace=Pace(400.0, 0.5, 0.0))
    assert found.planned == 200
    assert 80 <= found.dropped < 200


def test_of_one_arm_there_are_its_series_numbered_anew_and_the_windows_with_its_tallies() -> None:
    run = MadeUp(warmup=1.0)
    for second, (base, head) in enumerate([(3, 4), (30, 40)], 1):
        run.requests([1.0] * base, name="a", tags={TAG: "base"})
        run.requests([1.0] * head, name="a", tags={TAG: "head"})
        run.recorder.close_window(run.recorder.start + second)
    totals = run.recorder.totals()
    series = [Series(key.metric, key.tags, totals.get(at)) for at, key in enumerate(run.recorder.described())]
    counted = {}
    for arm in ARMS:
        own, windows = of_arm(series, run.recorder.windows, arm)
        assert {one.tags[TAG] for one in own} == {""}, "steps of both arms have the same tags"
        assert [window.warmup for window in windows] == [True, False]
        at = next(n for n, one in enumerate(own) if one.metric.name == "http_reqs")
        tallies = [window.tallies[at] for window in windows]
        counted[arm] = [tally.total for tally in tallies if isinstance(tally, CounterTally)]
        assert all(number < len(own) for window in windows for number in window.tallies)
    assert counted == {Arm.BASE: [3.0, 30.0], Arm.HEAD: [4.0, 40.0]}


@pytest.mark.parametrize(("kind", "code"), [(InvalidRun, 3), (LoadgateError, 2)])
def test_an_error_says_which_arm_it_is_of_and_keeps_its_code(kind: type[LoadgateError], code: int) -> None:
    with pytest.raises(LoadgateError) as caught, named(Arm.HEAD):
        raise kind("it is not there", "look for it")
    assert str(caught.value).startswith("head: it is not there")
    assert "look for it" in str(caught.value)
    assert caught.value.exit_code == code


def test_the_share_that_failed_is_of_all_steps_together() -> None:
    run = MadeUp()
    run.requests([1.0] * 30, name="a")
    run.requests([1.0] * 10, name="b", status=500)
    run.recorder.close_window(run.recorder.start + 1.0)
    totals = run.recorder.totals()
    series = [Series(key.metric, key.tags, totals.get(at)) for at, key in enumerate(run.recorder.described())]
    assert pair._share(series, {"http_req_failed"}) == 0.25
    assert pair._share([], {"http_req_failed"}) == 0.0
