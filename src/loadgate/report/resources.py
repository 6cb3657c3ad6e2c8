"""What the target used, as it was watched from outside: processor, memory, threads, files, disk, network.

Only what was read is shown; what was not read is named with the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import CounterTally, GaugeTally
from loadgate.measure.windows import Window, merged
from loadgate.record.run import Run
from loadgate.report.figures import figure
from loadgate.report.style import Ink, Line, flow, left, wrap
from loadgate.units import format_duration, format_ms, format_number, format_share

READINGS: Final = 5
"""Readings that a stretch must hold before its CPU share means something: one more or less falls in by chance."""

_MARGIN: Final = 14
_NAME: Final = 10


@dataclass(frozen=True, slots=True)
class ResourceFigure:
    """`value` in `unit` ("cores", "ms", "bytes", "count"), which stands for `{}` in `words`: "at most {} over 5s"."""

    value: float
    unit: str
    words: str = "{}"


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """What is known of one resource."""

    name: str
    figures: tuple[ResourceFigure, ...]


@dataclass(frozen=True, slots=True)
class Resources:
    """All of it. `what` was watched, `every` so many seconds (0: not known), at `probe_cpu_share` of one core."""

    what: str
    rows: tuple[ResourceRow, ...]
    unread: tuple[str, ...]
    every: float
    probe_cpu_share: float
    output: tuple[str, ...] = ()
    """The last it printed, if it died."""


def resources_of(run: Run) -> Resources | None:
    """What a run says of its target's resources; None where nothing was watched."""
    subject = run.subject
    rows = tuple(
        ResourceRow(name, figures)
        for name, found in (
            ("CPU", _cpu(run)),
            ("memory", _memory(run)),
            ("threads", _threads(run)),
            ("disk", _bytes(run, "target_disk_read", "target_disk_written", ("{} read", "{} written"))),
            ("network", _bytes(run, "target_net_received", "target_net_sent", ("{} received", "{} sent"))),
            ("kernel", _kernel(run)),
        )
        if (figures := tuple(found))
    )
    if subject is None:
        return Resources("", rows, (), 0.0, 0.0) if rows else None
    return Resources(subject.what, rows, subject.unread, subject.every, subject.probe_cpu_share, subject.output)


def resource_lines(resources: Resources | None, width: int) -> list[Line]:
    """The section "target"."""
    if resources is None:
        return []
    margin = _MARGIN if width >= 80 else 4
    body = width - margin
    what = wrap(resources.what, width - _MARGIN) if resources.what else [""]
    lines: list[Line] = [
        [("  " + left("target" if not at else "", _MARGIN - 2), Ink.FAINT), (row, Ink.PLAIN)]
        for at, row in enumerate(what)
    ]
    for each in resources.rows:
        pieces = [one.words.replace("{}", _text(one)) for one in each.figures]
        for at, row in enumerate(flow(pieces, body - _NAME)):
            name = left(each.name if not at else "", _NAME)
            lines.append([(" " * margin + name, Ink.FAINT), (row, Ink.PLAIN)])
    if resources.unread:
        for row in wrap("not read: " + "; ".join(resources.unread), body):
            lines.append([(" " * margin + row, Ink.FAINT)])
    if resources.every:
        cost = f"watched every {format_duration(resources.every)}, for {format_share(resources.probe_cpu_share)} of one core"
        lines += [[(" " * margin + row, Ink.FAINT)] for row in wrap(cost, body)]
    if resources.output:
        lines.append([(" " * margin + "the last it printed:", Ink.FAINT)])
        lines += [[(" " * margin + "  " + row, Ink.BAD)] for line in resources.output for row in wrap(line, body - 2)]
    return lines


def _text(one: ResourceFigure) -> str:
    if one.unit == "cores":
        return f"{format_number(one.value)} {'core' if one.value == 1.0 else 'cores'}"
    if one.unit == "ms":
        return format_ms(one.value)
    if one.unit == "":
        return format_number(one.value)
    return figure(one.value, one.unit)


# -- rows


