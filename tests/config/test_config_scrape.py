from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.fields import Context, Place
from loadgate.config.scrape import KNOWN, Better, ScrapedKind, ScrapedSeries, ScrapeSpec, read_scrape
from loadgate.config.selector import Selector, parse_selector
from loadgate.config.source import parse_source
from loadgate.errors import ConfigError, Problem, Span
from loadgate.measure.metric import BUILTIN


def read(text: str) -> ScrapeSpec:
    """`text` as the `metrics` mapping. Raises ConfigError."""
    source = parse_source(text, "loadgate.yml")
    context = Context({"PASSWORD": "s3cr3t"}, Path("."), list(source.problems))
    spec = read_scrape(source.tree, Place("`metrics` in `target`", context))
    if context.problems:
        raise ConfigError(context.problems)
    assert spec is not None
    return spec


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def selector(text: str) -> Selector | Problem:
    return parse_selector(text, Span("loadgate.yml", 1, 1, len(text), (text,)))


def test_everything_can_be_said() -> None:
    spec = read(
        """
url: https://me:${env.PASSWORD}@10.0.0.7:9100/metrics
every: 500ms
timeout: 2s
series:
  target_cpu: process_cpu_seconds_total
  target_memory: 'process_resident_memory_bytes{job="api"}'
  queue_length: 'app_queue{queue="mail"}'
  jobs: {series: app_jobs_total, labels: {queue: mail}, kind: counter, unit: count, better: higher}
"""
    )
    assert spec == ScrapeSpec(
        "https://me:s3cr3t@10.0.0.7:9100/metrics",
        0.5,
        2.0,
        (
            ScrapedSeries("target_cpu", Selector("process_cpu_seconds_total"), ScrapedKind.COUNTER, "s"),
            ScrapedSeries(
                "target_memory", Selector("process_resident_memory_bytes", {"job": "api"}), ScrapedKind.GAUGE, "bytes"
            ),
            ScrapedSeries("queue_length", Selector("app_queue", {"queue": "mail"})),
            ScrapedSeries(
                "jobs", Selector("app_jobs_total", {"queue": "mail"}), ScrapedKind.COUNTER, "count", Better.HIGHER
            ),
        ),
    )
    assert "s3cr3t" not in repr(spec)


def test_a_path_is_put_on_the_target() -> None:
    spec = read("url: /metrics?all=1\nseries: {a: b}")
    assert (spec.every, spec.timeout) == (1.0, 1.0)
    assert spec.on("http://127.0.0.1:3000/api").url == "http://127.0.0.1:3000/metrics?all=1"
    whole = read("url: http://other:1/m\nseries: {a: b}")
    assert whole.on("http://127.0.0.1:3000") is whole


def test_our_own_names_mean_what_they_mean_elsewhere() -> None:
    ours = {name: metric for name, metric in BUILTIN.items() if name.startswith("target_")}
    assert {name: (kind.value, unit) for name, (kind, unit) in KNOWN.items()} == {
        name: (metric.kind.value, metric.unit) for name, metric in ours.items()
    }


