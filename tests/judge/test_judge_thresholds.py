from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.config.threshold_grammar import parse_threshold
from loadgate.config.thresholds import Threshold
from loadgate.judge.extent import MOST_SLICES, Sliding
from loadgate.judge.statistic import statistic, worse
from loadgate.judge.thresholds import ThresholdJudge
from loadgate.measure.histogram import Histogram
from loadgate.measure.select import Selection
from loadgate.measure.tally import CounterTally, TrendTally
from loadgate.record.verdict import ThresholdResult
from tests.support.made_up import METRICS, MadeUp


def judge(run: MadeUp, *thresholds: Threshold, warmup: float = 0.0) -> ThresholdJudge:
    return ThresholdJudge(thresholds, run.recorder, warmup=warmup, metrics=METRICS)


def approx(value: float) -> Any:
    return pytest.approx(value)


def only(results: Sequence[ThresholdResult]) -> ThresholdResult:
    (result,) = results
    return result


# -- the whole run


@pytest.mark.parametrize(
    ("key", "expression", "observed", "passed", "unit"),
    [
        ("http_req_duration", "avg<30", 25.0, True, "ms"),
        ("http_req_duration", "min>10", 10.0, False, "ms"),
        ("http_req_duration", "max<=40ms", 40.0, True, "ms"),
        ("http_req_duration", "p(100)<0.03s", 40.0, False, "ms"),
        ("http_req_failed", "rate<1%", 0.0, True, "share"),
        ("http_reqs", "count==4", 4.0, True, "count"),
        ("http_reqs", "rate>=2/s", 2.0, True, "count"),
        ("data_received", "count<5kB", 4000.0, True, "bytes"),
        ("my_trend", "max<3", 3.0, False, "ms"),
        ("my_rate", "rate>50%", 0.5, False, "share"),
        ("my_counter", "count===6", 6.0, True, "count"),
        ("my_counter", "rate!=3", 3.0, False, "count"),
        ("my_gauge", "value<3", 2.0, True, "count"),
    ],
)
def test_a_threshold_is_judged_on_the_whole_run(
    key: str, expression: str, observed: float, passed: bool, unit: str
) -> None:
    run = MadeUp()
    found = judge(run, parse_threshold(key, expression))
    for times in ([10.0, 20.0], [30.0, 40.0]):
        run.requests(times)
        for metric, values in (("my_trend", (1, 3)), ("my_rate", (0, 1)), ("my_counter", (1, 2)), ("my_gauge", (9, 2))):
            run.add(metric, *values)
        found.observe(run.close())
    result = only(found.results(2.0))
    assert result.observed == pytest.approx(observed, rel=1e-9)
    assert (result.passed, result.unit, result.measured) == (passed, unit, True)
    assert (result.key, result.expression, result.over, result.aborted) == (key, expression, None, False)


def test_a_counters_rate_is_by_the_measured_seconds_it_is_told() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("my_counter", "rate>1"))
    run.add("my_counter", 30.0)
    found.observe(run.close())
    assert only(found.results(4.0)).observed == 7.5


def test_a_selector_takes_only_series_with_all_of_its_tags() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_duration{expected_response:true}", "max<100"),
        parse_threshold("http_req_duration{expected_response:false}", "max<100"),
        parse_threshold("http_req_duration{name:GET /,scenario:buy}", "max<100"),
        parse_threshold("http_reqs{status:500}", "count<1"),
        parse_threshold("http_req_duration{scenario:bu}", "max<100"),
    )
    run.requests([10.0], tags={"scenario": "browse"})
    run.requests([20.0], tags={"scenario": "buy"})
    run.requests([900.0], status=500, tags={"scenario": "buy"}, name="POST /")
    found.observe(run.close())
    good, bad, both, broken, nowhere = found.results(1.0)
    assert (good.observed, good.passed) == (approx(20.0), True)
    assert (bad.observed, bad.passed) == (approx(900.0), False)
    assert (both.observed, both.passed) == (approx(20.0), True)
    assert (broken.observed, broken.passed) == (1.0, False)
    assert not nowhere.measured and not nowhere.passed


