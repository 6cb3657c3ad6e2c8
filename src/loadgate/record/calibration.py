"""What one build against itself showed of a machine, as a record. `docs/ab.md` describes `calibration.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from loadgate.record.encoding import encode_json
from loadgate.record.environment import Environment
from loadgate.record.figures import machine_of
from loadgate.record.result import SeriesName
from loadgate.record.run import RunState
from loadgate.record.verdict import INTERRUPTED_EXIT, Word

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job. `worse` are figures that looked worse at a look, `alarms` those that fresh pairs confirmed.

    `reasons` are those of its verdict; of a job that could not be carried out, why not.
    """

    number: int
    seed: int
    verdict: Word
    pairs: int = 0
    worse: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """A test of `minutes` has up to `pairs` pairs at the pace that was calibrated."""

    minutes: int
    pairs: int


@dataclass(frozen=True, slots=True)
class FigureNoise:
    """One figure over all jobs.

    `margin`, `noise` and `detectable` are relative, of a share in points of 0 to 1. `noise` is the standard deviation of the
    differences of `pairs` pairs (of logarithms), within jobs. `detectable` is, budget by budget, the smallest change for the
    worse that is found with 80 % power; None: no change is, so few are the pairs for so many figures that gate. `worse` and
    `alarms` are jobs.
    """

    series: SeriesName
    unit: str
    gating: bool
    margin: float
    noise: float
    pairs: int
    worse: int
    alarms: int
    detectable: tuple[float | None, ...]

    @property
    def share(self) -> bool:
        return self.unit == "share"


@dataclass(frozen=True, slots=True)
class Calibration:
    """`rate` is starts a second over both arms; `length`, `warmup` and `capacity` are seconds of a pair; `most` is how many
    pairs a job could have. `low` to `high` is the exact 95 % interval of the share of false alarms. `planned` are jobs.
    """

    id: str
    started: float
    """Unix seconds."""
    command: str
    arm: str
    """The build's command, without secrets."""
    name: str
    """The profile."""
    definition: str
    """Digest of what was asked, whatever the build."""
    environment: Environment
    seed: int
    rate: float
    length: float
    warmup: float
    capacity: float
    most: int
    planned: int
    state: RunState
    jobs: tuple[JobRecord, ...]
    low: float
    high: float
    budgets: tuple[Budget, ...]
    figures: tuple[FigureNoise, ...]

    @property
    def machine(self) -> str:
        return machine_of(self.environment)

    @property
    def counted(self) -> tuple[JobRecord, ...]:
        """The jobs that are evidence."""
        return tuple(job for job in self.jobs if job.verdict is not Word.INVALID)

    @property
    def alarms(self) -> int:
        """Jobs that failed a build that was no other."""
        return sum(job.verdict is Word.FAIL for job in self.jobs)

    @property
    def gates(self) -> int:
        """Figures that share the error of a test."""
        return sum(figure.gating and figure.noise > 0.0 for figure in self.figures)

    @property
    def exit_code(self) -> int:
        return INTERRUPTED_EXIT if self.state is RunState.INTERRUPTED else 0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What an A/B test knows of its machine's calibration. `when` in Unix seconds; `low` to `high` as in `Calibration`.

    `same_definition`: the same was asked then. `notes` are whole sentences on limits that are smaller than what can be found.
    """

    jobs: int
    alarms: int
    low: float
    high: float
    when: float
    same_definition: bool
    notes: tuple[str, ...] = ()


def calibrated_form(known: Calibrated | None) -> dict[str, Any] | None:
    """`known` as what msgspec encodes: the key `calibration` of `ab.json`."""
    return None if known is None else asdict(known) | {"when": _date(known.when)}


class _FigureForm(msgspec.Struct):
    step: str
    metric: str
    statistic: str
    unit: str
    gating: bool
    margin: float
    noise: float
    pairs: int
    worse: int
    alarms: int
    detectable: tuple[float | None, ...]


class _Form(msgspec.Struct):
    version: int
    id: str
    started: datetime
    command: str
    base: str
    name: str
    definition: str
    environment: Environment
    seed: int
    rate: float
    length: float
    warmup: float
    capacity: float
    most_pairs: int
    planned: int
    state: RunState
    jobs: tuple[JobRecord, ...]
    interval: tuple[float, float]
    budgets: tuple[Budget, ...]
    figures: tuple[_FigureForm, ...]


def calibration_form(calibration: Calibration) -> dict[str, Any]:
    """`calibration` as what msgspec encodes. Keys may be added, never renamed."""
    c = calibration
    return {
        "version": VERSION,
        "id": c.id,
        "started": _date(c.started),
        "command": c.command,
        "base": c.arm,
        "name": c.name,
        "definition": c.definition,
        "environment": asdict(c.environment),
        "seed": c.seed,
        "rate": c.rate,
        "length": c.length,
        "warmup": c.warmup,
        "capacity": c.capacity,
        "most_pairs": c.most,
        "planned": c.planned,
        "state": c.state,
        "counted": len(c.counted),
        "alarms": c.alarms,
        "interval": [c.low, c.high],
        "budgets": [asdict(budget) for budget in c.budgets],
        "figures": [_figure_form(figure) for figure in c.figures],
        "jobs": [asdict(job) for job in c.jobs],
    }


def encode_calibration(calibration: Calibration) -> bytes:
    """The record as JSON."""
    return msgspec.json.format(encode_json(calibration_form(calibration)), indent=1)


def decode_calibration(data: bytes | str) -> Calibration:
    """What `encode_calibration` was given, times to the second. Raises ValueError for anything else."""
    form = msgspec.json.decode(data, type=_Form)
    if form.version > VERSION:
        raise ValueError(f"a calibration of version {form.version}, this Loadgate reads up to {VERSION}")
    widths = {len(figure.detectable) for figure in form.figures}
    if widths - {len(form.budgets)}:
        raise ValueError("a figure has not as many `detectable` as there are `budgets`")
    return Calibration(
        id=form.id,
        started=form.started.timestamp(),
        command=form.command,
        arm=form.base,
        name=form.name,
        definition=form.definition,
        environment=form.environment,
        seed=form.seed,
        rate=form.rate,
        length=form.length,
        warmup=form.warmup,
        capacity=form.capacity,
        most=form.most_pairs,
        planned=form.planned,
        state=form.state,
        jobs=form.jobs,
        low=form.interval[0],
        high=form.interval[1],
        budgets=form.budgets,
        figures=_figures_of(form.figures),
    )


def _figure_form(figure: FigureNoise) -> dict[str, Any]:
    return {
        "step": figure.series.step,
        "metric": figure.series.metric,
        "statistic": figure.series.statistic,
        "unit": figure.unit,
        "gating": figure.gating,
        "margin": figure.margin,
        "noise": figure.noise,
        "pairs": figure.pairs,
        "worse": figure.worse,
        "alarms": figure.alarms,
        "detectable": list(figure.detectable),
    }


def _figures_of(forms: Sequence[_FigureForm]) -> tuple[FigureNoise, ...]:
    return tuple(
        FigureNoise(
            series=SeriesName(form.step, form.metric, form.statistic),
            unit=form.unit,
            gating=form.gating,
            margin=form.margin,
            noise=form.noise,
            pairs=form.pairs,
            worse=form.worse,
            alarms=form.alarms,
            detectable=form.detectable,
        )
        for form in forms
    )


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
