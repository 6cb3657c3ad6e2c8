"""Everything a reader may see of a run, decided and ordered. Renderers take it and compute nothing.

Rows come with the weightiest first. A terminal, where the end is what stays in sight, shows them the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from loadgate.config.load import Executor
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, TrendTally
from loadgate.record.comparison import Comparison
from loadgate.record.redact import without_secrets
from loadgate.record.run import LoadRecord, Run, RunState
from loadgate.record.verdict import INTERRUPTED_EXIT, Word
from loadgate.report.budgets import BudgetRow, budget_rows
from loadgate.report.ending import rests_on
from loadgate.report.faults import FaultRow, fault_rows
from loadgate.report.figures import length
from loadgate.report.limits import LimitRow, limit_rows
from loadgate.report.measures import CheckRow, MeasureRow, check_rows, measure_rows
from loadgate.report.repeated import RepeatedRow, repeated_rows
from loadgate.report.resources import Resources, resources_of
from loadgate.report.steps import StepRow, step_rows
from loadgate.units import format_count, format_ms, format_share

FAILED_SHARE: Final = 0.05
"""Share of failed requests from which a reader must know that they are among the times."""
MOST_WAITING: Final = 3

_MODELS: Final = {(True, False): "open model", (False, True): "closed model", (True, True): "open and closed model"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was run, and where. Times in seconds; `started` in Unix seconds. What is not known is ""."""

    id: str
    profile: str
    target: str
    loads: tuple[tuple[str, str], ...]
    """Name and words of each load; none where nothing was loaded."""
    order: str
    """ "at once" or "one after another", of several loads; "" where it is neither, or not known."""
    model: str
    """ "open model" (starts by the clock), "closed model", or both."""
    started: float
    duration: float
    planned: float
    warmup: float
    seed: int
    machine: str
    commit: str
    """The tested commit, short, with its branch and whether files were changed."""
    command: str
    version: str


@dataclass(frozen=True, slots=True)
class Iterations:
    """Of the whole run. `failed` of those measured raised an error; p50 and p95 in ms, NaN without any."""

    completed: int
    interrupted: int
    dropped: int
    failed: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Transfer:
    """Bytes on the wire since the end of the warm-up, and per second."""

    sent: float
    received: float
    sent_rate: float
    received_rate: float