def test_series_that_appear_late_are_taken_in() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_req_duration", "max<100"))
    found.observe(run.close())
    found.results(1.0)
    run.requests([50.0])
    found.observe(run.close())
    run.requests([70.0], name="GET /late")
    found.observe(run.close())
    assert only(found.results(3.0)).observed == pytest.approx(70.0)


# -- missing data


@pytest.mark.parametrize(
    ("key", "expression"),
    [
        ("http_req_duration", "p(95)<500"),
        ("http_req_duration", "min>=0"),
        ("http_req_failed", "rate<1%"),
        ("http_reqs", "count>=0"),
        ("checks", "rate>=0"),
        ("my_counter", "count<10"),
        ("my_gauge", "value!=1"),
        ("iterations{scenario:never}", "count<1"),
    ],
)
@pytest.mark.parametrize("over", [None, 2.0])
def test_a_threshold_without_data_fails_whatever_it_asks(key: str, expression: str, over: float | None) -> None:
    run = MadeUp()
    found = judge(run, parse_threshold(key, expression, over=over, abort_on_fail=True))
    for _ in range(4):
        found.observe(run.close())
    assert found.breach(4.0) is None
    result = only(found.results(4.0))
    assert math.isnan(result.observed) and not result.passed and not result.measured


@pytest.mark.parametrize("over", [None, 2.0])
@pytest.mark.parametrize("warmup", [None, 1.0])
@pytest.mark.parametrize("expression", ["count<1", "rate<0.1", "count==0"])
def test_a_run_that_counted_iterations_and_no_drop_has_dropped_none(
    expression: str, over: float | None, warmup: float | None
) -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("dropped_iterations", expression, over=over, warmup=warmup))
    for _ in range(4):
        run.iterations(5, scenario="default")
        found.observe(run.close())
    result = only(found.results(4.0))
    assert (result.observed, result.passed) == (0.0, True)


def test_no_drops_are_missing_data_where_no_iteration_was_counted_either() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("dropped_iterations", "count<1"),
        parse_threshold("dropped_iterations{scenario:buy}", "count<1"),
        parse_threshold("dropped_iterations{scenario:browse}", "count<1"),
    )
    found.observe(run.close())
    assert [result.passed for result in found.results(1.0)] == [False, False, False]
    run.iterations(5, scenario="buy")
    found.observe(run.close())
    assert [result.passed for result in found.results(2.0)] == [True, True, False]


def test_iterations_need_not_be_counted_all_the_time_for_no_drop_to_be_zero() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("dropped_iterations", "count>=0", over=2.0))
    for busy in (True, True, False, False, False, True):
        run.iterations(5 if busy else 0, scenario="default")
        found.observe(run.close())
    assert only(found.results(6.0)).passed


def test_no_drop_may_end_a_run_that_wants_some() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("dropped_iterations", "count>0", abort_on_fail=True))
    run.iterations(5, scenario="default")
    found.observe(run.close())
    assert found.breach(1.0) == "dropped_iterations count>0: 0"


def test_drops_that_happened_are_counted() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("dropped_iterations", "count<3"))
    for dropped in (1.0, 2.0):
        run.iterations(5, scenario="default")
        run.add("dropped_iterations", dropped, scenario="default")
        found.observe(run.close())
    result = only(found.results(2.0))
    assert (result.observed, result.passed) == (3.0, False)


# -- warm-up


def test_the_profiles_warmup_is_left_out() -> None:
    run = MadeUp(warmup=2.0)
    found = judge(
        run, parse_threshold("http_req_duration", "max<100"), parse_threshold("http_reqs", "rate>1"), warmup=2.0
    )
    for took in (900.0, 800.0, 50.0, 60.0):
        run.requests([took])
        found.observe(run.close())
    longest, rate = found.results(2.0)
    assert longest.observed == pytest.approx(60.0)
    assert rate.observed == 1.0


