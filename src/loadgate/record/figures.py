"""The figures of a run of our own that are worth following: each step and all steps together, per metric.

Times are the percentiles 50, 95 and 99, in an open model from the planned start as well; beside them the rate, the share
that failed, checks, and what the script's author measures. Errors come from the run's windows, joined to blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from loadgate.measure import estimate
from loadgate.measure.estimate import BLOCKS, EXCEEDANCES, Estimate
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window, merged
from loadgate.record.environment import Environment
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.run import Run, Series

PERCENTILES: Final = (50.0, 95.0, 99.0)


def result_of(run: Run) -> Result:
    """The figures of `run`."""
    return Result(
        id=run.id,
        tool="loadgate",
        name=run.definition.profile,
        started=run.started,
        commit=run.code.commit,
        branch=run.code.branch,
        machine=machine_of(run.environment),
        definition=run.definition.digest,
        word=run.verdict.word,
        figures=tuple(_figures(run)),
    )


def machine_of(environment: Environment) -> str:
    """The machine and the system it runs, in words: figures of two that differ in any of it are not comparable."""
    return ", ".join(part for part in (environment.machine, environment.image) if part)


def _figures(run: Run) -> Iterator[Figure]:
    blocks = into_blocks(run.windows)
    for protocol in PROTOCOLS:
        for metric in (protocol.count, protocol.failed, protocol.service, protocol.latency):
            yield from figures_of(run.series, blocks, metric, by_step=True)
    known = {name for protocol in PROTOCOLS for name in (protocol.count, protocol.failed)}
    own = {series.metric.name for series in run.series if series.metric.name not in BUILTIN}
    for metric in ["checks", *sorted(own - known)]:
        yield from figures_of(run.series, blocks, metric, by_step=False)


def figures_of(
    series: Sequence[Series], blocks: Sequence[Window], metric: str, *, by_step: bool, mean: bool = False
) -> Iterator[Figure]:
    """The figures of `metric` over all steps, then those of each step: `series` are what the tallies in `blocks` are of.

    `mean`: of times the mean, too, which other tools' users follow.
    """
    numbers = [number for number, own in enumerate(series) if own.metric.name == metric]
    steps: dict[str, list[int]] = {"": numbers}
    for number in numbers if by_step else ():
        step = series[number].tags.get("name", "(unnamed)")
        if step:
            steps.setdefault(step, []).append(number)
    for step, own in steps.items():
        rows = [merged(block.tallies, own) for block in blocks]
        if any(row is not None for row in rows):
            yield from _of_series(series[own[0]].metric, step, rows, [block.width for block in blocks], mean)


def _of_series(
    metric: Metric, step: str, rows: Sequence[Tally | None], seconds: Sequence[float], mean: bool
) -> Iterator[Figure]:
    def figure(statistic: str, unit: str, found: Estimate, direction: Direction = metric.direction) -> Figure:
        return Figure(SeriesName(step, metric.name, statistic), unit, direction, found)

    if metric.kind is Kind.TREND:
        histograms = [row.histogram if isinstance(row, TrendTally) else Histogram() for row in rows]
        for p, found in zip(PERCENTILES, estimate.percentiles(histograms, PERCENTILES), strict=True):
            if found.count * (1.0 - p / 100.0) >= EXCEEDANCES or p == PERCENTILES[0]:
                yield figure(f"p{p:g}", metric.unit, found)
        if mean:
            yield figure("avg", metric.unit, estimate.average(histograms))
    elif metric.kind is Kind.RATE:
        rates = [row if isinstance(row, RateTally) else RateTally() for row in rows]
        yield figure("share", "share", estimate.share([row.passes for row in rates], [row.total for row in rates]))
    elif metric.kind is Kind.COUNTER:
        counts = [row.total if isinstance(row, CounterTally) else 0.0 for row in rows]
        yield figure("rate", f"{_plain(metric.unit)}/s", estimate.rate(counts, seconds))
    else:
        last = [row for row in rows if isinstance(row, GaugeTally)][-1]
        yield figure("", metric.unit, Estimate(last.last, count=1))


def into_blocks(windows: Sequence[Window], most: int = BLOCKS) -> list[Window]:
    """The windows after the warm-up joined to at most `most` blocks of about the same length."""
    counted = [window for window in windows if not window.warmup]
    if not counted:
        return []
    begin, length = counted[0].start, counted[-1].end - counted[0].start
    blocks: dict[int, Window] = {}
    for window in counted:
        middle = (window.start + window.end) / 2.0 - begin
        at = min(most - 1, int(middle / length * most))
        held = blocks.get(at)
        blocks[at] = window if held is None else held.joined(window)
    return list(blocks.values())


def _plain(unit: str) -> str:
    return "1" if unit in ("", "count") else unit
