"""The guide's own checker, defect by defect: each answer has the right word and exit code, and nothing is adopted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Done, loadgate

DATA = Path(__file__).parent.parent / "data"
GUIDE = {"startup_time_ms": 60.0, "p95_latency_ms": 400.0, "p99_latency_ms": 800.0, "throughput_rps": 1250.0}


def flat(folder: Path, name: str, **changed: float) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(GUIDE | changed))
    return path


def compared(folder: Path, *words: str | Path) -> Done:
    return loadgate("compare", *map(str, words), cwd=folder)


def rows(folder: Path, *words: str | Path) -> dict[str, Any]:
    done = compared(folder, *words, "--format", "json")
    return {row["series"]: row for row in json.loads(done.out)["rows"]} | {"exit": done.code}


def test_throughput_that_doubled_is_better_and_a_tenth_of_it_is_worse(tmp_path: Path) -> None:
    base = flat(tmp_path, "base")
    doubled = rows(tmp_path, base, flat(tmp_path, "doubled", throughput_rps=2500.0))
    assert (doubled["throughput_rps"]["word"], doubled["exit"]) == ("better", 0)
    fallen = rows(tmp_path, base, flat(tmp_path, "fallen", throughput_rps=125.0))
    assert (fallen["throughput_rps"]["word"], fallen["exit"]) == ("worse", 1)


def test_a_metric_that_is_missing_is_said_and_no_pass(tmp_path: Path) -> None:
    base = flat(tmp_path, "base")
    head = tmp_path / "head.json"
    head.write_text(json.dumps({name: value for name, value in GUIDE.items() if name != "p95_latency_ms"}))
    gone = compared(tmp_path, base, head)
    assert gone.code == 3
    assert "not measured, but in" in gone.out and "p95_latency_ms" in gone.out
    new = compared(tmp_path, head, base, "--strict")
    assert new.code == 4
    assert "NO BASELINE" in new.out


@pytest.mark.parametrize("name", ["base", "head"])
def test_an_empty_file_is_an_error_and_names_itself(tmp_path: Path, name: str) -> None:
    files = {"base": flat(tmp_path, "base"), "head": flat(tmp_path, "head")}
    files[name].write_text("")
    done = compared(tmp_path, files["base"], files["head"])
    assert (done.code, done.out) == (2, "")
    assert f"{name}.json is empty" in done.err


def test_an_absent_baseline_is_an_error_and_none_is_made(tmp_path: Path) -> None:
    done = compared(tmp_path, "main", flat(tmp_path, "head"))
    assert (done.code, done.out) == (2, "")
    assert "`main` is no file, and there is no history here" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.json"]


def test_json_lines_where_one_value_was_expected_are_read_for_what_they_are(tmp_path: Path) -> None:
    (samples,) = (DATA / "k6").glob("*.ndjson")
    done = compared(tmp_path, samples, samples)
    assert done.code == 0
    assert "http_req_duration p50" in compared(tmp_path, samples, samples, "--all").out


def test_two_files_of_different_tools_are_not_compared(tmp_path: Path) -> None:
    (samples,) = (DATA / "k6").glob("*.ndjson")
    done = compared(tmp_path, samples, flat(tmp_path, "head"))
    assert done.code == 3
    assert "not comparable" in done.out
    assert "INVALID" in done.out


def test_a_baseline_of_zero_is_no_division(tmp_path: Path) -> None:
    found = rows(tmp_path, flat(tmp_path, "base", p95_latency_ms=0.0), flat(tmp_path, "head"))
    assert (found["p95_latency_ms"]["word"], found["p95_latency_ms"]["change"], found["exit"]) == ("worse", None, 1)


def test_ten_times_slower_is_worse_whatever_the_file_shape(tmp_path: Path) -> None:
    """The other checker of the guide printed three warnings for it and left with 0."""
    report = json.loads((DATA / "report" / "guide.json").read_text())
    base, head = tmp_path / "base.json", tmp_path / "head.json"
    base.write_text(json.dumps(report))
    times = report["metrics"]["http_req_duration"]
    report["metrics"]["http_req_duration"] = {name: value * 10 for name, value in times.items()}
    head.write_text(json.dumps(report))
    done = compared(tmp_path, base, head)
    assert done.code == 1
    assert "▲ worse" in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("FAIL")


@pytest.mark.slow
def test_a_first_run_that_is_very_slow_becomes_no_baseline_by_itself(tmp_path: Path) -> None:
    slow = flat(tmp_path, "slow", p95_latency_ms=9000.0)
    imported = loadgate("history", "import", str(slow), cwd=tmp_path)
    assert imported.code == 0
    assert loadgate("baseline", "list", "--format", "json", cwd=tmp_path).out == "[]\n"
    done = compared(tmp_path, "main", slow)
    assert done.code == 2
    assert "there is no run `main`" in done.err