@pytest.mark.parametrize(("own", "longest", "per_second"), [(0.0, 900.0, 1.0), (1.0, 800.0, 1.0), (2.5, 60.0, 1.0)])
def test_a_warmup_of_its_own_may_be_shorter_or_longer_and_counts_whole_windows(
    own: float, longest: float, per_second: float
) -> None:
    run = MadeUp(warmup=2.0)
    found = judge(
        run,
        parse_threshold("http_req_duration", "max<1000", warmup=own),
        parse_threshold("http_reqs", "rate>0", warmup=own),
        warmup=2.0,
    )
    for took in (900.0, 800.0, 70.0, 60.0):
        run.requests([took])
        found.observe(run.close())
    found_longest, found_rate = found.results(2.0)
    assert found_longest.observed == pytest.approx(longest)
    assert found_rate.observed == pytest.approx(per_second)


def test_nothing_after_a_warmup_of_its_own_is_missing_data() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_req_duration", "max<1000", warmup=60.0))
    run.requests([10.0])
    found.observe(run.close())
    assert not only(found.results(1.0)).passed


# -- sliding windows


def test_a_sliding_window_sees_the_bad_stretch_that_the_whole_run_hides() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_failed", "rate<10%"),
        parse_threshold("http_req_failed", "rate<10%", over=10.0),
    )
    for second in range(100):
        run.requests([5.0] * 10, status=500 if 40 <= second < 45 else 200)
        found.observe(run.close())
    whole, sliding = found.results(100.0)
    assert (whole.observed, whole.passed) == (approx(0.05), True)
    assert (sliding.observed, sliding.passed, sliding.over) == (approx(0.5), False, 10.0)


def test_a_run_shorter_than_the_window_is_judged_on_all_there_is() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("my_counter", "rate<5", over=60.0, abort_on_fail=True))
    for count in (10.0, 2.0):
        run.add("my_counter", count)
        found.observe(run.close())
    assert found.breach(2.0) is None, "it ends no run before its window was covered"
    assert only(found.results(2.0)).observed == 6.0


def test_windows_within_the_warmup_are_not_part_of_a_sliding_one() -> None:
    run = MadeUp(warmup=2.0)
    found = judge(run, parse_threshold("http_req_duration", "max<100", over=2.0), warmup=2.0)
    for took in (900.0, 800.0, 10.0, 20.0, 30.0):
        run.requests([took])
        found.observe(run.close())
    assert only(found.results(3.0)).observed == pytest.approx(30.0)


def test_a_counter_that_stands_still_has_counted_zero() -> None:
    run = MadeUp()
    threshold = parse_threshold("http_reqs", "rate>1", over=3.0, abort_on_fail=True)
    found = judge(run, threshold)
    for busy in (True, True, True, True, False, False):
        if busy:
            run.requests([5.0] * 10)
        found.observe(run.close())
    assert found.breach(6.0) is None
    found.observe(run.close())
    assert found.breach(7.0) == "http_reqs rate>1 over 3s: 0/s"


def test_a_counter_that_begins_late_had_counted_zero_before() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_reqs", "count>1", over=2.0))
    for busy in (False, False, False, True, True):
        if busy:
            run.requests([5.0] * 10)
        found.observe(run.close())
    assert only(found.results(5.0)).observed == 0.0


def test_a_trend_has_no_percentile_while_nothing_happens() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_req_duration", "min>3", over=2.0))
    for busy in (True, True, False, False, False, True):
        if busy:
            run.requests([5.0])
        found.observe(run.close())
    result = only(found.results(6.0))
    assert (result.observed, result.passed) == (approx(5.0), True)


def test_the_unfinished_end_of_a_run_counts() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_req_duration", "max<100", over=60.0))
    for second in range(240):
        run.requests([900.0 if second == 239 else 10.0])
        found.observe(run.close(0.9))
    assert only(found.results(216.0)).observed == pytest.approx(900.0)


