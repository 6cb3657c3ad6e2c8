"""Base against head: how far each figure moved, how sure that is, and one of four words for it.

Rules:
* A change is worse when its interval excludes no change, and it exceeds a relative limit *and* an absolute floor, and the
  probability of so much by chance, corrected for all figures that gate (Holm 1979), is below 5 %.
* It is the same when a change for the worse beyond the limit is ruled out. What is neither is unsure: too few data.
* Positive is worse in `Row.harm`, whatever the direction of the metric; `Row.change` is head against base as it is.
* Ratios are taken of logarithms, shares are differences, errors counts. A figure missing on one side is a row.
* The noise between runs comes from history, else from runs repeated here, else it is assumed, and the row says which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from loadgate.config.gate import TIMES, GateSpec
from loadgate.judge.multiple import holm
from loadgate.judge.noise import Noise
from loadgate.judge.student import quantile, two_sided
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.comparison import Change, Comparison, Learned, Row, Side
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word

ALPHA: Final = 0.05
POWER: Final = 0.8
"""With which probability the smallest detectable change would have been found."""

ASSUMED: Final = 0.03
"""Noise between starts where nothing is known of it: two starts of one program on a CI machine differ by 2 to 4 %."""
ASSUMED_ALONE: Final = 0.05
"""The same for a figure that comes without any error."""
FEWEST_REPEATS: Final = 4.0
"""Degrees of freedom at which runs repeated here tell their noise better than the assumption."""
UNCOUNTED: Final = 400
"""Samples behind a share that comes without their number: an error of one in twenty is then known to a point."""
EXACT: Final = frozenset(("bytes", "count", "B/op", "allocs/op"))
"""Units of what is counted: two such figures that are equal are the same, whatever noise is assumed."""
DISTURBED: Final = 2.0
"""How far, in variances, the error within the runs must exceed the noise between runs before it is taken instead."""


def compare(
    base: Sequence[Result],
    head: Sequence[Result],
    *,
    gate: GateSpec,
    noise: Mapping[SeriesName, Noise] | None = None,
    only: Iterable[SeriesName] | None = None,
    names: tuple[str, str] = ("", ""),
) -> Comparison:
    """Compare the runs `head` with the runs `base`, at least one each; runs of one side are repetitions of each other.

    `noise` is what history says of the series; `only` restricts the comparison to some of them; `names` are what the user
    calls the two sides.
    """
    sides, rare = [_by_series(base), _by_series(head)], [_too_rare(base), _too_rare(head)]
    odd = list(_in_one_unit(*sides))
    wanted = set(only) if only is not None else None
    rows: list[Row] = []
    for series in dict.fromkeys([*sides[0], *sides[1]]):
        if wanted is None or series in wanted:
            row = _row(series, sides[0].get(series, []), sides[1].get(series, []), gate, (noise or {}).get(series))
            missing = rare[1] if row.word is Change.MISSING else rare[0] if row.word is Change.NEW else frozenset()
            rows.append(replace(row, word=Change.UNSURE) if series[:2] in missing else row)
    before, after = _side(names[0], base), _side(names[1], head)
    notes = ("base and head are the same run",) if set(before.ids) & set(after.ids) else ()
    return Comparison(before, after, _decide(rows), (*_mismatches(base, head), *odd), notes)


def _side(name: str, results: Sequence[Result]) -> Side:
    first = results[0]
    return Side(name or first.id, tuple(result.id for result in results), first.commit, first.started)


def _by_series(results: Sequence[Result]) -> dict[SeriesName, list[Figure]]:
    found: dict[SeriesName, list[Figure]] = {}
    for result in results:
        for figure in result.figures:
            if not math.isnan(figure.estimate.value):
                found.setdefault(figure.series, []).append(figure)
    return found


def _in_one_unit(base: dict[SeriesName, list[Figure]], head: dict[SeriesName, list[Figure]]) -> Iterable[str]:
    """Turn the times of `base` into the units of `head`; what else differs in unit or direction is said."""
    for series in base.keys() & head.keys():
        kinds = {(figure.unit, figure.direction) for figure in (*base[series], *head[series])}
        unit = head[series][0].unit
        if len({direction for _, direction in kinds}) > 1 or (len(kinds) > 1 and any(u not in TIMES for u, _ in kinds)):
            told = " and ".join(sorted(f"`{u}`, {direction} is better" for u, direction in kinds))
            yield f"{series.words} is told in different ways: {told}"
        elif len(kinds) > 1:
            for side in (base, head):
                side[series] = [_as(figure, unit) for figure in side[series]]


def _as(figure: Figure, unit: str) -> Figure:
    """A time in another unit. Its error is relative and stays."""
    scale = TIMES[figure.unit] / TIMES[unit]
    estimate = structs.replace(figure.estimate, value=figure.estimate.value * scale)
    return structs.replace(figure, unit=unit, estimate=estimate)


def _too_rare(results: Sequence[Result]) -> frozenset[tuple[str, ...]]:
    """Steps and metrics of which a run of our own leaves out percentiles, for want of samples. They were measured."""
    ours = [result for result in results if result.tool == "loadgate"]
    return frozenset(figure.series[:2] for run in ours for figure in run.figures if figure.series.statistic == "p50")


def _row(series: SeriesName, base: list[Figure], head: list[Figure], gate: GateSpec, noise: Noise | None) -> Row:
    like = (head or base)[0]
    limit = gate.limit(*series, like.unit, str(series))
    empty = Row(series, like.unit, like.direction, limit, Change.UNSURE)
    if not base or not head:
        word = Change.MISSING if base else Change.NEW
        known = [figure.estimate for figure in base or head]
        middle = sum(found.value for found in known) / len(known)
        return replace(empty, word=word, base=middle if base else math.nan, head=middle if head else math.nan)
    sides = ([figure.estimate for figure in base], [figure.estimate for figure in head])
    if like.unit == "share":
        return _difference(empty, *sides, noise)
    if any(found.value <= 0.0 for side in sides for found in side):
        return _from_zero(empty, *sides, noise)
    return _ratio(empty, *sides, noise if noise is not None and noise.spread == noise.spread else None)


# -- ratios


def _ratio(row: Row, base: Sequence[Estimate], head: Sequence[Estimate], noise: Noise | None) -> Row:
    logs = [[math.log(found.value) for found in side] for side in (base, head)]
    means = [sum(side) / len(side) for side in logs]
    moved = means[1] - means[0]
    error, freedom, learned = _ratio_error((base, head), logs, means, noise)
    reach = quantile(1.0 - ALPHA / 2.0, freedom) * error
    sign = 1.0 if row.direction is Direction.LOWER else -1.0
    return replace(
        row,
        base=math.exp(means[0]),
        head=math.exp(means[1]),
        change=math.expm1(moved),
        low=math.expm1(moved - reach),
        high=math.expm1(moved + reach),
        p=two_sided(moved / error, freedom) if error > 0.0 else float(moved == 0.0),
        detectable=abs(math.expm1(sign * (reach + quantile(POWER, freedom) * error))),
        noise=learned,
        noise_runs=noise.runs if noise is not None else 0,
    )


def _ratio_error(
    sides: tuple[Sequence[Estimate], Sequence[Estimate]],
    logs: Sequence[Sequence[float]],
    means: Sequence[float],
    noise: Noise | None,
) -> tuple[float, float, Learned]:
    """Standard error of the difference of mean logarithms, its degrees of freedom, and where it comes from."""
    within, within_freedom = _within(sides)
    repeats = float(sum(len(side) - 1 for side in logs))
    squares = sum((value - mean) ** 2 for side, mean in zip(logs, means, strict=True) for value in side)
    share = sum(1.0 / len(side) for side in logs)
    freedom = repeats + (noise.freedom if noise is not None else 0.0)
    if noise is None and repeats < FEWEST_REPEATS:
        assumed = (ASSUMED_ALONE if within is None else ASSUMED) ** 2 * share
        return math.sqrt((within or 0.0) + assumed), _together(within or 0.0, within_freedom, assumed), Learned.ASSUMED
    between = (squares + (noise.spread**2 * noise.freedom if noise is not None else 0.0)) / freedom * share
    learned = Learned.HISTORY if noise is not None else Learned.REPEATS
    if within is not None and within > DISTURBED * between:
        return math.sqrt(within), within_freedom, learned
    return math.sqrt(between), freedom, learned


def _within(sides: Sequence[Sequence[Estimate]]) -> tuple[float | None, float]:
    """Variance of the difference as far as the runs show it from within, and its degrees of freedom (Satterthwaite 1946)."""
    parts = []
    for side in sides:
        for found in side:
            if found.error is None or found.freedom <= 0.0:
                return None, math.inf
            parts.append((found.error**2 / len(side) ** 2, found.freedom))
    total = sum(variance for variance, _ in parts)
    below = sum(variance**2 / freedom for variance, freedom in parts)
    return total, total**2 / below if below > 0.0 else math.inf


def _together(estimated: float, freedom: float, known: float) -> float:
    """Degrees of freedom of a variance that is part estimated, part known."""
    return math.inf if estimated == 0.0 else freedom * ((estimated + known) / estimated) ** 2


def _from_zero(row: Row, base: Sequence[Estimate], head: Sequence[Estimate], noise: Noise | None) -> Row:
    """A figure that is zero or below on a side has no logarithm: what can be said is how far it moved, and which way.

    With a history, against its noise. Without one, anything that comes from exactly nothing has moved, and figures below
    zero tell nothing.
    """
    values = [sum(found.value for found in side) / len(side) for side in (base, head)]
    moved = values[1] - values[0]
    row = replace(row, base=values[0], head=values[1])
    if noise is None:
        known = moved == 0.0 or min(values) == 0.0
        change = _relative(moved, values[0])
        return replace(row, change=change, low=change, high=change, p=float(moved == 0.0) if known else math.nan)
    error = noise.absolute * math.sqrt(1.0 / len(base) + 1.0 / len(head))
    reach = quantile(1.0 - ALPHA / 2.0, noise.freedom) * error
    return replace(
        row,
        change=_relative(moved, values[0]),
        low=_relative(moved - reach, values[0]),
        high=_relative(moved + reach, values[0]),
        p=two_sided(moved / error, noise.freedom) if error > 0.0 else float(moved == 0.0),
        noise=Learned.HISTORY,
        noise_runs=noise.runs,
    )


def _relative(moved: float, base: float) -> float:
    """A difference as a share of the base; of a base that is zero, infinite."""
    return 0.0 if moved == 0.0 else moved / abs(base) if base else math.copysign(math.inf, moved)


# -- shares


def _difference(row: Row, base: Sequence[Estimate], head: Sequence[Estimate], noise: Noise | None) -> Row:
    """Difference of two shares with Newcombe's hybrid score interval (1998, method 10).

    Samples count for less where failures come in bursts: as many as independent ones that would have the same error.
    """
    sides = [_pooled(side, noise) for side in (base, head)]
    (p1, n1), (p2, n2) = sides
    freedom = _within_shares((base, head))
    z = quantile(1.0 - ALPHA / 2.0, freedom)
    (low1, high1), (low2, high2) = (_wilson(p, n, z) for p, n in sides)
    moved = p2 - p1
    together = (p1 * n1 + p2 * n2) / (n1 + n2)
    error = math.sqrt(together * (1.0 - together) * (1.0 / n1 + 1.0 / n2))
    least = min(max(together, 1.0 / (n1 + n2)), 1.0 - 1.0 / (n1 + n2))
    expected = math.sqrt(least * (1.0 - least) * (1.0 / n1 + 1.0 / n2))
    return replace(
        row,
        base=p1,
        head=p2,
        change=moved,
        low=moved - math.hypot(p2 - low2, high1 - p1),
        high=moved + math.hypot(high2 - p2, p1 - low1),
        p=two_sided(moved / error, freedom) if error > 0.0 else 1.0,
        detectable=min(1.0, (z + quantile(POWER, freedom)) * expected),
        noise=Learned.HISTORY if noise is not None else Learned.NONE,
        noise_runs=noise.runs if noise is not None else 0,
        base_counts=_counts(base),
        head_counts=_counts(head),
    )


def _within_shares(sides: Sequence[Sequence[Estimate]]) -> float:
    """Degrees of freedom of the errors of shares; infinite where samples are independent."""
    known = [(found.error or 0.0, found.freedom or math.inf) for side in sides for found in side]
    total = sum(error**2 for error, _ in known)
    below = sum(error**4 / freedom for error, freedom in known)
    return total**2 / below if below > 0.0 else math.inf


def _pooled(side: Sequence[Estimate], noise: Noise | None) -> tuple[float, float]:
    """The share of all samples of a side, and how many independent ones they are worth."""
    counts = [found.count or UNCOUNTED for found in side]
    count = sum(counts)
    p = sum(found.value * own for found, own in zip(side, counts, strict=True)) / count
    independent = p * (1.0 - p) / count
    variance = sum(((found.error or 0.0) * own / count) ** 2 for found, own in zip(side, counts, strict=True))
    variance = max(variance, independent) + (noise.spread**2 / len(side) if noise is not None else 0.0)
    return p, count if independent == 0.0 else max(1.0, min(count, p * (1.0 - p) / variance))


def _wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval (1927)."""
    centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n)
    reach = z / (1.0 + z * z / n) * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _counts(side: Sequence[Estimate]) -> tuple[int, int] | None:
    total = sum(found.count for found in side)
    return (round(sum(found.value * found.count for found in side)), total) if total else None


