"""What a run of any tool left to compare: figures of named series. Every importer makes one, and so does a run of our own.

A `Result` is what history keeps and what a comparison takes; the run record behind it holds the histograms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.verdict import Word


class SeriesName(NamedTuple):
    """What is followed from run to run. `step` is "" for all steps together, `statistic` "" where the metric is one number.

    As a text: "GET /users: http_req_duration p95", "http_req_failed share", "parse/1000".
    """

    step: str
    metric: str
    statistic: str

    @property
    def words(self) -> str:
        """As part of a sentence: "http_req_duration p95 of GET /users"."""
        name = str(self._replace(step=""))
        return f"{name} of {self.step}" if self.step else name

    def __str__(self) -> str:
        name = " ".join(part for part in (self.metric, self.statistic) if part)
        return f"{self.step}: {name}" if self.step else name


class Figure(msgspec.Struct, frozen=True, gc=False):
    """One figure of one run. `unit` is "ms", "s", "ns", "bytes", "share", "1/s", "count" or what its tool says."""

    series: SeriesName
    unit: str
    direction: Direction
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of one run and where they come from. What is not known is "" (`started`: 0)."""

    id: str
    """The run's own, or a digest of the file it was read from: the same file is the same result."""
    tool: str
    """Who measured: "loadgate", "k6", "pyperf", ..."""
    name: str
    """What was run: a profile, a script, a suite. Series of different names are different series."""
    started: float
    """Unix seconds."""
    commit: str
    branch: str
    machine: str
    """The machine in words. Results of different ones are not compared without saying so."""
    definition: str
    """Digest of what was measured and how."""
    word: Word | None
    """What was decided about the run; None where nobody did."""
    figures: tuple[Figure, ...]
