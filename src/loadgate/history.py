"""What history says: its tracks, the changes in them, and what people said about those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from loadgate.errors import LoadgateError
from loadgate.judge.changepoint import ALPHA
from loadgate.judge.changes import ChangePoint, Moment, Reasons, Track, changes_of
from loadgate.record.result import SeriesName
from loadgate.record.verdict import Word
from loadgate.store.acknowledgement import Acknowledgement
from loadgate.store.history import History
from loadgate.store.selection import Selection, StoredRun
from loadgate.store.store import Store


@dataclass(frozen=True, slots=True)
class Overview:
    """The changes of a selection of history, oldest first, and how much was looked at."""

    changes: list[ChangePoint]
    tracks: int
    runs: int
    breaks: int
    """How often a track ended because machine or definition was another one."""


def find_history_changes(
    store: Store, selection: Selection, *, series: Sequence[str] = (), alpha: float = ALPHA, now: float
) -> Overview:
    """The changes in the runs of `selection`; `series` are texts, one of which a series' text must hold. `now`: Unix s."""
    history = store.history(selection)
    all_tracks = list(tracks_of(history))
    tracks = [track for track in all_tracks if not series or any(text in str(track.series) for text in series)]
    if series and not tracks:
        raise LoadgateError(f"no series in {store.place} holds `{series[0]}`", "see `loadgate history show latest`")
    changes = changes_of(tracks, _reasons(store.acknowledgements(), now), alpha=alpha)
    kinds = {(track.tool, track.name, track.series) for track in tracks}
    return Overview(changes, len(tracks), len(history.runs), len(tracks) - len(kinds))


def tracks_of(history: History) -> Iterator[Track]:
    """The tracks of `history`, cut where machine or definition is another one. Invalid runs measured nothing."""
    groups: dict[tuple[str, str], int] = {}
    kinds = np.array([groups.setdefault((run.machine, run.definition), len(groups)) for run in history.runs], np.int64)
    valid = np.array([run.word is not Word.INVALID for run in history.runs], np.bool_)
    machines = [machine for machine, _ in groups]
    moments = [Moment(run.id, run.time, run.commit) for run in history.runs]
    for track in history.tracks:
        own = kinds[track.runs]
        for kind in dict.fromkeys(own.tolist()):
            chosen = np.flatnonzero((own == kind) & valid[track.runs] & np.isfinite(track.values))
            if len(chosen):
                series = track.series
                yield Track(
                    tool=track.tool,
                    name=track.name,
                    series=series.name,
                    unit=series.unit,
                    direction=series.direction,
                    machine=machines[kind],
                    runs=[moments[at] for at in track.runs[chosen].tolist()],
                    values=track.values[chosen],
                )


def acknowledge(
    store: Store,
    run: StoredRun,
    *,
    series: str,
    reason: str,
    author: str,
    now: float,
    expires: float | None,
    selection: Selection,
) -> list[Acknowledgement]:
    """Say of the changes that begin with `run` (of the series that hold the text `series`) why they are there.

    Raises LoadgateError where no change begins with it.
    """
    found = find_history_changes(store, selection, now=now).changes
    meant = [change for change in found if change.first_after.id == run.id and series in str(change.track.series)]
    if not meant:
        known = sorted({change.first_after.id for change in found})
        raise LoadgateError(
            f"no change{f' of a series with `{series}` in its name' if series else ''} begins with run {run.id}",
            f"changes begin with: {', '.join(known)}" if known else "there are no changes in this history",
        )
    said = []
    for change in meant:
        each = Acknowledgement(
            change.track.tool,
            change.track.name,
            change.track.series,
            run.id,
            change.first_after.commit,
            reason,
            author,
            now,
            expires,
        )
        store.remove_acknowledgement(each)
        store.acknowledge(each)
        said.append(each)
    return said


def _reasons(said: Sequence[Acknowledgement], now: float) -> Reasons:
    """Those that still hold."""

    def key(each: Acknowledgement) -> tuple[str, SeriesName, str]:
        return each.name, each.series, each.run

    return {key(each): each.reason for each in said if each.holds(now)}
