"""What one build against itself shows: how often it fails by chance, and how far two of its starts lie apart. Pure.

Rules:
* A job that failed is a false alarm, for nothing had changed. Their share has an exact interval (Clopper and Pearson 1934).
* Noise is the standard deviation of the differences of pairs within jobs, pooled over them.
* What a test can find is the smallest change for the worse of one figure, among all that gate, that fails a build in 80 %:
  worse at the last look, where the first of many figures has a part of the error (Holm 1979), and again in fresh pairs. A long
  test finds less than its pairs alone would say, for there are no more fresh ones. That this holds is simulated
  (`tests/judge/test_judge_calibration_power.py`).
* With so few pairs that not even all signs alike would do, no change is found, however large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import NormalDist, fmean, median
from typing import Final

from loadgate.judge.evidence import chance
from loadgate.judge.looks import CONFIRMATION, Look, planned_looks
from loadgate.judge.paired import EFFICIENCY, POWER
from loadgate.judge.pairs import relative_margin
from loadgate.judge.student import quantile
from loadgate.judge.wording import change_text, margin_text
from loadgate.record.calibration import Budget, Calibrated, Calibration, FigureNoise
from loadgate.record.comparison import Change, Comparison, Row
from loadgate.record.result import SeriesName

LEVEL: Final = 0.95
_HALVINGS: Final = 60
_LARGEST: Final = 100.0
"""Standard deviations: whatever can be found, that is."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class JobEvidence:
    """What one job left: its rows as they were decided, the differences behind them, and which looked worse at a look."""

    rows: Sequence[Row]
    differences: Mapping[SeriesName, Sequence[float]]
    suspected: AbstractSet[SeriesName] = frozenset()


def exact_interval(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """All shares of which `hits` of `count` (at least 1) are not too rare, on either side: Clopper and Pearson's interval."""
    tail = (1.0 - level) / 2.0
    low = _largest(lambda share: chance(hits, count, share) <= tail, 1.0) if hits else 0.0
    high = _largest(lambda share: 1.0 - chance(hits + 1, count, share) >= tail, 1.0) if hits < count else 1.0
    return low, high


def _largest(holds: Callable[[float], bool], most: float) -> float:
    """The largest of 0 to `most` for which `holds`, which does so up to some number and no further."""
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def figure_noises(jobs: Sequence[JobEvidence], budgets: Sequence[Budget]) -> tuple[FigureNoise, ...]:
    """Every figure that has a spread in `jobs`, in the order of their rows; what tests of `budgets` find in it."""
    held: dict[SeriesName, list[Row]] = {}
    for job in jobs:
        for row in job.rows:
            held.setdefault(row.series, []).append(row)
    pooled = {series: _pooled([job.differences.get(series, ()) for job in jobs]) for series in held}
    spread = {series: rows for series, rows in held.items() if math.isfinite(pooled[series][0])}
    gates = sum(rows[-1].limit.gating and pooled[series][0] > 0.0 for series, rows in spread.items())
    return tuple(
        _figure(series, rows, *pooled[series], gates=gates, budgets=budgets, jobs=jobs)
        for series, rows in spread.items()
    )


def _figure(
    series: SeriesName,
    rows: Sequence[Row],
    noise: float,
    pairs: int,
    *,
    gates: int,
    budgets: Sequence[Budget],
    jobs: Sequence[JobEvidence],
) -> FigureNoise:
    like = rows[-1]
    sharing = gates if like.limit.gating else 1
    level = median(row.base for row in rows if not math.isnan(row.base))
    return FigureNoise(
        series=series,
        unit=like.unit,
        gating=like.limit.gating,
        margin=relative_margin(like.limit, level, share=like.share),
        noise=noise,
        pairs=pairs,
        worse=sum(series in job.suspected for job in jobs),
        alarms=sum(row.word is Change.WORSE and row.limit.gating for row in rows),
        detectable=tuple(smallest_change(noise, budget.pairs, sharing, share=like.share) for budget in budgets),
    )


def _pooled(jobs: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Standard deviation around the means of the jobs, and of how many pairs; NaN where no job has two."""
    squares = freedom = 0.0
    for differences in jobs:
        if len(differences) > 1:
            mean = fmean(differences)
            squares += sum((one - mean) ** 2 for one in differences)
            freedom += len(differences) - 1
    return (math.sqrt(squares / freedom) if freedom else math.nan), sum(map(len, jobs))


def smallest_change(noise: float, pairs: int, gates: int, *, share: bool) -> float | None:
    """The smallest change for the worse of one of `gates` figures that a test of up to `pairs` pairs finds with 80 % power.

    Relative, of a share in points; None where no change is found.
    """
    last = planned_looks(pairs)[-1]
    looks = (Look(pairs, last.alpha / max(1, gates)), CONFIRMATION[-1])
    if any(0.5**look.pairs > look.alpha for look in looks):
        return None
    missed = _largest(lambda size: math.prod(_power(size, look) for look in looks) < POWER, _LARGEST)
    return noise * missed if share else math.expm1(noise * missed)


def _power(size: float, look: Look) -> float:
    """How often a change of `size` standard deviations is seen at `look`: that of Student's test, at the signed-rank test's
    efficiency, by the normal approximation of the noncentral t (Johnson and Welch 1940).
    """
    t, freedom = quantile(1.0 - look.alpha, look.pairs - 1), look.pairs - 1
    return _NORMAL.cdf((size * math.sqrt(EFFICIENCY * look.pairs) - t) / math.sqrt(1.0 + t * t / (2.0 * freedom)))


def calibrated(calibration: Calibration, definition: str, comparison: Comparison | None, pairs: int) -> Calibrated:
    """What a test of up to `pairs` pairs, that asks what `definition` says, is to know of `calibration`.

    Limits are only held against the noise of what was asked in the same way.
    """
    same = calibration.definition == definition
    rows = comparison.rows if same and comparison is not None else ()
    return Calibrated(
        jobs=len(calibration.counted),
        alarms=calibration.alarms,
        low=calibration.low,
        high=calibration.high,
        when=calibration.started,
        same_definition=same,
        notes=tuple(note for row in rows if (note := _too_small(row, calibration, pairs))),
    )


def _too_small(row: Row, calibration: Calibration, pairs: int) -> str:
    """That the limit of `row`, a figure of all steps, is smaller than what can be found; "" where it is not."""
    if not row.limit.gating or row.series.step:
        return ""
    noise = next((figure.noise for figure in calibration.figures if figure.series == row.series), 0.0)
    if noise <= 0.0:
        return ""
    size = smallest_change(noise, pairs, calibration.gates, share=row.share)
    if size is not None and size <= relative_margin(row.limit, row.base, share=row.share):
        return ""
    most = "no change of any size" if size is None else change_text(size, share=row.share).removeprefix("+")
    return (
        f"the limit of {row.series.words}, {margin_text(row)}, is smaller than what {pairs} pairs can find here: {most}"
    )
