"""The plan of a run as a row of named stages: where it stands at a given second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from loadgate.config.load import Executor, LoadSpec
from loadgate.units import format_count, format_rate


@dataclass(frozen=True, slots=True)
class StageSpan:
    """From `start` to `end` in seconds since the run began; `text` says what happens then: "ramp to 100 VUs"."""

    start: float
    end: float
    text: str


def stage_spans(loads: Sequence[LoadSpec]) -> tuple[StageSpan, ...]:
    """The stages of the only load, or, of several, the spans between their starts and ends with the names of who runs."""
    if len(loads) != 1:
        return _crowd(loads)
    load = loads[0]
    spans = [] if not load.start_time else [StageSpan(0.0, load.start_time, "waiting for its start time")]
    at = load.start_time
    if not load.stages:
        return (*spans, StageSpan(at, load.end, _constant(load)))
    level = load.start_rate if load.executor.open_model else float(load.start_vus)
    for stage in load.stages:
        if stage.duration > 0.0:
            verb = "hold" if stage.target == level else "ramp to"
            spans.append(StageSpan(at, at + stage.duration, f"{verb} {_level(load, stage.target)}"))
        at += stage.duration
        level = stage.target
    return tuple(spans)


def stage_at(spans: Sequence[StageSpan], elapsed: float) -> int:
    """Index of the stage `elapsed` seconds into the run; the last one from its end on; -1 if there are none."""
    for index, span in enumerate(spans):
        if elapsed < span.end - 1e-6:
            return index
    return len(spans) - 1


def _crowd(loads: Sequence[LoadSpec]) -> tuple[StageSpan, ...]:
    marks = sorted({mark for load in loads for mark in (load.start_time, load.end)} | ({0.0} if loads else set()))
    spans = []
    for start, end in pairwise(marks):
        names = [load.name for load in loads if load.start_time <= start and end <= load.end]
        spans.append(StageSpan(start, end, ", ".join(names) or "nothing planned"))
    return tuple(spans)


def _constant(load: LoadSpec) -> str:
    if load.executor is Executor.CONSTANT_ARRIVAL_RATE:
        return format_rate(load.rate)
    vus = f"{format_count(load.vus)} {'VU' if load.vus == 1 else 'VUs'}"
    if load.executor is Executor.SHARED_ITERATIONS:
        return f"{format_count(load.iterations)} iterations on {vus}"
    if load.executor is Executor.PER_VU_ITERATIONS:
        return f"{vus}, {format_count(load.iterations)} iterations each"
    return vus


def _level(load: LoadSpec, target: float) -> str:
    if load.executor.open_model:
        return format_rate(target)
    return f"{format_count(target)} {'VU' if target == 1.0 else 'VUs'}"
