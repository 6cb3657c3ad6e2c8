"""What is to be seen while a run goes on: a model that takes in windows and gives a frame for each.

The model merges each window once into what it keeps, so that an update costs the same after an hour as after a minute.
Figures "run so far" leave the warm-up out as soon as it is over, as the record does.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from loadgate.config.load import Executor, LoadSpec
from loadgate.measure.errors import ErrorLog
from loadgate.measure.health import Health, HealthSample, judge_health
from loadgate.measure.histogram import Histogram
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.recorder import SeriesKey
from loadgate.measure.tally import CounterTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from loadgate.record.redact import redact_name
from loadgate.record.verdict import ThresholdResult
from loadgate.report.figures import figure
from loadgate.report.frame import ErrorGlance, Frame, FrameRow, FrameStep
from loadgate.report.stages import stage_at, stage_spans
from loadgate.report.steps import failure_of

COLUMNS: Final = 20
SHORTEST_COLUMN: Final = 0.25
LONGEST_COLUMN: Final = 3.0
"""Seconds. The history is 20 columns at fixed times, so that one that is complete never changes again: the whole of a run of
up to a minute, the last minute of a longer one."""

HEALTH_SPAN: Final = 10.0
"""Seconds the line about the generator looks back."""

MOST_STEPS: Final = 6
MOST_TRACKED: Final = 100
"""Steps kept apart; a scenario that makes up names by the thousand must not cost the run its time."""

_LEVELS: Final = (50.0, 95.0, 99.0)


@dataclass(slots=True)
class _Sum:
    """Requests of a stretch of time."""

    seconds: float = 0.0
    requests: float = 0.0
    failed: int = 0
    judged: int = 0
    times: Histogram = field(default_factory=Histogram)

    def add(self, other: _Sum) -> None:
        self.seconds += other.seconds
        self.requests += other.requests
        self.failed += other.failed
        self.judged += other.judged
        self.times.merge(other.times)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds > 0.0 else float("nan")

    @property
    def share(self) -> float:
        return self.failed / self.judged if self.judged else float("nan")


@dataclass(slots=True)
class _StepSum:
    protocol: str
    name: str
    requests: float = 0.0
    failed: int = 0
    times: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class _Slot:
    """One column of the history. Percentiles are the highest of its windows: they cannot be averaged."""

    index: int
    seconds: float = 0.0
    requests: float = 0.0
    failed: int = 0
    judged: int = 0
    highest: list[float] = field(default_factory=lambda: [-1.0] * len(_LEVELS))


@dataclass(frozen=True, slots=True)
class _Role:
    """What a series is to this view. `status` names replies that nobody expected, which the error log does not hold."""

    protocol: str
    step: str
    status: str = ""
    iterations: bool = False


class LiveModel:
    """Takes in the windows of one run, in order. `warmup` and what `loads` plan are in seconds."""

    def __init__(self, *, profile: str, target: str, loads: Sequence[LoadSpec], warmup: float = 0.0) -> None:
        self._profile = profile
        self._target = target
        self._warmup = warmup
        self._spans = stage_spans(loads)
        self._planned = max((load.end for load in loads), default=0.0)
        self._column = min(LONGEST_COLUMN, max(SHORTEST_COLUMN, self._planned / COLUMNS))
        self._goal = (
            sum(_iterations(load) for load in loads) if loads and all(load.executor.counted for load in loads) else None
        )
        self._open_model = any(load.executor.open_model for load in loads)
        self._roles: dict[int, _Role | None] = {}
        self._total = _Sum()
        self._steps: dict[tuple[str, str], _StepSum] = {}
        self._slots: deque[_Slot] = deque(maxlen=COLUMNS)
        self._health: deque[HealthSample] = deque()
        self._warming = warmup > 0.0
        self._statuses: Counter[tuple[str, str]] = Counter()
        self._done = 0
        self._dropped = 0

    def update(
        self,
        window: Window,
        health: HealthSample,
        *,
        active: int,
        thresholds: Sequence[ThresholdResult],
        errors: ErrorLog,
        series: Callable[[int], SeriesKey],
    ) -> Frame:
        """Take in the window that just ended, and say what is to be seen now.

        `active` VUs are in the middle of an iteration; `thresholds` are judged on the run so far; `series` describes the
        ids in the window (`Recorder.describe`).
        """
        if self._warming and not window.warmup:
            self._warming = False
            self._total = _Sum()
            self._steps.clear()
        now = self._take(window, series)
        levels = now.times.percentiles(_LEVELS)
        self._remember(window, now, levels)
        self._dropped += health.dropped
        return self._frame(window, health, now, levels, active, thresholds, errors)

    # -- taking in

    def _take(self, window: Window, series: Callable[[int], SeriesKey]) -> _Sum:
        now = _Sum(seconds=window.width)
        roles = self._roles
        for number, tally in window.tallies.items():
            role = roles.get(number)
            if role is None:
                if number in roles:
                    continue
                role = roles[number] = _role(series(number), open_model=self._open_model)
                if role is None:
                    continue
            if role.iterations:
                self._done += round(tally.total) if isinstance(tally, CounterTally) else 0
                continue
            if role.status and isinstance(tally, RateTally):
                self._statuses[role.status, role.step] += tally.passes
            _add(now, tally)
            step = self._step(role)
            if step is not None:
                _add(step, tally)
        self._total.add(now)
        return now

    def _step(self, role: _Role) -> _StepSum | None:
        key = (role.protocol, role.step)
        step = self._steps.get(key)
        if step is None and len(self._steps) < MOST_TRACKED:
            step = self._steps[key] = _StepSum(*key)
        return step

    def _remember(self, window: Window, now: _Sum, levels: Sequence[float]) -> None:
        index = int(max(0.0, (window.start + window.end) / 2.0) // self._column)
        if not self._slots or self._slots[-1].index != index:
            self._slots.append(_Slot(index))
        slot = self._slots[-1]
        slot.seconds += window.width
        slot.requests += now.requests
        slot.failed += now.failed
        slot.judged += now.judged
        if now.times.count:
            slot.highest = [max(old, new) for old, new in zip(slot.highest, levels, strict=True)]

    # -- saying

    def _frame(
        self,
        window: Window,
        health: HealthSample,
        now: _Sum,
        levels: Sequence[float],
        active: int,
        thresholds: Sequence[ThresholdResult],
        errors: ErrorLog,
    ) -> Frame:
        elapsed = window.end
        stage = stage_at(self._spans, elapsed)
        steps = sorted(self._steps.values(), key=lambda step: (-step.failed, -step.requests))
        judged = self._judge(health)
        open_window = self._open_model and window.width > 0.0
        frame = Frame(
            profile=self._profile,
            target=self._target,
            elapsed=elapsed,
            planned=self._planned,
            progress=self._progress(elapsed),
            goal=self._goal,
            done=self._done,
            stage=stage + 1,
            stages=len(self._spans),
            stage_text=self._spans[stage].text if stage >= 0 else "",
            phase="warm-up" if window.warmup else "finishing" if elapsed > self._planned + 0.5 else "",
            basis="latency" if self._open_model else "service time",
            column=self._column,
            rows=self._rows(now, levels, thresholds),
            steps=tuple(
                FrameStep(
                    step.protocol,
                    step.name,
                    step.requests / self._total.seconds if self._total.seconds else float("nan"),
                    step.times.percentile(95.0),
                    step.failed,
                )
                for step in steps[:MOST_STEPS]
            ),
            more_steps=max(0, len(steps) - MOST_STEPS),
            active=active,
            starts=(health.started / window.width, health.planned / window.width) if open_window else None,
            dropped=self._dropped,
            healthy=judged.healthy,
            cpu_share=health.cpu_share,
            loop_lag_ms=health.loop_lag_ms,
            health_text=next(iter((*judged.reasons, judged.missed, *judged.warnings)), ""),
            holding=sum(result.passed for result in thresholds if result.measured),
            judged=sum(result.measured for result in thresholds),
            broken=tuple(
                f"{result.key} {result.expression}: {figure(result.observed, result.unit, result.statistic)}"
                for result in thresholds
                if result.measured and not result.passed
            ),
            errors=self._glance(errors),
        )
        return _without_secrets(frame)

    def _glance(self, errors: ErrorLog) -> ErrorGlance | None:
        most = [(found.count, found.kind, found.step) for found in islice(errors, 1)]
        most += [(count, kind, step) for (kind, step), count in self._statuses.most_common(1)]
        return ErrorGlance(errors.total + self._statuses.total(), *max(most)) if most else None

    def _judge(self, health: HealthSample) -> Health:
        """The generator over the last seconds, by the same rules as the verdict's."""
        samples = self._health
        samples.append(health)
        while len(samples) > 2 and samples[1].at <= health.at - HEALTH_SPAN:
            samples.popleft()
        # the sample before the span gives only the time at which the next one began
        before = samples[0].at if len(samples) > 1 and health.at > HEALTH_SPAN else 0.0
        median = self._total.times.percentile(50.0)
        return judge_health(samples, warmup=before, service_ms=median)

    def _progress(self, elapsed: float) -> float:
        by_time = elapsed / self._planned if self._planned else 1.0
        share = by_time if self._goal is None else max(self._done / self._goal if self._goal else 1.0, by_time)
        return min(1.0, share)

    def _rows(self, now: _Sum, levels: Sequence[float], thresholds: Sequence[ThresholdResult]) -> tuple[FrameRow, ...]:
        slots = self._slots
        total = self._total
        so_far = total.times.percentiles(_LEVELS)
        limits = {(result.key, result.statistic): result for result in thresholds}
        rows = [_row("rate", "count", "rate", now.rate, total.rate, [_per(s.requests, s.seconds) for s in slots])]
        met = {protocol for protocol, _ in self._steps}
        # the figures are of all requests, so a limit stands beside them only where there is one protocol
        alone = [] if len(met) > 1 else [each for each in PROTOCOLS if not met or each.name in met]
        keys = [protocol.latency if self._open_model else protocol.service for protocol in alone]
        for place, level in enumerate(_LEVELS):
            statistic = f"p({level:g})"
            found = next((limits[key, statistic] for key in keys if (key, statistic) in limits), None)
            if found is None and level == 50.0:
                found = next((limits[key, "med"] for key in keys if (key, "med") in limits), None)
            history = [slot.highest[place] if slot.highest[place] >= 0.0 else None for slot in slots]
            rows.append(_row(f"p{level:g}", "ms", statistic, levels[place], so_far[place], history, found))
        failed = next((limits[p.failed, "rate"] for p in alone if (p.failed, "rate") in limits), None)
        shares = [_per(float(slot.failed), float(slot.judged)) for slot in slots]
        return (*rows, _row("errors", "share", "rate", now.share, total.share, shares, failed))


