from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from bench.machine import BenchError
from bench.trust.cases import case_of
from bench.trust.cost import Cost
from bench.trust.disturbance import disturbed
from bench.trust.journal import Block, Done, append, read
from bench.trust.rivals import P50, P95, bencher, guide, previous, slower, threshold, welch_p
from bench.trust.table import CPU, page
from loadgate.measure.histogram import Histogram


def block(p50: float, p95: float = 20.0) -> Block:
    return Block({P50: p50, P95: p95, CPU: 130.0}, Histogram.of([p50] * 90 + [p95] * 10))


def done(verdict: str, case: str = "work:0", seconds: float = 45.0, head: float = 10.0) -> Done:
    words = {CPU: "worse" if verdict == "fail" else "same"}
    blocks = (block(10.0), block(10.5)), (block(head), block(head))
    return Done(case, "idle", seconds, 1, 0.8, verdict, words, (), 0, *blocks, "a machine, today")


def test_mann_whitney_ranks_ties_in_the_middle_and_corrects_for_them() -> None:
    # of the head's 1, 2, 4, 8: how many of 1, 2, 2, 4 are less, equal ones by half
    p = slower(Histogram.of([1.0, 2.0, 2.0, 4.0]), Histogram.of([2.0, 4.0, 8.0, 1.0]))
    u = 0.5 + (1 + 2 * 0.5) + (3 + 0.5) + 4
    ties = 3**3 - 3 + 2 * (2**3 - 2)
    z = (u - 8) / math.sqrt(16 / 12 * (9 - ties / 56))
    assert p == pytest.approx(0.5 * math.erfc(z / math.sqrt(2)))


def test_welch_gives_the_p_of_two_groups_of_one_spread() -> None:
    # equal sizes and spreads: 4 degrees of freedom, t = 1 / sqrt(2/3)
    t = 1 / math.sqrt(2 / 3)
    exact = 0.5 - t * (t * t + 6) / (2 * (t * t + 4) ** 1.5)
    assert welch_p([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx(exact)


def test_rules_of_ten_per_cent_fail_above_it_and_not_below() -> None:
    base = [block(10.0)]
    for head, fails in ((10.9, False), (11.2, True)):
        assert previous(1.1)(base, [block(head)], []) is fails
    assert previous(2.0)(base, [block(19.0)], []) is False
    assert threshold(base, [block(10.0, 22.5)], []) is True
    assert guide(base, [block(10.0, 20.5)], []) is False
    assert guide(base, [block(10.0, 23.0)], []) is True


def test_bencher_needs_a_history_and_fails_what_lies_beyond_it() -> None:
    history = [block(value) for value in (9.9, 10.0, 10.1, 10.0)]
    assert bencher([block(10.0)], [block(12.0)], history[:1]) is None
    assert bencher([block(10.0)], [block(10.1)], history) is False
    assert bencher([block(10.0)], [block(12.0)], history) is True


def test_a_last_line_that_was_cut_off_costs_that_job_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    append(path, done("pass"))
    append(path, done("unsure"))
    path.write_bytes(path.read_bytes()[:-40])
    append(path, done("fail"))
    assert [job.verdict for job in read(path)] == ["pass", "fail"]
    assert next(read(path)) == done("pass")


def test_a_line_that_is_no_job_is_named(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text("{}\n")
    with pytest.raises(BenchError, match="line 1 is no job"):
        list(read(path))


def test_a_promise_is_met_or_missed_only_with_jobs_enough() -> None:
    lines = page([done("pass")] * 99 + [done("fail")]).splitlines()
    assert next(line for line in lines if line.startswith("| nothing planted: FAIL")).endswith(" met |")
    lines = page([done("pass")] * 98 + [done("fail")] * 2).splitlines()
    assert next(line for line in lines if line.startswith("| nothing planted: FAIL")).endswith(" **missed** |")
    lines = page([done("fail", "work:10", 90.0)] * 19).splitlines()
    assert "not measured (19 of 20 jobs)" in next(line for line in lines if line.startswith("| +10 %: FAIL"))


def test_the_table_counts_false_alarms_with_their_exact_interval() -> None:
    assert "10% (0%-45%)" in page([done("pass")] * 9 + [done("fail")])


def test_work_is_planted_as_a_share_of_what_a_request_costs() -> None:
    assert case_of("work:5", Cost(plain=130.0, unit=0.25)).units == 26
    with pytest.raises(BenchError, match="no case is called `work:x`"):
        case_of("work:x", Cost(130.0, 0.25))


def test_a_disturbance_leaves_no_process_behind() -> None:
    with pytest.raises(RuntimeError), disturbed("burners", seed=1, seconds=1.0) as processes:
        assert len(processes) == len(os.sched_getaffinity(0))
        raise RuntimeError
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
