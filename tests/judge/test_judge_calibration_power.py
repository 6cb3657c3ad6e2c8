"""What a calibration predicts is what whole jobs find, by simulation with a fixed seed: noise measured, change planted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadgate.judge.calibration import smallest_change
from loadgate.judge.looks import CONFIRMATION, planned_looks
from loadgate.judge.paired import Cell, confirms, judge
from loadgate.record.comparison import Change

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NOISE = 0.03
JOBS = 500


def failed(random: np.random.Generator, pairs: int, gates: int, change: float) -> bool:
    """Whether a job fails in whose first figure is a `change`, at any of its looks and again in fresh pairs."""
    drawn = random.normal(0.0, NOISE, (gates, pairs))
    drawn[0] += math.log1p(change)
    for look in planned_looks(pairs):
        effects = judge({at: Cell(tuple(own[: look.pairs]), 1e-3) for at, own in enumerate(drawn)}, look.alpha)
        if effects[0].word is Change.WORSE:
            fresh = random.normal(math.log1p(change), NOISE, CONFIRMATION[-1].pairs)
            return confirms(fresh.tolist())
    return False


@pytest.mark.parametrize(("pairs", "gates"), [(8, 5), (16, 1), (16, 5), (26, 5)])
def test_a_change_of_the_size_that_is_told_fails_four_jobs_of_five(pairs: int, gates: int) -> None:
    change = smallest_change(NOISE, pairs, gates, share=False)
    assert change is not None
    random = np.random.default_rng(pairs + gates)
    share = sum(failed(random, pairs, gates, change) for _ in range(JOBS)) / JOBS
    print(f"{pairs} pairs, {gates} figures: {change:.2%} found in {share:.1%} of jobs")
    assert share == pytest.approx(0.8, abs=0.06)
