from __future__ import annotations

import math

import pytest

from loadgate.judge.wording import threshold_text
from loadgate.record.verdict import ThresholdResult


def result(
    key: str, expression: str, statistic: str, bound: float, unit: str, observed: float, over: float | None = None
) -> ThresholdResult:
    return ThresholdResult(key, expression, statistic, "<", bound, unit, observed, passed=False, over=over)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            result("http_req_duration", "p(95)<500", "p(95)", 500.0, "ms", 612.0),
            "http_req_duration p(95)<500: 612 ms",
        ),
        (
            result("http_req_duration{name:GET /}", "p(95)<1s", "p(95)", 1000.0, "ms", 1234.0, over=30.0),
            "http_req_duration{name:GET /} p(95)<1s over 30s: 1.23 s",
        ),
        (result("http_req_failed", "rate<1%", "rate", 0.01, "share", 0.034), "http_req_failed rate<1%: 3.40 %"),
        (result("http_reqs", "rate>100", "rate", 100.0, "count", 42.0), "http_reqs rate>100: 42.0/s"),
        (result("http_reqs", "count>9000", "count", 9000.0, "count", 1234.0), "http_reqs count>9000: 1,234"),
        (
            result("data_received", "count<1MB", "count", 1e6, "bytes", 1.5e6),
            "data_received count<1MB: 1.50 MB",
        ),
        (
            result("data_received", "rate<1MB", "rate", 1e6, "bytes", 1.5e6),
            "data_received rate<1MB: 1.50 MB/s",
        ),
        (result("depth", "value<3", "value", 3.0, "", 3.25), "depth value<3: 3.25"),
        (result("paid", "count<3", "count", 3.0, "count", 3.5), "paid count<3: 3.5"),
    ],
)
def test_a_threshold_reads_as_metric_condition_and_value_with_its_unit(given: ThresholdResult, text: str) -> None:
    assert threshold_text(given) == text


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (result("a", "p(95)<500", "p(95)", 500.0, "ms", 500.04), "500.04 ms"),
        (result("a", "p(95)<500", "p(95)", 500.0, "ms", 500.0), "500 ms"),
        (result("a", "rate<1%", "rate", 0.01, "share", 0.010001), "1.0001 %"),
        (result("a", "rate<10", "rate", 10.0, "count", 10.01), "10.01 count/s"),
    ],
)
def test_a_value_is_never_rounded_to_the_bound_it_misses(given: ThresholdResult, seen: str) -> None:
    assert threshold_text(given).endswith(f": {seen}")


@pytest.mark.parametrize(
    ("key", "statistic", "text"),
    [
        ("http_req_duration", "p(95)", "no data: nothing was measured under this name"),
        ("http_req_duration{name:GET /}", "p(95)", "no data: nothing was measured under these tags"),
        (
            "my_errors",
            "count",
            "no data: nothing was measured under this name (a counter that may stay at zero needs a zero added to it once)",
        ),
    ],
)
def test_a_threshold_without_data_says_so(key: str, statistic: str, text: str) -> None:
    assert threshold_text(result(key, "x", statistic, 1.0, "count", math.nan)) == f"{key} x: {text}"
