"""What importers share: a result with what is not known left out, and times of day as tools write them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word


def foreign_result(
    source: Source,
    tool: str,
    figures: Iterable[Figure],
    *,
    id: str = "",
    name: str = "",
    started: float | None = None,
    commit: str = "",
    branch: str = "",
    machine: str = "",
    definition: str = "",
    word: Word | None = None,
) -> Result:
    """A result read from `source`. Figures without a value are left out: what was not measured is not there.

    `name` comes from the contents, never from the file's name: that may be another one each time.
    """
    measured = tuple(figure for figure in figures if math.isfinite(figure.estimate.value))
    seen: set[SeriesName] = set()
    for figure in measured:
        if figure.series in seen:
            raise source.bad(f"`{figure.series}` is in it twice: which of the two is meant cannot be told")
        seen.add(figure.series)
    begun = source.modified if started is None or not math.isfinite(started) else started
    return Result(id or source.digest, tool, name, begun, commit, branch, machine, definition, word, measured)


def benchmark(name: str, statistic: str, unit: str, found: Estimate, direction: Direction = Direction.LOWER) -> Figure:
    """A figure of the benchmark `name`."""
    return Figure(SeriesName("", name, statistic), unit, direction, found)


def in_words(*parts: str) -> str:
    """What is known of a machine: "AMD EPYC 7763, 4 cpus, linux x86_64"."""
    return ", ".join(part.strip() for part in parts if part.strip())


def cpus(count: float | None) -> str:
    return f"{count:g} cpu{'' if count == 1 else 's'}" if count else ""


def moment(text: str) -> float | None:
    """Unix seconds of a date and time in ISO 8601, also with a space for the T; without a zone it is UTC.

    UTC, because a file must not change its meaning with the zone of its reader. None: `text` is none.
    """
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
