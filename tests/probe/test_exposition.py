"""Metrics pages as Prometheus' own client writes them, as the specifications show them, and broken ones."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from loadgate.probe.exposition import Sample, read_exposition, read_line, samples_of

SPECIFIED = r"""
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
"""
"""The example of prometheus.io/docs/instrumenting/exposition_formats, shortened."""

LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(lambda name: not name.startswith("__")),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8),
    max_size=3,
)


def test_the_example_of_the_specification_is_read() -> None:
    page = read_exposition(SPECIFIED.encode())
    assert page.odd == 0
    assert [sample.value for sample in page.samples] == [
        1027,
        3,
        1.458255915e9,
        12.47,
        math.inf,
        24054,
        144320,
        53423,
        144320,
    ]
    assert page.samples[0].labels == {"method": "post", "code": "200"}
    assert page.samples[2].labels == {"path": r"C:\DIR\FILE.TXT", "error": 'Cannot find file:\n"FILE.TXT"'}
    assert page.samples[3] == Sample("metric_without_timestamp_and_labels", {}, 12.47)
    assert page.kind("http_request_duration_seconds_bucket") == "histogram"
    assert page.kind("something_weird") == ""


def test_openmetrics_has_exemplars_declares_families_without_total_and_ends_with_a_mark() -> None:
    page = read_exposition(
        b"# TYPE jobs counter\n# UNIT jobs jobs\n"
        b'jobs_total{queue="a#b"} 17.0 1520879607.789 # {trace_id="x y"} 0.5 1520879607\n'
        b'jobs_created{queue="a#b"} 1.5e9\n# TYPE other unknown\nother 1\n# EOF\nafter 1\n'
    )
    assert [(sample.name, sample.value) for sample in page.samples] == [
        ("jobs_total", 17.0),
        ("jobs_created", 1.5e9),
        ("other", 1.0),
    ]
    assert page.kind("jobs_total") == "counter"
    assert page.kind("other") == ""
    assert page.odd == 0


def test_names_with_any_letters_stand_in_quotes() -> None:
    assert read_line('{"a.b", c="d"} 3') == Sample("a.b", {"c": "d"}, 3.0)
    assert samples_of(b'{"a.b"} 3\na 4\n', ["a.b"]) == [Sample("a.b", {}, 3.0)]
    page = read_exposition(b'# TYPE "a.b" counter\n{"a.b"} 3\n')
    assert page.kind("a.b") == "counter"


@pytest.mark.parametrize("text", ["NaN", "nan", "+Inf", "-Inf", "1e-3", "-.5", "+12", "7."])
def test_any_number_is_read(text: str) -> None:
    sample = read_line(f"a {text}")
    assert sample is not None
    assert repr(sample.value) == repr(float(text))


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a1",
        "a 1_000",
        "a 0x10",
        "a one",
        "a 1 2 3",
        "a{b=c} 1",
        'a{b="c} 1',
        'a{b="c" 1',
        'a{b="c"} ',
        '{b="c"} 1',
        'a{"b"} 1',
        'a{"b",c="d"} 1',
        'a{b="c"d="e"} 1',
        "9a 1",
        "<html>",
        "jobs {count:12,sum:100.0} 1520430000",
    ],
)
def test_a_line_that_is_none_is_counted_and_passed_over(line: str) -> None:
    page = read_exposition(f"before 1\n{line}\nafter 2\r\n".encode())
    assert [sample.name for sample in page.samples] == ["before", "after"]
    assert (page.odd, page.first_odd) == (1, line.strip())


@given(st.binary(max_size=200))
def test_whatever_the_page_is_it_is_read(body: bytes) -> None:
    page = read_exposition(body)
    assert page.odd >= 0
    assert samples_of(body, [sample.name for sample in page.samples]) is not None


@given(LABELS, st.floats())
def test_what_the_client_writes_is_read_as_its_own_parser_reads_it(labels: dict[str, str], value: float) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("app_state", "x", list(labels), registry=registry)
    (gauge.labels(*labels.values()) if labels else gauge).set(value)
    text = generate_latest(registry)
    (family,) = text_string_to_metric_families(text.decode())
    expected = [Sample(sample.name, sample.labels, sample.value) for sample in family.samples]
    for found in (list(read_exposition(text).samples), samples_of(text, ["app_state"])):
        assert repr(found) == repr(expected)
        assert found[0].labels == labels


@pytest.mark.parametrize("write", [generate_latest, generate_openmetrics])
def test_all_kinds_of_the_client_are_read(write: object) -> None:
    registry = CollectorRegistry()
    Counter("jobs", "x", registry=registry).inc(3, exemplar={"trace_id": "abc"})
    Histogram("size", "x", registry=registry).observe(2.0)
    Summary("wait", "x", registry=registry).observe(0.5)
    assert callable(write)
    page = read_exposition(write(registry))
    values = {sample.name: sample.value for sample in page.samples}
    assert page.odd == 0
    assert (values["jobs_total"], values["size_sum"], values["size_count"], values["wait_sum"]) == (3.0, 2.0, 1.0, 0.5)
    assert page.kind("jobs_total") == "counter"


def test_only_the_wanted_samples_are_looked_into() -> None:
    body = b'cpu_seconds 9\n cpu{core="0"} 1\ncpu 2\ncpu\t3\n# cpu 4\ncpux 5\n'
    assert [sample.value for sample in samples_of(body, ["cpu"])] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "line",
    [
        'a{b="c",' * 50_000,
        'a{"\\' * 50_000,
        "a{" + 'b="c",' * 50_000 + "} 1",
        "a 1" + " " * 100_000 + "x",
        "a" * 100_000 + "{",
    ],
)
def test_a_line_made_to_take_long_does_not(line: str) -> None:
    begun = time.process_time()
    read_exposition(line.encode())
    assert time.process_time() - begun < 2.0
