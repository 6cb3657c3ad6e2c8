from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadgate.config.budget_fields import load_budgets
from loadgate.config.budgets import Budget, Budgets, Missing
from loadgate.config.project import load_project, parse_project
from loadgate.errors import ConfigError

GUIDE = """\
# .github/performance-budgets.yml

budgets:
  startup:
    max_time_ms: 100
    max_memory_mb: 50

  http:
    p50_latency_ms: 50
    p95_latency_ms: 500
    p99_latency_ms: 1000
    max_error_rate: 0.01

  grpc:
    p50_latency_ms: 20
    p95_latency_ms: 200
    p99_latency_ms: 500
    max_error_rate: 0.01

  websocket:
    connection_time_ms: 100
    message_latency_ms: 50
    max_error_rate: 0.01
"""


def inline(text: str) -> Budgets:
    return parse_project(text, Path("loadgate.yml"), {}).budgets


def keys(budgets: tuple[Budget, ...]) -> list[tuple[str, str, float]]:
    return [(budget.step or budget.group, budget.key, budget.limit) for budget in budgets]


def test_the_guides_own_file_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "performance-budgets.yml"
    path.write_text(GUIDE)
    budgets = load_budgets(path, {})
    assert budgets.path == path
    assert budgets.missing is Missing.INVALID
    assert keys(budgets.of("anything")) == [
        ("startup", "max_time_ms", 100.0),
        ("startup", "max_memory_mb", 50.0),
        ("http", "p50_latency_ms", 50.0),
        ("http", "p95_latency_ms", 500.0),
        ("http", "p99_latency_ms", 1000.0),
        ("http", "max_error_rate", 0.01),
        ("grpc", "p50_latency_ms", 20.0),
        ("grpc", "p95_latency_ms", 200.0),
        ("grpc", "p99_latency_ms", 500.0),
        ("grpc", "max_error_rate", 0.01),
        ("websocket", "connection_time_ms", 100.0),
        ("websocket", "message_latency_ms", 50.0),
        ("websocket", "max_error_rate", 0.01),
    ]


def test_everything_can_be_said() -> None:
    budgets = inline(
        """
budgets:
  missing: unsure
  startup: {max_time_ms: 1, max_memory_mb: 2, port_open_ms: 3, first_request_ms: 4}
  shutdown: {max_time_ms: 5}
  graphql: {avg_latency_ms: 6, max_latency_ms: 7, p99.9_latency_ms: 8, p9999_latency_ms: 9, min_throughput_rps: 10}
  resources:
    cpu_us_per_request: 11
    max_cpu_cores: 1.5
    max_memory_mb: 12
    max_memory_pss_mb: 13
    max_threads: 14
    max_open_files: 15
    network_bytes_per_request: 16
    disk_bytes_per_request: 0
  steps: {"GET /users": {p75_latency_ms: 17, max_error_rate: 1%}}
  benchmarks: {"parse/1000": {max_time_us: 18}}
"""
    )
    assert budgets.missing is Missing.UNSURE
    found = {(budget.step or budget.group, budget.key): budget for budget in budgets.of("")}
    assert len(found) == 21
    assert [budget.key for budget in found.values() if budget.least] == ["min_throughput_rps"]
    percentiles = {budget.key: budget.percentile for budget in found.values() if budget.percentile is not None}
    assert percentiles == {"p99.9_latency_ms": 99.9, "p9999_latency_ms": 99.99, "p75_latency_ms": 75.0}
    assert {budget.unit for budget in found.values()} == {"ms", "us", "MB", "bytes", "share", "1/s", "count", "cores"}
    assert found["GET /users", "max_error_rate"].limit == pytest.approx(0.01)
    assert found["parse/1000", "max_time_us"].group == "benchmarks"


def test_a_profile_replaces_single_budgets_and_does_without_others() -> None:
    budgets = inline(
        """
profiles: {nightly: {vus: 1, iterations: 1}}
budgets:
  http: {p95_latency_ms: 500, p999_latency_ms: 900, max_error_rate: 0.01}
  startup: {max_time_ms: 100}
  benchmarks: {parse: {max_time_ms: 3}}
  profiles:
    nightly:
      http: {p95_latency_ms: 250, p99.9_latency_ms: 700}
      startup: {max_time_ms: off}
      steps: {"GET /": {p50_latency_ms: 5}}
      benchmarks: {parse: {max_time_us: 2}}
    short:
      http: {max_error_rate: }
"""
    )
    assert keys(budgets.of("standard")) == [
        ("startup", "max_time_ms", 100.0),
        ("http", "p95_latency_ms", 500.0),
        ("http", "p999_latency_ms", 900.0),
        ("http", "max_error_rate", 0.01),
        ("parse", "max_time_ms", 3.0),
    ]
    assert keys(budgets.of("nightly")) == [
        ("http", "p95_latency_ms", 250.0),
        ("http", "p99.9_latency_ms", 700.0),
        ("http", "max_error_rate", 0.01),
        ("parse", "max_time_us", 2.0),
        ("GET /", "p50_latency_ms", 5.0),
    ]
    assert ("http", "max_error_rate", 0.01) not in keys(budgets.of("short"))
    assert len(budgets.of("short")) == 4


def test_a_project_may_name_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "limits.yml").write_text("http: {p95_latency_ms: 5}\n")
    (tmp_path / "loadgate.yml").write_text("budgets: limits.yml\n")
    budgets = load_project(tmp_path / "loadgate.yml", {}).budgets
    assert keys(budgets.of("")) == [("http", "p95_latency_ms", 5.0)]
    assert budgets.path == tmp_path / "limits.yml"


