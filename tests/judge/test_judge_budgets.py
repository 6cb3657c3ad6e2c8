from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent

import pytest

from loadgate.config.budgets import Budgets
from loadgate.config.project import parse_project
from loadgate.judge.budgets import budget_text, decide_budgets, judge_budgets, with_budgets
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.spread import Spread
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import Run, SubjectRecord
from loadgate.record.verdict import BudgetResult, Verdict, Word
from tests.record.samples import DEFINITION, run_of
from tests.support.made_up import MadeUp

SUBJECT = SubjectRecord("python app.py, process 4711", every=0.1)


def parse_budgets(text: str) -> Budgets:
    return parse_project(f"budgets:\n{indent(text, '  ')}\n", Path("loadgate.yml"), {}).budgets


def judged(text: str, run: Run) -> dict[str, BudgetResult]:
    """Results by key, or by step and key."""
    found = judge_budgets(parse_budgets(text), run)
    return {f"{result.step}: {result.key}" if result.step else result.key: result for result in found}


def run_with(made: MadeUp, **changes: object) -> Run:
    """Without warm-up."""
    if made.at == 0.0:
        made.close()
    changes = {"definition": replace(DEFINITION, warmup=0.0), "verdict": Verdict(Word.PASS), **changes}
    return run_of(made.recorder, **changes)


def served(times: Sequence[float], *, failed: int = 0, name: str = "GET /") -> MadeUp:
    made = MadeUp()
    made.requests(times, name=name)
    made.requests([1.0] * failed, name=name, status=500)
    return made


def repeated(metric: str, median: float, unit: str, *, step: str = "", count: int = 1) -> Repeated:
    return Repeated(SeriesName(step, metric, ""), unit, Direction.LOWER, (median,) * count, Spread(count, median))


def watched(**more: float) -> MadeUp:
    """100 requests in one second, of a target that was watched."""
    made = served([5.0] * 100)
    values = {
        "target_cpu": 0.05,
        "target_memory": 60e6,
        "target_memory_pss": 40e6,
        "target_threads": 8.0,
        "target_open_files": 20.0,
        "target_disk_read": 1000.0,
        "target_disk_written": 3000.0,
    }
    for metric, value in (values | more).items():
        made.add(metric, value)
    return made


# -- requests


def test_enough_samples_within_pass_and_beyond_fail_on_either_side_of_the_limit() -> None:
    run = run_with(served([10.0] * 90 + [100.0] * 10))
    found = judged("http: {p50_latency_ms: 11, p95_latency_ms: 99, p90_latency_ms: 100, max_latency_ms: 100.1}", run)
    assert [result.word for result in found.values()] == [Word.PASS, Word.FAIL, Word.PASS, Word.PASS]
    p95 = found["p95_latency_ms"]
    assert p95.observed == pytest.approx(100.0, rel=0.004)
    assert (p95.samples, p95.needed, p95.limit, p95.unit) == (100, 59, 99.0, "ms")
    assert p95.used == pytest.approx(100.0 / 99.0, rel=0.004)


def test_percentiles_are_those_of_all_samples_of_all_steps_together() -> None:
    made = served([10.0] * 60, name="GET /a")
    made.requests([200.0] * 40, name="GET /b")
    found = judged(
        "http: {p50_latency_ms: 20}\nsteps: {GET /a: {p95_latency_ms: 20}, GET /b: {p50_latency_ms: 150}}",
        run_with(made),
    )
    assert [result.word for result in found.values()] == [Word.PASS, Word.PASS, Word.FAIL]
    assert [result.samples for result in found.values()] == [100, 60, 40]


def test_the_warm_up_counts_for_nothing() -> None:
    made = MadeUp(warmup=1.0)
    made.requests([900.0] * 100)
    made.close()
    made.requests([10.0] * 60)
    made.close()
    found = judged("http: {p95_latency_ms: 20, min_throughput_rps: 59}", run_of(made.recorder))
    assert [(result.word, result.samples) for result in found.values()] == [(Word.PASS, 60), (Word.PASS, 60)]


