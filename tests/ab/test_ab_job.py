"""When an A/B test gives up: after how many pairs that are no evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.ab.job import NAME, Job
from loadgate.ab.order import ARMS, pair_order
from loadgate.ab.pair import Measured, Pace
from loadgate.ab.pilot import Chosen
from loadgate.ab.plan import AbFlags, make_ab_plan
from loadgate.record.file import RecordFile


@pytest.mark.parametrize(("pairs", "let_pass"), [(8, 2), (16, 2), (30, 2), (31, 3), (60, 5), (100, 9)])
def test_pairs_that_are_no_evidence_are_let_pass_up_to_a_tenth_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: int, let_pass: int
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make_ab_plan(AbFlags(base="app {port}", head="app {port}"), {})
    chosen = Chosen(Pace(100.0, 1.0, 0.0), pairs, 0.1, 1.2)
    job = Job(plan, RecordFile(tmp_path, NAME), {}, "loadgate ab", say=lambda said: None, chosen=chosen)
    one = Measured(1, pair_order(1, 1), {}, dict.fromkeys(ARMS, 0), ("the generator was late",))
    job._faulty = [one] * let_pass
    assert not job._hopeless
    job._faulty.append(one)
    assert job._hopeless
