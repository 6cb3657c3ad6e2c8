from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loadgate.config.load import Executor, LoadSpec
from loadgate.measure.health import HealthSample
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, RateTally, TrendTally
from loadgate.measure.windows import merged
from loadgate.record.run import Run
from loadgate.record.verdict import ThresholdResult
from loadgate.report.frame import Frame, FrameRow
from loadgate.report.live import COLUMNS, MOST_TRACKED, LiveModel
from tests.support.sample_runs import CLOSED, FAULTY, LIMITS, OPEN, SHOP, STALLED, Play, SampleStep, results, run_of


def frames(
    play: Play, seconds: int, *, load: LoadSpec = CLOSED, thresholds: bool = True, planned: int = 0, dropped: int = 0
) -> Iterator[Frame]:
    model = LiveModel(profile="standard", target="http://127.0.0.1:3000", loads=[load], warmup=play.recorder.warmup)
    for window in play.windows(seconds, planned=planned, dropped=dropped):
        yield model.update(
            window,
            play.health[-1],
            active=9,
            thresholds=results(play.recorder, LIMITS) if thresholds else (),
            errors=play.recorder.errors,
            series=play.recorder.describe,
        )


def last(play: Play, seconds: int, *, load: LoadSpec = CLOSED, planned: int = 0, dropped: int = 0) -> Frame:
    return list(frames(play, seconds, load=load, planned=planned, dropped=dropped))[-1]


def rows(frame: Frame) -> dict[str, FrameRow]:
    return {row.label: row for row in frame.rows}


def trend(run: Run, metric: str) -> TrendTally:
    found = run.total(metric)
    assert isinstance(found, TrendTally)
    return found


def test_the_run_so_far_is_what_the_record_will_say() -> None:
    play = Play(FAULTY, warmup=5.0)
    frame = last(play, 30)
    run = run_of(play, 30.0)
    reqs, failed = run.total("http_reqs"), run.total("http_req_failed")
    assert isinstance(reqs, CounterTally)
    assert isinstance(failed, RateTally)
    assert rows(frame)["rate"].so_far == pytest.approx(reqs.total / 25.0)
    assert rows(frame)["errors"].so_far == failed.rate
    service = trend(run, "http_req_duration").histogram
    for label, level in (("p50", 50.0), ("p95", 95.0), ("p99", 99.0)):
        assert rows(frame)[label].so_far == service.percentile(level)


def test_now_is_the_last_window_alone() -> None:
    play = Play(SHOP)
    frame = last(play, 3)
    numbers = run_of(play, 3.0).find("http_req_duration")
    window = merged(play.recorder.windows[-1].tallies, numbers)
    assert isinstance(window, TrendTally)
    assert rows(frame)["rate"].now == 99.0
    assert rows(frame)["p95"].now == window.histogram.percentile(95.0)
    assert rows(frame)["p95"].now != rows(frame)["p95"].so_far


def test_the_warmup_is_shown_while_it_lasts_and_forgotten_after() -> None:
    play = Play(SHOP, warmup=3.0)
    seen = list(frames(play, 5))
    assert [frame.phase for frame in seen] == ["warm-up"] * 3 + [""] * 2
    assert rows(seen[2])["rate"].so_far == pytest.approx(99.0)
    assert sum(step.rate * 1.0 for step in seen[3].steps) == pytest.approx(99.0)
    assert rows(seen[3])["p50"].so_far == rows(seen[3])["p50"].now


def test_an_open_model_shows_latency_and_how_the_plan_is_kept() -> None:
    play = Play(STALLED)
    frame = last(play, 5, load=OPEN, planned=100, dropped=7)
    assert frame.basis == "latency"
    assert rows(frame)["p50"].so_far > 400.0
    assert frame.starts == (93.0, 100.0)
    assert frame.dropped == 35
    assert last(Play(SHOP), 2).starts is None