def test_a_counter_that_stood_still_up_to_the_very_end_has_counted_zero() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_reqs", "rate>1", over=120.0))
    # three windows make a slice; 57 slices are 119.7 s, and one window more is over 120 s but no slice yet
    for busy in [True] * 180 + [False] * 172:
        if busy:
            run.requests([5.0] * 10)
        found.observe(run.close(0.7))
    assert only(found.results(run.at)).observed == 0.0


def test_results_may_be_asked_for_at_any_time() -> None:
    run = MadeUp()
    threshold = parse_threshold("http_req_duration", "max<100", over=3.0)
    asked, unasked = judge(run, threshold), judge(run, threshold)
    for second in range(10):
        run.requests([float(second + 1)])
        window = run.close()
        unasked.observe(window)
        asked.observe(window)
        assert asked.results(10.0) == asked.results(10.0)
    assert asked.results(10.0) == unasked.results(10.0)


def test_a_sliding_window_keeps_a_bounded_number_of_parts() -> None:
    run = MadeUp()
    threshold = parse_threshold("my_counter", "count<1000", over=600.0)
    extent = Sliding(threshold, Selection(run.recorder, "my_counter"), 0.0, 600.0)
    for _ in range(3000):
        run.add("my_counter", 1.0)
        extent.observe(run.close(0.5))
    assert len(extent._slices) <= MOST_SLICES + 1
    assert 1200.0 <= extent.final(None) <= 1220.0


# -- ending a run


def test_a_broken_threshold_ends_the_run_only_if_it_says_so() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_duration", "max<100"),
        parse_threshold("http_req_duration", "max<500", abort_on_fail=True),
    )
    run.requests([300.0])
    found.observe(run.close())
    assert found.breach(1.0) is None
    run.requests([600.0])
    found.observe(run.close())
    assert found.breach(2.0) == "http_req_duration max<500: 600 ms"


def test_a_threshold_ends_the_run_only_when_more_than_its_delay_has_passed() -> None:
    run = MadeUp()
    found = judge(run, parse_threshold("http_req_duration", "max<500", abort_on_fail=True, delay_abort=2.0))
    broken_at = []
    for _ in range(4):
        run.requests([600.0])
        found.observe(run.close())
        if found.breach(run.at) is not None:
            broken_at.append(run.at)
    assert broken_at == [3.0, 4.0]


def test_what_the_warmup_measured_ends_no_run() -> None:
    run = MadeUp(warmup=2.0)
    found = judge(run, parse_threshold("http_req_duration", "max<500", abort_on_fail=True), warmup=2.0)
    for took in (900.0, 900.0, 10.0):
        run.requests([took])
        found.observe(run.close())
        assert found.breach(run.at) is None


def test_a_threshold_that_ended_the_run_has_failed_even_if_the_run_recovers_while_it_drains() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_failed", "rate<20%", abort_on_fail=True),
        parse_threshold("http_req_duration", "max<1000"),
    )
    run.requests([5.0], status=500)
    found.observe(run.close())
    assert found.breach(1.0) == "http_req_failed rate<20%: 100 %"
    run.requests([5.0] * 99)
    found.observe(run.close())
    ended, other = found.results(2.0)
    assert (ended.observed, ended.passed, ended.aborted) == (1.0, False, True)
    assert (other.passed, other.aborted) == (True, False)


def test_the_first_of_several_broken_thresholds_is_named() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_duration", "max<500", abort_on_fail=True, delay_abort=5.0),
        parse_threshold("http_req_duration", "avg<400", abort_on_fail=True),
        parse_threshold("http_req_duration", "min<300", abort_on_fail=True),
    )
    run.requests([600.0])
    found.observe(run.close())
    assert found.breach(1.0) == "http_req_duration avg<400: 600 ms"
    assert [result.aborted for result in found.results(1.0)] == [False, True, False]


