"""One thing measured again and again, until its figures are known well enough or time is up."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from loadgate.bench.machine import Machine
from loadgate.errors import LoadgateError
from loadgate.judge.stability import HostFacts, advice
from loadgate.measure.metric import Direction
from loadgate.measure.repetition import Policy
from loadgate.measure.spread import spread_of
from loadgate.record.repeated import Repeated, repeated_of
from loadgate.record.result import SeriesName
from loadgate.units import format_duration, format_share

Row = Mapping[SeriesName, float]
"""What one repetition gave; a figure that could not be measured is not in it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure that is followed. `decides`: it is repeated until this one is known, and told why it is not."""

    series: SeriesName
    unit: str
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """`once` measures all `figures` once. `cpu` are the CPU seconds it has used so far outside our own children."""

    name: str
    figures: tuple[Measured, ...]
    once: Callable[[], Awaitable[Row]]
    cpu: Callable[[], float] = lambda: 0.0
    asks: bool = False
    """Whether it sends requests to the target."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`interrupted`: somebody asked for an end; `error`: a repetition failed. What had been measured until then counts."""

    repeated: tuple[Repeated, ...]
    interrupted: bool = False
    error: LoadgateError | None = None


Sofar = Callable[[], tuple[Repeated, ...]]
"""What has been measured up to now."""


async def repeat(
    case: Case,
    policy: Policy,
    say: Callable[[str], None],
    keep: Callable[[Sofar], None] = lambda sofar: None,
    now: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Measure `case` as often as `policy` asks for, or until a repetition raises LoadgateError. `now` is in seconds.

    `keep` is called after each repetition that counts. A cancellation ends the repetition under way, not the caller.
    """
    machine = Machine()
    begun = now()
    rows: list[Row] = []
    interrupted = settled = False
    error: LoadgateError | None = None
    said = 0
    say(_announcement(case, policy))
    try:
        while True:
            rows.append(await case.once())
            counted = rows[policy.warmups :]
            if not counted:
                continue
            keep(partial(_figures, case, policy, counted))
            standing = policy.standing(_deciding(case, counted), now() - begun)
            if len(counted) in policy.sizes and not standing.enough:
                said = len(counted)
                say(_progress(case, counted, policy))
            if standing.enough:
                settled = standing.settled
                break
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        while task.cancelling():
            task.uncancel()
        interrupted = True
    except LoadgateError as failure:
        error = failure
    counted = rows[policy.warmups :]
    if counted and len(counted) != said:
        say(_progress(case, counted, policy))
    host = machine.facts(case.cpu())
    return Outcome(_figures(case, policy, counted, host, settled=settled), interrupted, error)


def _figures(
    case: Case, policy: Policy, rows: list[Row], host: HostFacts | None = None, *, settled: bool = False
) -> tuple[Repeated, ...]:
    """All that was measured in any of `rows`."""
    found = []
    for each in case.figures:
        values = _values(rows, each.series)
        if values:
            found.append(
                repeated_of(
                    each.series,
                    each.unit,
                    Direction.LOWER,
                    values,
                    warmups=policy.warmups,
                    settled=not each.decides or settled or policy.narrow(values),
                    advice=advice(values, host, width=policy.width) if each.decides else (),
                )
            )
    return tuple(found)


def _values(rows: list[Row], series: SeriesName) -> list[float]:
    return [row[series] for row in rows if series in row]


def _deciding(case: Case, rows: list[Row]) -> list[list[float]]:
    """The values of each figure that decides, without those that were never measured."""
    return [values for each in case.figures if each.decides and (values := _values(rows, each.series))]


def _announcement(case: Case, policy: Policy) -> str:
    """What whoever waits has to expect."""
    often = f"{policy.least:,}" if policy.least == policy.most else f"{policy.least:,} to {policy.most:,}"
    times = "time" if policy.most == 1 else "times"
    first = f", after {policy.warmups:,} to warm up" if policy.warmups else ""
    limit = f", none begun after {format_duration(policy.seconds)}" if math.isfinite(policy.seconds) else ""
    return f"{case.name}: to be measured {often} {times}{first}{limit}"


def _progress(case: Case, rows: list[Row], policy: Policy) -> str:
    """How far it has come, by the figure that is known least."""
    widths = [spread_of(values).width for values in _deciding(case, rows)]
    text = f"{case.name}: measured {len(rows):,} {'time' if len(rows) == 1 else 'times'}"
    if not widths or any(map(math.isnan, widths)):
        return text
    return f"{text}, 95 % interval {format_share(max(widths))} wide (wanted: {format_share(policy.width)})"
