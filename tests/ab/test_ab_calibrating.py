"""Which jobs count in a calibration, and when it ends: with jobs that were never run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadgate.ab import calibrating
from loadgate.ab.asked import AbFlags
from loadgate.ab.calibrating import NAME, Calibrating
from loadgate.ab.pair import Pace
from loadgate.ab.pilot import Chosen
from loadgate.ab.plan import make_ab_plan
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Interrupted
from loadgate.record.ab import AbRecord
from loadgate.record.file import RecordFile
from loadgate.record.run import RunState
from loadgate.record.verdict import Word
from tests.support.results import result
from tests.support.sample_ab import BASE, CPU, ab_record

NOTHING = ab_record(faults=("head answered no request",))
PASS, FAIL = ab_record(), ab_record(0.2)


class ScriptedJob:
    """A job that comes to the next of `ends`."""

    ends: list[AbRecord | LoadgateError]

    def __init__(self, *given: Any, chosen: Chosen) -> None:
        self.end = self.ends.pop(0)
        self.suspected = frozenset({CPU} if self.end is FAIL else ())
        self.pairs = [(result(BASE), result(BASE | {CPU: 0.17 + 0.01 * at})) for at in range(8)]

    async def measure(self, clock: object, signals: object) -> AbRecord:
        if isinstance(self.end, LoadgateError):
            raise self.end
        return self.end


Make = Callable[..., Calibrating]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    async def chosen(*_: object, **__: object) -> Chosen:
        return Chosen(Pace(100.0, 2.0, 1.0), 8, 0.5, 4.0)

    def made(*ends: AbRecord | LoadgateError) -> Calibrating:
        ScriptedJob.ends = list(ends)
        plan = make_ab_plan(AbFlags(base="app {port}", head="app {port}", seed=7), {})
        file = RecordFile(tmp_path / "out", NAME)
        return Calibrating(plan, len(ends), tmp_path / "out", file, {}, "loadgate calibrate", lambda text: None)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibrating, "choose", chosen)
    monkeypatch.setattr(calibrating, "Job", ScriptedJob)
    return made


def test_a_job_that_failed_is_a_false_alarm_and_one_that_is_no_evidence_counts_nothing(make: Make) -> None:
    found = make(PASS, NOTHING, FAIL, LoadgateError("head: it did not start"), PASS).run()
    assert [job.verdict for job in found.jobs] == [Word.PASS, Word.INVALID, Word.FAIL, Word.INVALID, Word.PASS]
    assert (len(found.counted), found.alarms) == (3, 1)
    assert found.jobs[2].alarms == found.jobs[2].worse == ("target_cpu_per_request",)
    assert found.jobs[3].reasons == ("head: it did not start",)
    (cpu,) = (figure for figure in found.figures if figure.series == CPU)
    assert (cpu.pairs, cpu.worse, cpu.alarms) == (3 * 8, 1, 1)
    assert len({job.seed for job in found.jobs}) == 5


def test_a_longer_test_has_no_fewer_pairs(make: Make) -> None:
    found = make(PASS).run()
    assert [budget.minutes for budget in found.budgets] == [1, 2, 5, 10]
    pairs = [budget.pairs for budget in found.budgets]
    assert pairs == sorted(pairs)
    assert pairs[0] == 8


def test_an_interruption_keeps_the_jobs_before_it_on_the_disk_too(make: Make, tmp_path: Path) -> None:
    found = make(PASS, Interrupted("interrupted"), PASS).run()
    assert (found.state, len(found.jobs), found.exit_code) == (RunState.INTERRUPTED, 1, 130)
    assert json.loads((tmp_path / "out" / NAME).read_bytes())["state"] == "interrupted"


def test_three_jobs_that_are_no_evidence_are_enough(make: Make) -> None:
    work = make(NOTHING, NOTHING, NOTHING, PASS)
    with pytest.raises(InvalidRun, match=r"no job is evidence: head answered no request$"):
        work.run()
    assert ScriptedJob.ends == [PASS]


def test_a_build_that_cannot_even_be_started_once_is_no_accident(make: Make) -> None:
    with pytest.raises(LoadgateError, match="it did not start"):
        make(LoadgateError("it did not start"), PASS).run()


def test_a_record_that_cannot_be_written_is_told_and_loses_nothing(make: Make, tmp_path: Path) -> None:
    work = make(PASS, PASS)
    (tmp_path / "out" / NAME).mkdir()
    assert len(work.run().counted) == 2
    assert "cannot write" in work.unsaved
