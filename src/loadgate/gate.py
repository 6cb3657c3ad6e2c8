"""A run against its baseline: what history says of the noise, the comparison, and fresh runs before a build fails.

A suspected regression is measured again, and only what the fresh runs alone show once more is one: a false alarm of
probability p takes p squared. What was measured again never becomes part of a baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from loadgate.config.gate import GateSpec
from loadgate.judge.changepoint import find_changes
from loadgate.judge.comparison import compare
from loadgate.judge.noise import Noise, learn
from loadgate.record.comparison import Change, Comparison, Row
from loadgate.record.result import Result, SeriesName
from loadgate.record.verdict import Word
from loadgate.store.selection import Selection
from loadgate.store.store import Store

_PASSED: Final = frozenset((Word.PASS, Word.NO_BASELINE, None))
_UNSETTLED: Final = _PASSED | {Word.UNSURE}

LOOKED_AT: Final = 200
"""Runs of history, the newest, that noise is learned from."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Compares under the limits of `spec`; `store` (if there is one) knows the noise."""

    spec: GateSpec
    store: Store | None = None

    def compare(self, base: Sequence[Result], head: Sequence[Result], names: tuple[str, str] = ("", "")) -> Comparison:
        """Base and head, each at least one run; `names` are what the user calls them."""
        noise = self.noise(head[0], {run.id for run in (*base, *head)})
        return compare(base, head, gate=self.spec, noise=noise, names=names)

    def noise(self, like: Result, without: Collection[str]) -> dict[SeriesName, Noise]:
        """How far runs lie apart that measured the same as `like` on the same machine; but for the runs `without`."""
        if self.store is None:
            return {}
        same = Selection(
            name=like.name,
            tool=like.tool,
            machine=like.machine or None,
            definition=like.definition or None,
            limit=LOOKED_AT,
        )
        history = self.store.history(same)
        held = [(run.word, bool(like.commit) and run.commit == like.commit) for run in history.runs]
        others = [run.id not in without for run in history.runs]
        found: dict[SeriesName, Noise] = {}
        # a build that failed and is run again must not become the noise it is excused with: what passed comes first,
        # and what was unsure counts where too little has passed yet
        for words in (_PASSED, _UNSETTLED):
            usable = [
                other and word in words and not (own and words is _UNSETTLED)
                for other, (word, own) in zip(others, held, strict=True)
            ]
            for track in history.tracks:
                if track.series.name not in found:
                    places = zip(track.runs.tolist(), track.values.tolist(), strict=True)
                    values = [value for at, value in places if usable[at]]
                    noise = learn(_stretches(values), share=track.series.unit == "share")
                    if noise is not None:
                        found[track.series.name] = noise
        return found

    def confirm(
        self, suspected: Comparison, base: Sequence[Result], head: Sequence[Result], again: Callable[[], Result | None]
    ) -> Comparison:
        """`suspected`, after its regressions were measured again, at most `spec.confirm` times.

        `again` makes a fresh run of the head; None where that came to nothing. A regression that fresh runs do not show is
        no longer one: what all runs together say of it is shown, and it is unsure where that still looks worse.
        """
        only = [row.series for row in suspected.having(Change.WORSE)]
        if not only or not self.spec.confirm:
            return suspected
        noise = self.noise(head[0], {run.id for run in (*base, *head)})
        fresh: list[Result] = []
        confirmed: list[Row] = []
        while not confirmed and len(fresh) < self.spec.confirm:
            run = again()
            if run is None:
                doubtful = [_doubtful(row) for row in suspected.rows]
                return _replaced(suspected, doubtful, "a fresh run that was to confirm what is worse came to nothing")
            fresh.append(run)
            confirmed = compare(base, fresh, gate=self.spec, noise=noise, only=only).having(Change.WORSE)
        together = compare(base, [*head, *fresh], gate=self.spec, noise=noise, only=only)
        rows = [*map(_doubtful, together.rows), *confirmed]
        outcome = f"{len(confirmed)} confirmed" if confirmed else "none confirmed"
        runs = f"{len(fresh)} fresh run{'' if len(fresh) == 1 else 's'}"
        return _replaced(suspected, rows, f"{len(only)} suspected to be worse, measured again in {runs}: {outcome}")


def _stretches(values: Sequence[float]) -> list[Sequence[float]]:
    """`values` cut where their level changed."""
    edges = [0, *(change.index for change in find_changes(values).changes), len(values)]
    return [values[begin:end] for begin, end in pairwise(edges)]


def _doubtful(row: Row) -> Row:
    """A row that is no regression for want of confirmation."""
    return replace(row, word=Change.UNSURE) if row.word is Change.WORSE else row


def _replaced(comparison: Comparison, rows: Sequence[Row], note: str) -> Comparison:
    new = {row.series: row for row in rows}
    kept = tuple(new.get(row.series, row) for row in comparison.rows)
    return replace(comparison, rows=kept, notes=(*comparison.notes, note))
