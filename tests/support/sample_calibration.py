"""Calibrations that were never made."""

from __future__ import annotations

from loadgate.judge.calibration import exact_interval, smallest_change
from loadgate.record.calibration import Budget, Calibration, FigureNoise, JobRecord
from loadgate.record.result import SeriesName
from loadgate.record.run import RunState
from loadgate.record.verdict import Word
from tests.support.results import FAILED, P95
from tests.support.sample_ab import CPU, MACHINE, P50

STARTED = 1_800_000_000.0
BUDGETS = (Budget(1, 8), Budget(2, 12), Budget(5, 16), Budget(10, 26))
NOISES = {P50: (0.03, 0.05), P95: (0.06, 0.1), FAILED: (0.0004, 0.005), CPU: (0.02, 0.02)}
"""Spread of the differences, and limit."""
INFORMING = SeriesName("", "target_memory", "max")


def calibration(alarms: int = 0, *, jobs: int = 20, invalid: int = 0, gates: int = 4, id: str = "c1") -> Calibration:
    """Of `jobs` jobs that count, of which the first `alarms` failed, and `invalid` more."""
    low, high = exact_interval(alarms, jobs)
    return Calibration(
        id=id,
        started=STARTED,
        command="loadgate calibrate --base 'python app.py {port}'",
        arm="/opt/builds/main-3f2c1aa/venv/bin/python app.py --port '{port}' --workers 1 --log-level warning",
        name="standard",
        definition="d1",
        environment=MACHINE,
        seed=7,
        rate=1468.2,
        length=2.0,
        warmup=1.0,
        capacity=0.0,
        most=8,
        planned=jobs + invalid,
        state=RunState.COMPLETE,
        jobs=tuple(_job(number, alarms, jobs) for number in range(1, jobs + invalid + 1)),
        low=low,
        high=high,
        budgets=BUDGETS,
        figures=(
            *(_figure(series, *of, gates=gates, alarms=alarms) for series, of in NOISES.items()),
            FigureNoise(INFORMING, "bytes", False, 0.05, 0.01, 160, 0, 0, (0.01, 0.01, 0.01, 0.01)),
        ),
    )


def _job(number: int, alarms: int, jobs: int) -> JobRecord:
    if number > jobs:
        return JobRecord(number, number, Word.INVALID, reasons=("the generator was saturated",))
    if number > alarms:
        return JobRecord(number, number, Word.PASS, 8)
    names = (str(CPU),)
    return JobRecord(number, number, Word.FAIL, 8, names, names, (f"{CPU} is worse than base",))


def _figure(series: SeriesName, noise: float, margin: float, *, gates: int, alarms: int) -> FigureNoise:
    share = series == FAILED
    own = alarms if series == CPU else 0
    found = tuple(smallest_change(noise, budget.pairs, gates, share=share) for budget in BUDGETS)
    return FigureNoise(series, "share" if share else "ms", True, margin, noise, 160, own, own, found)


CALIBRATION = calibration()
