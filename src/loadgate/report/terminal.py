"""The summary at the end of a run: calm, aligned, at most 100 columns, the worst and the verdict last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from loadgate.report.budgets import budget_lines
from loadgate.report.comparison import comparison_lines
from loadgate.report.ending import ending_lines
from loadgate.report.faults import FaultRow
from loadgate.report.figures import figure, length, time_scale
from loadgate.report.limits import LimitRow
from loadgate.report.measures import OF_SESSIONS, CheckRow, MeasureRow
from loadgate.report.model import Report
from loadgate.report.repeated import repeated_lines
from loadgate.report.resources import resource_lines
from loadgate.report.style import SEPARATOR, Ink, Line, cells, clean, flow, left, paint, right, squeeze, wrap
from loadgate.report.table import Align, Column, lay_out
from loadgate.units import format_bytes, format_clock, format_count, format_ms, format_number, format_rate, format_share

WIDEST: Final = 100
MOST_LOADS: Final = 12
MOST_STEPS: Final = 40
MOST_FAULTS: Final = 10
MOST_CHECKS: Final = 10
FEW_CHECKS: Final = 4
"""So many checks are all shown; of more, those that failed."""

INDENT: Final = 2
LABEL: Final = 12
_BODY: Final = INDENT + LABEL
"""Columns of the margin in which the sections have their names."""


def render_summary(
    report: Report, *, width: int, color: bool, unicode: bool = True, files: Sequence[tuple[str, str]] = ()
) -> str:
    """The summary as lines that end in a newline each; none is longer than `width` or 100 cells, whichever is less.

    `files` are (kind, path) of what was written. `unicode` False: ASCII alone. The last line is the verdict's word, its
    first reason (cut at its first clause where it is long, and then also shown whole above) and the exit code.
    """
    width = min(width, WIDEST)
    sections = [
        _head(report, width),
        _steps(report, width),
        _totals(report, width),
        _measures(report.measures, width),
        resource_lines(report.resources, width),
        repeated_lines(report.repeated, width),
        _checks(report.checks, width),
        _faults(report.faults, width),
        _limits(report, width),
        _budgets(report, width),
        [] if report.comparison is None else comparison_lines(report.comparison, width),
        [*_generator(report, width), *_notes(report, width), *_files(files, width)],
        ending_lines(report, width),
    ]
    lines: list[str] = []
    for section in sections:
        if section:
            lines += ["", *(paint(line, width, color=color, unicode=unicode) for line in section)]
    return "\n".join(lines[1:]) + "\n"


def render_verdict(report: Report, *, width: int, color: bool, unicode: bool = True) -> str:
    """What is left of the summary where nothing but the verdict is wanted: its reasons and the last line."""
    width = min(width, WIDEST)
    lines = ending_lines(report, width)
    return "".join(paint(line, width, color=color, unicode=unicode) + "\n" for line in lines)


# -- sections


def _head(report: Report, width: int) -> list[Line]:
    facts = report.facts
    single = len(facts.loads) == 1
    words = facts.loads[0][1] if single else f"{len(facts.loads)} loads {facts.order}".rstrip() if facts.loads else ""
    first: list[tuple[str, Ink]] = [(facts.profile, Ink.BOLD)]
    taken = cells(clean(facts.profile))
    lines: list[Line] = [first]
    for text, ink in ((words, Ink.PLAIN), (f"-> {facts.target}" if facts.target else "", Ink.PLAIN)):
        if not text:
            continue
        if taken + 2 + cells(clean(text)) > width:
            lines += [[("  " + row, ink)] for row in wrap(text, width - 2)]
            taken = width
        else:
            first += [("  " + text, ink)]
            taken += 2 + cells(clean(text))
    if not single:
        lines += [[(f"  {name}: {text}", Ink.PLAIN)] for name, text in facts.loads[:MOST_LOADS]]
    if (more := len(facts.loads) - MOST_LOADS) > 0:
        lines.append([(f"  and {format_count(more)} more", Ink.FAINT)])
    ran = length(facts.duration)
    pieces = [
        facts.model,
        f"{ran} of {length(facts.planned)}" if length(facts.planned) != ran and report.state_note else ran,
        f"{length(facts.warmup)} warm-up" if facts.warmup else "",
        f"seed {facts.seed}" if report.loaded else "",
        f"commit {facts.commit}" if facts.commit else "",
        facts.machine,
    ]
    lines += [[("  " + row, Ink.FAINT)] for row in flow([piece for piece in pieces if piece], width - 2)]
    return lines


def _steps(report: Report, width: int) -> list[Line]:
    if not report.loaded:
        return []
    if not report.totals:
        unasked = any(row.name in OF_SESSIONS for row in report.measures)  # sessions that only listened
        return [] if unasked else [[("  nothing was measured", Ink.BAD)]]
    shown = [row for row in report.steps if row.rank < MOST_STEPS]
    rows = [*shown, *(total for total in report.totals if total.steps > 1)]
    names = [row.title for row in rows]
    scale = time_scale(value for row in rows for value in (row.times.p50, row.times.p99))
    failing = [Ink.BAD if row.failed else Ink.FAINT for row in rows]
    inks = [Ink.PLAIN] * len(shown) + [Ink.BOLD] * (len(rows) - len(shown))

    def times(head: str, values: Iterable[float], drop: int) -> Column:
        return Column(head, [scale.text(value) for value in values], Align.POINT, drop, inks=inks)

    columns = [
        Column("step", names, least=_least_name(names, width), inks=inks),
        Column("requests", [format_count(row.requests) for row in rows], Align.RIGHT, drop=3, inks=inks),
        Column("rate", [format_rate(row.rate) for row in rows], Align.RIGHT, drop=2, inks=inks),
        times("p50", (row.times.p50 for row in rows), 1),
        times("p95", (row.times.p95 for row in rows), 0),
        times("p99", (row.times.p99 for row in rows), 0),
        times("p99.9", (row.times.p999 for row in rows), 6),
        times("max", (row.times.max for row in rows), 4),
        Column("errors", [format_count(row.failed) for row in rows], Align.RIGHT, inks=failing),
        Column("", [row.commonest for row in rows], drop=5, inks=failing),
    ]
    basis = "from the planned start" if report.basis == "latency" else "from the send"
    lines = lay_out(columns, width)
    if more := len(report.steps) - len(shown):
        rest = "1 more step is" if more == 1 else f"{format_count(more)} more steps are"
        lines.insert(1 + len(shown), [(f"  {rest} in the record", Ink.FAINT)])
    told = wrap(f"times in {scale.unit} {basis} to the last byte ({report.basis})", width - 2)
    lines += [[("  " + row, Ink.FAINT)] for row in told]
    return lines


def _least_name(names: Sequence[str], width: int) -> int:
    """Cells below which names are not cut: a quarter of all, or as many, up to a half, as it takes to tell them apart."""
    usual = max(14, width // 4)
    apart = (
        least
        for least in range(usual, width // 2 + 1)
        if len({squeeze(name, least) for name in names}) == len(set(names))
    )
    return next(apart, usual)


def _totals(report: Report, width: int) -> list[Line]:
    if not report.loaded:
        return []
    done, sent, users = report.iterations, report.transfer, report.users
    iterations = [f"{format_count(done.completed)} completed"]
    if done.failed:
        iterations.append(f"{format_count(done.failed)} raised an error")
    if done.interrupted:
        iterations.append(f"{format_count(done.interrupted)} interrupted")
    if done.dropped:
        iterations.append(f"{format_count(done.dropped)} dropped")
    if done.p95 == done.p95:
        iterations.append(f"p50 {format_ms(done.p50)}, p95 {format_ms(done.p95)}")
    vus = f"{format_count(users.most_active)} busy at most, {format_count(users.made)} made"
    lines = _labelled("iterations", iterations, width)
    if users.made:
        lines += _labelled(
            "VUs", [vus + (f", {format_count(users.allowed)} allowed" if users.allowed > users.made else "")], width
        )
    if sent.received or sent.sent:
        received = f"{format_bytes(sent.received)} received ({figure(sent.received_rate, 'bytes', 'rate')})"
        lines += _labelled(
            "transfer", [received, f"{format_bytes(sent.sent)} sent ({figure(sent.sent_rate, 'bytes', 'rate')})"], width
        )
    return lines


def _measures(rows: Sequence[MeasureRow], width: int) -> list[Line]:
    if not rows:
        return []
    figures = [[(name, figure(value, _unit(row, name), name)) for name, value in row.figures] for row in rows]
    columns = [Column("", [row.name for row in rows], least=14)]
    for place in range(max(len(each) for each in figures)):
        pairs = [each[place] if place < len(each) else ("", "") for each in figures]
        first, second = (max(len(pair[part]) for pair in pairs) for part in (0, 1))
        texts = [f"{left(name, first)} {right(value, second)}" if name else "" for name, value in pairs]
        columns.append(Column("", texts, drop=place))
    return lay_out(columns, width)


def _unit(row: MeasureRow, statistic: str) -> str:
    """The unit of one figure: how many passed is a count, whatever they are a share of."""
    if statistic in ("passes", "total") and row.unit == "share":
        return "count"
    return row.unit


def _checks(rows: Sequence[CheckRow], width: int) -> list[Line]:
    if not rows:
        return []
    passes, total = sum(row.passes for row in rows), sum(row.total for row in rows)
    failing = [row for row in rows if row.failed]
    shown = rows if len(rows) <= FEW_CHECKS else failing[:MOST_CHECKS]
    summary = f"{len(rows) - len(failing)} of {len(rows)} passed"
    times = f"{format_count(total)} times" + (f", {format_count(total - passes)} failed" if failing else "")
    lines = _labelled("checks", [summary, times], width)
    if len(failing) > len(shown):
        lines.append([(" " * _BODY + f"{len(failing) - len(shown)} more that failed less often", Ink.FAINT)])
    if not failing:
        return lines
    ordered = list(reversed(shown))
    inks = [Ink.BAD if row.failed else Ink.GOOD for row in ordered]
    return lines + lay_out(
        [
            Column("", ["✗ failed" if row.failed else "✓ ok" for row in ordered], inks=inks),
            Column("", [row.name for row in ordered], least=14),
            Column(
                "", [f"{format_count(row.failed)} of {format_count(row.total)}" for row in ordered], Align.RIGHT, drop=1
            ),
            Column("", [format_share(row.failed / row.total) for row in ordered], Align.RIGHT),
        ],
        width,
        indent=_indent(width),
    )


def _faults(rows: Sequence[FaultRow], width: int) -> list[Line]:
    if not rows:
        return []
    shown = list(reversed(rows[:MOST_FAULTS]))
    hidden = rows[MOST_FAULTS:]
    total = sum(row.count for row in rows)
    lines = _labelled(
        "errors", [f"{format_count(total)}, of {len(rows)} {'kind' if len(rows) == 1 else 'kinds'}"], width
    )
    if hidden:
        rest = f"{format_count(len(hidden))} more kinds, {format_count(sum(row.count for row in hidden))} errors"
        lines.append([(" " * _BODY + rest + ", are in the record", Ink.FAINT)])
    table = lay_out(
        [
            Column("", [format_count(row.count) for row in shown], Align.RIGHT, ink=Ink.BAD),
            Column("", [row.kind for row in shown], ink=Ink.BAD),
            Column("", [row.step for row in shown], least=14),
            Column("", [_when(row) for row in shown], drop=1, ink=Ink.FAINT),
        ],
        width,
        indent=_indent(width),
    )
    indent = _indent(width) + max(len(format_count(row.count)) for row in shown) + 2
    for row, line in zip(shown, table, strict=True):
        lines.append(line)
        lines += [[(" " * indent + text, Ink.FAINT)] for text in wrap(row.sample, width - indent)[:2] if text]
    return lines


def _when(row: FaultRow) -> str:
    first, last = format_clock(row.first), format_clock(row.last)
    return f"at {first}" if first == last else f"{first} to {last}"


def _limits(report: Report, width: int) -> list[Line]:
    rows = list(reversed(report.limits))
    if not rows:
        return []
    lines = _labelled("thresholds", [f"{report.holding} of {len(rows)} hold"], width)
    inks = [Ink.GOOD if row.passed else Ink.BAD for row in rows]
    return lines + lay_out(
        [
            Column("", [_state(row) for row in rows], inks=inks),
            Column("", [row.key for row in rows], least=14),
            Column("", [row.expression for row in rows], least=10),
            Column(
                "", [row.seen for row in rows], Align.RIGHT, inks=[Ink.PLAIN if row.passed else Ink.BAD for row in rows]
            ),
            Column("", [_used(row) for row in rows], Align.RIGHT, drop=1, ink=Ink.FAINT),
        ],
        width,
        indent=_indent(width),
    )


def _budgets(report: Report, width: int) -> list[Line]:
    if not report.budgets:
        return []
    kept = sum(row.passed for row in report.budgets)
    lines = _labelled("budgets", [f"{kept} of {len(report.budgets)} pass"], width)
    return lines + budget_lines(report.budgets, width, indent=_BODY if width == WIDEST else 2 * INDENT)


def _state(row: LimitRow) -> str:
    if row.passed:
        return "✓ ok"
    return "✗ broken" if row.measured else "? no data"


def _used(row: LimitRow) -> str:
    """How much of the limit was used, in whole per cent; never "100 %" for what holds, nor for what is broken."""
    if row.used is None:
        return ""
    if row.used >= 10.0:
        return f"{format_number(row.used)} times" if row.used < 1e6 else "far over"
    percent = row.used * 100.0
    if row.passed:
        return "<1 % used" if 0.0 < percent < 0.5 else f"{min(99, round(percent)) if percent < 100.0 else 100} % used"
    return f"{max(101, round(percent))} % used"


def _generator(report: Report, width: int) -> list[Line]:
    if not report.loaded:
        return []
    generator = report.generator
    word, ink = ("✓ ok", Ink.GOOD) if generator.healthy else ("✗ not trusted", Ink.BAD)
    pieces = [
        f"cpu {format_share(generator.cpu_share)} of one core",
        f"loop lag p99 {format_ms(generator.loop_lag_p99_ms)}",
    ]
    if generator.planned:
        pieces.append(f"{format_count(generator.achieved)} of {format_count(generator.planned)} planned starts")
    head: Line = [(" " * INDENT + left("generator", LABEL), Ink.FAINT), (word, ink)]
    rows = flow(pieces, width - _BODY - len(word) - 2)
    lines: list[Line] = [[*head, ("  " + rows[0], Ink.PLAIN)]]
    lines += [[(" " * (_BODY + len(word) + 2) + row, Ink.PLAIN)] for row in rows[1:]]
    for text in generator.asides:
        lines += [[(" " * _BODY + row, Ink.PLAIN)] for row in wrap(text, width - _BODY)]
    return lines


def _notes(report: Report, width: int) -> list[Line]:
    texts = [*report.notes, *([report.state_note] if report.state_note else [])]
    lines: list[Line] = []
    for number, text in enumerate(texts):
        lines += _labelled("note" if not number else "", wrap(text, width - _BODY), width, separator="\n")
    return lines


def _files(files: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Paths are never cut: they are there to be copied."""
    return _labelled("files", [path for _, path in files], width, separator="  ")


# -- parts


def _indent(width: int) -> int:
    """Where a section's table begins: below its text, or, where room is scarce, at the margin."""
    return _BODY if width >= 80 else 2 * INDENT


def _labelled(label: str, pieces: Sequence[str], width: int, *, separator: str = SEPARATOR) -> list[Line]:
    """`pieces` in the body of the page, with `label` in its margin. The separator "\\n" puts each on a line of its own."""
    rows = list(pieces) if separator == "\n" else flow(pieces, width - _BODY, separator)
    return [
        [(" " * INDENT + left(label if not number else "", LABEL), Ink.FAINT), (row, Ink.PLAIN)]
        for number, row in enumerate(rows)
    ]
