from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from loadgate.measure.metric import Kind
from loadgate.measure.tally import CounterTally, TrendTally
from loadgate.record.codec import decode_run, encode_run
from loadgate.record.run import Run, RunState
from loadgate.record.verdict import Verdict, Word
from loadgate.report.model import build_report
from tests.support.sample_runs import (
    CLOSED,
    OPEN,
    SHOP,
    Play,
    SampleStep,
    empty,
    failing,
    interrupted,
    invalid,
    passing,
    run_of,
    running,
    stalled,
)


def run_with(*steps: SampleStep, seconds: int = 3, warmup: float = 0.0) -> Run:
    play = Play(steps, warmup=warmup)
    for _ in play.windows(seconds):
        pass
    return run_of(play, float(seconds))


def test_steps_stand_in_the_order_they_were_met_with_all_their_outcomes_together() -> None:
    run = failing()
    report = build_report(run)
    assert [row.name for row in report.steps] == [
        "GET /health",
        "POST /orders",
        "GET /orders/{id}/positions/{position}/history",
    ]
    orders = report.steps[1]
    total = run.total("http_reqs", {"name": "POST /orders"})
    assert isinstance(total, CounterTally)
    assert orders.requests == total.total == 18 * 60
    assert orders.rate == pytest.approx(18.0)
    trend = run.total("http_req_duration", {"name": "POST /orders"})
    assert isinstance(trend, TrendTally)
    assert orders.times.p99 == trend.histogram.percentile(99.0)
    assert orders.times.max == trend.histogram.maximum
    assert orders.commonest == "status 503"
    assert orders.failed == sum(row.count for row in report.faults if row.step == "POST /orders")
    assert [row.rank for row in report.steps] == [2, 0, 1]


def test_one_row_holds_all_steps_merged_never_averaged() -> None:
    run = passing()
    (everything,) = build_report(run).totals
    trend = run.total("http_req_duration")
    assert isinstance(trend, TrendTally)
    assert everything.times.p95 == trend.histogram.percentile(95.0)
    assert everything.requests == trend.histogram.count


def test_rates_and_counts_leave_the_warmup_out_and_a_note_says_so() -> None:
    report = build_report(run_with(*SHOP, seconds=10, warmup=4.0))
    assert report.totals[0].requests == 6 * (61 + 18 + 20)
    assert report.totals[0].rate == pytest.approx(99.0)
    assert any("warm-up" in note for note in report.notes)


def test_an_open_model_is_timed_from_the_planned_start_and_says_who_waited() -> None:
    report = build_report(stalled())
    stall, fine = report.steps
    assert report.basis == "latency"
    assert report.facts.model == "open model"
    assert stall.times.p99 == pytest.approx(400.0 + stall.service_p99, rel=0.01)
    assert fine.times.p99 == fine.service_p99
    assert [note for note in report.notes if "waited" in note] == [
        note for note in report.notes if note.startswith("GET /stall waited to be sent: p99 41")
    ]


def test_a_closed_model_is_timed_from_the_send() -> None:
    report = build_report(passing())
    assert report.basis == "service time"
    assert report.facts.model == "closed model"


def test_of_many_steps_that_waited_three_are_named() -> None:
    steps = [SampleStep(f"s{n}", 10.0, 5.0, waits=100.0 + 50.0 * n) for n in range(5)]
    run = replace(run_with(*steps), loads=stalled().loads)
    notes = build_report(run).notes
    assert [note.partition(" ")[0] for note in notes] == ["s4", "s3", "s2", "2"]


def test_faults_hold_errors_and_unexpected_statuses_the_most_frequent_first() -> None:
    report = build_report(failing())
    assert [row.kind for row in report.faults] == ["status 503", "timeout", "reset"]
    counts = [row.count for row in report.faults]
    assert counts == sorted(counts, reverse=True)
    assert all(0.0 <= row.first <= row.last <= 60.0 for row in report.faults)
    assert report.faults[0].sample == ""
    assert report.faults[1].sample.startswith("timeout after ")


