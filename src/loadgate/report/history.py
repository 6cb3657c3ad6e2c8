"""History for a terminal: runs one below the other, and the changes in them, grouped by the commits they came with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from loadgate.judge.changes import ChangePoint, Group, Shape, State
from loadgate.judge.wording import amount_text, change_text
from loadgate.record.verdict import Word
from loadgate.report.style import Ink, Line, wrap
from loadgate.report.table import Align, Column, lay_out
from loadgate.report.times import day
from loadgate.store.selection import StoredRun

_INKS = {Word.PASS: Ink.GOOD, Word.FAIL: Ink.BAD, None: Ink.FAINT}


def run_rows(runs: Sequence[StoredRun], baselines: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """One line each; `baselines` are (name, id of the run)."""
    if not runs:
        return [[("no runs", Ink.FAINT)]]
    names: dict[str, list[str]] = {}
    for name, id in baselines:
        names.setdefault(id, []).append(name)
    columns = [
        Column("run", [run.id for run in runs], least=20),
        Column("started", [day(run.time) for run in runs]),
        Column("tool", [run.tool for run in runs], drop=4),
        Column("of", [run.name for run in runs], least=8),
        Column("commit", [run.commit[:9] for run in runs], drop=2),
        Column("branch", [run.branch for run in runs], drop=3, least=8),
        Column("verdict", [_word(run.word) for run in runs], inks=[_INKS.get(run.word, Ink.DOUBT) for run in runs]),
        Column("baseline", [", ".join(names.get(run.id, ())) for run in runs], drop=1, ink=Ink.BOLD),
    ]
    return lay_out(columns, width, indent=0)


def change_lines(groups: Sequence[Group], width: int) -> list[Line]:
    """The changes, newest last, below the commits they came with."""
    lines: list[Line] = []
    for group in groups:
        if lines:
            lines.append([("", Ink.PLAIN)])
        lines += [[(row, Ink.BOLD)] for row in wrap(_came(group), width)]
        lines += lay_out(_columns(group.changes), width)
        for change in group.changes:
            if change.reason:
                lines += [
                    [("  " + row, Ink.FAINT)] for row in wrap(f"{change.track.series}: {change.reason}", width - 2)
                ]
    return lines


def _came(group: Group) -> str:
    before, after = group.last_before, group.first_after
    if group.changes[0].shape is Shape.DRIFT:
        return f"drift from {day(before.time)} to {day(after.time)}"
    commits = f"{before.commit[:9] or before.id}..{after.commit[:9] or after.id}"
    return f"{day(after.time)}  {commits}"


def _columns(changes: Sequence[ChangePoint]) -> list[Column]:
    inks = [_ink(change) for change in changes]
    return [
        Column("", ["▲ worse" if change.worse else "▼ better" for change in changes], inks=inks),
        Column("series", [_series(change) for change in changes], least=24),
        Column("before", [amount_text(change.before, change.track.unit) for change in changes], Align.RIGHT),
        Column("after", [amount_text(change.after, change.track.unit) for change in changes], Align.RIGHT),
        Column("change", [_change(change, change.change) for change in changes], Align.RIGHT, inks=inks),
        Column("95 % interval", [_interval(change) for change in changes], Align.RIGHT, drop=1),
        Column("state", [_state(change) for change in changes]),
    ]


def _ink(change: ChangePoint) -> Ink:
    if change.state in (State.ACKNOWLEDGED, State.RECOVERED):
        return Ink.FAINT
    return Ink.BAD if change.worse else Ink.GOOD


def _series(change: ChangePoint) -> str:
    name = change.track.name
    return f"{name}: {change.track.series}" if name else str(change.track.series)


def _change(change: ChangePoint, amount: float) -> str:
    return change_text(amount, share=change.track.unit == "share")


def _interval(change: ChangePoint) -> str:
    low, high = change.interval
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{_change(change, low).partition(' ')[0]} to {_change(change, high)}"


def _state(change: ChangePoint) -> str:
    return f"{change.state}, drift" if change.shape is Shape.DRIFT else str(change.state)


def _word(word: Word | None) -> str:
    return word.value if word is not None else "-"
