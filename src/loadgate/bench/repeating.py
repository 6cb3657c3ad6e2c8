"""One thing measured again and again, until its figures are known well enough or time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loadgate.bench.machine import Machine
from loadgate.judge.stability import advice
from loadgate.measure.metric import Direction
from loadgate.measure.repetition import Policy
from loadgate.measure.spread import spread_of
from loadgate.record.repeated import Repeated, repeated_of
from loadgate.record.result import SeriesName
from loadgate.units import format_share

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """`interrupted`: somebody asked for an end; what had been measured counts."""

    repeated: tuple[Repeated, ...]
    interrupted: bool


async def repeat(case: Case, policy: Policy, say: Callable[[str], None]) -> Outcome:
    """Measure `case` as often as `policy` asks for. Raises what `case.once` does.

    A cancellation ends the repetition under way, not the caller.
    """
    machine = Machine()
    begun = time.perf_counter()
    rows: list[Row] = []
    interrupted = settled = False
    said = 0
    try:
        while True:
            rows.append(await case.once())
            counted = rows[policy.warmups :]
            if not counted:
                continue
            deciding = [_values(counted, each.series) for each in case.figures if each.decides]
            standing = policy.standing([values for values in deciding if values], time.perf_counter() - begun)
            if len(counted) in policy.sizes and not standing.enough:
                said = len(counted)
                say(_progress(case, deciding[0], policy))
            if standing.enough:
                settled = standing.settled
                break
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        while task.cancelling():
            task.uncancel()
        interrupted = True
    counted = rows[policy.warmups :]
    if counted and len(counted) != said:
        say(_progress(case, _values(counted, next(each.series for each in case.figures if each.decides)), policy))
    host = machine.facts(case.cpu())
    found = []
    for each in case.figures:
        values = _values(counted, each.series)
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
    return Outcome(tuple(found), interrupted)


def _values(rows: list[Row], series: SeriesName) -> list[float]:
    return [row[series] for row in rows if series in row]


def _progress(case: Case, values: list[float], policy: Policy) -> str:
    spread = spread_of(values)
    sure = f", known to {format_share(spread.width)}" if spread.width == spread.width else ""
    return f"{case.name}: {len(values)} repetitions{sure} (wanted: {format_share(policy.width)})"
