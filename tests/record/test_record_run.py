"""A run as others ask it: series by metric and tags, totals, values over time, verdicts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loadgate.measure.tally import CounterTally, RateTally, TrendTally
from loadgate.record.run import LoadRecord
from loadgate.record.verdict import EXIT_CODES, INTERRUPTED_EXIT, ThresholdResult, Verdict, Word
from tests.record.samples import empty_run, whole_run


def test_series_are_found_by_metric_and_all_of_the_tags() -> None:
    run = whole_run()
    assert len(run.find("http_reqs")) == 2
    (number,) = run.find("http_reqs", {"name": "POST /posts", "status": "500"})
    assert run.series[number].tags["name"] == "POST /posts"
    assert run.find("http_reqs", {"name": "POST /posts", "status": "200"}) == []
    assert run.find("http_reqs", {"nowhere": ""}) == []
    assert run.find("unknown") == []


def test_a_total_merges_all_series_after_the_warm_up() -> None:
    run = whole_run()
    assert run.total("http_reqs") == CounterTally(12.0)
    assert run.total("http_reqs", {"name": "GET /"}) == CounterTally(9.0)
    assert run.total("http_req_failed") == RateTally(3, 12)
    duration = run.total("http_req_duration", {"name": "GET /"})
    assert isinstance(duration, TrendTally)
    assert duration.histogram.count == 9
    assert duration.histogram.maximum == pytest.approx(30.0)


def test_asking_for_a_total_changes_nothing() -> None:
    run = whole_run()
    run.total("http_req_duration")
    run.over_time(run.find("http_req_duration"))
    assert run == whole_run()


def test_what_was_not_measured_has_no_total() -> None:
    assert whole_run().total("unknown") is None
    assert empty_run().total("http_reqs") is None


def test_values_over_time_have_one_place_for_each_window_warm_up_included() -> None:
    run = whole_run()
    assert run.over_time(run.find("http_reqs")) == [CounterTally(2.0), *[CounterTally(4.0)] * 3]
    assert run.over_time(run.find("my_counter")) == [None, *[CounterTally(2.5)] * 3]
    assert run.over_time([]) == [None] * 4


@pytest.mark.parametrize(("duration", "seconds"), [(4.0, 3.0), (1.0, 0.0), (0.25, 0.0)])
def test_measured_time_begins_after_the_warm_up(duration: float, seconds: float) -> None:
    assert replace(whole_run(), duration=duration).measured_seconds == seconds


def test_all_iterations_that_were_due_were_started_or_dropped() -> None:
    assert LoadRecord("main", "constant-arrival-rate", "", 90, 80, 10, 15, 5, 5).planned == 105


def test_each_verdict_has_an_exit_code_of_its_own() -> None:
    codes = {Word.PASS: 0, Word.FAIL: 1, Word.INVALID: 3, Word.UNSURE: 0, Word.NO_BASELINE: 0}
    assert {word: Verdict(word).exit_code for word in Word} == codes
    strict = {**codes, Word.UNSURE: 4, Word.NO_BASELINE: 4}
    assert {word: Verdict(word, strict=True).exit_code for word in Word} == strict
    assert INTERRUPTED_EXIT not in EXIT_CODES.values()


@pytest.mark.parametrize(("observed", "measured"), [(0.0, True), (math.inf, True), (math.nan, False)])
def test_a_threshold_without_data_is_not_measured(observed: float, measured: bool) -> None:
    assert ThresholdResult("m", "p(95)<5", "p(95)", "<", 5.0, "ms", observed, False).measured is measured
