from __future__ import annotations

from dataclasses import replace

import pytest

from loadgate.measure.windows import Window
from loadgate.record.run import Run, SubjectRecord
from loadgate.report.measures import measure_rows
from loadgate.report.resources import Resources, joined, resource_lines, resources_of
from loadgate.report.style import cells
from tests.record.samples import run_of
from tests.support.made_up import MadeUp
from tests.support.sample_runs import SAMPLES

SUBJECT = SubjectRecord("process 4711", (), 0.002, 1.0)


def run_with(made: MadeUp, subject: SubjectRecord | None = SUBJECT) -> Run:
    return replace(run_of(made.recorder), subject=subject)


def play(seconds: int, *, warmup: float = 0.0, **values: float) -> MadeUp:
    """Two requests a second, and `values` of target metrics in each."""
    made = MadeUp(warmup=warmup)
    for _ in range(seconds):
        made.requests([10.0, 20.0])
        for name, value in values.items():
            made.add(f"target_{name}", value)
        made.close()
    return made


def found(run: Run) -> dict[str, list[tuple[float, str]]]:
    resources = resources_of(run)
    assert resources is not None
    return {row.name: [(figure.value, figure.words) for figure in row.figures] for row in resources.rows}


def text(resources: Resources | None, width: int = 100) -> str:
    return "\n".join("".join(part for part, _ in line) for line in resource_lines(resources, width))


def test_nothing_that_was_watched_is_no_section() -> None:
    assert resources_of(run_with(play(3), None)) is None
    assert resource_lines(None, 80) == []


def test_cpu_is_told_as_cores_and_per_request_of_what_came_after_the_warm_up() -> None:
    made = MadeUp(warmup=2.0)
    for second in range(12):
        made.requests([10.0, 20.0])
        made.add("target_cpu", 3.0 if second < 2 else 0.25)
        made.close()
    run = replace(run_with(made), definition=replace(run_with(made).definition, warmup=2.0))
    values, words = zip(*found(run)["CPU"], strict=True)
    assert words == ("{} on average", "at most {} over 5s", "{} per request")
    assert values == pytest.approx((0.25, 0.25, 125.0))


def test_the_busiest_stretch_is_long_enough_that_one_reading_more_does_not_make_it() -> None:
    made = MadeUp()
    for second in range(20):
        # two readings fell into every other second
        made.add("target_cpu", *([0.5, 0.5] if second % 2 else []))
        made.close()
    run = run_with(made)
    run = replace(run, definition=replace(run.definition, warmup=0.0))
    average, busiest = found(run)["CPU"]
    assert average[0] == pytest.approx(0.5)
    assert busiest[0] == pytest.approx(0.6)


def test_a_short_rest_of_a_run_makes_no_busiest_stretch() -> None:
    assert [w.width for w in joined([Window(n, n + 1.0) for n in range(11)], 5.0)] == [5.0, 6.0]
    assert [w.width for w in joined([Window(0.0, 2.0)], 5.0)] == [2.0]
    assert [w.width for w in joined([Window(0.0, 8.0), Window(8.0, 16.0)], 5.0)] == [8.0, 8.0]
    assert joined([], 5.0) == []


def test_what_was_not_read_is_not_shown_as_zero_but_named() -> None:
    subject = replace(SUBJECT, unread=("threads: no such file", "PSS: permission denied"))
    run = run_with(play(3, memory=5e7), subject)
    assert found(run) == {"memory": [(5e7, "{} at the end"), (5e7, "{} at most")]}
    shown = text(resources_of(run))
    assert "not read: threads: no such file; PSS: permission denied" in shown
    assert "CPU" not in shown
    assert "watched every 1s, for 0.20 % of one core" in shown


def test_a_page_that_was_scraped_is_shown_without_a_program() -> None:
    resources = resources_of(run_with(play(3, cpu=0.1), None))
    assert resources is not None
    assert (resources.what, resources.every) == ("", 0.0)
    assert "watched" not in text(resources)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"threads": 12.0, "processes": 3.0, "open_files": 40.0}, "12 at most · in 3 processes · 40 open files"),
        ({"threads": 1.0, "processes": 1.0}, "1 at most · in 1 process"),
        ({"disk_read": 1e6, "disk_written": 0.0}, "3.00 MB read · 0 B written"),
        ({"net_sent": 2e6}, "network   6.00 MB sent"),
        ({"context_switches": 30.0, "page_faults": 4.0}, "90 context switches · 15.0 per request · 12 page faults"),
        ({"major_faults": 1.0}, "3 page faults from disk"),
        ({"page_faults": 2.0, "major_faults": 1.0}, "6 page faults · 3 from disk"),
        ({"throttled": 0.25}, "held back for 750 ms by its quota"),
        ({"memory": 4e7, "memory_peak": 4e7}, "40.0 MB at the end · 40.0 MB at most"),
        ({"memory_peak": 5e7, "memory_pss": 3e7}, "30.0 MB with shared pages divided (PSS) · 50.0 MB at its peak"),
    ],
)
def test_each_resource_in_words(values: dict[str, float], said: str) -> None:
    shown = text(resources_of(run_with(play(3, **values))))
    assert said in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", ["watched", "started"])
@pytest.mark.parametrize("width", [20, 33, 60, 80, 100])
def test_no_line_is_too_long(name: str, width: int) -> None:
    for line in text(resources_of(SAMPLES[name]()), width).splitlines():
        assert cells(line) <= max(width, 24)


def test_what_the_target_used_is_not_listed_among_an_authors_metrics_too() -> None:
    assert measure_rows(SAMPLES["watched"]()) == ()
