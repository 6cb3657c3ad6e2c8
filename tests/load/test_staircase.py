from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.load.staircase import staircase

STAGES = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0]), st.integers(0, 12)), max_size=6)


def test_a_vu_starts_when_the_line_reaches_it_and_stops_when_the_line_has_left_it() -> None:
    """k6's own chart (lib/executor/ramping_vus.go): 0 to 10 and back to 0, 10 s each way."""
    steps = list(staircase(0, [(10.0, 10), (10.0, 0)]))
    up = [(float(n), n) for n in range(11)]
    down = [(10.0 + n, 10 - n) for n in range(1, 11)]
    assert steps == up + down


@pytest.mark.parametrize(
    ("start", "stages", "steps"),
    [
        (3, [], [(0, 3)]),
        (2, [(5.0, 2)], [(0, 2)]),
        (0, [(0.0, 5), (5.0, 5)], [(0, 0), (0, 5)]),
        (1, [(4.0, 3)], [(0, 1), (2, 2), (4, 3)]),
        (4, [(0.0, 1), (1.0, 1), (2.0, 3)], [(0, 4), (0, 1), (2, 2), (3, 3)]),
        (1, [(1.0, 1), (0.0, 0), (1.0, 0), (1.0, 1)], [(0, 1), (1, 0), (3, 1)]),
    ],
)
def test_steps(start: int, stages: list[tuple[float, int]], steps: list[tuple[float, int]]) -> None:
    assert list(staircase(start, stages)) == steps


@given(st.integers(0, 12), STAGES)
def test_the_count_is_the_line_rounded_towards_where_it_came_from(start: int, stages: list[tuple[float, int]]) -> None:
    steps = list(staircase(start, stages))
    assert all(earlier.at <= later.at for earlier, later in pairwise(steps))
    assert all(earlier.vus != later.vus for earlier, later in pairwise(steps))
    begin, vus = 0.0, start
    for seconds, target in stages:
        for t in np.linspace(begin, begin + seconds, 23)[1:-1].tolist() if seconds else []:
            line = vus + (target - vus) * (t - begin) / seconds
            if abs(line - round(line)) > 1e-6:
                expected = math.floor(line) if target > vus else math.ceil(line)
                assert [step.vus for step in steps if step.at <= t][-1] == expected
        begin, vus = begin + seconds, target
    assert steps[-1].vus == vus