def test_a_missed_plan_is_told_while_it_is_missed() -> None:
    frame = last(Play(SHOP), 12, load=OPEN, planned=100, dropped=40)
    assert frame.healthy
    assert frame.health_text.startswith("achieved 60/s of 100/s planned")


def test_the_generator_is_judged_by_the_last_seconds_alone() -> None:
    model = LiveModel(profile="p", target="t", loads=[CLOSED])
    recorder = Recorder(start=0.0)
    late: list[bool] = []
    for second in range(40):
        window = recorder.close_window(second + 1.0)
        sample = HealthSample(second + 1.0, 0.5, 300.0 if 10 <= second < 20 else 0.4)
        frame = model.update(window, sample, active=0, thresholds=(), errors=recorder.errors, series=recorder.describe)
        late.append(not frame.healthy)
    assert not any(late[:10])
    assert all(late[12:20])
    assert not any(late[32:])


def test_the_history_is_a_minute_in_columns_that_never_change_once_over() -> None:
    long = LoadSpec("l", Executor.CONSTANT_VUS, vus=2, duration=600.0)
    seen = list(frames(Play(SHOP), 80, load=long))
    assert seen[0].column * COLUMNS == 60.0
    assert len(rows(seen[-1])["p95"].history) == COLUMNS
    before, after = rows(seen[58])["p95"].history, rows(seen[59])["p95"].history
    assert after[: len(before) - 1] == before[:-1]
    assert rows(seen[79])["rate"].history[0] == pytest.approx(99.0)


def test_the_history_of_a_short_run_is_the_whole_run() -> None:
    short = LoadSpec("l", Executor.CONSTANT_VUS, vus=2, duration=20.0)
    frame = last(Play(SHOP), 20, load=short)
    assert (frame.column, len(rows(frame)["p95"].history)) == (1.0, COLUMNS)


def test_a_window_without_requests_leaves_a_gap_in_the_history() -> None:
    model = LiveModel(profile="p", target="t", loads=[CLOSED])
    recorder = Recorder(start=0.0)
    frame = model.update(
        recorder.close_window(1.0),
        HealthSample(1.0, 0.1, 0.1),
        active=3,
        thresholds=(),
        errors=recorder.errors,
        series=recorder.describe,
    )
    assert rows(frame)["p95"].history == (None,)
    assert rows(frame)["rate"].history == (0.0,)
    assert math.isnan(rows(frame)["p95"].now)
    assert math.isnan(rows(frame)["errors"].so_far)
    assert frame.active == 3


def test_limits_stand_beside_the_figures_they_are_on() -> None:
    def limit(key: str, statistic: str, *, passed: bool) -> ThresholdResult:
        return ThresholdResult(key, f"{statistic}<5", statistic, "<", 5.0, "ms", 4.0, passed)

    model = LiveModel(profile="p", target="t", loads=[CLOSED])
    play = Play(SHOP)
    (window,) = play.windows(1)
    frame = model.update(
        window,
        play.health[-1],
        active=1,
        thresholds=(
            limit("http_req_duration", "med", passed=True),
            limit("http_req_duration", "p(95)", passed=False),
            limit("http_req_duration{scenario:x}", "p(99)", passed=False),
        ),
        errors=play.recorder.errors,
        series=play.recorder.describe,
    )
    assert [(row.label, row.limit, row.holds) for row in frame.rows if row.limit] == [
        ("p50", "<5.00 ms", True),
        ("p95", "<5.00 ms", False),
    ]
    assert (frame.holding, frame.judged) == (1, 3)
    assert frame.broken[0] == "http_req_duration p(95)<5: 4.00 ms"


def test_a_limit_on_one_protocol_does_not_stand_beside_figures_of_several() -> None:
    both = last(Play((*SHOP, SampleStep("call", 5.0, 300.0, protocol="grpc"))), 3)
    assert not any(row.limit for row in both.rows) and both.judged == 4
    assert any(row.limit for row in last(Play(SHOP), 3).rows)