def test_mistakes_in_that_file_are_told_together_with_those_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "limits.yml").write_text("budgets:\n  htpp: {p95_latency_ms: 5}\n")
    (tmp_path / "loadgate.yml").write_text("budgets: limits.yml\nprofile: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_project(tmp_path / "loadgate.yml", {})
    text = str(caught.value)
    assert "limits.yml:2:3" in text and "did you mean `http`?" in text
    assert "loadgate.yml:2:1" in text and "did you mean `profiles`?" in text


def test_zero_in_a_profile_is_a_limit_and_not_off() -> None:
    budgets = inline("budgets: {http: {max_error_rate: 0.01}, profiles: {nightly: {http: {max_error_rate: 0}}}}")
    assert keys(budgets.of("nightly")) == [("http", "max_error_rate", 0.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http: {p95_latency: 5}", "did you mean `p95_latency_ms`?"),
        ("http: {p100_latency_ms: 5}", "unknown key `p100_latency_ms` in `http` of `budgets`"),
        ("http: {p0_latency_ms: 5}", "unknown key `p0_latency_ms`"),
        ("http: {p95_latency_ms: -5}", "must be a number of milliseconds, more than 0"),
        ("http: {p95_latency_ms: 0}", "must be a number of milliseconds, more than 0"),
        ("http: {p95_latency_ms: .nan}", "must be a number of milliseconds, more than 0"),
        ("http: {p95_latency_ms: .inf}", "must be a number of milliseconds, more than 0"),
        ("http: {p95_latency_ms: 500ms}", "this is text"),
        ("http: {p95_latency_ms: true}", "this is true or false"),
        ("http: {p95_latency_ms: off}", "must be a number of milliseconds"),
        ("http: {p95_latency_ms: }", "nothing is given here"),
        ("http: {max_error_rate: 1.5}", "0.01 is 1 %"),
        ("http: {max_error_rate: 101%}", "must be a share from 0 to 1"),
        ("http: {max_error_rate: -0.1}", "must be a share from 0 to 1"),
        ("http: {max_error_rate: .nan}", "must be a share from 0 to 1"),
        ("http: {min_throughput_rps: 0}", "must be a number of requests per second, more than 0"),
        ("http: {p999_latency_ms: 5, p99.9_latency_ms: 6}", "limits the same as `p999_latency_ms`"),
        ("http: {p95_latency_ms: 5, p95_latency_ms: 6}", "key `p95_latency_ms` is given twice"),
        ("benchmarks: {a: {max_time_ms: 5, max_time_us: 6}}", "limits the same as `max_time_ms`"),
        ("resources: {max_threads: 1.5x}", "must be a number of threads"),
        ("startup: {max_time_ms: 5, connection_time_ms: 6}", "unknown key `connection_time_ms` in `startup`"),
        ("shutdown: {p95_latency_ms: 5}", "unknown key `p95_latency_ms` in `shutdown`"),
        ("http: 5", "must be a mapping"),
        ("steps: {'GET /': 5}", "`GET /` in `steps` of `budgets` must be a mapping"),
        ("steps: [5]", "must be a mapping (`name: ...` lines)"),
        ("missing: pass", "must be one of invalid, unsure"),
        ("profiles: {nightly: {missing: unsure}}", "unknown key `missing` in profile `nightly` in `budgets`"),
        ("profiles: {nightly: 5}", "profile `nightly` in `budgets` must be a mapping"),
        ("gprc: {}", "did you mean `grpc`?"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, says: str, tmp_path: Path) -> None:
    for where, name in ((f"budgets:\n  {text}\n", "loadgate.yml"), (f"budgets:\n  {text}\n", "b.yml")):
        (tmp_path / name).write_text(where)
        with pytest.raises(ConfigError) as caught:
            if name == "loadgate.yml":
                load_project(tmp_path / name, {})
            else:
                load_budgets(tmp_path / name, {})
        assert says in str(caught.value)
        assert f"{name}:2:" in str(caught.value) and "^" in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("http: {p95: 1, max_error_rate: 2}\nsteps: {a: {x: 1}, b: 3}\nmissing: no\n")
    with pytest.raises(ConfigError) as caught:
        load_budgets(tmp_path / "b.yml", {})
    assert [problem.span.line for problem in caught.value.problems if problem.span] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "there is no file"),
        ("", "is empty"),
        ("- 1\n", "must be a mapping"),
        ("budgets: other.yml\n", "must be a mapping"),
        ("budgets: {}\nhttp: {}\n", "unknown key `http` at the top level"),
        ("budgets: {http: [}\n", "is not valid YAML"),
    ],
)
def test_a_file_that_holds_no_budgets_is_refused(text: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "b.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_budgets(path, {})


def test_the_page_names_every_key_and_its_example_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "budgets.md").read_text("utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    project = parse_project(example, Path("loadgate.yml"), {})
    assert len(project.budgets.of("standard")) == 9
    assert ("startup", "max_time_ms", 800.0) not in keys(project.budgets.of("nightly"))
    with pytest.raises(ConfigError) as caught:
        inline(
            "budgets: {x: {}, startup: {x: 1}, http: {x: 1}, websocket: {x: 1}, resources: {x: 1}, benchmarks: {a: {x: 1}}}"
        )
    allowed = {
        key for problem in caught.value.problems for key in problem.note.removeprefix("allowed here: ").split(", ")
    }
    missing = {key for key in allowed if f"`{key}`" not in page}
    assert missing == {"p90_latency_ms", "p99_latency_ms"}  # of percentiles there are some examples
