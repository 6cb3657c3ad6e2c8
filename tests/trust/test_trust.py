from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.machine import BenchError
from bench.process import tree
from bench.trust import rounds, truths
from bench.trust.apart import run_apart
from bench.trust.cases import GRID, Case, case_of, sized
from bench.trust.cost import truth
from bench.trust.disturbance import disturbed
from bench.trust.journal import NAME, Block, Done, append, read
from bench.trust.quota import quota
from bench.trust.rivals import bencher, guide, previous, slower, threshold, welch_p
from bench.trust.rounds import next_cell
from bench.trust.table import BARS, CPU, page
from bench.trust.truths import Truth
from loadgate.measure.histogram import Histogram


def block(p50: float, p95: float = 20.0) -> Block:
    return Block({CPU: 130.0}, Histogram.of([p50] * 90 + [p95] * 10))


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
    units = {"service": 5.2}
    assert sized(case_of("work:5"), units).units == 26
    assert sized(case_of("one-of-ten:20"), units).units == 104
    assert sized(case_of("tail:20"), {}).units == 0


@pytest.mark.parametrize("name", ["work:x", "work:-5", "target/memory:5", "other/work:5", "none"])
def test_a_case_that_there_is_not_is_named(name: str) -> None:
    with pytest.raises(BenchError, match=f"no case is called `{name}`"):
        case_of(name)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in GRID}))
def test_commands_of_base_and_head_are_equally_long_and_differ_in_what_is_planted(name: str) -> None:
    case = sized(case_of(name), {"service": 5.0, "target": 1.0})
    assert case.name == name
    assert len(case.base) == len(case.head)
    assert (case.base == case.head) is name.endswith(":0")


def test_a_disturbance_leaves_no_process_behind() -> None:
    with pytest.raises(RuntimeError), disturbed("burners", seed=1, seconds=1.0) as processes:
        assert len(processes) == len(os.sched_getaffinity(0))
        raise RuntimeError
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.slow
def test_a_job_that_breaks_is_an_error_with_what_it_said_last() -> None:
    with pytest.raises(BenchError, match="invalid choice: 'no such machine'"):
        run_apart(case_of("work:1"), "no such machine", seconds=1.0, seed=1)


def test_truths_count_in_proportion_by_the_nearest_amount_and_the_last_of_it(tmp_path: Path) -> None:
    path = tmp_path / truths.NAME
    for found in (Truth("service", 100, 9.0, 0.1), Truth("service", 100, 10.0, 0.1), Truth("service", 400, 44.0, 0.4)):
        truths.append(path, found)
    kept = truths.read(path)
    assert truths.percent_of(kept, "service", 50) == pytest.approx((5.0, 0.05))
    assert truths.percent_of(kept, "service", 300) == pytest.approx((33.0, 0.3))
    assert truths.percent_of(kept, "target", 50) is None


def test_the_table_has_what_was_planted_in_fact_beside_what_jobs_say() -> None:
    more = replace(block(10.0), figures={CPU: 143.0})
    job = replace(done("fail", "work:10", 90.0), head=(more, more), units=100)
    assert "| work:10 | not measured | +10.00 % |    1 |" in page([job])
    assert "| work:10 | +9.00 % +/- 0.20 | +10.00 % |    1 |" in page([job], [Truth("service", 200, 18.0, 0.2)])


def test_a_job_in_which_nothing_was_evidence_keeps_no_promise_of_silence() -> None:
    lines = page([done("pass")] * 99 + [done("invalid")] * 50).splitlines()
    assert "not measured (99 of 100 jobs)" in next(line for line in lines if line.startswith("| nothing planted: FAIL"))


def test_two_alarms_are_too_many_until_two_hundred_jobs() -> None:
    lines = page([done("pass")] * 197 + [done("fail")] * 2).splitlines()
    assert next(line for line in lines if line.startswith("| nothing planted: FAIL")).endswith(" **missed** |")


@pytest.mark.slow
def test_a_quota_holds_what_is_started_in_it_and_leaves_no_group() -> None:
    try:
        with quota(0.2):
            group = own_cgroup()
            before, began = time.process_time(), time.monotonic()
            while time.monotonic() < began + 0.5:
                pass
            used = time.process_time() - before
    except BenchError as error:
        pytest.skip(str(error))
    assert used < 0.25  # a fifth of half a second, and a period more at either end
    assert f"loadgate-trust-{os.getpid()}" in group
    assert "loadgate-trust" not in own_cgroup()