def test_a_threshold_without_data_yet_is_neither_held_nor_broken() -> None:
    play = Play(())
    play.checks = {}
    frame = next(frames(play, 1))
    assert (frame.holding, frame.judged, frame.broken) == (0, 0, ())


def test_the_commonest_failure_is_named_be_it_an_error_or_a_status() -> None:
    frame = last(Play(FAULTY), 30)
    assert frame.errors is not None
    assert (frame.errors.kind, frame.errors.step) == ("status 503", "POST /orders")
    only = last(Play((SampleStep("GET /", 50.0, fails={"reset": 0.5}),)), 3)
    assert only.errors is not None
    assert (only.errors.kind, only.errors.count) == ("reset", only.errors.total)
    assert last(Play(SHOP), 3).errors is None


def test_where_a_number_of_iterations_ends_the_run_they_are_the_progress() -> None:
    load = LoadSpec("l", Executor.SHARED_ITERATIONS, vus=2, iterations=200, max_duration=600.0)
    frame = last(Play(SHOP), 5, load=load)
    assert (frame.done, frame.goal, frame.progress) == (100, 200, 0.5)
    each = LoadSpec("l", Executor.PER_VU_ITERATIONS, vus=2, iterations=200, max_duration=600.0)
    assert last(Play(SHOP), 5, load=each).goal == 400


def test_past_the_planned_time_the_run_is_finishing() -> None:
    load = LoadSpec("l", Executor.CONSTANT_VUS, vus=2, duration=2.0)
    seen = list(frames(Play(SHOP), 4, load=load))
    assert [frame.phase for frame in seen] == ["", "", "finishing", "finishing"]
    assert seen[-1].progress == 1.0


def test_steps_with_failures_come_first_and_the_others_by_requests() -> None:
    frame = last(Play(FAULTY), 20)
    assert [step.name for step in frame.steps][:1] == ["POST /orders"]
    assert frame.more_steps == 0
    many = last(Play(tuple(SampleStep(f"s{n}", 1.0 + n) for n in range(9))), 2)
    assert [step.name for step in many.steps] == ["s8", "s7", "s6", "s5", "s4", "s3"]
    assert many.more_steps == 3


def test_names_by_the_thousand_do_not_make_the_view_grow() -> None:
    recorder = Recorder(start=0.0)
    model = LiveModel(profile="p", target="t", loads=[CLOSED])
    for number in range(MOST_TRACKED + 50):
        recorder.add(recorder.series(BUILTIN["http_reqs"], {"name": f"s{number}"}), 1.0)
    frame = model.update(
        recorder.close_window(1.0),
        HealthSample(1.0, 0.1, 0.1),
        active=0,
        thresholds=(),
        errors=recorder.errors,
        series=recorder.describe,
    )
    assert rows(frame)["rate"].so_far == MOST_TRACKED + 50
    assert len(frame.steps) + frame.more_steps == MOST_TRACKED


def test_no_frame_shows_a_secret_in_a_url() -> None:
    play = Play((SampleStep("GET http://ada:hunter2@h/?key=k3yk3y", 10.0, fails={"reset": 0.5}),))
    model = LiveModel(profile="quick", target="http://ada:hunter2@h/", loads=[CLOSED])
    broken = replace(
        results(play.recorder, LIMITS)[0], key="http_reqs{name:http://ada:hunter2@h/}", observed=1.0, passed=False
    )
    for window in play.windows(2):
        frame = model.update(
            window,
            play.health[-1],
            active=1,
            thresholds=[broken],
            errors=play.recorder.errors,
            series=play.recorder.describe,
        )
        assert "GET http://ada:***@h/?key=***" in str(frame.steps) and "ada:***@h" in str(frame.broken)
        assert "hunter2" not in str(frame) and "k3yk3y" not in str(frame)