@pytest.mark.parametrize(
    ("times", "word"),
    [
        ([10.0] * 58, Word.UNSURE),
        ([10.0] * 59, Word.PASS),
        ([10.0] * 19 + [900.0], Word.UNSURE),
        ([10.0] * 16 + [900.0] * 4, Word.FAIL),
        ([900.0], Word.FAIL),
        ([900.0, 10.0], Word.UNSURE),
        ([900.0] * 2 + [10.0], Word.FAIL),
    ],
)
def test_few_samples_are_unsure_unless_they_are_broken_beyond_doubt(times: list[float], word: Word) -> None:
    (result,) = judged("http: {p95_latency_ms: 500}", run_with(served(times))).values()
    assert result.word is word
    assert (result.samples, result.needed) == (len(times), 59)


@pytest.mark.parametrize(
    ("good", "failed", "limit", "word", "needed"),
    [
        (297, 2, "0.01", Word.PASS, 299),
        (295, 4, "1%", Word.FAIL, 299),
        (298, 0, "0.01", Word.UNSURE, 299),
        (50, 1, "0.01", Word.UNSURE, 299),
        (50, 3, "0.01", Word.FAIL, 299),
        (1, 0, "0", Word.PASS, 1),
        (5000, 1, "0", Word.FAIL, 1),
        (1, 4, "1", Word.PASS, 1),
    ],
)
def test_an_error_rate_needs_requests_too(good: int, failed: int, limit: str, word: Word, needed: int) -> None:
    run = run_with(served([1.0] * good, failed=failed))
    (result,) = judged(f"http: {{max_error_rate: {limit}}}", run).values()
    assert (result.word, result.needed, result.samples) == (word, needed, good + failed)
    assert result.observed == pytest.approx(failed / (good + failed))


def test_a_percentile_that_is_shown_within_its_limit_is_not_called_broken() -> None:
    (result,) = judged("http: {p99_latency_ms: 100}", run_with(served([10.0, 100.5]))).values()
    assert result.observed < 100.0
    assert result.word is Word.UNSURE  # one of two is beyond, which chance alone makes in 2 % of all cases


def test_throughput_is_a_minimum_and_more_is_never_a_failure() -> None:
    run = run_with(served([1.0] * 100))
    for limit, word in ((100, Word.PASS), (1, Word.PASS), (101, Word.FAIL)):
        (result,) = judged(f"http: {{min_throughput_rps: {limit}}}", run).values()
        assert (result.word, result.observed, result.least) == (word, 100.0, True)
    assert "100/s, at least 101/s" in budget_text(result)


def test_an_average_takes_a_few_samples() -> None:
    found = [judged("http: {avg_latency_ms: 15}", run_with(served([10.0] * count))) for count in (4, 5)]
    assert [each["avg_latency_ms"].word for each in found] == [Word.UNSURE, Word.PASS]
    assert judged("http: {avg_latency_ms: 5}", run_with(served([10.0] * 5)))["avg_latency_ms"].word is Word.FAIL


def test_other_protocols_are_judged_under_k6s_names() -> None:
    made = MadeUp()
    for name in ("grpc_req_duration", "ws_connecting", "ws_message_duration"):
        series = made.recorder.series(Metric(name, Kind.TREND, "ms"), {})
        for value in [10.0] * 99 + [500.0]:
            made.recorder.add(series, value)
    text = (
        "grpc: {p50_latency_ms: 20}\nwebsocket: {connection_time_ms: 5, message_latency_ms: 50, p99.9_latency_ms: 50}"
    )
    found = judged(text, run_with(made))
    assert [result.word for result in found.values()] == [Word.PASS, Word.FAIL, Word.PASS, Word.UNSURE]
    assert [result.needed for result in found.values()] == [5, 59, 59, 2995]


# -- what is measured from outside, and again and again