def test_faults_of_one_kind_and_step_in_two_protocols_are_two_rows() -> None:
    steps = [
        SampleStep("user", 10.0, 5.0, fails={"reset": 1.0}),
        SampleStep("user", 4.0, 5.0, fails={"reset": 1.0}, protocol="grpc"),
        SampleStep("user", 2.0, 5.0, fails={"503": 1.0}, protocol="graphql"),
        SampleStep("user", 1.0, 5.0, fails={"503": 1.0}, protocol="websocket"),
        SampleStep("other", 3.0, 5.0, fails={"timeout": 1.0}, protocol="websocket"),
    ]
    found = {(row.kind, row.step): (row.count, bool(row.sample)) for row in build_report(run_with(*steps)).faults}
    assert found == {
        ("reset", "http user"): (30, True),
        ("reset", "grpc user"): (12, True),
        ("timeout", "websocket other"): (9, True),
        ("status 503", "graphql user"): (6, False),
        ("status 503", "websocket user"): (3, False),
    }
    alone = build_report(run_with(*steps[:1])).faults
    assert [(row.kind, row.step, row.count) for row in alone] == [("reset", "user", 30)]


def test_statuses_count_over_the_whole_run_as_errors_do() -> None:
    report = build_report(run_with(SampleStep("GET /", 10.0, 5.0, fails={"503": 1.0}), seconds=6, warmup=3.0))
    assert report.totals[0].failed == 30
    assert [(row.count, row.first, row.last) for row in report.faults] == [(60, 0.0, 5.0)]


def test_failed_requests_among_the_times_are_told_when_there_are_many() -> None:
    report = build_report(run_with(SampleStep("GET /", 100.0, 5.0, fails={"503": 0.3})))
    assert any("failed requests" in note for note in report.notes)
    assert not any("failed requests" in note for note in build_report(failing()).notes)
    both = [SampleStep(name, 50.0, 5.0, fails={"503": 1.0}, protocol=name) for name in ("http", "grpc")]
    few = SampleStep("few", 100.0, 5.0, protocol="graphql")
    notes = build_report(run_with(*both, few)).notes
    assert [note for note in notes if "failed" in note] == [
        "times hold the 300 failed requests too, which may have ended early"
    ]


def test_checks_come_worst_first_and_add_up() -> None:
    report = build_report(failing())
    assert report.checks[0].name == "reply within a second"
    assert [row.failed for row in report.checks] == sorted((row.failed for row in report.checks), reverse=True)
    assert sum(row.total for row in report.checks) == 6 * 20 * 60


def test_groups_and_the_authors_metrics_show_what_their_kind_has() -> None:
    rows = {row.name: row for row in build_report(failing()).measures}
    assert list(rows) == [
        "group checkout::pay",
        "checkout_time",
        "basket_size",
        "logins",
        "cache_hits",
        "queue_length",
    ]
    assert rows["checkout_time"].kind is Kind.TREND
    assert [name for name, _ in rows["checkout_time"].figures] == ["p50", "p95", "p99", "max"]
    assert rows["logins"].figures == (("total", 60.0), ("rate", 1.0))
    assert rows["cache_hits"].figures == (("share", 1.0), ("passes", 60.0), ("total", 60.0))
    assert [name for name, _ in rows["queue_length"].figures] == ["last", "min", "max"]


def test_iterations_users_and_transfer_are_the_runs_own() -> None:
    report = build_report(interrupted())
    assert (report.iterations.completed, report.iterations.interrupted, report.iterations.dropped) == (480, 3, 0)
    assert report.users.most_active == 10
    requests = sum(row.requests for row in report.steps)
    assert report.transfer.received == 900.0 * requests
    assert report.transfer.received_rate == pytest.approx(900.0 * requests / 24.3)


