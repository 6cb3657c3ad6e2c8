"""What a bench shows: only what it has. Loads that come one after another, or no load at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from loadgate.measure.metric import BUILTIN, Direction
from loadgate.measure.recorder import Recorder
from loadgate.record.repeated import repeated_of
from loadgate.record.result import SeriesName
from loadgate.record.run import LoadRecord, Run, RunState
from loadgate.record.verdict import BudgetResult, Verdict, Word
from loadgate.report.model import build_report
from loadgate.report.terminal import render_summary
from tests.record.samples import empty_run, run_of
from tests.support.golden import check_golden

GOLDEN = Path(__file__).parent / "golden"


def unloaded() -> Run:
    """Start-ups and a command, and nothing that was loaded."""
    values = [250.0 + number / 4 for number in range(12)]
    repeated = (
        repeated_of(SeriesName("", "target_startup_time", ""), "ms", Direction.LOWER, values, warmups=1),
        repeated_of(SeriesName("parse", "command_time", ""), "ms", Direction.LOWER, values, warmups=1),
    )
    run = empty_run()
    definition = replace(run.definition, profile="bench", warmup=0.0, planned_duration=60.0)
    run = replace(run, state=RunState.COMPLETE, duration=60.0, definition=definition, loads=(), notes=())
    return replace(run, repeated=repeated, verdict=Verdict(Word.PASS))


def loaded(*spans: tuple[str, float, float], warmup: float = 1.0, duration: float = 9.0) -> Run:
    """A run with 100 requests for each load (name, start, length) at the middle of its time."""
    recorder = Recorder(start=0.0, warmup=warmup)
    recorder.begin(0.0)
    for name, start, length in sorted(spans, key=lambda span: span[1] + span[2] / 2):
        recorder.close_window(start + length / 2 - 0.25)
        tags = MappingProxyType({"name": f"GET /{name}", "scenario": name})
        recorder.add(recorder.series(BUILTIN["http_reqs"], tags), 100.0)
        recorder.close_window(start + length / 2 + 0.25)
    loads = tuple(LoadRecord(name, "constant-vus", "", 1, 1, 0, 0, 1, 1, 0, *span) for name, *span in spans)
    run = run_of(recorder, loads=loads, duration=duration)
    return replace(run, definition=replace(run.definition, warmup=warmup))


def page(run: Run, width: int = 100) -> str:
    return render_summary(build_report(run), width=width, color=False)


def rates(run: Run) -> dict[str, float]:
    return {row.name: row.rate for row in build_report(run).steps}


def test_without_a_load_nothing_is_said_of_one() -> None:
    text = page(unloaded())
    assert not re.search("nothing was measured|generator|iterations|VUs|seed|request|threshold|loads", text), text
    assert text.splitlines()[-1].startswith("PASS  no budget was set; 2 figures repeated ")


def test_a_pass_says_what_it_rests_on() -> None:
    budget = BudgetResult("startup", "", "max_time_ms", 500.0, 251.0, "ms", Word.PASS, 12, 1)
    text = page(replace(unloaded(), budgets=(budget,)))
    assert text.splitlines()[-1].startswith("PASS  the budget holds; 2 figures repeated ")
    first = unloaded().repeated[0]
    once = repeated_of(first.series, first.unit, first.direction, [250.0])
    assert "1 figure measured once" in page(replace(unloaded(), repeated=(once,))).splitlines()[-1]


def test_without_a_load_it_looks_as_it_did() -> None:
    check_golden(GOLDEN / "summary-unloaded.txt", "\n".join(page(unloaded(), width) for width in (60, 100)))


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ([("a", 0.0, 1.0), ("b", 1.0, 3.0), ("c", 4.2, 3.0)], "3 loads one after another"),
        ([("b", 4.0, 3.0), ("a", 0.0, 3.0)], "2 loads one after another"),
        ([("a", 0.0, 9.0), ("b", 2.0, 3.0)], "2 loads at once"),
        ([("a", 0.0, 3.0), ("b", 2.0, 3.0), ("c", 5.0, 2.0)], "3 loads"),
        ([("a", 0.0, 0.0), ("b", 0.0, 0.0)], "2 loads"),
    ],
)
def test_the_head_says_how_loads_follow(spans: list[tuple[str, float, float]], words: str) -> None:
    run = loaded(*spans)
    assert build_report(run).facts.order == words.partition("loads")[2].strip()
    assert re.search(rf"  {words}(  |\n)", page(run)), page(run)


def test_a_step_has_the_rate_within_its_own_load() -> None:
    found = rates(loaded(("a", 1.0, 2.0), ("b", 3.2, 4.0), ("c", 7.0, 1.0)))
    assert found == {"GET /a": pytest.approx(50.0), "GET /b": pytest.approx(25.0), "GET /c": pytest.approx(50.0)}


def test_the_warm_up_is_in_no_rate() -> None:
    assert rates(loaded(("a", 0.0, 4.0), ("b", 4.0, 5.0)))["GET /a"] == pytest.approx(100 / 3)


def test_one_load_ran_as_long_as_the_run_did() -> None:
    assert rates(loaded(("a", 0.0, 8.0))) == {"GET /a": pytest.approx(100 / 8)}
    assert rates(loaded(("a", 0.0, 600.0))) == {"GET /a": pytest.approx(100 / 8)}


def test_a_record_that_does_not_say_when_loads_began_has_rates_over_the_whole_run() -> None:
    assert rates(loaded(("a", 2.0, 0.0), ("b", 4.0, 0.0))) == {"GET /a": 100 / 8, "GET /b": 100 / 8}


def test_a_step_of_two_loads_has_the_time_of_both_once() -> None:
    run = loaded(("a", 1.0, 3.0), ("b", 2.0, 4.0), ("c", 7.0, 2.0))
    both = tuple(
        replace(each, tags={**each.tags, "name": "GET /both"}) if each.tags["scenario"] != "c" else each
        for each in run.series
    )
    assert rates(replace(run, series=both))["GET /both"] == pytest.approx(200 / 5)


def test_without_a_load_nobody_planned_how_long_it_takes() -> None:
    report = build_report(replace(unloaded(), state=RunState.INTERRUPTED))
    assert report.state_note == "interrupted after 1m: the figures are of that part alone"
    assert "interrupted after 9s of 20s planned" in build_report(planned_for(20.0)).state_note


def planned_for(seconds: float) -> Run:
    run = loaded(("a", 0.0, seconds))
    return replace(run, state=RunState.INTERRUPTED, definition=replace(run.definition, planned_duration=seconds))