# -- words


def _decide(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Correct the p-values of the gating rows for their number, and give each row its word."""
    at = [number for number, row in enumerate(rows) if row.limit.gating and not math.isnan(row.p)]
    corrected = dict(zip(at, holm([rows[number].p for number in at]), strict=True))
    return tuple(_worded(replace(row, p=corrected.get(number, row.p))) for number, row in enumerate(rows))


def _worded(row: Row) -> Row:
    if math.isnan(row.change):
        return row
    sure = row.p < ALPHA and not row.low <= 0.0 <= row.high
    if sure and _matters(row, row.change):
        return replace(row, word=Change.WORSE if row.harm > 0.0 else Change.BETTER)
    if row.base == row.head and row.unit in EXACT:
        return replace(row, word=Change.SAME)
    worst = row.high if row.direction is Direction.LOWER else -row.low
    return row if _matters(row, worst) and worst > 0.0 else replace(row, word=Change.SAME)


def _matters(row: Row, change: float) -> bool:
    """Whether a change of this size is beyond the relative limit and the floor."""
    moved = abs(change) if row.share else abs(row.head - row.base if math.isinf(change) else change * row.base)
    return abs(change) >= row.limit.change and moved >= row.limit.floor


# -- what may be compared


def _mismatches(base: Sequence[Result], head: Sequence[Result]) -> Iterable[str]:
    """What makes a comparison of base and head worthless; what is not known is no difference."""
    for name, side in (("base", base), ("head", head)):
        if any(result.word is Word.INVALID for result in side):
            yield f"the {name} is an invalid run, which measured nothing"
    for what in ("tool", "machine", "definition"):
        known = [{str(getattr(result, what)) for result in side} - {""} for side in (base, head)]
        if known[0] and known[1] and known[0] != known[1]:
            before, after = (", ".join(sorted(side)) for side in known)
            yield f"the {what} is another one: {before} was the base's, {after} is the head's"