@pytest.mark.parametrize("word", list(Word))
def test_every_verdict_word_comes_with_its_reasons_and_exit_code(word: Word) -> None:
    verdict = Verdict(word, () if word is Word.PASS else ("first", "second"))
    report = build_report(replace(passing(), verdict=verdict))
    assert report.word is word
    assert report.reasons == verdict.reasons
    assert report.exit_code == verdict.exit_code
    assert report.sentence == ("all 4 thresholds hold; 5,445 requests, 0 % failed" if word is Word.PASS else "first")


def test_a_pass_without_thresholds_says_that_there_were_none() -> None:
    assert build_report(run_with(*SHOP)).sentence.startswith("no threshold was set; 297 requests")


def test_a_run_that_did_not_end_as_planned_says_how_far_it_came() -> None:
    assert build_report(passing()).state_note == ""
    note = build_report(interrupted()).state_note
    assert note == "interrupted after 24.3s of 1m planned: the figures are of that part alone"
    assert build_report(interrupted()).exit_code == 130
    assert build_report(running()).state_note.startswith("partial: this record ends after 24.3s")
    aborted = build_report(replace(interrupted(), state=RunState.ABORTED))
    assert aborted.state_note == "stopped after 24.3s of 1m planned by a threshold that was to abort the run"


def test_what_the_verdict_says_of_the_generator_is_not_said_twice() -> None:
    report = build_report(invalid())
    assert not report.generator.healthy
    assert report.generator.asides == ()
    other = build_report(replace(invalid(), verdict=Verdict(Word.FAIL, ("something else",))))
    assert other.generator.asides == invalid().health.reasons


def test_nothing_measured_gives_a_report_without_rows() -> None:
    report = build_report(empty())
    assert report.steps == report.totals == ()
    assert report.holding == 0
    assert math.isnan(report.iterations.p95)


def test_a_record_that_was_written_and_read_gives_the_same_report() -> None:
    run = failing()
    again = build_report(decode_run(encode_run(run)))
    assert repr(again) == repr(build_report(run))  # by text, since NaN is not equal to itself


def test_steps_of_one_name_in_two_scenarios_are_one_row() -> None:
    play = Play((SampleStep("GET /", 10.0),))
    for _ in play.windows(1):
        tags = {"name": "GET /", "scenario": "other", "status": "200", "expected_response": "true"}
        series = play.recorder.exchange_series("http", tags, failed=False)
        for seconds in np.linspace(0.001, 0.1, 5).tolist():
            play.recorder.exchange(series, 1, 1, 1000.5, 1000.5, 1000.5 + seconds, 1000.5 + seconds)
    play.recorder.close_window(1002.0)
    report = build_report(run_of(play, 2.0, load=CLOSED))
    assert [(row.name, row.requests) for row in report.steps] == [("GET /", 15)]


def test_steps_of_one_name_in_two_protocols_are_two_rows() -> None:
    run = run_with(SampleStep("user", 10.0, 5.0), SampleStep("user", 4.0, 50.0, protocol="grpc"), SampleStep("a", 3.0))
    report = build_report(run)
    assert [(row.title, row.requests) for row in report.steps] == [("http user", 30), ("http a", 9), ("grpc user", 12)]
    assert report.steps[0].times.max < report.steps[2].times.p50
    assert [(row.title, row.steps) for row in report.totals] == [("http all 2 steps", 2), ("grpc all 1 steps", 1)]
    alone = build_report(run_with(SampleStep("user", 4.0, protocol="grpc")))
    assert [row.title for row in (*alone.steps, *alone.totals)] == ["user", "all 1 steps"]


def test_who_waited_is_told_with_its_protocol() -> None:
    steps = SampleStep("user", 10.0), SampleStep("user", 10.0, waits=400.0, protocol="grpc")
    play = Play(steps)
    for _ in play.windows(3):
        pass
    notes = build_report(run_of(play, 3.0, load=OPEN)).notes
    assert [note.partition(":")[0] for note in notes] == ["grpc user waited to be sent"]
