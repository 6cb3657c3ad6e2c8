"""An A/B test as a page: what was measured, the figures that gate, the verdict with what it rests on or what it lacks."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

from loadgate.config.ab import MOST
from loadgate.judge.wording import alarms_text, margin_text
from loadgate.record.ab import AbRecord
from loadgate.record.comparison import Change, Comparison, Row
from loadgate.record.explained import Explained
from loadgate.record.verdict import Word
from loadgate.report.comparison import MARKS, SHOWN, labelled, row_lines
from loadgate.report.ending import ComparisonEnding, ending_lines
from loadgate.report.explained import explained_lines
from loadgate.report.figures import length
from loadgate.report.style import ELLIPSIS, Ink, Line, cells, clean, flow, squeeze, wrap
from loadgate.units import format_rate

_LABEL: Final = 14
_ROWS_OF_A_COMMAND: Final = 2


@dataclass(frozen=True, slots=True)
class AbPage:
    """What every form of the page says. `needed`: how to measure enough, "" where that is not the question."""

    basis: tuple[str, ...]
    machine: str
    arms: tuple[tuple[str, str], ...]
    """Name and command of each side."""
    shown: tuple[Row, ...]
    """The figures that gate, the worst last; of single steps only what did not stay the same."""
    hidden: tuple[Row, ...]
    ending: ComparisonEnding
    needed: str
    explained: Explained | None
    calibration: tuple[str, ...]
    """Whether the machine was calibrated, and what came of it: sentences, the first about how often a test is wrong."""
    calibrated: bool


def ab_page(record: AbRecord) -> AbPage:
    """The page of `record`, which has a comparison."""
    comparison = record.comparison
    assert comparison is not None
    rows = [row for word in MARKS for row in sorted(comparison.having(word), key=_harm)]
    shown = [row for row in rows if not row.series.step or row.word is not Change.SAME]
    hidden = [row for row in comparison.rows if row not in shown]
    needed = _needed(record, comparison)
    return AbPage(
        basis=tuple(_basis(record)),
        machine=record.environment.machine,
        arms=tuple(zip(("base", "head"), record.arms, strict=True)),
        shown=tuple(shown),
        hidden=tuple(hidden),
        ending=_ending(record, comparison, needed),
        needed=needed,
        explained=record.explained,
        calibration=tuple(_calibration(record)),
        calibrated=record.calibration is not None,
    )


def ab_lines(page: AbPage, width: int, *, every: bool = False) -> list[Line]:
    """The page in `width` columns. `every`: all figures, those that do not gate too."""
    room = width - _LABEL
    lines = labelled("ab", flow([*page.basis, page.machine], room), Ink.PLAIN)
    for name, command in page.arms:
        lines += labelled(name, fitted_command(command, room), Ink.PLAIN)
    for sentence in page.calibration:
        lines += labelled("", wrap(sentence, room), Ink.PLAIN if page.calibrated else Ink.FAINT)
    blank: list[Line] = [[("", Ink.PLAIN)]]
    lines += blank
    if every:
        lines += row_lines((*page.hidden, *page.shown), width)
    else:
        lines += row_lines(page.shown[-SHOWN:], width)
        if left_out := left_out_text(page):
            lines += [
                [("  " + row, Ink.FAINT)] for row in wrap(f"also measured: {left_out}; --all shows them", width - 2)
            ]
    if page.explained is not None:
        lines += [*blank, *explained_lines(page.explained, width)]
    return [*lines, *blank, *ending_lines(page.ending, width)]


def ab_verdict_lines(page: AbPage, width: int) -> list[Line]:
    """The verdict with its reasons alone."""
    return ending_lines(page.ending, width)


def left_out_text(page: AbPage) -> str:
    """What the table leaves out: "12 that do not gate (1 worse)"; "" where it is nothing."""
    rows = (*page.hidden, *page.shown[:-SHOWN])
    if not rows:
        return ""
    moved = [row for row in rows if row.word in (Change.WORSE, Change.BETTER)]
    steps = sum(row.limit.gating for row in rows)
    parts = [f"{steps} of single steps that stayed the same" if steps else ""]
    parts.append(f"{len(rows) - steps} that do not gate" if len(rows) > steps else "")
    counts = [f"{len(found)} {word}" for word in Change if (found := [row for row in moved if row.word is word])]
    told = f" ({', '.join(counts)})" if counts else ""
    return f"{' and '.join(part for part in parts if part)}{told}"


def _harm(row: Row) -> float:
    """What rows are sorted by; a figure of one side alone has none."""
    return 0.0 if math.isnan(row.harm) else row.harm


def _basis(record: AbRecord) -> list[str]:
    pairs = record.evidence
    kind = "fresh starts" if record.restarts else "blocks of the same two processes"
    text = f"{pairs} {'pair' if pairs == 1 else 'pairs'} of {kind}"
    if pairs < record.most:
        text += f", of up to {record.most}"
    if record.confirming:
        text += f", and {record.confirming} to confirm"
    pieces = [text, f"each {length(record.length)} after {length(record.warmup)} of warm-up"]
    if record.capacity:
        pieces.append(f"then {length(record.capacity)} as fast as they answer")
    if record.cores is not None:
        pieces.append("the generator on a core of its own")
    faulty = sum(bool(pair.faults) for pair in record.pairs)
    if faulty:
        pieces.append(f"{faulty} more {'was' if faulty == 1 else 'were'} no evidence")
    return [*pieces, f"{format_rate(record.rate)} over both", f"seed {record.seed}"]


def _calibration(record: AbRecord) -> list[str]:
    known = record.calibration
    if known is None:
        return ["not calibrated on this machine: loadgate calibrate"]
    when = time.strftime("%Y-%m-%d", time.gmtime(known.when))
    other = "" if known.same_definition else ", where something else was asked"
    alarms = alarms_text(known.alarms, known.jobs, known.low, known.high)
    return [f"calibrated {when} on this machine{other}: {alarms}", *known.notes]


def _ending(record: AbRecord, comparison: Comparison, needed: str) -> ComparisonEnding:
    verdict = record.verdict
    reasons = [*verdict.reasons]
    if verdict.word is Word.PASS:
        better = len(comparison.having(Change.BETTER))
        improved = f"; {better} better" if better else ""
        reasons = [f"no figure is worse by its limit, 95 % sure{improved}", _ruled_out(comparison)]
    reasons += [f"to decide it: {needed}"] if needed else []
    reasons += comparison.notes
    return ComparisonEnding(verdict.word, reasons[0], tuple(reasons), record.exit_code)


def _ruled_out(comparison: Comparison) -> str:
    """The positive statement of a pass: a change of which size is ruled out, for each figure of all steps."""
    rows = [row for row in comparison.having(Change.SAME, Change.BETTER) if not row.series.step]
    told = ", ".join(f"{row.series.words} {margin_text(row)}" for row in rows)
    return f"ruled out, for the worse, is a change of so much or more in {told}"


def _needed(record: AbRecord, comparison: Comparison) -> str:
    """The options with which as many pairs of the same kind are measured as would probably decide, if there may be so many."""
    if record.verdict.word is not Word.UNSURE:
        return ""
    unsure = comparison.unsettled
    more = max((row.missing_runs for row in unsure), default=0)
    if not more or not record.evidence:
        return ""
    pairs = max(record.most, record.evidence + more)
    if pairs > MOST:
        return ""
    capacity = f" --capacity {record.capacity:g}s" if record.capacity else ""
    return f"--pairs {pairs} --length {math.ceil(record.length * 10.0) / 10.0:g}s{capacity}"


def fitted_command(command: str, room: int) -> list[str]:
    """`command` in at most two rows: first its long paths lose their folders, then its middle goes."""
    command = clean(command)
    if cells(command) > room:
        command = " ".join(map(_without_folders, command.split(" ")))
    return wrap(squeeze(command, room * _ROWS_OF_A_COMMAND - 1), room)[:_ROWS_OF_A_COMMAND]


def _without_folders(word: str) -> str:
    if not word.startswith("/") or word.count("/") < 3:
        return word
    return f"{ELLIPSIS}/{word.rpartition('/')[2]}"
