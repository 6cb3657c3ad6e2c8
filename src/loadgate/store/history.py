"""The figures of many runs at once, a track for each series: what is looked at for changes and for noise."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from loadgate.measure.estimate import Estimate
from loadgate.record.result import SeriesName
from loadgate.store.packed import Rows, estimate_of
from loadgate.store.selection import StoredRun
from loadgate.store.series import Series


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One series of what one tool measured under one name, run after run. All arrays are as long; runs without it are left out.

    `runs` are places in `History.runs`, rising. `errors` are NaN where not known. Values are as in `Estimate`.
    """

    tool: str
    name: str
    series: Series
    runs: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]
    errors: npt.NDArray[np.float64]
    freedoms: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def estimate(self, at: int) -> Estimate:
        """The figure of the run `runs[at]`."""
        return estimate_of(
            float(self.values[at]), float(self.errors[at]), float(self.freedoms[at]), int(self.counts[at])
        )


@dataclass(frozen=True, slots=True)
class History:
    """Runs, oldest first, and the tracks through them, in the order in which their series were first met."""

    runs: tuple[StoredRun, ...]
    tracks: tuple[Track, ...]

    def find(self, series: SeriesName) -> list[Track]:
        """The tracks of a series: several where it has another tool, name, unit or direction."""
        return [track for track in self.tracks if track.series.name == series]


def history_of(
    runs: Sequence[StoredRun],
    rows: Rows,
    places: npt.NDArray[np.intp],
    series: Mapping[int, Series],
    wanted: Collection[SeriesName] | None,
) -> History:
    """The history of `runs`, oldest first, whose figures are `rows`, each of the run in its place; `series` by their numbers.

    Of all series, or of those `wanted`.
    """
    if wanted is not None:
        numbers = [number for number, each in series.items() if each.name in wanted]
        kept = np.isin(rows["series"], numbers)
        rows, places = rows[kept], places[kept]
    if not len(rows):
        return History(tuple(runs), ())
    sources: dict[tuple[str, str], int] = {}
    source_of_run = np.array([sources.setdefault((run.tool, run.name), len(sources)) for run in runs], np.int64)
    keys = source_of_run[places] << 32 | rows["series"]
    order = np.argsort(keys, kind="stable")
    rows, places, keys = rows[order], places[order], keys[order]
    cuts = np.flatnonzero(np.diff(keys)) + 1
    bounds = [0, *cuts.tolist(), len(keys)]
    columns = {name: np.ascontiguousarray(rows[name]) for name in ("value", "error", "freedom", "count")}
    names = list(sources)
    tracks = []
    for begin, end in pairwise(bounds):
        key, part = int(keys[begin]), slice(begin, end)
        tracks.append(
            Track(
                *names[key >> 32],
                series[key & 0xFFFFFFFF],
                places[part],
                columns["value"][part],
                columns["error"][part],
                columns["freedom"][part],
                columns["count"][part],
            )
        )
    return History(tuple(runs), tuple(tracks))
