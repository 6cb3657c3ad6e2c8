from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from loadgate.judge.changes import ChangePoint, Moment, Shape, State, Track, by_commit, changes_of
from loadgate.measure.histogram import Floats
from loadgate.measure.metric import Direction
from loadgate.record.result import SeriesName

RUNS = 60


def moments(count: int) -> list[Moment]:
    return [Moment(f"run-{at}", 1000.0 + at, f"c{at:03}") for at in range(count)]


def track(
    levels: Sequence[float] | Floats, *, seed: int = 1, metric: str = "p95", direction: Direction = Direction.LOWER
) -> Track:
    """A series with 2 % noise around `levels`, one a run."""
    values = np.asarray(levels) * np.exp(np.random.default_rng(seed).normal(0.0, 0.02, len(levels)))
    series = SeriesName("", metric, "")
    return Track("loadgate", "standard", series, "ms", direction, "2 cpus", moments(len(levels)), values)


def step(at: int, *, to: float = 120.0, runs: int = RUNS, **more: object) -> Track:
    return track([100.0] * at + [to] * (runs - at), **more)  # type: ignore[arg-type]


def only(tracks: Sequence[Track], **more: object) -> ChangePoint:
    (found,) = changes_of(tracks, **more)  # type: ignore[arg-type]
    return found


def test_a_step_is_found_with_the_commits_it_came_between() -> None:
    found = only([step(30)])
    assert (found.index, found.last_before.commit, found.first_after.commit) == (30, "c029", "c030")
    assert found.change == pytest.approx(0.2, abs=0.03)
    assert found.interval[0] < 0.2 < found.interval[1]
    assert (found.shape, found.state, found.worse) == (Shape.STEP, State.CONFIRMED, True)


def test_which_way_is_worse_comes_from_the_direction() -> None:
    assert only([step(30, direction=Direction.HIGHER)]).worse is False
    assert only([step(30, to=80.0, direction=Direction.HIGHER)]).worse is True


def test_a_change_of_a_share_is_a_difference() -> None:
    share = replace(track([0.2] * 30 + [0.3] * 30), unit="share")
    found = only([share])
    assert found.change == pytest.approx(0.1, abs=0.01)
    assert found.interval[0] < 0.1 < found.interval[1] < 0.2


def test_a_change_is_new_until_runs_followed_it() -> None:
    assert only([step(52)]).state is State.NEW
    assert only([step(50)]).state is State.CONFIRMED


def test_a_change_that_was_taken_back_has_recovered() -> None:
    first, second = changes_of([track([100.0] * 20 + [130.0] * 20 + [101.0] * 20)])
    assert (first.state, first.worse) == (State.RECOVERED, True)
    assert (second.state, second.worse) == (State.CONFIRMED, False)


def test_a_second_step_the_same_way_is_no_recovery() -> None:
    states = [each.state for each in changes_of([track([100.0] * 30 + [130.0] * 10 + [200.0] * 30)])]
    assert states == [State.CONFIRMED, State.CONFIRMED]


def test_what_was_said_of_a_change_is_shown_with_it() -> None:
    series = step(30)
    key = ("standard", series.series, "run-30")
    found = only([series], reasons={key: "encryption is on"})
    assert (found.state, found.reason) == (State.ACKNOWLEDGED, "encryption is on")
    other = ("standard", series.series, "run-31")
    assert only([series], reasons={other: "something else"}).state is State.CONFIRMED


def test_a_creeping_level_is_a_drift_and_no_row_of_steps() -> None:
    found = only([track(np.linspace(100.0, 160.0, RUNS))])
    assert found.shape is Shape.DRIFT
    assert (found.last_before.id, found.first_after.id) == ("run-0", f"run-{RUNS - 1}")
    assert found.change == pytest.approx(0.6, abs=0.08)


def test_series_without_change_hide_no_change_and_make_none() -> None:
    quiet = [track([100.0] * RUNS, seed=seed, metric=f"m{seed}") for seed in range(30)]
    assert changes_of(quiet) == []
    assert only([*quiet, step(30, metric="moved")]).track.series.metric == "moved"


def test_changes_a_run_or_two_apart_are_one_group() -> None:
    tracks = [step(30, seed=1, metric="a"), step(32, seed=2, metric="b"), step(45, seed=3, metric="c")]
    first, second = by_commit(changes_of(tracks))
    assert {change.track.series.metric for change in first.changes} == {"a", "b"}
    assert (first.last_before.commit, first.first_after.commit) == ("c029", "c032")
    assert [change.track.series.metric for change in second.changes] == ["c"]