def _cpu(run: Run) -> Iterator[ResourceFigure]:
    total = _sum(run, "target_cpu")
    if total is not None and run.measured_seconds > 0.0:
        yield ResourceFigure(total / run.measured_seconds, "cores", "{} on average")
        busiest = _busiest(run, run.subject.every if run.subject is not None else 0.0)
        if busiest is not None:
            yield busiest
        requests = requests_of(run)
        if requests:
            yield ResourceFigure(total * 1e3 / requests, "ms", "{} per request")
    throttled = _sum(run, "target_throttled")
    if throttled:
        yield ResourceFigure(throttled * 1e3, "ms", "held back for {} by its quota")


def _busiest(run: Run, every: float) -> ResourceFigure | None:
    """The greatest CPU share of any stretch of the run that is long enough to tell."""
    least = READINGS * (every or 1.0)
    stretches = joined([window for window in run.windows if not window.warmup], least)
    numbers = run.find("target_cpu")
    shares = [
        tally.total / stretch.width
        for stretch in stretches
        if isinstance(tally := merged(stretch.tallies, numbers), CounterTally)
    ]
    if len(stretches) < 2 or not shares:
        return None
    return ResourceFigure(max(shares), "cores", f"at most {{}} over {format_duration(round(stretches[0].width))}")


def joined(windows: Sequence[Window], least: float) -> list[Window]:
    """Neighbours joined until each is `least` seconds long; what is left over goes with the last."""
    found: list[Window] = []
    open_ = False
    for window in windows:
        if open_:
            found[-1] = found[-1].joined(window)
        else:
            found.append(window)
        open_ = found[-1].width < least * (1.0 - 1e-3)
    if open_ and len(found) > 1:
        short = found.pop()
        found[-1] = found[-1].joined(short)
    return found


def _memory(run: Run) -> Iterator[ResourceFigure]:
    resident, shared, peak = (_gauge(run, f"target_memory{name}") for name in ("", "_pss", "_peak"))
    if resident is not None:
        yield ResourceFigure(resident.last, "bytes", "{} at the end")
        yield ResourceFigure(resident.maximum, "bytes", "{} at most")
    if shared is not None:
        yield ResourceFigure(shared.maximum, "bytes", "{} with shared pages divided (PSS)")
    if peak is not None and (resident is None or peak.maximum > resident.maximum):
        yield ResourceFigure(peak.maximum, "bytes", "{} at its peak")


def _threads(run: Run) -> Iterator[ResourceFigure]:
    for metric, words in (
        ("target_threads", "{} at most"),
        ("target_processes", "in {} processes"),
        ("target_open_files", "{} open files"),
    ):
        tally = _gauge(run, metric)
        if tally is not None:
            yield ResourceFigure(
                tally.maximum, "count", "in 1 process" if words == "in {} processes" and tally.maximum == 1 else words
            )


def _bytes(run: Run, first: str, second: str, words: tuple[str, str]) -> Iterator[ResourceFigure]:
    for metric, text in zip((first, second), words, strict=True):
        total = _sum(run, metric)
        if total is not None:
            yield ResourceFigure(total, "bytes", text)


def _kernel(run: Run) -> Iterator[ResourceFigure]:
    requests = requests_of(run)
    switches, faults, major = (
        _sum(run, f"target_{name}") for name in ("context_switches", "page_faults", "major_faults")
    )
    if switches is not None:
        yield ResourceFigure(switches, "count", "{} context switches")
        if requests:
            yield ResourceFigure(switches / requests, "", "{} per request")
    if faults is not None:
        yield ResourceFigure(faults, "count", "{} page faults")
    if major is not None:
        yield ResourceFigure(major, "count", "{} from disk" if faults is not None else "{} page faults from disk")


def requests_of(run: Run) -> float:
    """Requests of all protocols since the end of the warm-up."""
    counts = (_sum(run, protocol.count) for protocol in PROTOCOLS)
    return math.fsum(count for count in counts if count is not None)


def _sum(run: Run, metric: str) -> float | None:
    tally = run.total(metric)
    return tally.total if isinstance(tally, CounterTally) else None


def _gauge(run: Run, metric: str) -> GaugeTally | None:
    tally = run.total(metric)
    return tally if isinstance(tally, GaugeTally) else None