def test_starting_and_stopping_are_judged_by_their_medians() -> None:
    run = run_with(
        MadeUp(),
        subject=SUBJECT,
        repeated=(
            repeated("target_startup_time", 250.0, "ms", count=7),
            repeated("target_port_open", 200.0, "ms"),
            repeated("target_first_request", 30.0, "ms"),
            repeated("target_startup_memory", 49.5e6, "bytes"),
            repeated("target_shutdown_time", 80.0, "ms"),
        ),
    )
    startup = "startup: {max_time_ms: 100, port_open_ms: 200, first_request_ms: 50, max_memory_mb: 50}"
    text = f"{startup}\nshutdown: {{max_time_ms: 99}}"
    found = judge_budgets(parse_budgets(text), run)
    assert [(result.key, result.observed, result.word) for result in found] == [
        ("max_time_ms", 250.0, Word.FAIL),
        ("port_open_ms", 200.0, Word.PASS),
        ("first_request_ms", 30.0, Word.PASS),
        ("max_memory_mb", 49.5, Word.PASS),
        ("max_time_ms", 80.0, Word.PASS),
    ]
    assert (found[0].samples, found[0].needed) == (7, 1)


def test_benchmarks_are_judged_in_the_unit_of_the_key() -> None:
    run = run_with(
        MadeUp(),
        repeated=(
            repeated("size", 12.0, "bytes", step="parse/1000"),
            repeated("time", 1500.0, "ns", step="parse/1000"),
            repeated("time", 0.002, "s", step="load"),
        ),
    )
    text = "benchmarks: {parse/1000: {max_time_us: 1.4}, load: {max_time_ms: 2.5}, parse/100: {max_time_ms: 1}}"
    found = judged(text, run)
    assert found["parse/1000: max_time_us"].observed == pytest.approx(1.5)
    assert found["parse/1000: max_time_us"].word is Word.FAIL
    assert found["load: max_time_ms"].observed == pytest.approx(2.0)
    missing = found["parse/100: max_time_ms"]
    assert (missing.word, missing.measured) == (Word.INVALID, False)
    assert "did you mean `parse/1000`?" in missing.why


RESOURCES = """
resources:
  cpu_us_per_request: 550
  max_cpu_cores: 0.06
  max_memory_mb: 64
  max_memory_pss_mb: 41
  max_threads: 8
  max_open_files: 20
  network_bytes_per_request: 1100
  disk_bytes_per_request: 40
"""


def test_resources_are_judged_by_their_totals_and_extremes() -> None:
    found = judged(RESOURCES, run_with(watched(), subject=SUBJECT))
    assert {result.word for result in found.values()} == {Word.PASS}
    assert [round(result.observed, 6) for result in found.values()] == [500, 0.05, 60, 40, 8, 20, 1100, 40]
    assert found["cpu_us_per_request"].samples == 100
    assert found["max_memory_mb"].samples == 1


def test_the_most_memory_counts_and_not_the_last() -> None:
    made = watched(target_memory=100e6)
    made.add("target_memory", 50e6)
    found = judged("resources: {max_memory_mb: 64}", run_with(made, subject=SUBJECT))["max_memory_mb"]
    assert (found.observed, found.word) == (100.0, Word.FAIL)


@pytest.mark.parametrize(
    ("metric", "value", "breaks"),
    [
        ("target_cpu", 0.05 * 1.15, "cpu_us_per_request"),
        ("target_memory", 100e6, "max_memory_mb"),
        ("target_memory_pss", 42e6, "max_memory_pss_mb"),
        ("target_threads", 9.0, "max_threads"),
        ("target_open_files", 21.0, "max_open_files"),
        ("target_disk_written", 4000.0, "disk_bytes_per_request"),
    ],
)
def test_what_is_planted_breaks_exactly_its_own_budget(metric: str, value: float, breaks: str) -> None:
    run = with_budgets(run_with(watched(**{metric: value}), subject=SUBJECT), parse_budgets(RESOURCES))
    assert [result.key for result in run.budgets if result.word is not Word.PASS] == [breaks]
    assert (run.verdict.word, run.verdict.exit_code) == (Word.FAIL, 1)
    assert run.verdict.reasons[0].startswith(f"budget resources {breaks}: ")


# -- steps of one name in several protocols


