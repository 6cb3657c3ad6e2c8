"""The flat summary: the guide's shape and more, numbers only where something was measured."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Kind, Metric
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.record.codec import decode_run, encode_run
from loadgate.record.run import Run, Series
from loadgate.record.summary import encode_summary, summarise
from tests.record.samples import empty_run, run_of, target_run, whole_run
from tests.support.made_up import MadeUp

GOLDEN = Path(__file__).parent / "golden"

GUIDE = {
    "timestamp": str,
    "test_type": str,
    "duration_seconds": float,
    "metrics": {
        "http_req_duration": {"p50": float, "p95": float, "p99": float, "p99.9": float}
        | {"avg": float, "min": float, "max": float, "count": int},
        "http_req_failed": float,
        "throughput_rps": float,
        "http_reqs": int,
        "dropped_iterations": int,
    },
    "thresholds": {"passed": bool, "failed": list},
    "verdict": str,
    "reasons": list,
    "generator": {"healthy": bool, "cpu_share": float, "loop_lag_p99_ms": float},
}
"""What the guide and the design promise: keys and their types."""


def of_one(metric: str, total: Tally | None, kind: Kind = Kind.GAUGE) -> dict[str, Any]:
    """The summary of a run in which one series was measured."""
    return summarise(replace(empty_run(), series=(Series(Metric(metric, kind, ""), {}, total),)))


def assert_shape(value: Any, shape: Any, where: str = "$") -> None:
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        for key, inner in shape.items():
            assert key in value, f"{where}.{key}"
            assert_shape(value[key], inner, f"{where}.{key}")
    else:
        assert type(value) is shape, f"{where} is {value!r}"


@pytest.mark.parametrize("name", ["whole", "empty"])
def test_the_summary_is_the_one_that_was_agreed_on(name: str) -> None:
    """LOADGATE_UPDATE_GOLDEN=1 writes the files anew."""
    text = encode_summary({"whole": whole_run, "empty": empty_run}[name]()).decode()
    file = GOLDEN / f"summary-{name}.json"
    if os.environ.get("LOADGATE_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_every_key_of_the_guide_and_of_the_design_is_there_with_its_type() -> None:
    assert_shape(json.loads(encode_summary(whole_run())), GUIDE)


def test_a_recorded_run_has_the_summary_it_had_when_it_ended() -> None:
    assert encode_summary(decode_run(encode_run(whole_run()))) == encode_summary(whole_run())


def test_percentiles_are_those_of_the_samples() -> None:
    times = np.random.default_rng(1).lognormal(3.0, 0.7, 20_000)
    made = MadeUp()
    made.requests(times.tolist())
    made.close(10.0)
    figures = summarise(run_of(made.recorder))["metrics"]["http_req_duration"]
    for name in ("p50", "p90", "p95", "p99", "p99.9"):
        assert figures[name] == pytest.approx(np.percentile(times, float(name[1:])), rel=0.004)
    assert figures["avg"] == pytest.approx(times.mean(), rel=1e-5)
    assert (figures["min"], figures["max"]) == pytest.approx((times.min(), times.max()), rel=1e-5)
    assert figures["count"] == 20_000


def test_throughput_is_requests_over_measured_time_without_the_warm_up() -> None:
    metrics = summarise(whole_run())["metrics"]
    assert (metrics["http_reqs"], metrics["throughput_rps"]) == (12, 4.0)


def mixed_run() -> Run:
    """Three requests of HTTP and one call of gRPC, in steps of the same name, within a second."""
    made = MadeUp()
    made.requests([5.0, 5.0, 5.0], name="user")
    made.requests([80.0], name="user", protocol="grpc")
    made.close()
    return run_of(made.recorder, definition=replace(whole_run().definition, warmup=0.0), duration=1.0)


def test_steps_of_one_name_keep_the_figures_of_their_protocols_apart() -> None:
    summary = summarise(mixed_run())
    step = summary["steps"]["user"]
    assert (step["http_reqs"], step["grpc_reqs"]) == (3, 1)
    assert step["http_req_duration"]["max"] == pytest.approx(5.0)
    assert step["grpc_req_duration"]["min"] == pytest.approx(80.0)
    assert summary["metrics"]["throughput_rps"] == 4.0, "of all protocols"


def test_without_measured_time_there_is_no_throughput() -> None:
    assert "throughput_rps" not in summarise(replace(whole_run(), duration=1.0))["metrics"]


def test_each_kind_has_its_value() -> None:
    metrics = summarise(whole_run())["metrics"]
    assert (metrics["my_rate"], metrics["my_counter"], metrics["my_gauge"]) == (0.75, 7.5, 3.0)
    assert (metrics["my_trend"]["min"], metrics["my_trend"]["max"], metrics["my_trend"]["count"]) == (-3.5, 12.5, 9)


def test_steps_have_their_own_figures() -> None:
    steps = summarise(whole_run())["steps"]
    assert list(steps) == ["GET /", "POST /posts"]
    assert (steps["GET /"]["http_reqs"], steps["GET /"]["http_req_failed"]) == (9, 0.0)
    assert steps["POST /posts"]["http_req_duration"]["p50"] == pytest.approx(100.0, rel=0.004)


@pytest.mark.parametrize(
    ("kind", "total"),
    [
        (Kind.TREND, None),
        (Kind.TREND, TrendTally(Histogram())),
        (Kind.RATE, RateTally()),
        (Kind.GAUGE, GaugeTally(math.nan, math.nan, math.nan)),
        (Kind.COUNTER, CounterTally(math.nan)),
    ],
)
def test_what_was_not_measured_is_left_out_and_never_zero(kind: Kind, total: Tally | None) -> None:
    assert of_one("m", total, kind)["metrics"] == {"dropped_iterations": 0}


def test_a_step_that_only_the_warm_up_saw_has_no_figures() -> None:
    made = MadeUp(warmup=1.0)
    made.requests([5.0], name="GET /once")
    made.close()
    made.requests([5.0], name="GET /")
    made.close()
    assert list(summarise(run_of(made.recorder))["steps"]) == ["GET /"]


@pytest.mark.parametrize("number", [math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_becomes_the_largest_one(number: float) -> None:
    run = whole_run()
    run = replace(run, thresholds=(replace(run.thresholds[0], observed=number),))
    observed = json.loads(encode_summary(run))["thresholds"]["results"][0]["observed"]
    assert observed == math.copysign(1.79769e308, number)


def test_a_threshold_without_data_has_failed_and_observed_nothing() -> None:
    run = whole_run()
    run = replace(run, thresholds=(replace(run.thresholds[0], observed=math.nan, passed=False),))
    assert summarise(run)["thresholds"] == {
        "passed": False,
        "failed": ["http_req_duration: p(95)<500"],
        "results": [{"metric": "http_req_duration", "threshold": "p(95)<500", "observed": None, "passed": False}],
    }


def test_a_metric_called_as_the_throughput_gives_way_and_a_note_says_so() -> None:
    made = MadeUp()
    made.requests([5.0, 5.0])
    made.recorder.add(made.recorder.series(Metric("throughput_rps", Kind.GAUGE, ""), {}), 99.0)
    made.close()
    summary = summarise(run_of(made.recorder, definition=replace(whole_run().definition, warmup=0.0)))
    assert summary["metrics"]["throughput_rps"] == 2.0
    assert summary["notes"][-1].startswith("`throughput_rps` is requests per second")
    assert "throughput_rps" not in of_one("throughput_rps", GaugeTally(99.0, 99.0, 99.0))["metrics"]


@pytest.mark.parametrize(
    ("profile", "kind"),
    [("standard", "standard_load"), ("standard_load", "standard_load"), ("flags", "flags_load"), ("", "load")],
)
def test_the_test_type_is_the_profile_as_the_guide_writes_it(profile: str, kind: str) -> None:
    run = whole_run()
    assert summarise(replace(run, definition=replace(run.definition, profile=profile)))["test_type"] == kind


def test_no_secret_of_a_run_reaches_its_summary() -> None:
    run = whole_run()
    run = replace(
        run,
        definition=replace(run.definition, target="http://me:s3cr3t@host"),
        verdict=replace(run.verdict, reasons=("http://host/?token=s3cr3t: refused",)),
        notes=("password=s3cr3t",),
    )
    assert b"s3cr3t" not in encode_summary(run)


def test_text_that_is_not_unicode_does_not_spoil_the_summary() -> None:
    assert json.loads(encode_summary(replace(whole_run(), notes=("\udcff",))))["notes"] == ["?"]


def test_what_was_repeated_is_in_it() -> None:
    run = target_run()
    rows = summarise(run)["repeated"]
    assert [(row["step"], row["metric"]) for row in rows] == [each.series[:2] for each in run.repeated]
    first, spread = rows[0], run.repeated[0].spread
    assert (first["median"], first["count"], first["outliers"]) == (spread.median, spread.count, spread.outliers)
    assert first["unit"] == run.repeated[0].unit
    assert "repeated" not in summarise(whole_run())