def _without_secrets(frame: Frame) -> Frame:
    """`frame` with URLs in names redacted: its other texts are our own."""
    return replace(
        frame,
        profile=redact_name(frame.profile),
        target=redact_name(frame.target),
        steps=tuple(replace(step, name=redact_name(step.name)) for step in frame.steps),
        broken=tuple(map(redact_name, frame.broken)),
        errors=None if frame.errors is None else replace(frame.errors, step=redact_name(frame.errors.step)),
    )


def _row(
    label: str,
    unit: str,
    statistic: str,
    now: float,
    so_far: float,
    history: Sequence[float | None],
    limit: ThresholdResult | None = None,
) -> FrameRow:
    text = "" if limit is None else f"{limit.operator}{figure(limit.bound, limit.unit, limit.statistic)}"
    return FrameRow(
        label, unit, statistic, now, so_far, tuple(history), text, limit is None or limit.passed or not limit.measured
    )


def _per(amount: float, whole: float) -> float | None:
    return amount / whole if whole else None


def _add(to: _Sum | _StepSum, tally: Tally) -> None:
    if isinstance(tally, TrendTally):
        to.times.merge(tally.histogram)
    elif isinstance(tally, CounterTally):
        to.requests += tally.total
    elif isinstance(tally, RateTally):
        to.failed += tally.passes
        if isinstance(to, _Sum):
            to.judged += tally.total


def _role(key: SeriesKey, *, open_model: bool) -> _Role | None:
    name = key.metric.name
    if name == "iterations":
        return _Role("", "", iterations=True)
    for protocol in PROTOCOLS:
        timed = protocol.latency if open_model else protocol.service
        if name in (protocol.count, protocol.failed, timed):
            replied = (
                name == protocol.failed and "error" not in key.tags and key.tags.get("expected_response") == "false"
            )
            step = key.tags.get("name", "(unnamed)")
            return _Role(protocol.name, step, failure_of(key.tags) if replied else "")
    return None


def _iterations(load: LoadSpec) -> int:
    return load.iterations * (load.vus if load.executor is Executor.PER_VU_ITERATIONS else 1)