def mixed() -> Run:
    made = served([5.0] * 100, name="user")
    made.requests([50.0] * 100, name="user", protocol="grpc")
    made.requests([500.0] * 3, name="user", protocol="graphql")
    made.requests([1.0] * 100, name="grpc user")
    return run_with(made)


def test_a_budget_on_a_name_holds_for_each_protocol_that_has_it() -> None:
    found = judged("steps: {user: {p50_latency_ms: 20, max_latency_ms: 900}}", mixed())
    assert {key: result.word for key, result in found.items()} == {
        "grpc user: p50_latency_ms": Word.FAIL,  # of three calls of GraphQL 500 ms are more, and not known well enough
        "graphql user: max_latency_ms": Word.PASS,
    }
    assert found["grpc user: p50_latency_ms"].observed == pytest.approx(50.0, rel=0.01)
    [unsure] = judged("steps: {user: {p50_latency_ms: 60}}", mixed()).items()
    assert (unsure[0], unsure[1].word) == ("graphql user: p50_latency_ms", Word.UNSURE)


def test_one_protocol_of_several_can_be_named_unless_a_step_is_called_so() -> None:
    found = judged("steps: {graphql user: {max_latency_ms: 900}, grpc user: {max_latency_ms: 900}}", mixed())
    assert found["graphql user: max_latency_ms"].observed == pytest.approx(500.0)
    assert found["grpc user: max_latency_ms"].observed == pytest.approx(1.0), "the step of HTTP that has this very name"


def test_throughput_of_a_step_is_over_the_time_in_which_its_load_ran() -> None:
    made = MadeUp()
    made.requests([5.0] * 100, name="late", tags={"scenario": "second"})
    made.close(10.0)
    load = run_with(made).loads[0]
    first, second = replace(load, name="first", length=6.0), replace(load, name="second", start=6.0, length=4.0)
    run = run_with(made, loads=(first, second))
    text = "steps: {late: {min_throughput_rps: 20}}\nhttp: {min_throughput_rps: 5}"
    assert {key: result.observed for key, result in judged(text, run).items()} == {
        "late: min_throughput_rps": 25.0,
        "min_throughput_rps": 10.0,
    }


# -- what was never measured


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grpc: {max_error_rate: 0}", "no grpc request was made in this run"),
        ("grpc: {p50_latency_ms: 20}", "no grpc request was made in this run: let a scenario make one"),
        ("websocket: {connection_time_ms: 20}", "no websocket connection was made in this run"),
        ("startup: {max_time_ms: 100}", "the target was not started by Loadgate: give `target.start`"),
        ("shutdown: {max_time_ms: 100}", "the target was not started by Loadgate"),
        ("resources: {max_memory_mb: 100}", "the target was not watched: give `target.start` or `target.watch`"),
        ("resources: {max_cpu_cores: 1}", "the target was not watched"),
        ("resources: {cpu_us_per_request: 1}", "the target was not watched"),
        (
            "steps: {GET /user: {p50_latency_ms: 20}}",
            "(did you mean `GET /users`?): give the name that the summary shows",
        ),
        ("steps: {GET /users: {p50_latency_ms: 20}}", ""),
        ("benchmarks: {parse: {max_time_ms: 20}}", "no benchmark of this name was run: run it with `loadgate bench`"),
    ],
)
def test_what_was_never_measured_is_no_pass_and_says_what_to_do(text: str, says: str) -> None:
    run = run_with(served([1.0] * 100, name="GET /users"))
    if not says:
        assert with_budgets(run, parse_budgets(text)).verdict.word is Word.PASS
        return
    invalid = with_budgets(run, parse_budgets(text))
    unsure = with_budgets(run, parse_budgets(f"{text}\nmissing: unsure"))
    for each, word, code in ((invalid, Word.INVALID, 3), (unsure, Word.UNSURE, 4)):
        (result,) = each.budgets
        assert (result.word, result.measured, each.verdict.word) == (word, False, word)
        assert math.isnan(result.used)
        assert each.verdict.exit_code == code
        assert says in each.verdict.reasons[0]
        assert "remove the budget" in result.why
    assert "or set `missing: unsure`" in invalid.budgets[0].why
    assert "missing: unsure" not in unsure.budgets[0].why


