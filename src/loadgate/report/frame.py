"""One moment of a run, and how it looks: a dozen lines that fit the terminal, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadgate.report.figures import figure
from loadgate.report.style import BARS, Ink, Line, cells, clean, clip, flow, left, paint, right, squeeze, wrap
from loadgate.units import format_clock, format_count, format_ms, format_rate, format_share


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One figure: in the last window, over the run so far, and over time (None: nothing measured then).

    `unit` and `statistic` are as `figures.figure` takes them. `limit` is the threshold on it, if there is one.
    """

    label: str
    unit: str
    statistic: str
    now: float
    so_far: float
    history: tuple[float | None, ...]
    limit: str = ""
    holds: bool = True


@dataclass(frozen=True, slots=True)
class FrameStep:
    """A step over the run so far; `p95` in ms."""

    protocol: str
    name: str
    rate: float
    p95: float
    failed: int


@dataclass(frozen=True, slots=True)
class ErrorGlance:
    """How many errors there were, and the kind and step met most."""

    total: int
    count: int
    kind: str
    step: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What is to be seen at one moment. Times in seconds, shares 0 to 1.

    `phase` is "warm-up", "finishing" (the planned time is over) or "". `goal` is the planned number of iterations where that,
    and not a time, ends the run. `column` is how long each value of a history stands for. `starts` are (achieved, planned)
    per second of open models in the last window.
    """

    profile: str
    target: str
    elapsed: float
    planned: float
    progress: float
    goal: int | None
    done: int
    stage: int
    stages: int
    stage_text: str
    phase: str
    basis: str
    column: float
    rows: tuple[FrameRow, ...]
    steps: tuple[FrameStep, ...]
    more_steps: int
    active: int
    starts: tuple[float, float] | None
    dropped: int
    healthy: bool
    cpu_share: float
    loop_lag_ms: float
    health_text: str
    holding: int
    judged: int
    broken: tuple[str, ...]
    errors: ErrorGlance | None


LEAST_WIDTH: Final = 20
MARGIN: Final = 14
"""Columns of the labels."""
BETWEEN: Final = 6
"""Blanks between two columns of steps."""
FEW_STEPS: Final = 4
"""How many steps are shown below each other."""
LIMITS_FROM: Final = 78
"""Columns from which the limits stand beside the figures."""


def render_frame(
    frame: Frame, *, width: int, color: bool, unicode: bool = True, height: int | None = None
) -> list[str]:
    """The frame as lines of at most `width` - 1 cells: a line that fills the last column would wrap on some terminals.

    With `height`, at most so many lines: the steps go first, then the blank lines, then whatever stands last.
    """
    room = max(LEAST_WIDTH, width) - 1
    blank: list[Line] = [[]]
    top = [_title(frame, room), _bar(frame, room)]
    middle = [*_figures(frame, room), *_state(frame, room)]
    steps = _steps(frame, room)
    lines = [*top, *blank, *middle, *(blank + steps if steps else [])]
    if height is not None and len(lines) > height:
        lines = [*top, *blank, *middle]
    if height is not None and len(lines) > height:
        lines = [*top, *middle][: max(0, height)]
    return [paint(line, max(1, min(room, width - 1)), color=color, unicode=unicode) for line in lines]


def _title(frame: Frame, room: int) -> Line:
    clock = f"{format_clock(frame.elapsed)} / {format_clock(frame.planned)}"
    if frame.goal is not None:
        clock = f"{format_count(frame.done)} / {format_count(frame.goal)} iterations  {format_clock(frame.elapsed)}"
    profile = clip(clean(frame.profile), max(8, room - cells(clock) - 2))
    target = f" -> {frame.target}" if frame.target else ""
    free = room - cells(profile) - cells(clock) - 2
    target = squeeze(clean(target), free) if free >= 12 else ""
    gap = " " * max(2, room - cells(profile) - cells(target) - cells(clock))
    return [(profile, Ink.BOLD), (target, Ink.PLAIN), (gap + clock, Ink.PLAIN)]


def _bar(frame: Frame, room: int) -> Line:
    text = frame.phase
    if frame.stage_text and frame.phase != "finishing":
        stage = f"stage {frame.stage}/{frame.stages} " if frame.stages > 1 else ""
        text = f"{stage}{frame.stage_text}" + (f", {frame.phase}" if frame.phase else "")
    share = f"{int(frame.progress * 100.0 + 1e-6):3d} %"
    text = clip(clean(text), room // 2)
    long = room - len(share) - 2 - (cells(text) + 2 if text else 0)
    full = int(frame.progress * long)
    done = "━" * full + ("╸" if full < long else "")
    spans: list[tuple[str, Ink]] = [(done, Ink.GOOD), ("─" * (long - len(done)), Ink.FAINT), (f"  {share}", Ink.PLAIN)]
    return [*spans, (f"  {text}", Ink.PLAIN)] if text else spans


def _figures(frame: Frame, room: int) -> list[Line]:
    limits = room + 1 >= LIMITS_FROM and any(row.limit for row in frame.rows)
    texts = [
        (figure(row.now, row.unit, row.statistic), figure(row.so_far, row.unit, row.statistic)) for row in frame.rows
    ]
    first = max(len(text) for text in ("now", *(now for now, _ in texts)))
    second = max(len(text) for text in ("so far", *(so_far for _, so_far in texts)))
    limit = max(len(row.limit) for row in frame.rows) if limits else 0
    most = max((len(row.history) for row in frame.rows), default=0)
    taken = MARGIN + max(9, first) + 3 + max(9, second) + 3 + (limit + 13 if limits else 0)
    columns = max(0, min(most, room - taken))
    span = f"last {int(min(columns * frame.column, frame.elapsed) + 0.5)} s" if columns else ""
    if cells(span) > room - taken:
        span = ""

    def line(
        label: str, now: str, mark: Sequence[tuple[str, Ink]], so_far: str, tail: tuple[str, Ink], ink: Ink
    ) -> Line:
        gap = ("   ", Ink.PLAIN)
        spans = [_label(label), (right(now, max(9, first)), ink), gap]
        return [*spans, *mark, (right(so_far, max(9, second)), ink), gap, tail]

    space = left("limit", limit + 13) if limits else ""
    head = line(frame.basis, "now", [(space, Ink.FAINT)], "so far", (span, Ink.FAINT), Ink.FAINT)
    lines = [head]
    for row, (now, so_far) in zip(frame.rows, texts, strict=True):
        mark: list[tuple[str, Ink]] = []
        if limits:
            word, ink = ("✓ ok", Ink.GOOD) if row.holds else ("✗ broken", Ink.BAD)
            mark = [(left(row.limit, limit) + "  ", Ink.PLAIN), (left(word if row.limit else "", 11), ink)]
        bars = sparkline(row.history[-columns:] if columns else ())
        lines.append(line(row.label, now, mark, so_far, (bars, Ink.FAINT if row.holds else Ink.BAD), Ink.PLAIN))
    return lines


def sparkline(values: Sequence[float | None]) -> str:
    """One bar for each value, from nothing at zero to full at the greatest; a blank where there is none."""
    most = max((value for value in values if value is not None), default=0.0)
    if most <= 0.0:
        return "".join(" " if value is None else BARS[0] for value in values)
    top = len(BARS) - 1
    return "".join(" " if value is None else BARS[round(max(0.0, value) / most * top)] for value in values)


def _state(frame: Frame, room: int) -> list[Line]:
    """What cannot be plotted: errors, VUs, thresholds and the generator, what is wrong among it in full."""
    lines: list[Line] = []
    if frame.errors is not None:
        glance = frame.errors
        most = f"{format_count(glance.total)}, most of them " if glance.total > glance.count else ""
        text = f"{most}{format_count(glance.count)} {glance.kind} ({glance.step})"
        lines.append([(" " * MARGIN, Ink.PLAIN), (clip(clean(text), room - MARGIN), Ink.BAD)])
    pieces = [f"{format_count(frame.active)} in flight"]
    if frame.starts is not None:
        achieved, planned = frame.starts
        pieces.append(f"{format_rate(achieved)} started of {format_rate(planned)} planned")
    if frame.dropped:
        pieces.append(f"{format_count(frame.dropped)} dropped")
    lines += _part("VUs", pieces, room)
    if frame.judged:
        word, ink = ("✓", Ink.GOOD) if frame.holding == frame.judged else ("✗", Ink.BAD)
        held = f"{word} {frame.holding} of {frame.judged} hold"
        told = f"  {frame.broken[0]}" if frame.broken else ""
        lines.append([_label("thresholds"), (held, ink), (clip(clean(told), room - MARGIN - len(held)), Ink.PLAIN)])
    word, ink = ("✓ ok", Ink.GOOD) if frame.healthy else ("✗ not trusted", Ink.BAD)
    pieces = [f"cpu {format_share(frame.cpu_share)}", f"at most {format_ms(frame.loop_lag_ms)} late"]
    rest = flow(pieces, room - MARGIN - 2 - cells(word))
    lines.append([_label("generator"), (word, ink), ("  " + rest[0], Ink.PLAIN)])
    lines += [[(" " * (MARGIN + cells(word) + 2) + row, Ink.PLAIN)] for row in rest[1:]]
    if frame.health_text:
        lines += [[(" " * MARGIN + text, Ink.PLAIN)] for text in wrap(frame.health_text, room - MARGIN)[:2]]
    return lines


def _label(text: str) -> tuple[str, Ink]:
    return left("  " + text, MARGIN), Ink.FAINT


def _part(label: str, pieces: Sequence[str], room: int) -> list[Line]:
    rows = flow(pieces, room - MARGIN)
    return [[_label(label if not number else ""), (row, Ink.PLAIN)] for number, row in enumerate(rows)]


def _steps(frame: Frame, room: int) -> list[Line]:
    """Steps in two columns where their names fit there whole, else one below the other."""
    if not frame.steps:
        return []
    mixed = len({step.protocol for step in frame.steps}) > 1
    names = [clean(f"{step.protocol} {step.name}" if mixed else step.name) for step in frame.steps]
    failed = [f"{format_count(step.failed)} failed" if step.failed else "" for step in frame.steps]
    tails = [f"{format_rate(step.rate):>9}  p95 {format_ms(step.p95):>8}" for step in frame.steps]
    if any(failed):
        most = max(len(text) for text in failed)
        tails = [f"{tail}  {text:<{most}}" for tail, text in zip(tails, failed, strict=True)]
    tail = max(len(text) for text in tails)
    widest = max(cells(name) for name in names)
    each = (room - 2 - BETWEEN) // 2
    columns = 2 if len(names) > 1 and widest + tail <= each else 1
    shown = names if columns == 2 else names[:FEW_STEPS]
    name = min(widest, (each if columns == 2 else room - 2) - tail)
    texts = [
        (left(squeeze(names[at], max(5, name)), max(5, name)) + tails[at], Ink.BAD if failed[at] else Ink.PLAIN)
        for at in range(len(shown))
    ]
    rows = -(-len(texts) // columns)
    lines: list[Line] = []
    for row in range(rows):
        line: list[tuple[str, Ink]] = [("  ", Ink.PLAIN), texts[row]]
        if row + rows < len(texts):
            line += [(" " * BETWEEN, Ink.PLAIN), texts[row + rows]]
        lines.append(line)
    more = frame.more_steps + len(names) - len(shown)
    if more:
        lines.append([(f"  and {format_count(more)} more {'step' if more == 1 else 'steps'}", Ink.FAINT)])
    return lines
