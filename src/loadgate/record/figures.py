"""The figures of a run of our own that are worth following: each step and all steps together, per metric.

Times are the percentiles 50, 95 and 99, in an open model from the planned start as well; beside them the rate, the share
that failed, checks, and what the script's author measures. Errors come from the run's windows, joined to blocks.

Of the target itself: CPU per request, the most memory it had, and the median of each figure that was measured repeatedly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from loadgate.measure import estimate
from loadgate.measure.estimate import BLOCKS, EXCEEDANCES, Estimate
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window, merged
from loadgate.record.environment import Environment
from loadgate.record.repeated import Repeated
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
        figures=tuple(figures_in(run.series, run.windows, run.repeated)),
    )


def machine_of(environment: Environment) -> str:
    """The machine and the system it runs, in words: figures of two that differ in any of it are not comparable."""
    return ", ".join(part for part in (environment.machine, environment.image) if part)


def figures_in(series: Sequence[Series], windows: Sequence[Window], repeated: Sequence[Repeated]) -> Iterator[Figure]:
    """The figures of what was measured, as parts of a run: `series` are what the tallies in `windows` are of."""
    blocks = into_blocks(windows)
    for protocol in PROTOCOLS:
        for metric in (protocol.count, protocol.failed, protocol.service, protocol.latency):
            yield from figures_of(series, blocks, metric, by_step=True)
    known = {name for protocol in PROTOCOLS for name in (protocol.count, protocol.failed)}
    own = {each.metric.name for each in series if each.metric.name not in BUILTIN}
    for metric in ["checks", *sorted(own - known)]:
        yield from figures_of(series, blocks, metric, by_step=False)
    yield from _of_target(series, blocks)
    yield from (_median(each) for each in repeated if math.isfinite(each.spread.median))


def _of_target(series: Sequence[Series], blocks: Sequence[Window]) -> Iterator[Figure]:
    """What the target itself took, where it was watched."""
    cpu = _numbers(series, {"target_cpu"})
    requests = _numbers(series, {protocol.count for protocol in PROTOCOLS})
    pairs = _with_requests([(_count(block, cpu), _count(block, requests)) for block in blocks])
    if pairs and any(_has(block, cpu) for block in blocks):
        per_request = estimate.rate([used * 1e6 for used, _ in pairs], [count for _, count in pairs])
        found = replace(per_request, count=round(sum(count for _, count in pairs)))
        yield Figure(SeriesName("", "target_cpu_per_request", ""), "us", Direction.LOWER, found)
    for number in _numbers(series, {"target_memory"}):
        memory = series[number].total
        if isinstance(memory, GaugeTally):
            name = SeriesName("", "target_memory", "max")
            yield Figure(name, "bytes", Direction.LOWER, Estimate(memory.maximum, count=1))


def _numbers(series: Sequence[Series], metrics: AbstractSet[str]) -> list[int]:
    return [number for number, own in enumerate(series) if own.metric.name in metrics]


def _with_requests(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """CPU and requests of blocks, those without requests joined to a neighbour: what is spent between requests counts too."""
    found: list[tuple[float, float]] = []
    idle = 0.0
    for used, count in pairs:
        if count:
            found.append((used + idle, count))
            idle = 0.0
        else:
            idle += used
    if found and idle:
        found[-1] = (found[-1][0] + idle, found[-1][1])
    return found


def _count(block: Window, numbers: list[int]) -> float:
    tally = merged(block.tallies, numbers)
    return tally.total if isinstance(tally, CounterTally) else 0.0


def _has(block: Window, numbers: list[int]) -> bool:
    return any(number in block.tallies for number in numbers)


def _median(repeated: Repeated) -> Figure:
    """The median of what was measured repeatedly; its error is that of its interval, unknown where there is none."""
    spread = repeated.spread
    kept = spread.count - spread.outliers
    found = estimate.interval(spread.median, spread.low, spread.high, freedom=max(0.0, kept - 1.0))
    return Figure(repeated.series, repeated.unit, repeated.direction, replace(found, count=spread.count))


def figures_of(
    series: Sequence[Series], blocks: Sequence[Window], metric: str, *, by_step: bool, mean: bool = False
) -> Iterator[Figure]:
    """The figures of `metric` over all steps, then those of each step: `series` are what the tallies in `blocks` are of.

    `mean`: of times the mean, too, which other tools' users follow.
    """
    numbers = _numbers(series, {metric})
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