def test_what_could_not_be_read_is_said_with_its_reason() -> None:
    made = watched()
    run = run_with(served([1.0]), subject=replace(SUBJECT, unread=("PSS: permission denied",)))
    (result,) = judged("resources: {max_memory_pss_mb: 1}", run).values()
    assert result.why.startswith("this could not be read of python app.py, process 4711: PSS: permission denied")
    run = run_with(made, repeated=(repeated("target_port_open", 1.0, "ms"),), subject=SUBJECT)
    (result,) = judged("startup: {max_time_ms: 1}", run).values()
    assert result.why.startswith("the target was started, and its startup time was not measured: remove")
    (result,) = judged("startup: {first_request_ms: 1}", run).values()
    assert "its first request was not measured: measure it with `loadgate bench`, remove" in result.why


def test_disk_bytes_of_which_only_half_is_known_are_not_known() -> None:
    made = served([1.0])
    made.add("target_disk_read", 1000.0)
    (result,) = judged("resources: {disk_bytes_per_request: 5000}", run_with(made, subject=SUBJECT)).values()
    assert not result.measured


def test_nothing_per_request_without_requests() -> None:
    made = MadeUp()
    made.add("target_cpu", 1.0)
    (result,) = judged("resources: {cpu_us_per_request: 1}", run_with(made, subject=SUBJECT)).values()
    assert "no request was made in this run" in result.why


# -- the verdict


def result_of(
    word: Word, *, key: str = "p95_latency_ms", measured: bool = True, observed: float = 600.0
) -> BudgetResult:
    return BudgetResult(
        "http", "", key, 500.0, observed if measured else math.nan, "ms", word, 10, 59, why="" if measured else "never"
    )


BROKEN = result_of(Word.FAIL)
KEPT = result_of(Word.PASS)
FEW = result_of(Word.UNSURE)
GONE = result_of(Word.INVALID, measured=False)
LEFT_OPEN = result_of(Word.UNSURE, measured=False)


@pytest.mark.parametrize(
    ("before", "results", "after", "code", "strict_code"),
    [
        (Word.PASS, [], Word.PASS, 0, 0),
        (Word.PASS, [KEPT], Word.PASS, 0, 0),
        (Word.PASS, [KEPT, BROKEN], Word.FAIL, 1, 1),
        (Word.PASS, [FEW, KEPT], Word.UNSURE, 0, 4),
        (Word.PASS, [GONE, FEW], Word.INVALID, 3, 3),
        (Word.PASS, [LEFT_OPEN, KEPT], Word.UNSURE, 4, 4),
        (Word.PASS, [GONE, BROKEN, FEW], Word.FAIL, 1, 1),
        (Word.PASS, [LEFT_OPEN, BROKEN], Word.FAIL, 1, 1),
        (Word.FAIL, [KEPT, FEW, GONE], Word.FAIL, 1, 1),
        (Word.INVALID, [KEPT], Word.INVALID, 3, 3),
        (Word.INVALID, [BROKEN, LEFT_OPEN], Word.INVALID, 3, 3),
    ],
)
def test_a_verdict_with_budgets(
    before: Word, results: list[BudgetResult], after: Word, code: int, strict_code: int
) -> None:
    reasons = () if before is Word.PASS else ("before",)
    verdict = decide_budgets(Verdict(before, reasons), results)
    assert (verdict.word, verdict.exit_code) == (after, code)
    assert decide_budgets(Verdict(before, reasons, strict=True), results).exit_code == strict_code
    assert bool(verdict.reasons) is (after is not Word.PASS)
    assert verdict.reasons[: len(reasons)] == reasons


def test_a_run_that_was_merely_cut_short_fails_by_a_broken_budget() -> None:
    short = Verdict(Word.INVALID, ("fewer starts than planned",))
    verdict = decide_budgets(short, [KEPT, BROKEN], trusted=True)
    assert verdict.word is Word.FAIL
    assert verdict.reasons[1:] == short.reasons
    for results in ([KEPT], [FEW], [LEFT_OPEN]):
        assert decide_budgets(short, results, trusted=True) == short


