"""What is done with baselines: saving a run under a name, moving on to a newer one, and looking for what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadgate.config.gate import GateSpec
from loadgate.errors import LoadgateError
from loadgate.gate import Gate
from loadgate.judge.gating import decide_gate
from loadgate.judge.wording import listed
from loadgate.record.comparison import Comparison
from loadgate.record.result import Result, SeriesName
from loadgate.record.verdict import Verdict, Word
from loadgate.reference import look_up
from loadgate.store.baseline import Baseline, StoredBaseline, check_name
from loadgate.store.baseline_file import is_baseline, read_baseline
from loadgate.store.selection import Selection, StoredRun
from loadgate.store.store import Store

NAMED = 5
"""Figures that a problem calls by name; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A baseline that took the place of another, and how the two compare."""

    saved: StoredBaseline
    comparison: Comparison
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """One baseline and what is wrong with it, in whole sentences; nothing: it is fit."""

    baseline: StoredBaseline
    problems: tuple[str, ...]


def save_baseline(store: Store, name: str, what: str, *, reason: str = "", force: bool = False) -> StoredBaseline:
    """Name the run `what` of `store`, or of a file or folder, which is then added. Raises LoadgateError."""
    check_name(name)
    return store.save_baseline(name, _run(store, what), reason=reason, force=force)


def update_baseline(
    store: Store, spec: GateSpec, new: str, old: str, what: str, *, reason: str = "", force: bool = False
) -> Outcome:
    """Name the run `what` `new`, unless it is worse than the baseline `old`. Raises LoadgateError."""
    check_name(new)
    base = store.baseline(old)
    run = _run(store, what)
    head = store.result(run)
    if head.id == base.result.id:
        raise LoadgateError(f"run {run.id} is the baseline `{old}` already", "name a newer run with --run")
    compared = Gate(spec, store).compare([base.result], [head], (old, run.id)).regardless()
    verdict = decide_gate(Verdict(Word.PASS), compared)
    unfit = verdict.word in (Word.FAIL, Word.INVALID)
    if unfit and not (force and reason.strip()):
        raise LoadgateError(
            f"run {run.id} is no baseline to take the place of `{old}`: {verdict.reasons[0]}",
            "where that is meant to stay, say why: --force --reason TEXT",
        )
    said = f"{verdict.reasons[0]}: {reason}" if unfit else reason
    return Outcome(store.save_baseline(new, run, reason=said, force=force), compared, verdict)


def find_baseline(name: str, store: Store | None) -> Baseline:
    """The baseline `name` of `store`, or in the file `name`. Raises LoadgateError."""
    path = Path(name)
    if is_baseline(path):
        return read_baseline(path)
    if store is None:
        raise LoadgateError(f"there is no baseline `{name}`: there is no history here, and no file of that name")
    return store.baseline(name)


def examine(store: Store, name: str | None, *, max_age: float, now: float) -> list[Finding]:
    """Look at all baselines, or the one called `name`; ages in seconds. Raises LoadgateError where there is none."""
    held = store.baselines()
    if name is not None:
        store.baseline(name)
        held = [each for each in held if each.name == name]
    return [Finding(each, tuple(_problems(store, each, max_age, now))) for each in held]


def _run(store: Store, what: str) -> StoredRun:
    """The run that is meant; one in a file or folder is added to the store."""
    path = Path(what)
    if not path.exists():
        return store.find(what)
    found = look_up(what, None)
    store.add(found.result, found.record)
    return store.find(found.result.id)


def _problems(store: Store, held: StoredBaseline, max_age: float, now: float) -> Iterable[str]:
    run = held.run
    age = now - run.time
    if age > max_age:
        yield f"it is {age / 86_400.0:.0f} days old; the limit is {max_age / 86_400.0:.0f}"
    if held.forced:
        yield f"its run did not pass ({run.word.value if run.word else 'unknown'}); it was forced: {held.reason}"
    newest = [
        each for each in store.runs(Selection(name=run.name, tool=run.tool, limit=20)) if each.word is not Word.INVALID
    ]
    if not newest or newest[0].id == run.id:
        return
    latest = newest[0]
    for what in ("machine", "definition"):
        mine, theirs = getattr(run, what), getattr(latest, what)
        if mine and theirs and mine != theirs:
            changed = (
                "the scenario or the load was changed" if what == "definition" else "it was measured on another machine"
            )
            yield f"{changed}: {mine}, the newest run has {theirs}"
    yield from _missing(store.result(run), store.result(latest))


def _missing(mine: Result, latest: Result) -> Iterable[str]:
    ours, theirs = ({figure.series: None for figure in result.figures} for result in (mine, latest))
    new = [series for series in theirs if series not in ours]
    gone = [series for series in ours if series not in theirs]
    if new:
        yield f"not in it, so that nothing would be compared: {_figures(new)}"
    if gone:
        yield f"not in the newest run: {_figures(gone)}"


def _figures(series: Sequence[SeriesName]) -> str:
    """Steps where they are missing as a whole, figures otherwise."""
    names = list(dict.fromkeys(each.step or str(each) for each in series))
    return listed(names, NAMED)