def test_a_later_breach_does_not_replace_the_first() -> None:
    run = MadeUp()
    found = judge(
        run,
        parse_threshold("http_req_failed", "rate<20%", abort_on_fail=True),
        parse_threshold("http_req_duration", "max<1000", abort_on_fail=True),
    )
    run.requests([5.0], status=500)
    found.observe(run.close())
    assert found.breach(1.0) == "http_req_failed rate<20%: 100 %"
    run.requests([2000.0] * 99)
    found.observe(run.close())
    assert found.breach(2.0) == "http_req_duration max<1000: 2.00 s"
    first, second = found.results(2.0)
    assert (first.aborted, first.observed) == (True, 1.0)
    assert (second.aborted, second.passed) == (False, False)


def test_the_rate_of_a_counter_that_may_end_the_run_is_of_the_time_after_the_warmup() -> None:
    run = MadeUp(warmup=3.0)
    found = judge(run, parse_threshold("http_reqs", "rate>=10", abort_on_fail=True), warmup=3.0)
    for _ in range(5):
        run.requests([5.0] * 10)
        found.observe(run.close())
        assert found.breach(run.at) is None


# -- against brute force

_TIMES = st.lists(st.lists(st.floats(0.01, 5000.0), max_size=6), min_size=1, max_size=25)
_WIDTHS = st.sampled_from([0.5, 1.0, 2.0])


@settings(deadline=None, max_examples=150)
@given(
    times=_TIMES,
    width=_WIDTHS,
    warmup=st.sampled_from([0.0, 2.0, 4.0]),
    own=st.sampled_from([None, 0.0, 3.0, 6.0]),
    over=st.sampled_from([None, 1.0, 2.5, 5.0, 100.0]),
    key=st.sampled_from(["http_req_duration", "http_reqs"]),
    statistic_name=st.sampled_from(["avg", "min", "max", "med", "p(90)", "count", "rate"]),
    operator=st.sampled_from(["<", ">", "==", "!="]),
)
@pytest.mark.slow
def test_results_are_those_of_a_brute_force_over_all_samples(
    times: list[list[float]],
    width: float,
    warmup: float,
    own: float | None,
    over: float | None,
    key: str,
    statistic_name: str,
    operator: str,
) -> None:
    if (key == "http_reqs") != (statistic_name in ("count", "rate")):
        return
    run = MadeUp(warmup=warmup)
    threshold = parse_threshold(key, f"{statistic_name}{operator}50", warmup=own, over=over)
    found = judge(run, threshold, warmup=warmup)
    for taken in times:
        run.requests(taken)
        found.observe(run.close(width))
    seconds = max(0.0, run.at - warmup)

    first = warmup if own is None else own
    kept = [taken for number, taken in enumerate(times) if number * width >= first]
    spans = [kept]
    if over is not None and len(kept) * width >= over:
        wide = math.ceil(over / width)
        spans = [kept[end - wide : end] for end in range(wide, len(kept) + 1)]
    wanted = math.nan
    for span in spans:
        samples = [value for taken in span for value in taken]
        if key == "http_reqs":
            anything = any(kept)
            length = len(span) * width if over is not None or first != warmup else seconds
            value = statistic(threshold, CounterTally(float(len(samples))), length) if anything else math.nan
        else:
            value = statistic(threshold, TrendTally(Histogram.of(samples)), 1.0)
        wanted = worse(threshold, wanted, value)
    result = only(found.results(seconds))
    if math.isnan(wanted):
        assert not result.measured and not result.passed
    else:
        # times pass through clock seconds on their way, so a value at the edge of a bucket may fall beside it, and of
        # two that are as far from the bound, either may be the worse
        observed = result.observed if operator in "<>" else abs(result.observed - 50.0)
        wanted = wanted if operator in "<>" else abs(wanted - 50.0)
        assert observed == pytest.approx(wanted, rel=0.01, abs=0.0 if operator in "<>" else 0.5)
        assert result.passed == threshold.holds(result.observed)
