"""Results of pairs of starts as a comparison: each figure's differences, judged (`paired.py`), in the rows all reports know.

Rules:
* A figure counts with the pairs that have it on both sides. Of shares the difference is plain, of all else of logarithms; a
  zero has no logarithm, so a pair with one on either side has no difference.
* Over all steps a percentile is the geometric mean of the steps' own: a step that is rare, or fast, weighs as much as any.
* The margin is what the gate says of the figure: its relative limit, or its floor where that is more of the base.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean, median

from loadgate.config.gate import TIMES, GateSpec, Limit
from loadgate.judge.paired import ALPHA, Cell, Effect, confirms, judge
from loadgate.measure.metric import Direction
from loadgate.record.comparison import Change, Comparison, Learned, Row, Side
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.starts import STARTUP

Pair = tuple[Result, Result]
"""What a start of the base and the start of the head beside it left."""


def compare_pairs(
    pairs: Sequence[Pair], *, gate: GateSpec, alpha: float = ALPHA, names: tuple[str, str] = ("base", "head")
) -> Comparison:
    """Compare base and head by `pairs`, at least one, at a look that may spend `alpha`."""
    aligned = _aligned(pairs)
    alone = len({series.step for series in aligned if series.step}) == 1
    rows: dict[SeriesName, Row] = {}
    cells: dict[SeriesName, Cell] = {}
    for series, (base, head) in aligned.items():
        like = next(figure for figure in (*head, *base) if figure is not None)
        limit = _limit(gate, series, like)
        if alone and series.step:  # it says what all steps together say
            limit = replace(limit, gating=False)
        row = Row(series, like.unit, like.direction, limit, Change.UNSURE)
        both = [(one, other) for one, other in zip(base, head, strict=True) if one is not None and other is not None]
        if not both:
            rows[series] = replace(row, word=Change.MISSING if any(base) else Change.NEW)
            continue
        level, other_level = (median(figure.estimate.value for figure in side) for side in zip(*both, strict=True))
        rows[series] = replace(row, base=level, head=other_level)
        cells[series] = Cell(_differences(base, head), _margin(limit, level, row.share), limit.gating)
    effects = judge(cells, alpha)
    judged = tuple(_judged(row, effects[series]) if series in effects else row for series, row in rows.items())
    before, after = (_side(name, side) for name, side in zip(names, zip(*pairs, strict=True), strict=True))
    return Comparison(before, after, judged)


def _side(name: str, results: Sequence[Result]) -> Side:
    return Side(name, tuple(result.id for result in results), results[0].commit, results[0].started)


def confirmed(series: SeriesName, fresh: Sequence[Pair]) -> bool:
    """Whether `fresh` pairs alone say that the figure `series` is worse."""
    return confirms(differences(fresh).get(series, ()))


def differences(pairs: Sequence[Pair]) -> dict[SeriesName, tuple[float, ...]]:
    """Of each figure one difference a pair that has one, positive for the worse."""
    return {series: _differences(base, head) for series, (base, head) in _aligned(pairs).items()}


Column = list[Figure | None]


def _aligned(pairs: Sequence[Pair]) -> dict[SeriesName, tuple[Column, Column]]:
    """The figures of each series, by pair; None where a start left none."""
    base = [_by_series(pair[0]) for pair in pairs]
    head = [_by_series(pair[1]) for pair in pairs]
    names = dict.fromkeys(series for start in (*base, *head) for series in start)
    return {series: ([start.get(series) for start in base], [start.get(series) for start in head]) for series in names}


def _differences(base: Column, head: Column) -> tuple[float, ...]:
    found = [_harm(one, other) for one, other in zip(base, head, strict=True) if one is not None and other is not None]
    return tuple(one for one in found if math.isfinite(one))


def _by_series(result: Result) -> dict[SeriesName, Figure]:
    found = {figure.series: figure for figure in result.figures if not math.isnan(figure.estimate.value)}
    for series, figure in found.items():
        if not series.step and series.statistic.startswith("p"):
            found[series] = _mean_of_steps(figure, found.values())
    return found


def _mean_of_steps(figure: Figure, figures: Iterable[Figure]) -> Figure:
    """`figure`, of all steps, as the geometric mean of the steps' own; as it is where there is only one."""
    kind = figure.series[1:]
    values = [one.estimate.value for one in figures if one.series.step and one.series[1:] == kind]
    if len(values) < 2 or min(values) <= 0.0:
        return figure
    mean = math.exp(fmean(map(math.log, values)))
    return Figure(figure.series, figure.unit, figure.direction, type(figure.estimate)(mean))


def _limit(gate: GateSpec, series: SeriesName, like: Figure) -> Limit:
    """What the gate says, but for two things, unless the user says them.

    Floors of times are for runs that are compared across days: in a pair the machine's moods cancel. And neither the number of
    requests, which is the schedule's doing, nor the start-up gates.
    """
    text = str(series)
    limit = gate.limit(*series, like.unit, text)
    said = [spec for spec in gate.limits if spec.matches(series.step, series.metric, text)]
    if like.unit in TIMES and all(spec.floor is None for spec in said):
        limit = replace(limit, floor=0.0)
    if series.statistic == "rate" or series == STARTUP:
        limit = replace(limit, gating=any(spec.gating for spec in said))
    return limit


def _harm(base: Figure, head: Figure) -> float:
    """The difference, positive for the worse; NaN where there is none."""
    sign = 1.0 if head.direction is Direction.LOWER else -1.0
    before, after = base.estimate.value, head.estimate.value
    if head.unit == "share":
        return sign * (after - before)
    if before <= 0.0 or after <= 0.0:
        return math.nan
    return sign * math.log(after / before)


def relative_margin(limit: Limit, base: float, *, share: bool) -> float:
    """From which change on a figure that is `base` matters: relative, of a share in points."""
    if share:
        return max(limit.change, limit.floor)
    return max(limit.change, limit.floor / base if base > 0.0 else 0.0)


def _margin(limit: Limit, base: float, share: bool) -> float:
    """The margin on the scale of the differences."""
    margin = relative_margin(limit, base, share=share)
    return margin if share else math.log1p(margin)


def _judged(row: Row, effect: Effect) -> Row:
    sign = 1.0 if row.direction is Direction.LOWER else -1.0
    change, *ends = (_relative(row, sign * harm) for harm in (effect.estimate, effect.low, effect.high))
    return replace(
        row,
        word=effect.word,
        change=change,
        low=min(ends),
        high=max(ends),
        p=effect.p,
        detectable=_relative(row, effect.detectable),
        noise=Learned.PAIRS,
        noise_runs=effect.pairs,
        missing_runs=effect.missing,
    )


def _relative(row: Row, difference: float) -> float:
    if row.share or not math.isfinite(difference):
        return difference
    return math.expm1(difference)
