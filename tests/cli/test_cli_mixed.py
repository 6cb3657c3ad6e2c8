"""One run of four protocols, as its user sees it: no two steps of one name are ever mixed, whoever tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from tests.support.command import Done, loadgate, read_json
from tests.target.serving import serving

COUNTS = {"http": "http_reqs", "grpc": "grpc_reqs", "graphql": "graphql_reqs", "websocket": "ws_messages"}
PROJECT = """
target: {{url: "{http}", grpc: "{grpc}", graphql: "{graphql}"}}
scenarios:
  shop:
    steps:
      - {{get: /users/1, name: user}}
      - {{graphql: "query User {{ user(id: 1) {{ id name }} }}", name: user}}
      - {{grpc: mockforge.greeter.Greeter/SayHello, name: user, message: {{name: you}}}}
      - ws: "{websocket}"
        name: user
        steps:
          - {{ask: hello, expect: {{text: "echo: hello"}}}}
          - {{get: /posts/1}}
  calls:
    weight: 3
    steps: [{{grpc: mockforge.greeter.Greeter/SayHello, name: hello, message: {{name: "${{uuid}}"}}}}]
  talk:
    weight: 2
    steps: [{{ws: "{websocket}", name: talk, steps: [{{ask: a}}, {{ask: b}}]}}]
profiles:
  mixed:
    vus: 3
    iterations: 360
    thresholds:
      "http_req_duration{{name:user}}": p(95)<9000
      "grpc_req_duration{{name:user}}": p(95)<9000
      ws_message_failed: rate==0
      graphql_req_failed: rate==0
budgets:
  http: {{p95_latency_ms: 9000}}
  grpc: {{p95_latency_ms: 9000, min_throughput_rps: 1}}
  websocket: {{p95_latency_ms: 9000}}
  graphql: {{max_error_rate: 0}}
  steps:
    user: {{p50_latency_ms: 9000}}
    websocket user: {{p50_latency_ms: 9000}}
"""
EXPECTED = {
    ("http", "user"): 60,
    ("http", "GET /posts/1"): 60,
    ("grpc", "user"): 60,
    ("grpc", "hello"): 180,
    ("websocket", "user"): 60,
    ("websocket", "talk"): 240,
    ("graphql", "user"): 60,
}
"""Of six iterations one is of the shop, three are calls and two are talks."""


@dataclass(frozen=True)
class Ran:
    folder: Path
    done: Done

    @cached_property
    def record(self) -> Run:
        return read_run(self.folder / "out")

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        done = loadgate(*arguments, "--format", "json", cwd=self.folder)
        found: list[dict[str, Any]] = json.loads(done.out)["rows"]
        return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("mixed")
    with serving() as urls:
        (folder / "loadgate.yml").write_text(PROJECT.format(**urls))
        done = loadgate("run", "mixed", "--out", "out", "--summary", "s.json", cwd=folder, timeout=60)
        yield Ran(folder, done)


@pytest.mark.slow
def test_every_step_has_a_row_that_says_its_protocol(ran: Ran) -> None:
    assert ran.done.code == 0, ran.done.out + ran.done.err
    found = dict(re.findall(r"^  ((?:http|grpc|websocket|graphql) .*?) {2,}([\d,]+) ", ran.done.out, re.MULTILINE))
    rows = {f"{protocol} {name}": str(count) for (protocol, name), count in EXPECTED.items()}
    assert found == {
        **rows,
        "http all 2 steps": "120",
        "grpc all 2 steps": "240",
        "websocket all 2 steps": "300",  # GraphQL has one step, which is all
    }
    assert "all 4 thresholds hold and all 7 budgets hold; 720 requests, 0 % failed" in ran.done.out


@pytest.mark.slow
def test_record_and_summary_keep_them_apart(ran: Ran) -> None:
    summary = read_json(ran.folder / "s.json")
    for (protocol, name), count in EXPECTED.items():
        total = ran.record.total(COUNTS[protocol], {"name": name})
        assert isinstance(total, CounterTally) and total.total == count, (protocol, name)
        assert summary["steps"][name][COUNTS[protocol]] == count
    assert set(summary["steps"]) == {name for _, name in EXPECTED}
    assert summary["metrics"]["throughput_rps"] == pytest.approx(720 / summary["run"]["measured_seconds"], rel=1e-4)
    results = summary["budgets"]["results"]
    assert {result["word"] for result in results} == {"pass"}
    steps = [result["budget"].split(": ")[1] for result in results if result["budget"].startswith("steps")]
    assert len(steps) == 2 and all(re.fullmatch(r"(http|grpc|websocket|graphql) user", step) for step in steps)


@pytest.mark.slow
def test_history_comparison_and_baseline_have_each_of_them(ran: Ran) -> None:
    assert loadgate("baseline", "save", "main", "out", cwd=ran.folder).code == 0
    kept = {(row["step"], row["metric"]) for row in ran.rows("compare", "main", "out")}
    assert {(name, COUNTS[protocol]) for protocol, name in EXPECTED} <= kept
    assert {("", metric) for metric in COUNTS.values()} <= kept
    shown = loadgate("history", "show", "latest", cwd=ran.folder).out
    for protocol, name in EXPECTED:
        assert f"{name}: {COUNTS[protocol]} rate" in shown
