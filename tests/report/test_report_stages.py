from __future__ import annotations

from loadgate.config.load import Executor, LoadSpec, Stage
from loadgate.report.stages import StageSpan, stage_at, stage_spans


def test_ramps_and_holds_are_named_by_where_they_go() -> None:
    load = LoadSpec(
        "l",
        Executor.RAMPING_VUS,
        start_vus=1,
        stages=(Stage(10.0, 100.0), Stage(0.0, 50.0), Stage(20.0, 50.0), Stage(5.0, 1.0)),
    )
    assert stage_spans([load]) == (
        StageSpan(0.0, 10.0, "ramp to 100 VUs"),
        StageSpan(10.0, 30.0, "hold 50 VUs"),
        StageSpan(30.0, 35.0, "ramp to 1 VU"),
    )


def test_rates_are_told_per_second_and_a_late_start_is_a_stage() -> None:
    load = LoadSpec("l", Executor.RAMPING_ARRIVAL_RATE, start_rate=5.0, stages=(Stage(10.0, 5.0),), start_time=3.0)
    assert stage_spans([load]) == (
        StageSpan(0.0, 3.0, "waiting for its start time"),
        StageSpan(3.0, 13.0, "hold 5.00/s"),
    )


def test_a_load_without_stages_is_one() -> None:
    cases = {
        "1 VU": LoadSpec("l", Executor.CONSTANT_VUS, duration=5.0),
        "500/s": LoadSpec("l", Executor.CONSTANT_ARRIVAL_RATE, rate=500.0, duration=5.0),
        "1,000 iterations on 3 VUs": LoadSpec("l", Executor.SHARED_ITERATIONS, vus=3, iterations=1000),
        "3 VUs, 10 iterations each": LoadSpec("l", Executor.PER_VU_ITERATIONS, vus=3, iterations=10),
    }
    assert [span.text for load in cases.values() for span in stage_spans([load])] == list(cases)


def test_of_several_loads_the_stages_say_who_runs() -> None:
    loads = [
        LoadSpec("browse", Executor.CONSTANT_VUS, duration=30.0),
        LoadSpec("buy", Executor.CONSTANT_VUS, duration=10.0, start_time=10.0),
        LoadSpec("late", Executor.CONSTANT_VUS, duration=10.0, start_time=40.0),
    ]
    assert [(span.start, span.end, span.text) for span in stage_spans(loads)] == [
        (0.0, 10.0, "browse"),
        (10.0, 20.0, "browse, buy"),
        (20.0, 30.0, "browse"),
        (30.0, 40.0, "nothing planned"),
        (40.0, 50.0, "late"),
    ]


def test_the_present_stage_is_found_and_the_last_one_stays() -> None:
    spans = (StageSpan(0.0, 10.0, "a"), StageSpan(10.0, 20.0, "b"))
    assert [stage_at(spans, t) for t in (0.0, 9.9, 10.0, 19.0, 25.0)] == [0, 0, 1, 1, 1]
    assert stage_at((), 3.0) == -1
    assert stage_spans([]) == ()
