from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.metric import Direction
from loadgate.record.importers import read_known
from loadgate.record.result import Figure
from loadgate.record.verdict import Word

DATA = Path(__file__).parent.parent / "data" / "report"


def figures(path: Path) -> dict[str, Figure]:
    (result,) = read_known(path)[1]
    return {str(figure.series): figure for figure in result.figures}


def test_a_summary_of_ours_is_read_with_its_steps() -> None:
    tree = json.loads((DATA / "summary.json").read_text())
    found = figures(DATA / "summary.json")
    assert found["http_req_duration p95"].estimate.value == tree["metrics"]["http_req_duration"]["p95"]
    assert found["http_req_duration p95"].estimate.count == tree["metrics"]["http_req_duration"]["count"]
    step = tree["steps"]["GET /users"]
    assert found["GET /users: http_req_latency p99"].estimate.value == step["http_req_latency"]["p99"]
    assert found["http_req_failed share"].estimate.count == tree["metrics"]["http_reqs"]
    (result,) = read_known(DATA / "summary.json")[1]
    assert (result.word, result.definition, result.name) == (Word.PASS, tree["run"]["digest"], "standard_load")


def test_rates_and_errors_are_of_their_own_protocol(tmp_path: Path) -> None:
    tree = json.loads((DATA / "summary.json").read_text())
    tree["metrics"] = {"http_reqs": 30, "grpc_reqs": 60, "grpc_req_failed": 0.5, "throughput_rps": 45.0}
    tree["steps"] = {"user": {"http_reqs": 30, "http_req_failed": 0.0, "grpc_reqs": 20, "grpc_req_failed": 0.25}}
    tree["run"]["measured_seconds"] = 2.0
    path = tmp_path / "report.json"
    path.write_text(json.dumps(tree))
    found = {name: (each.estimate.value, each.estimate.count) for name, each in figures(path).items()}
    assert found == {
        "http_reqs rate": (15.0, 0),
        "grpc_reqs rate": (30.0, 0),
        "grpc_req_failed share": (0.5, 60),
        "user: http_req_failed share": (0.0, 30),
        "user: grpc_req_failed share": (0.25, 20),
    }


def test_the_report_of_the_guides_is_read() -> None:
    found = figures(DATA / "guide.json")
    assert {name: figure.estimate.value for name, figure in found.items()} == {
        "http_req_duration p50": 45.0,
        "http_req_duration p95": 420.0,
        "http_req_duration p99": 850.0,
        "http_req_duration p99.9": 1200.0,
        "http_req_failed share": 0.001,
        "http_reqs rate": 1250.0,
    }
    assert found["http_reqs rate"].direction is Direction.HIGHER
    assert found["http_req_failed share"].estimate.count == 300_000  # 1250 in each of 240 seconds


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"duration_seconds": 0.5}, 625),
        ({"duration_seconds": None}, 0),
        ({"duration_seconds": "240"}, 0),
        ({"duration_seconds": float("nan")}, 0),
        ({"duration_seconds": -1}, 0),
    ],
)
def test_requests_are_counted_where_rate_and_time_are_numbers(
    change: dict[str, Any], count: int, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads((DATA / "guide.json").read_text()) | change))
    assert figures(path)["http_req_failed share"].estimate.count == count


def test_requests_that_were_counted_are_not_guessed(tmp_path: Path) -> None:
    tree = json.loads((DATA / "guide.json").read_text())
    tree["metrics"]["http_reqs"] = 299_990
    path = tmp_path / "report.json"
    path.write_text(json.dumps(tree))
    assert figures(path)["http_req_failed share"].estimate.count == 299_990


def test_names_say_unit_and_direction() -> None:
    found = figures(DATA / "figures.json")
    assert {name: (figure.unit, figure.direction) for name, figure in found.items()} == {
        "startup_time_ms": ("ms", Direction.LOWER),
        "p95_latency_ms": ("ms", Direction.LOWER),
        "p99_latency_ms": ("ms", Direction.LOWER),
        "throughput_rps": ("1/s", Direction.HIGHER),
    }


def test_a_name_that_says_neither_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    path.write_text('{"startup_time_ms": 5, "score": 7}')
    with pytest.raises(LoadgateError, match="`score` tells neither its unit nor which way is better"):
        read_known(path)
