"""A calibration as a page: how it was measured, what a test can find in each figure that gates, and how often it is wrong."""

from __future__ import annotations

from typing import Final

from loadgate.judge.wording import alarms_text, change_text, listed
from loadgate.record.calibration import Calibration, FigureNoise
from loadgate.record.verdict import Word
from loadgate.report.ab import fitted_command
from loadgate.report.comparison import labelled
from loadgate.report.figures import length
from loadgate.report.style import Ink, Line, flow, wrap
from loadgate.report.table import Align, Column, lay_out
from loadgate.units import format_rate

_LABEL: Final = 14
_NAMED: Final = 3


def calibration_lines(calibration: Calibration, width: int) -> list[Line]:
    """The page in `width` columns."""
    room = width - _LABEL
    lines = labelled("calibrated", flow([*_basis(calibration), calibration.environment.machine], room), Ink.PLAIN)
    lines += labelled("base", fitted_command(calibration.arm, room), Ink.PLAIN)
    blank: list[Line] = [[("", Ink.PLAIN)]]
    shown = [figure for figure in calibration.figures if figure.gating]
    lines += [*blank, *lay_out(_columns(calibration, shown), width)] if shown else []
    hidden = len(calibration.figures) - len(shown)
    what = "figure that does not gate is" if hidden == 1 else "figures that do not gate are"
    more = f"; {hidden} {what} in calibration.json" if hidden else ""
    text = f"the noise of a pair, the limit, and the smallest change that a test of so many minutes finds 4 times of 5{more}"
    lines += [[("  " + row, Ink.FAINT)] for row in wrap(text, width - 2)]
    lines += blank
    for note in calibration_notes(calibration):
        for number, row in enumerate(wrap(note, width - 4)):
            lines.append([("  " + ("- " if not number else "  ") + row, Ink.PLAIN)])
    return [*lines, *calibration_verdict_lines(calibration, width)]


def calibration_verdict_lines(calibration: Calibration, width: int) -> list[Line]:
    """How often one build failed, alone."""
    text = alarms_text(calibration.alarms, len(calibration.counted), calibration.low, calibration.high)
    return [[(row, Ink.BOLD)] for row in wrap(text, width)]


def calibration_notes(calibration: Calibration) -> list[str]:
    """What a reader should know besides the table: sentences."""
    found = []
    if len(calibration.jobs) < calibration.planned:
        found.append(f"it ended after {len(calibration.jobs)} of {calibration.planned} jobs")
    invalid = [job for job in calibration.jobs if job.verdict is Word.INVALID]
    if invalid:
        reasons = dict.fromkeys(reason for job in invalid for reason in job.reasons)
        were = "job more was" if len(invalid) == 1 else "jobs more were"
        found.append(f"{len(invalid)} {were} no evidence: {listed(list(reasons), _NAMED)}")
    for figure in calibration.figures:
        if figure.gating and figure.worse:
            found.append(
                f"{figure.series.words} looked worse in {_jobs(figure.worse)}, and was so again in {figure.alarms or 'none'}"
            )
    blunt = [figure.series.words for figure in calibration.figures if figure.gating and _too_small(figure)]
    if blunt:
        longest = calibration.budgets[-1].minutes
        found.append(f"smaller than what {longest} minutes can find is the limit of {listed(blunt, _NAMED)}")
    return found


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _too_small(figure: FigureNoise) -> bool:
    """Whether no test finds a change of the limit."""
    best = figure.detectable[-1] if figure.detectable else None
    return figure.noise > 0.0 and (best is None or best > figure.margin)


def _basis(calibration: Calibration) -> list[str]:
    pieces = [f"{_jobs(len(calibration.counted))} of one build", f"up to {calibration.most} pairs of fresh starts"]
    pieces.append(f"each {length(calibration.length)} after {length(calibration.warmup)} of warm-up")
    if calibration.capacity:
        pieces.append(f"then {length(calibration.capacity)} as fast as they answer")
    return [*pieces, f"{format_rate(calibration.rate)} over both", f"seed {calibration.seed}"]


def _columns(calibration: Calibration, shown: list[FigureNoise]) -> list[Column]:
    found = [
        Column(
            f"{budget.minutes} min", [_cell(figure, figure.detectable[at]) for figure in shown], Align.RIGHT, drop=drop
        )
        for at, (budget, drop) in enumerate(zip(calibration.budgets, (0, 3, 2, 0), strict=True))
    ]
    return [
        Column("step", [figure.series.step for figure in shown], least=10),
        Column("figure", [str(figure.series._replace(step="")) for figure in shown], least=18),
        Column("noise", [_cell(figure, figure.noise) for figure in shown], Align.RIGHT),
        Column("limit", [_cell(figure, figure.margin) for figure in shown], Align.RIGHT, drop=1, ink=Ink.FAINT),
        *found,
    ]


def _cell(figure: FigureNoise, value: float | None) -> str:
    return "none" if value is None else change_text(value, share=figure.share).removeprefix("+")
