"""A change point somebody looked at and said why it is there, so that it is not reported again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadgate.record.result import SeriesName
from loadgate.store.database import Row, Value


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Of the change of `series` of what `tool` measured as `name`, from the run with id `run` on.

    Times are Unix seconds; `expires` None: never.
    """

    tool: str
    name: str
    series: SeriesName
    run: str
    commit: str
    reason: str
    author: str
    created: float
    expires: float | None = None

    def holds(self, now: float) -> bool:
        return self.expires is None or now < self.expires

    @property
    def key(self) -> tuple[str, ...]:
        """What it is of: there is one for each."""
        return (self.tool, self.name, *self.series, self.run)


KEY: Final = ("tool", "name", "step", "metric", "statistic", "run")
COLUMNS: Final = (*KEY, "code", "reason", "author", "created", "expires")


def row_of(acknowledgement: Acknowledgement) -> list[Value]:
    a = acknowledgement
    return [*a.key, a.commit, a.reason, a.author, a.created, a.expires]


def acknowledgement_of(row: Row) -> Acknowledgement:
    tool, name, step, metric, statistic, *rest = row
    return Acknowledgement(tool, name, SeriesName(step, metric, statistic), *rest)