@pytest.mark.parametrize("name", [name for name in BUILTIN if name not in KNOWN] + ["grpc_req_duration", "ws_sessions"])
def test_what_loadgate_measures_cannot_be_scraped(name: str) -> None:
    text = refused(f"url: /m\nseries: {{{name}: b}}")
    assert f"`{name}` is measured by Loadgate itself" in text
    assert "loadgate.yml:2:10" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url: /m", ["`series` is missing in `metrics` in `target`"]),
        ("series: {a: b}", ["`url` is missing"]),
        ("url: /m\nseries: {}", ["`series` in `metrics` in `target` must be a mapping", "nothing would be read"]),
        ("url: /m\nseries: [a]", ["must be a mapping", "this is a list"]),
        ("url: metrics\nseries: {a: b}", ["must be a URL with http or https, or a path", "loadgate.yml:1:6"]),
        ("url: //host/m\nseries: {a: b}", ["must be a URL"]),
        ("url: ftp://host/m\nseries: {a: b}", ["must be a URL"]),
        ("url: http://host:0/m\nseries: {a: b}", ["must be a URL"]),
        ("url: http://host:x/m\nseries: {a: b}", ["must be a URL"]),
        ("url: /m\nevery: 10ms\nseries: {a: b}", ["`every` in `metrics` in `target` must be 100ms or more"]),
        ("url: /m\ntimeout: 0\nseries: {a: b}", ["must be more than 0"]),
        ("url: /m\nevry: 1s\nseries: {a: b}", ["unknown key `evry`", "did you mean `every`?"]),
        ("url: /m\nseries: {a: b, a: c}", ["twice"]),
        ("url: /m\nseries: {target_cpus: b}", ["there is no metric `target_cpus`", "did you mean `target_cpu`?"]),
        ("url: /m\nseries: {a-b: c}", ["`a-b` is not a metric name"]),
        ("url: /m\nseries: {a: 9b}", ["`9b` is not the name of a series", "loadgate.yml:2:13"]),
        ("url: /m\nseries: {a: {kind: counter}}", ["`series` is missing in series `a`"]),
        ("url: /m\nseries: {a: {series: b, kind: trend}}", ["`kind` in series `a` must be one of counter, gauge"]),
        ("url: /m\nseries: {a: {series: b, unit: kB}}", ["must be one of ms, s, bytes, share, count"]),
        ("url: /m\nseries: {target_cpu: {series: b, unit: ms}}", ["`unit` cannot be given for `target_cpu`"]),
        ("url: /m\nseries: {a: {series: b, labels: {a-b: c}}}", ["`a-b` is not the name of a label"]),
        ("url: /m\nseries: {a: {series: 'b{c=\"d\"}', labels: {c: d}}}", ["the label `c` is given twice"]),
        ("url: /m\nseries: {a: {series: b, nmae: c}}", ["unknown key `nmae` in series `a`"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: list[str]) -> None:
    told = refused(text)
    for part in said:
        assert part in told
    assert "loadgate.yml:" in told or "is missing" in told


def test_everything_wrong_is_said_at_once() -> None:
    told = refused("url: metrics\nevery: often\nseries: {vus: a, b: '{', c: 'd{e}'}")
    assert "5 errors in loadgate.yml" in told


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", Selector("a")),
        (" a:b_total ", Selector("a:b_total")),
        ("a{}", Selector("a")),
        ('a { b = "c" , d="e", }', Selector("a", {"b": "c", "d": "e"})),
        (r'a{b="c\"d\\\n}"}', Selector("a", {"b": 'c"d\\\n}'})),
    ],
)
def test_a_selector_is_read(text: str, found: Selector) -> None:
    assert selector(text) == found
    assert selector(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said", "column", "length"),
    [
        ("", "is not the name of a series", 1, 1),
        ("a b", "`a b` is not the name", 1, 3),
        ('a{b="c"', "`{` is not closed", 2, 1),
        ("a{b=c}", "cannot be read", 3, 3),
        ('a{b="c" d="e"}', "cannot be read", 3, 11),
        ('a{b="c",d=~"e"}', "`=~` cannot be used", 10, 2),
        ('a{b!="c"}', "`!=` cannot be used", 4, 2),
        ('a{b="c",b="d"}', "`b` is given twice", 9, 1),
    ],
)
def test_what_is_wrong_in_a_selector_is_pointed_at(text: str, said: str, column: int, length: int) -> None:
    problem = selector(text)
    assert isinstance(problem, Problem)
    assert said in problem.message
    assert problem.span is not None
    assert (problem.span.column, problem.span.length) == (column, length)


def test_a_sample_may_have_other_labels_too() -> None:
    meant = Selector("a", {"b": "c"})
    assert meant.matches("a", {"b": "c", "d": "e"})
    assert not meant.matches("a", {"b": "d"})
    assert not meant.matches("a", {})
    assert not meant.matches("aa", {"b": "c"})


def test_the_example_of_the_documentation_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scraping.md").read_text("utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    inner = example.split("  metrics:\n")[1]
    spec = read("\n".join(line.removeprefix("    ") for line in inner.splitlines()))
    assert [each.name for each in spec.series] == ["target_cpu", "target_memory", "queue_length", "jobs"]
    assert all(f"`{name}`" in page for name in KNOWN)
