"""Other rules, asked about the pairs of a job: whether each would have failed the build. Pure.

A block is one start of one arm. A rule that compares two runs sees the job's first pair, as two CI runs would leave one each;
a rule with a history sees the first base blocks of other jobs of the cell, 64 at most, and then the first head block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist, mean, stdev
from typing import Final

from bench.trust.journal import Block
from loadgate.judge.student import two_sided
from loadgate.measure.histogram import Histogram

WINDOW: Final = 64
"""Bencher's default `max_sample_size` in the setup that its documentation recommends."""
_LEAST_HISTORY: Final = 2
_ALPHA: Final = 0.01

Blocks = Sequence[Block]
Rule = Callable[[Blocks, Blocks, Blocks], bool | None]
"""Given the base and head blocks of a job and the history: whether it fails; None where it cannot say."""


def guide(base: Blocks, head: Blocks, _: Blocks) -> bool | None:
    """The guide: mean or p95 of all requests above 110 % of the baseline's."""
    if not base:
        return None
    one, other = pooled(base), pooled(head)
    return other.mean > 1.1 * one.mean or other.percentile(95) > 1.1 * one.percentile(95)


def previous(limit: float) -> Rule:
    """github-action-benchmark: the p50 of one run above `limit` times that of the one before."""

    def rule(base: Blocks, head: Blocks, _: Blocks) -> bool | None:
        return _p50(head[0]) > limit * _p50(base[0]) if base else None

    return rule


def threshold(base: Blocks, head: Blocks, _: Blocks) -> bool | None:
    """k6: the head run's p95 above a threshold set at the base run's + 10 %."""
    return head[0].service.percentile(95) > 1.1 * base[0].service.percentile(95) if base else None


def mann_whitney(base: Blocks, head: Blocks, _: Blocks) -> bool | None:
    """Mann-Whitney on all requests: the head's are slower, one-sided p < 0.01."""
    return slower(pooled(base), pooled(head)) < _ALPHA if base else None


def welch(base: Blocks, head: Blocks, _: Blocks) -> bool | None:
    """Welch's t-test on the p50 of blocks, as if there were no pairs: the head's is more, one-sided p < 0.01."""
    if len(base) < 2:
        return None
    one, other = ([_p50(block) for block in blocks] for blocks in (base, head))
    return welch_p(one, other) < _ALPHA


def bencher(base: Blocks, head: Blocks, history: Blocks) -> bool | None:
    """Bencher's t-test, upper boundary 0.99: head p50 above mean + t s of the history, t one-sided with n - 1 degrees."""
    known = [_p50(block) for block in history[-WINDOW:]]
    if not head or len(known) < _LEAST_HISTORY:
        return None
    spread = stdev(known)
    excess = _p50(head[0]) - mean(known)
    if not spread:
        return excess > 0
    return upper_tail(excess / spread, len(known) - 1) < _ALPHA


RULES: Final[Mapping[str, Rule]] = {
    "guide, 10 %": guide,
    "previous run, 10 %": previous(1.1),
    "previous run, 200 %": previous(2.0),
    "Mann-Whitney, pooled": mann_whitney,
    "Welch on blocks": welch,
    "Bencher t-test": bencher,
    "k6 p95 + 10 %": threshold,
}


def _p50(block: Block) -> float:
    """Of all requests of a start, in milliseconds."""
    return block.service.percentile(50)


def pooled(blocks: Blocks) -> Histogram:
    """All requests of the blocks."""
    times = Histogram()
    for block in blocks:
        times.merge(block.service)
    return times


def slower(base: Histogram, head: Histogram) -> float:
    """One-sided p of Mann-Whitney that the head's values are more: normal, midranks within buckets, corrected for ties.

    Without continuity correction, as with thousands of requests it is nothing. 1 where there is nothing to compare.
    """
    counts: dict[float, list[int]] = {}
    for side, histogram in enumerate((base, head)):
        for low, _, count in histogram.buckets():
            counts.setdefault(low, [0, 0])[side] += count
    below, sum_of_ranks, ties = 0, 0.0, 0.0
    for low in sorted(counts):
        one, other = counts[low]
        tied = one + other
        sum_of_ranks += other * (below + (tied + 1) / 2)
        ties += tied**3 - tied
        below += tied
    m, n = base.count, head.count
    if not m or not n:
        return 1.0
    u = sum_of_ranks - n * (n + 1) / 2
    variance = m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1)))
    return NormalDist().cdf(-(u - m * n / 2) / math.sqrt(variance)) if variance > 0 else 1.0


def upper_tail(t: float, freedom: float) -> float:
    """P(T > t)."""
    tail = two_sided(t, freedom) / 2
    return tail if t > 0 else 1 - tail


def welch_p(base: Sequence[float], head: Sequence[float]) -> float:
    """One-sided p of Welch's t-test that the mean of `head` is more; both have two values at least."""
    one, other = stdev(base) ** 2 / len(base), stdev(head) ** 2 / len(head)
    if not one + other:
        return 0.0 if mean(head) > mean(base) else 1.0
    degrees = (one + other) ** 2 / (one**2 / (len(base) - 1) + other**2 / (len(head) - 1))
    return upper_tail((mean(head) - mean(base)) / math.sqrt(one + other), degrees)
