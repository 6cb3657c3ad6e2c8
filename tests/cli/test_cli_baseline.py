"""`run --baseline`, `baseline` and `history`, as a user has them: subprocesses, a real target, a real history."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Done, loadgate
from tests.support.target import running_target

FAST = {"latency": {"shape": "fixed", "ms": 20.0}}
SLOW = {"latency": {"shape": "fixed", "ms": 60.0}}
LOAD = ("--vus", "16", "--duration", "1s")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(FAST, process=True) as url:
        yield url


def set_chaos(target: str, config: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{target}/api/chaos/config", json.dumps(config).encode(), method="PUT")
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as reply:
        assert reply.status == 200


def run(target: str, folder: Path, *words: str) -> Done:
    return loadgate("run", "--url", f"{target}/users", *LOAD, *words, cwd=folder)


def listed(folder: Path, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(loadgate(*words, "--format", "json", cwd=folder).out)
    return found


@pytest.fixture(scope="module")
def first(target: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of the fast target, which is the baseline `v1`."""
    folder = tmp_path_factory.mktemp("first")
    set_chaos(target, FAST)
    assert run(target, folder).code == 0
    assert loadgate("baseline", "save", "v1", cwd=folder).code == 0
    return folder


@pytest.fixture
def history(first: Path, tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    folder = tmp_path / "here"
    shutil.copytree(first, folder)
    return folder


@pytest.mark.slow
def test_a_regression_fails_after_fresh_runs_showed_it_again(target: str, history: Path) -> None:
    set_chaos(target, SLOW)
    done = run(target, history, "--baseline", "v1")
    assert done.code == 1
    assert done.last.startswith("FAIL")
    assert "http_req_duration p50 is worse than v1" in done.out
    assert "measured again in 1 fresh run" in done.out
    assert "measuring again, run 1 of 2" in done.err
    assert (history / "loadgate-out" / "confirm-1" / "run.json").exists()
    newest = listed(history, "history", "list")[0]
    assert newest["verdict"] == "fail"
    shown = loadgate("report", cwd=history)
    assert "▲ worse" in shown.out and shown.last == done.last


@pytest.mark.slow
def test_a_run_that_is_worse_becomes_no_baseline(target: str, history: Path) -> None:
    set_chaos(target, SLOW)
    assert run(target, history, "--baseline", "v1").code == 1
    refused = loadgate("baseline", "save", "v2", cwd=history)
    assert (refused.code, refused.out) == (2, "")
    assert "the verdict of this run is FAIL" in refused.err
    unnamed = loadgate("baseline", "save", "v2", "--force", cwd=history)
    assert unnamed.code == 2
    assert "takes a reason" in unnamed.err
    forced = loadgate("baseline", "save", "v2", "--force", "--reason", "encryption is on", cwd=history)
    assert forced.code == 0
    assert [(held["name"], held["forced"], held["reason"]) for held in listed(history, "baseline", "list")] == [
        ("v1", False, ""),
        ("v2", True, "encryption is on"),
    ]
    doctor = loadgate("baseline", "doctor", cwd=history)
    assert doctor.code == 1
    assert "it was forced: encryption is on" in doctor.out


@pytest.mark.slow
def test_a_target_that_became_faster_is_no_failure(target: str, history: Path) -> None:
    set_chaos(target, {"latency": {"shape": "fixed", "ms": 5.0}})
    done = run(target, history, "--baseline", "v1")
    assert done.code == 0
    assert "▼ better" in done.out


@pytest.mark.slow
def test_an_absent_baseline_is_said_loudly_and_made_by_nobody(target: str, history: Path) -> None:
    done = run(target, history, "--baseline", "v2")
    assert done.code == 0
    assert done.last.startswith("NO BASELINE")
    assert "did you mean `v1`?" in done.out
    assert run(target, history, "--baseline", "v2", "--strict").code == 4
    assert [held["name"] for held in listed(history, "baseline", "list")] == ["v1"]


@pytest.mark.slow
def test_a_single_pair_of_runs_says_that_its_noise_is_assumed(target: str, history: Path) -> None:
    set_chaos(target, FAST)
    done = run(target, history, "--baseline", "v1", "--strict")
    assert done.code == 4
    assert done.last.startswith("UNSURE")
    assert "noise between runs assumed" in done.out


@pytest.mark.slow
def test_another_load_is_not_compared(target: str, history: Path) -> None:
    load = ("--rate", "50/s", "--duration", "1s")
    done = loadgate("run", "--url", f"{target}/users", *load, "--baseline", "v1", cwd=history)
    assert done.code == 3
    assert done.last.startswith("INVALID  not comparable with v1")


@pytest.mark.slow
def test_a_baseline_in_a_file_serves_where_there_is_no_history(target: str, history: Path, tmp_path: Path) -> None:
    saved = loadgate("baseline", "save", "v1-file", "--file", "perf/v1.json", cwd=history)
    assert saved.code == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    set_chaos(target, SLOW)
    done = run(target, elsewhere, "--baseline", str(history / "perf" / "v1.json"), "--store", "none")
    assert done.code == 1
    assert not (elsewhere / ".loadgate").exists()


def test_a_baseline_file_that_is_not_there_is_an_error_before_the_load(target: str, tmp_path: Path) -> None:
    done = run(target, tmp_path, "--baseline", "perf/v1.json")
    assert (done.code, done.out) == (2, "")
    assert "there is no file perf/v1.json" in done.err


@pytest.mark.slow
def test_a_newer_baseline_follows_an_older_one(target: str, history: Path) -> None:
    set_chaos(target, FAST)
    assert run(target, history).code == 0
    moved = loadgate("baseline", "update", "v2", "--from", "v1", cwd=history)
    assert moved.code == 0
    assert "saved  v2" in moved.out
    assert [held["name"] for held in listed(history, "baseline", "list")] == ["v1", "v2"]
    set_chaos(target, SLOW)
    assert run(target, history).code == 0
    worse = loadgate("baseline", "update", "v3", "--from", "v2", cwd=history)
    assert worse.code == 2
    assert "is no baseline to take the place of `v2`" in worse.err


@pytest.mark.slow
def test_history_is_carried_by_a_plain_file(history: Path, tmp_path: Path) -> None:
    assert loadgate("history", "export", "all.jsonl.zst", cwd=history).code == 0
    other = tmp_path / "other"
    other.mkdir()
    first = loadgate("history", "import", str(history / "all.jsonl.zst"), cwd=other)
    assert (first.code, first.err) == (0, "")
    again = loadgate("history", "import", str(history / "all.jsonl.zst"), cwd=other)
    assert "0 runs added, 1 there already" in again.out
    assert listed(other, "baseline", "list") == listed(history, "baseline", "list")
    assert loadgate("history", "prune", "--keep", "0", cwd=other).out == "deleted  0 runs\n"


@pytest.mark.slow
def test_a_project_names_its_baseline_and_its_limits(target: str, history: Path) -> None:
    project = "target: {url: URL}\nprofiles: {quick: {vus: 16, duration: 1s}}\ngate: {baseline: first, confirm: 0}\n"
    (history / "loadgate.yml").write_text(project.replace("URL", target))
    set_chaos(target, FAST)
    first = loadgate("run", "quick", cwd=history)
    assert first.last.startswith("NO BASELINE")
    assert loadgate("baseline", "save", "first", cwd=history).code == 0
    set_chaos(target, SLOW)
    worse = loadgate("run", "quick", cwd=history)
    assert worse.code == 1
    assert "measuring again" not in worse.err
    assert loadgate("run", "quick", "--baseline", "none", cwd=history).code == 0
