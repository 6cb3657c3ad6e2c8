"""Changes in the history of many series: what moved, when, by how much, and whether anybody knows about it.

A track is one series of one definition on one machine, so that neither a new machine nor a changed scenario looks like a
change of the code. Detection is by track (`judge.changepoint`); the probability that a series without change is reported is
held over all tracks together (Benjamini and Hochberg 1995).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadgate.judge.changepoint import ALPHA, Segmentation, find_changes
from loadgate.judge.multiple import benjamini_hochberg
from loadgate.measure.metric import Direction
from loadgate.record.result import SeriesName

CONFIRMED_AFTER: Final = 10
"""Runs after a change at which it is no longer new."""
NEAR: Final = 3
"""Runs by which the place of a change may be wrong."""
RECOVERED: Final = 0.5
"""A change is recovered when what came after took back more than this share of it."""


class State(StrEnum):
    """How things stand with a change."""

    NEW = "new"
    CONFIRMED = "confirmed"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"


class Shape(StrEnum):
    """How a level moved."""

    STEP = "step"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Moment:
    """A run, as a change refers to it. `time` in Unix seconds."""

    id: str
    time: float
    commit: str


@dataclass(frozen=True, slots=True)
class Track:
    """One series through runs, oldest first, that may be compared: one tool, name, machine and definition."""

    tool: str
    name: str
    series: SeriesName
    unit: str
    direction: Direction
    machine: str
    runs: Sequence[Moment]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """One change. `index` counts the track's runs; it is the first after the change, `last_before` the one before it: the
    change came with a commit after `last_before.commit`, up to `first_after.commit`.

    `change` and `interval` (95 %) are `after / before - 1`, for shares `after - before`. A drift reaches from `last_before`,
    the first run, to `first_after`, the last.
    """

    track: Track
    index: int
    last_before: Moment
    first_after: Moment
    before: float
    after: float
    change: float
    interval: tuple[float, float]
    p: float
    shape: Shape
    state: State
    reason: str = ""
    """Why it was acknowledged."""

    @property
    def worse(self) -> bool:
        return self.change > 0.0 if self.track.direction is Direction.LOWER else self.change < 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of several series that came between the same two runs: most likely one cause."""

    last_before: Moment
    first_after: Moment
    changes: tuple[ChangePoint, ...]


Reasons = Mapping[tuple[str, SeriesName, str], str]
"""Why changes were acknowledged: by name, series and id of the first run after the change."""


def changes_of(tracks: Sequence[Track], reasons: Reasons | None = None, *, alpha: float = ALPHA) -> list[ChangePoint]:
    """The changes of all `tracks`, oldest first; `reasons` are those that hold."""
    found = [find_changes(track.values, alpha=alpha) for track in tracks]
    corrected = benjamini_hochberg([each.p for each in found])
    changes: list[ChangePoint] = []
    for track, each, p in zip(tracks, found, corrected, strict=True):
        if each.changes and p <= alpha:
            changes += _of_track(track, each, reasons or {})
    return sorted(changes, key=lambda change: (change.first_after.time, str(change.track.series)))


def by_commit(changes: Sequence[ChangePoint]) -> list[Group]:
    """Changes grouped by the stretch of commits they came with, oldest first.

    A change is placed to within a few runs only, so those that lie no more than `NEAR` runs apart are one group, and its
    stretch reaches from the first to the last of them. A drift came with no commit: it is by itself.
    """
    groups: list[list[ChangePoint]] = []
    steps = [change for change in changes if change.shape is Shape.STEP]
    for change in sorted(steps, key=lambda change: change.first_after.time):
        last = groups[-1][-1] if groups else None
        if last is not None and _near(last, change):
            groups[-1].append(change)
        else:
            groups.append([change])
    groups += [[change] for change in changes if change.shape is Shape.DRIFT]
    found = [
        Group(
            min((each.last_before for each in group), key=_time),
            max((each.first_after for each in group), key=_time),
            tuple(group),
        )
        for group in groups
    ]
    return sorted(found, key=lambda group: group.first_after.time)


def _near(earlier: ChangePoint, later: ChangePoint) -> bool:
    """Whether the runs of `later`'s track show that few runs were made between the two."""
    if (earlier.track.tool, earlier.track.name) != (later.track.tool, later.track.name):
        return False
    nearest = later.track.runs[max(0, later.index - NEAR)]
    return nearest.time <= earlier.first_after.time


def _time(moment: Moment) -> float:
    return moment.time


def _of_track(track: Track, found: Segmentation, reasons: Reasons) -> list[ChangePoint]:
    if found.drift is not None:
        drift, last = found.drift, len(track.values) - 1
        point = ChangePoint(
            track=track,
            index=0,
            last_before=track.runs[0],
            first_after=track.runs[last],
            before=drift.begin,
            after=drift.end,
            change=_moved(track, drift.begin, drift.change),
            interval=(math.nan, math.nan),
            p=drift.p,
            shape=Shape.DRIFT,
            state=State.CONFIRMED,
        )
        return [_acknowledged(point, reasons)]
    points = []
    levels = [found.changes[0].before, *(change.after for change in found.changes)]
    for at, change in enumerate(found.changes):
        later = levels[at + 2 :]
        moved = change.after - change.before
        taken_back = any((change.after - level) / moved > RECOVERED for level in later) if moved else False
        new = len(track.values) - change.index < CONFIRMED_AFTER
        state = State.RECOVERED if taken_back else State.NEW if new else State.CONFIRMED
        points.append(
            ChangePoint(
                track=track,
                index=change.index,
                last_before=track.runs[change.index - 1],
                first_after=track.runs[change.index],
                before=change.before,
                after=change.after,
                change=_moved(track, change.before, change.change),
                interval=tuple(_moved(track, change.before, bound) for bound in change.interval),  # type: ignore[arg-type]
                p=change.p,
                shape=Shape.STEP,
                state=state,
            )
        )
    return [_acknowledged(point, reasons) for point in points]


def _moved(track: Track, before: float, relative: float) -> float:
    """A relative change as it is told: of a share, the difference."""
    return before * relative if track.unit == "share" and before else relative


def _acknowledged(point: ChangePoint, reasons: Reasons) -> ChangePoint:
    reason = reasons.get((point.track.name, point.track.series, point.first_after.id))
    if reason is None or point.state is State.RECOVERED:
        return point
    return replace(point, state=State.ACKNOWLEDGED, reason=reason)