def test_reasons_come_with_the_broken_first_then_the_unmeasured_then_the_few() -> None:
    worse = result_of(Word.FAIL, key="p99_latency_ms", observed=5000.0)
    other = replace(GONE, key="p50_latency_ms")
    verdict = decide_budgets(Verdict(Word.FAIL, ("a threshold",)), [FEW, GONE, BROKEN, other, worse])
    assert verdict.reasons == (
        "a threshold",
        "budget http p99_latency_ms: 5,000 ms, limit 500 ms",
        "budget http p95_latency_ms: 600 ms, limit 500 ms",
        "budgets http p95_latency_ms and p50_latency_ms were never measured: never",
        "budget http p95_latency_ms: 10 samples are too few, it takes 59 (600 ms, limit 500 ms)",
    )


@pytest.mark.parametrize(
    ("observed", "limit", "unit", "says"),
    [
        (500.0004, 500.0, "ms", "500.0004 ms, limit 500 ms"),
        (0.010004, 0.01, "share", "1.0004 %, limit 1.00 %"),
        (1234.0, 1000.0, "us", "1,234 us, limit 1,000 us"),
        (61.25, 50.0, "MB", "61.2 MB, limit 50.0 MB"),
        (1000.4, 1000.0, "bytes", "1000.4 B, limit 1.00 kB"),
        (1.5, 1.0, "cores", "1.50 cores, limit 1.00 cores"),
        (9.0, 8.0, "count", "9, limit 8"),
    ],
)
def test_observed_and_limit_never_look_alike(observed: float, limit: float, unit: str, says: str) -> None:
    result = BudgetResult("http", "", "key", limit, observed, unit, Word.FAIL, 100, 59)
    assert budget_text(result) == f"budget http key: {says}"


def test_of_many_unmeasured_one_is_named_and_the_rest_counted() -> None:
    gone = [replace(GONE, key=key, group="grpc") for key in ("a", "b", "c")]
    (reason,) = decide_budgets(Verdict(Word.PASS), gone).reasons
    assert reason == "budgets grpc a and 2 more were never measured: never"
    assert budget_text(gone[0]) == "budget grpc a was never measured: never"


def test_a_step_and_a_benchmark_are_named() -> None:
    step = replace(BROKEN, group="steps", step="GET /users")
    assert budget_text(step) == "budget p95_latency_ms of step GET /users: 600 ms, limit 500 ms"
    benchmark = replace(BROKEN, group="benchmarks", step="parse/1000", key="max_time_us", unit="us")
    assert budget_text(benchmark) == "budget max_time_us of benchmark parse/1000: 600 us, limit 500 us"


def test_a_profile_is_judged_by_its_own_budgets() -> None:
    text = "http: {p50_latency_ms: 5}\nprofiles: {standard: {http: {p50_latency_ms: 20}}}"
    run = run_with(served([10.0] * 5))
    assert with_budgets(run, parse_budgets(text)).verdict.word is Word.PASS
    other = replace(run, definition=replace(run.definition, profile="other"))
    assert with_budgets(other, parse_budgets(text)).verdict.word is Word.FAIL


EVERY = """
startup: {max_time_ms: 1, max_memory_mb: 1, port_open_ms: 1, first_request_ms: 1}
shutdown: {max_time_ms: 1}
http: &all {p50_latency_ms: 1, avg_latency_ms: 1, max_latency_ms: 1, max_error_rate: 0.1, min_throughput_rps: 1}
grpc: *all
graphql: *all
websocket: {<<: *all, connection_time_ms: 1, message_latency_ms: 1}
steps: {GET /: *all}
benchmarks: {parse: {max_time_ms: 1}}
"""


def test_every_budget_that_can_be_written_is_no_pass_where_nothing_was_measured() -> None:
    results = judge_budgets(parse_budgets(EVERY + RESOURCES), run_with(MadeUp()))
    assert len(results) == 4 + 1 + 3 * 5 + 7 + 5 + 1 + 8
    assert {(result.word, result.measured) for result in results} == {(Word.INVALID, False)}
    assert all(": " in result.why for result in results)
