"""k6's threshold grammar, its laxness, our units, and what cannot be meant."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.source import parse_source
from loadgate.config.threshold_grammar import ThresholdError, parse_key, parse_threshold
from loadgate.config.thresholds import Aggregation, Threshold, check_thresholds
from loadgate.errors import ConfigError

KINDS = {"http_req_duration": "trend", "http_req_failed": "rate", "http_reqs": "counter", "vus": "gauge"}


def _parse(expression: str, key: str = "m") -> Threshold:
    return parse_threshold(key, expression)


@pytest.mark.parametrize(
    ("expression", "statistic", "operator", "bound"),
    [
        ("p(95)<500", "p(95)", "<", 500.0),
        ("p(99.9)<=1e3", "p(99.9)", "<=", 1000.0),
        ("  p( 95 )  <  500  ", "p(95)", "<", 500.0),
        ("avg>-1", "avg", ">", -1.0),
        ("min>=.5", "min", ">=", 0.5),
        ("med==+1.", "med", "==", 1.0),
        ("max===1", "max", "==", 1.0),
        ("count!=0", "count", "!=", 0.0),
        ("value<Inf", "value", "<", math.inf),
        ("p(0)<1", "p(0)", "<", 1.0),
        ("p(100)<1", "p(100)", "<", 1.0),
        ("p(95)<500ms", "p(95)", "<", 500.0),
        ("p(95)<500 ms", "p(95)", "<", 500.0),
        ("p(95)<1.5s", "p(95)", "<", 1500.0),
        ("p(95)<1m30s", "p(95)", "<", 90_000.0),
        ("rate<1%", "rate", "<", 0.01),
        ("rate>100/s", "rate", ">", 100.0),
        ("count<10MB", "count", "<", 10_000_000.0),
    ],
)
def test_an_expression_is_read_as_k6_reads_it_and_with_units(
    expression: str, statistic: str, operator: str, bound: float
) -> None:
    threshold = _parse(expression)
    assert (threshold.statistic, threshold.operator, threshold.bound) == (statistic, operator, bound)
    assert threshold.source == expression.strip()


@pytest.mark.parametrize(
    ("key", "parsed"),
    [
        ("m", ("m", ())),
        ("m{scenario:x,status:200}", ("m", (("scenario", "x"), ("status", "200")))),
        ("m{group:::login}", ("m", (("group", "::login"),))),
        ("m { 'a' : \"b c\" }", ("m", (("a", "b c"),))),
        ("m{url:http://h/{id}}", ("m", (("url", "http://h/{id}"),))),
        ('m{group:""}', ("m", (("group", ""),))),
    ],
)
def test_a_key_is_a_metric_and_a_selector(key: str, parsed: tuple[str, tuple[tuple[str, str], ...]]) -> None:
    assert parse_key(key) == parsed


@pytest.mark.parametrize(
    ("key", "expression", "marked", "message", "label"),
    [
        (
            "m",
            "p(950)<500ms",
            "p(950)",
            "`p(950)` is not a percentile",
            "must be a number from 0 to 100; did you mean",
        ),
        ("m", "p(-1)<5", "p(-1)", "`p(-1)` is not a percentile", "must be a number from 0 to 100"),
        ("m", "p(nan)<5", "p(nan)", "`p(nan)` is not a percentile", "must be a number from 0 to 100"),
        ("m", "p()<5", "p()", "`p()` is not a percentile", "must be a number from 0 to 100"),
        ("m", "p95<5", "p95", "`p95` is not a statistic", "did you mean `p(95)`?"),
        ("m", "median<5", "median", "`median` is not a statistic", "did you mean `med`?"),
        ("m", "arg<5", "arg", "`arg` is not a statistic", "did you mean `avg`?"),
        ("m", "<5", "<", "the statistic is missing", ""),
        ("m", "p(95)=<5", "=<", "`=<` is no operator", "did you mean `<=`?"),
        ("m", "p(95)=5", "=", "`p(95)=5` compares nothing", "did you mean `==`?"),
        ("m", "p(95)", "p(95)", "`p(95)` compares nothing", ""),
        ("m", "avg<", "<", "the bound is missing", ""),
        ("m", "avg < nan", "nan", "`nan` is not a number", ""),
        ("m", "avg<5parsecs", "5parsecs", "`5parsecs` is not a number", "`parsecs` is no unit"),
        ("m", "avg<5<6", "5<6", "`5<6` is not a number", "`<6` is no unit"),
        ("m{vu:1}", "avg<5", "vu:1", "tag `vu` cannot select", "no metric is kept apart by it"),
        ("m{a:1, iter:2}", "avg<5", " iter:2", "tag `iter` cannot select", "no metric is kept apart by it"),
        ("m{a:1,a:2}", "avg<5", "a:2", "tag `a` is selected twice", "a tag has one value"),
        (
            "m{group:::setup}",
            "avg<5",
            "group:::setup",
            "nothing is measured under `::setup`",
            "the load begins after setup and ends before teardown",
        ),
        ("m{a}", "avg<5", "a", "`a` is not a tag selector", "write `tag:value`"),
        ("m{a:1", "avg<5", "{a:1", "`m{a:1` does not end its selector", "`}` must end it"),
        ("m{a:1}x", "avg<5", "{a:1}x", "`m{a:1}x` does not end its selector", "`}` must end it"),
        ("{a:1}", "avg<5", "{a:1}", "`{a:1}` names no metric", "write `metric` or `metric{tag:value}`"),
    ],
)
def test_a_mistake_is_named_and_marked(key: str, expression: str, marked: str, message: str, label: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        parse_threshold(key, expression)
    error = caught.value
    assert error.message == message
    assert error.text[error.offset : error.offset + error.length] == marked
    assert error.label.startswith(label)
    assert bool(error.label) == bool(label)


_STATISTICS = st.sampled_from([each.value for each in Aggregation if each is not Aggregation.PERCENTILE]) | st.floats(
    0.0, 100.0
).map(lambda value: f"p({value!r})")
_NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name not in ("vu", "iter"))
_VALUES = st.from_regex(r"[A-Za-z0-9:/._-]{1,20}", fullmatch=True)


@given(
    metric=_NAMES,
    tags=st.dictionaries(_NAMES, _VALUES, max_size=3),
    statistic=_STATISTICS,
    operator=st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    bound=st.floats(allow_nan=False),
)
def test_what_is_written_reads_back_the_same(
    metric: str, tags: dict[str, str], statistic: str, operator: str, bound: float
) -> None:
    selector = ",".join(f"{tag}:{value}" for tag, value in tags.items())
    key = f"{metric}{{{selector}}}" if tags else metric
    threshold = parse_threshold(key, f"{statistic}{operator}{bound!r}")
    assert (threshold.metric, dict(threshold.selector), threshold.key) == (metric, tags, key)
    assert (threshold.operator, threshold.bound) == (operator, bound)
    written = statistic if threshold.percentile is None else f"p({threshold.percentile!r})"
    assert written == statistic


@given(st.text() | st.text(alphabet=st.sampled_from("p()95<>=!. msrate%{}:,'\"+-einf")))
def test_arbitrary_text_raises_nothing_but_a_threshold_error(text: str) -> None:
    for key, expression in ((text, "p(95)<5"), ("m", text)):
        try:
            parse_threshold(key, expression)
        except ThresholdError as error:
            assert str(error)
            assert 0 <= error.offset <= len(error.text)


@pytest.mark.parametrize(
    ("expression", "observed", "holds"),
    [
        ("avg<5", 4.9, True),
        ("avg<5", 5.0, False),
        ("avg<=5", 5.0, True),
        ("avg>5", 5.0, False),
        ("avg>=5", 5.0, True),
        ("avg===5", 5.0, True),
        ("avg!=5", 5.0, False),
        ("avg!=5", math.nan, False),
        ("avg<Inf", math.nan, False),
    ],
)
def test_a_threshold_holds_by_its_operator_and_never_without_data(
    expression: str, observed: float, holds: bool
) -> None:
    assert _parse(expression).holds(observed) is holds


def test_thresholds_that_can_be_meant_pass_the_check() -> None:
    check_thresholds(
        [
            _parse("p(95)<500ms", "http_req_duration{scenario:x}"),
            _parse("rate<1%", "http_req_failed"),
            _parse("rate<=1", "http_req_failed"),
            _parse("rate>100/s", "http_reqs"),
            _parse("count>1000", "http_reqs"),
            _parse("value<50", "vus"),
        ],
        KINDS,
    )


@pytest.mark.parametrize(
    ("key", "expression", "message", "label"),
    [
        (
            "http_req_duratoin",
            "avg<5",
            "there is no metric `http_req_duratoin`",
            "did you mean `http_req_duration`?",
        ),
        ("http_req_failed", "p(95)<5", "`http_req_failed` is a rate and has no `p(95)`", ""),
        ("http_req_duration", "rate<0.1", "`http_req_duration` is a trend and has no `rate`", ""),
        ("vus", "max<5", "`vus` is a gauge and has no `max`", ""),
        ("http_reqs", "avg<5", "`http_reqs` is a counter and has no `avg`", ""),
        ("http_req_duration", "p(95)<5%", "`5%` is a share, which `p(95)` of a trend is not", ""),
        ("http_reqs", "count<5s", "`5s` is a time, which `count` of a counter is not", ""),
        (
            "http_req_failed",
            "rate<5",
            "`5` is no share: `rate<5` would always come out the same",
            "did you mean `rate<5%`?",
        ),
        (
            "http_req_failed",
            "rate>-1",
            "`-1` is no share: `rate>-1` would always come out the same",
            "a share is 0 to 1",
        ),
    ],
)
def test_a_threshold_that_cannot_be_meant_is_refused(key: str, expression: str, message: str, label: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_thresholds([_parse(expression, key)], KINDS)
    (problem,) = caught.value.problems
    assert (problem.message, problem.label) == (message, label)


def test_the_check_points_into_the_file() -> None:
    span = parse_source('a: "p(95) < 500ms"', "f.yml").tree.entries["a"].value.span  # type: ignore[union-attr]
    threshold = parse_threshold("http_req_failed", "p(95) < 500ms", span=span)
    with pytest.raises(ConfigError) as caught:
        check_thresholds([threshold], KINDS)
    found = caught.value.problems[0].span
    assert found is not None
    assert found.text == "p(95)"
