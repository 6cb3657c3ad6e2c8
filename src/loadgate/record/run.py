"""One run, whole: what was asked for, what was measured, what was decided. Frozen; made by the session or read from a file.

Times of the run are seconds since its start, metric values that are times are milliseconds, shares 0 to 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from loadgate.measure.errors import ErrorCount
from loadgate.measure.health import Health, HealthSample
from loadgate.measure.metric import Metric
from loadgate.measure.tally import Tally, merge_into
from loadgate.measure.windows import Window, merged
from loadgate.record.comparison import Comparison
from loadgate.record.environment import Code, Environment
from loadgate.record.repeated import Repeated
from loadgate.record.verdict import BudgetResult, ThresholdResult, Verdict


class RunState(StrEnum):
    """How far a run came. A record that says `running` was left by a process that was killed."""

    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"
    """Stopped by a threshold with abortOnFail."""


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load and what became of its iterations. `planned` counts those due so far: all were started or dropped."""

    name: str
    executor: str
    summary: str
    """The load in words: "10 VUs for 30s"."""
    started: int
    completed: int
    interrupted: int
    dropped: int
    vus: int
    """VUs that were made."""
    max_vus: int
    stopped: int = 0
    """Iterations that ended their user: it had nothing more to do (StopUser, a unique feeder that is used up)."""
    start: float = 0.0
    length: float = 0.0
    """Planned seconds from its start to its last possible new iteration; 0: a record from before this was kept."""

    @property
    def end(self) -> float:
        """Planned seconds from the start of the run to its last possible new iteration; 0: not known."""
        return self.start + self.length if self.length else 0.0

    @property
    def planned(self) -> int:
        return self.started + self.dropped


@dataclass(frozen=True, slots=True)
class Series:
    """A metric under a set of tags, and all its samples since the end of the warm-up (None: there were none)."""

    metric: Metric
    tags: Mapping[str, str]
    total: Tally | None


@dataclass(frozen=True, slots=True)
class Definition:
    """What was asked for. `digest` changes with anything that changes what is measured."""

    profile: str
    script: str
    target: str
    """URL, without secrets."""
    warmup: float
    seed: int
    planned_duration: float
    digest: str
    command: str
    """The command line, without secrets."""


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """What was watched from outside while it was under load."""

    what: str
    """In words, without secrets: "python app.py, process 4711", "container 3f2a...", "unit web.service"."""
    unread: tuple[str, ...] = ()
    """What could not be read and why, each a short sentence."""
    probe_cpu_share: float = 0.0
    """Share of a core that the watching itself took."""
    every: float = 0.0
    """Seconds between two readings."""
    output: tuple[str, ...] = ()
    """The last lines it printed, where it ended though nobody asked it to."""


@dataclass(frozen=True, slots=True)
class Run:
    """`series` are numbered by their place; `windows` refer to them by that number."""

    id: str
    state: RunState
    started: float
    """Unix seconds."""
    duration: float
    definition: Definition
    environment: Environment
    code: Code
    loads: tuple[LoadRecord, ...]
    series: tuple[Series, ...]
    windows: tuple[Window, ...]
    errors: tuple[ErrorCount, ...]
    health: Health
    health_samples: tuple[HealthSample, ...]
    thresholds: tuple[ThresholdResult, ...]
    verdict: Verdict
    notes: tuple[str, ...] = field(default=())
    """What a reader should know besides: names that overflowed, why a run was aborted."""
    comparison: Comparison | None = None
    """With the baseline, if one was asked for and there."""
    subject: SubjectRecord | None = None
    """The program that was watched, if one was."""
    repeated: tuple[Repeated, ...] = ()
    """What was measured again and again: start-ups, benchmarks."""
    budgets: tuple[BudgetResult, ...] = ()

    @property
    def measured_seconds(self) -> float:
        """Seconds after the warm-up."""
        return max(0.0, self.duration - self.definition.warmup)

    def seconds_of(self, names: Collection[str]) -> float:
        """Measured seconds in which a load with one of `names` ran. Loads that were to end last ran as long as the run did."""
        loads = [load for load in self.loads if load.name in names]
        if len(loads) < len(names) or not all(load.length for load in self.loads):
            return self.measured_seconds
        last = max(load.end for load in self.loads)
        seconds, at = 0.0, self.definition.warmup
        for start, end in sorted((load.start, self.duration if load.end == last else load.end) for load in loads):
            at = max(at, start)
            if (until := min(end, self.duration)) > at:
                seconds += until - at
                at = until
        return seconds

    def find(self, metric: str, tags: Mapping[str, str] | None = None) -> list[int]:
        """Numbers of the series of `metric` that have all of `tags`."""
        wanted = (tags or {}).items()
        return [
            number
            for number, series in enumerate(self.series)
            if series.metric.name == metric and all(series.tags.get(tag) == value for tag, value in wanted)
        ]

    def total(self, metric: str, tags: Mapping[str, str] | None = None) -> Tally | None:
        """All samples of `metric` under `tags`, merged; None where there are none."""
        tallies: dict[int, Tally] = {}
        for number in self.find(metric, tags):
            tally = self.series[number].total
            if tally is not None:
                merge_into(tallies, 0, tally)
        return tallies.get(0)

    def over_time(self, numbers: Iterable[int]) -> list[Tally | None]:
        """What each window holds of the series `numbers`, merged."""
        wanted = list(numbers)
        return [merged(window.tallies, wanted) for window in self.windows]
