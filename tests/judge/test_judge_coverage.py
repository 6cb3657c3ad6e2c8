"""Intervals cover the truth 95 times of 100, whatever they are made from. Seeds are fixed; 10,000 pairs of each kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from loadgate.config.gate import GateSpec
from loadgate.judge.comparison import ASSUMED, compare
from loadgate.judge.noise import Noise, learn
from loadgate.measure import estimate
from loadgate.measure.estimate import Estimate
from loadgate.measure.histogram import Histogram
from loadgate.record.result import SeriesName
from tests.support.results import FAILED, P95, RATE, result

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAIRS = 10_000
GATE = GateSpec()

Random = np.random.Generator
Pair = tuple[SeriesName, list[Estimate], list[Estimate], Noise | None, float]
"""A series, the runs of base and head, what history says, and the true change."""


def covered(make: Callable[[Random], Pair], pairs: int = PAIRS) -> float:
    random = np.random.default_rng(20)
    hits = 0
    for _ in range(pairs):
        series, base, head, noise, truth = make(random)
        sides = ([result({series: found}) for found in side] for side in (base, head))
        (row,) = compare(*sides, gate=GATE, noise={series: noise} if noise else None).rows
        hits += row.low <= truth <= row.high
    return hits / pairs


def run(random: Random, between: float, within: float, level: float = 10.0, freedom: int = 15) -> Estimate:
    """One run: its own level, and what its blocks show of the rest."""
    value = level * math.exp(random.normal(0.0, between) + random.normal(0.0, within))
    return Estimate(value, within * math.sqrt(random.chisquare(freedom) / freedom), float(freedom), 1000)


def without_history(random: Random, *, change: float) -> Pair:
    one = partial(run, random, ASSUMED, 0.02)
    return P95, [one()], [one(10.0 * (1.0 + change))], None, change


def with_history(random: Random, *, runs: int, between: float, heads: int = 1) -> Pair:
    one = partial(run, random, between, 0.01)
    past = learn([[one().value for _ in range(runs)]], share=False)
    return P95, [one()], [one() for _ in range(heads)], past, 0.0


def repeated(random: Random, *, runs: int) -> Pair:
    """Lone figures, as most tools leave them, of several runs a side."""
    base, head = ([Estimate(10.0 * math.exp(random.normal(0.0, 0.08))) for _ in range(runs)] for _ in range(2))
    return P95, base, head, None, 0.0


def from_blocks(random: Random, *, p: float, correlated: float) -> Pair:
    """Percentiles of two runs of a request process that remembers, from their histograms; runs differ by nothing else."""
    sides: list[list[Estimate]] = []
    for _ in range(2):
        size, noise = 16 * 250, random.standard_normal(16 * 250)
        for at in range(1, size) if correlated else ():
            noise[at] = correlated * noise[at - 1] + math.sqrt(1.0 - correlated**2) * noise[at]
        blocks = [Histogram.of(each) for each in np.exp(0.5 * noise).reshape(16, -1)]
        sides.append(estimate.percentiles(blocks, [p]))
    return P95, sides[0], sides[1], Noise(1e-9, 1e9), 0.0


def rates(random: Random) -> Pair:
    def one(level: float) -> Estimate:
        return estimate.rate((random.poisson(level, 16) * 1.0).tolist(), [1.0] * 16)

    return RATE, [one(300.0)], [one(330.0)], Noise(1e-9, 1e9), 0.1


def shares(random: Random, *, base: float, head: float, count: int, cluster: float = 0.0) -> Pair:
    """Failed requests; with `cluster` they come in bursts (beta-binomial blocks with that correlation)."""

    def one(p: float) -> Estimate:
        size = count // 16
        weights = random.beta(p / cluster - p, (1 - p) / cluster - (1 - p), 16) if cluster else np.full(16, p)
        return estimate.share(random.binomial(size, weights).tolist(), [size] * 16)

    return FAILED, [one(base)], [one(head)], None, head - base


def samples(random: Random, *, count: int, of: Callable[[list[float]], Estimate]) -> Pair:
    """Starts of a program, as hyperfine or pyperf repeat them."""
    base, head = (of(random.lognormal(0.0, 0.1, count).tolist()) for _ in range(2))
    return P95, [base], [head], Noise(1e-9, 1e9), 0.0


KINDS: dict[str, Callable[[Random], Pair]] = {
    "a pair without history": partial(without_history, change=0.0),
    "a pair without history, 10 % apart": partial(without_history, change=0.10),
    "5 runs of history": partial(with_history, runs=5, between=0.05),
    "20 runs of history": partial(with_history, runs=20, between=0.05),
    "history as noisy as the runs within": partial(with_history, runs=20, between=0.01),
    "head measured three times": partial(with_history, runs=10, between=0.05, heads=3),
    "five lone figures a side": partial(repeated, runs=5),
    "median of blocks": partial(from_blocks, p=50.0, correlated=0.0),
    "p95 of blocks": partial(from_blocks, p=95.0, correlated=0.0),
    "rates": rates,
    "shares of 1 and 2 %": partial(shares, base=0.01, head=0.02, count=4000),
    "shares of 10 and 12 %": partial(shares, base=0.10, head=0.12, count=4000),
    "shares in bursts": partial(shares, base=0.05, head=0.05, count=8000, cluster=0.02),
    "means of 10 starts": partial(samples, count=10, of=estimate.mean),
    "means of 30 starts": partial(samples, count=30, of=estimate.mean),
}


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_truth(kind: str) -> None:
    share = covered(KINDS[kind])
    assert 0.935 <= share <= 0.965


@pytest.mark.parametrize(("p", "correlated"), [(95.0, 0.5), (50.0, 0.9)])
def test_intervals_cover_the_truth_though_requests_depend_on_each_other(p: float, correlated: float) -> None:
    share = covered(partial(from_blocks, p=p, correlated=correlated), 2000)
    assert 0.92 <= share <= 0.97  # 2,000 pairs: two standard errors are 1 %


def test_the_interval_of_very_rare_failures_covers_more_and_never_less() -> None:
    """Two failures or three: no interval on counts can be exact (Brown, Cai and DasGupta 2001)."""
    assert covered(partial(shares, base=0.0005, head=0.0005, count=4000)) >= 0.95