def own_cgroup() -> str:
    return Path("/proc/self/cgroup").read_text()


@pytest.mark.slow
def test_work_that_is_planted_is_found_in_the_cpu_time_of_either_subject() -> None:
    for subject, units in (("service", 150), ("target", 60)):
        found = truth(subject, units, starts=2, couples=3)
        assert 10.0 < found.percent < 150.0, subject


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_job_leaves_a_line_with_its_pairs_and_their_service_times() -> None:
    done = run_apart(case_of("work:0"), "idle", seconds=1.0, seed=7)
    assert done.case == "work:0" and done.seed == 7 and done.commit
    assert len(done.base) == len(done.head) >= 8
    assert all(block.service.count > 100 for block in (*done.base, *done.head))


def test_the_next_job_is_of_the_cell_that_lacks_most_of_what_it_is_to_have() -> None:
    few, many = ("work:5", "idle", 90.0), ("work:0", "idle", 45.0)
    wanted = {few: 10, many: 100}
    assert next_cell(wanted, {}, {}) == few
    assert next_cell(wanted, {few: 1, many: 5}, {}) == many
    assert next_cell(wanted, {few: 1, many: 11}, {}) == few
    assert next_cell(wanted, {few: 1, many: 11}, {few: 3}) == many
    assert next_cell(wanted, {few: 10, many: 100}, {}) is None


def test_a_cell_that_breaks_is_left_out_and_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_or_break(case: Case, disturbance: str, *, seconds: float, seed: int) -> Done:
        if disturbance == "quota":
            raise BenchError("it takes root")
        return replace(done("pass"), case=case.name, disturbance=disturbance, seconds=seconds, seed=seed)

    monkeypatch.setattr(rounds, "run_apart", run_or_break)
    told: list[str] = []
    wanted = {("work:0", "quota", 45.0): 5, ("work:0", "idle", 45.0): 3}
    with pytest.raises(BenchError, match="3 times in a row: work:0, quota: it takes root"):
        rounds.measure(wanted, {("work:0", "idle", 45.0): 1}, units={}, out=tmp_path, say=told.append)
    assert [job.disturbance for job in read(tmp_path / NAME)] == ["idle", "idle"]
    assert "work:0, idle, 45 s: pass in 0.8 min, 3 of 3" in told


def test_a_bar_is_unknown_met_or_missed_and_an_invalid_job_found_nothing() -> None:
    bars = {bar.name: bar for bar in BARS}
    alarms = bars["nothing planted: FAIL"]
    assert alarms.met([done("pass")] * 99) is None
    assert alarms.met([done("pass")] * 100) is True
    assert alarms.met([done("fail")] * 100) is False
    found = bars["+10 %: FAIL"]
    assert found.met([done("fail", "work:10", 90.0)] * 19 + [done("invalid", "work:10", 90.0)]) is True
    assert found.met([done("fail", "work:10", 90.0)] * 18 + [done("invalid", "work:10", 90.0)] * 2) is False


@pytest.mark.slow
@pytest.mark.parametrize(("how", "left"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_job_that_is_ended_leaves_none_of_its_programs(how: signal.Signals, left: int) -> None:
    words = [
        sys.executable,
        "-m",
        "bench.trust.run",
        "work:0",
        "burner",
        "--units",
        "0",
        "--seconds",
        "9",
        "--seed",
        "1",
    ]
    job = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: sum("bench.trust.service" in command_of(pid) for pid in family(job.pid)) >= 2, "two arms")
        started = {pid: command_of(pid) for pid in family(job.pid)[1:]}
        job.send_signal(how)
        assert job.wait(20.0) == left
        wait_for(lambda: all(command_of(pid) != command for pid, command in started.items()), "all to be gone")
    finally:
        job.kill()
        job.wait()


def family(pid: int) -> list[int]:
    """It and all it started; none where one ended while they were looked for."""
    try:
        return tree(pid)
    except OSError:
        return []


def command_of(pid: int) -> str:
    """Its command line; "" of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def wait_for(holds: Callable[[], bool], what: str, patience: float = 20.0) -> None:
    until = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < until, f"waited {patience:g} s for {what}"
        time.sleep(0.05)