@dataclass(frozen=True, slots=True)
class Users:
    """VUs in the middle of an iteration, VUs that were made, VUs that were allowed."""

    most_active: int
    made: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Generator:
    """What the load generator says of itself. `cpu_share` is of one core. `planned` 0: no open model.

    `asides` are what it has to say beyond the verdict's reasons.
    """

    healthy: bool
    cpu_share: float
    loop_lag_p99_ms: float
    planned: int
    achieved: int
    asides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `basis` is what `steps` time, "latency" or "service time"; `totals` has a row for each protocol.

    `sentence` goes with the verdict: its first reason, or what a pass rests on. `state_note` is "" for a whole run.
    """

    facts: Facts
    state: RunState
    state_note: str
    basis: str
    steps: tuple[StepRow, ...]
    totals: tuple[StepRow, ...]
    limits: tuple[LimitRow, ...]
    budgets: tuple[BudgetRow, ...]
    checks: tuple[CheckRow, ...]
    measures: tuple[MeasureRow, ...]
    iterations: Iterations
    transfer: Transfer
    users: Users
    faults: tuple[FaultRow, ...]
    generator: Generator
    word: Word
    reasons: tuple[str, ...]
    sentence: str
    exit_code: int
    notes: tuple[str, ...]
    comparison: Comparison | None
    resources: Resources | None
    repeated: tuple[RepeatedRow, ...]

    @property
    def loaded(self) -> bool:
        """Whether there was a load, and so steps, users and a generator to be spoken of."""
        return bool(self.facts.loads)

    @property
    def holding(self) -> int:
        """How many thresholds hold."""
        return sum(row.passed for row in self.limits)


def build_report(run: Run) -> Report:
    """The report of a run, whole or not: a partial record makes a report that says so. Whoever renders it shows no secret."""
    run = without_secrets(run)
    open_loads = {Executor(load.executor).open_model for load in run.loads}
    open_model = True in open_loads
    steps, totals = step_rows(run, open_model=open_model)
    limits = limit_rows(run.thresholds)
    return Report(
        facts=_facts(run, _MODELS.get((open_model, False in open_loads), "")),
        state=run.state,
        state_note=_state_note(run),
        basis="latency" if open_model else "service time",
        steps=steps,
        totals=totals,
        limits=limits,
        budgets=budget_rows(run.budgets),
        checks=check_rows(run),
        measures=measure_rows(run),
        iterations=_iterations(run),
        transfer=_transfer(run),
        users=_users(run),
        faults=fault_rows(run, mixed=len(totals) > 1),
        generator=_generator(run),
        word=run.verdict.word,
        reasons=run.verdict.reasons,
        sentence=run.verdict.reasons[0] if run.verdict.reasons else _basis_of_pass(run, limits, totals),
        exit_code=INTERRUPTED_EXIT if run.state is RunState.INTERRUPTED else run.verdict.exit_code,
        notes=(*_notes(run, steps, totals, open_model=open_model), *run.notes),
        comparison=run.comparison,
        resources=resources_of(run),
        repeated=repeated_rows(run),
    )


def _facts(run: Run, model: str) -> Facts:
    definition, code = run.definition, run.code
    commit = code.commit[:9] + (" with changes" if code.dirty else "")
    return Facts(
        id=run.id,
        profile=definition.profile,
        target=definition.target,
        loads=tuple((load.name, load.summary) for load in run.loads),
        order=_order(run.loads),
        model=model,
        started=run.started,
        duration=run.duration,
        planned=definition.planned_duration,
        warmup=definition.warmup,
        seed=definition.seed,
        machine=run.environment.machine,
        commit=f"{commit} on {code.branch}" if commit and code.branch else commit,
        command=definition.command,
        version=run.environment.loadgate,
    )


def _order(loads: Sequence[LoadRecord]) -> str:
    if len(loads) < 2 or not all(load.length for load in loads):
        return ""
    ordered = sorted(loads, key=lambda load: load.start)
    if max(load.start for load in loads) < min(load.end for load in loads):
        return "at once"
    apart = all(before.end <= after.start for before, after in pairwise(ordered))
    return "one after another" if apart else ""


def _state_note(run: Run) -> str:
    planned = run.definition.planned_duration
    after = f"after {length(run.duration)}" + (f" of {length(planned)} planned" if run.duration < planned else "")
    if run.state is RunState.INTERRUPTED:
        return f"interrupted {after}: the figures are of that part alone"
    if run.state is RunState.RUNNING:
        return f"partial: this record ends {after}; the run was killed, or still goes on"
    if run.state is RunState.ABORTED:
        return f"stopped {after} by a threshold that was to abort the run"
    return ""


def _basis_of_pass(run: Run, limits: tuple[LimitRow, ...], totals: tuple[StepRow, ...]) -> str:
    """What stands beside a verdict that has no reasons."""
    if run.comparison is not None:
        return rests_on(run.comparison)
    count = sum(row.requests for row in totals)
    failed = sum(row.failed for row in totals)
    often = sum(each.spread.count > 1 for each in run.repeated)
    if count:
        found = f"{format_count(count)} requests, {format_share(failed / count)} failed"
    elif run.loads:
        found = "no requests"
    else:
        figures, how = (often, "repeated") if often else (len(run.repeated), "measured once")
        found = f"{format_count(figures)} {'figure' if figures == 1 else 'figures'} {how}"
    held = [
        f"the {noun} holds" if count == 1 else f"all {count} {noun}s hold"
        for noun, count in (("threshold", len(limits)), ("budget", len(run.budgets)))
        if count
    ]
    unset = "no budget was set" if often else "no threshold was set"
    return f"{' and '.join(held) or unset}; {found}"


def _iterations(run: Run) -> Iterations:
    failed = run.total("iterations_failed")
    duration = run.total("iteration_duration")
    p50, p95 = duration.histogram.percentiles((50.0, 95.0)) if isinstance(duration, TrendTally) else (float("nan"),) * 2
    return Iterations(
        completed=sum(load.completed for load in run.loads),
        interrupted=sum(load.interrupted for load in run.loads),
        dropped=sum(load.dropped for load in run.loads),
        failed=failed.passes if isinstance(failed, RateTally) else 0,
        p50=p50,
        p95=p95,
    )


def _transfer(run: Run) -> Transfer:
    sent, received = run.total("data_sent"), run.total("data_received")
    out = sent.total if isinstance(sent, CounterTally) else 0.0
    back = received.total if isinstance(received, CounterTally) else 0.0
    seconds = run.measured_seconds or float("nan")
    return Transfer(out, back, out / seconds, back / seconds)


def _users(run: Run) -> Users:
    active = run.total("vus")
    return Users(
        most_active=round(active.maximum) if isinstance(active, GaugeTally) else 0,
        made=sum(load.vus for load in run.loads),
        allowed=sum(load.max_vus for load in run.loads),
    )


def _generator(run: Run) -> Generator:
    health = run.health
    said = (*health.reasons, *((health.missed,) if health.missed else ()), *health.warnings)
    return Generator(
        health.healthy,
        health.cpu_share,
        health.loop_lag_p99_ms,
        health.planned,
        health.achieved,
        tuple(text for text in said if text not in run.verdict.reasons),
    )


def _notes(run: Run, steps: tuple[StepRow, ...], totals: tuple[StepRow, ...], *, open_model: bool) -> list[str]:
    """What a reader must know to read the figures right."""
    notes = []
    waiting = sorted((row for row in steps if open_model and row.waited), key=lambda row: -row.times.p99)
    for row in waiting[:MOST_WAITING]:
        notes.append(
            f"{row.title} waited to be sent: p99 {format_ms(row.times.p99)} from the planned start, "
            f"{format_ms(row.service_p99)} from the send"
        )
    if len(waiting) > MOST_WAITING:
        notes.append(f"{len(waiting) - MOST_WAITING} more steps waited to be sent")
    if failed := sum(row.failed for row in totals if row.failed >= FAILED_SHARE * row.requests):
        notes.append(f"times hold the {format_count(failed)} failed requests too, which may have ended early")
    if run.definition.warmup:
        notes.append(
            f"the first {length(run.definition.warmup)} (warm-up) count in no figure but iterations and errors"
        )
    return notes
