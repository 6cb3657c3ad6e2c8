"""`loadgate run` with budgets: the guide's file, a project's, and what each outcome leaves with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.verdict import Word
from tests.config.test_config_budgets import GUIDE
from tests.support.command import Done, loadgate, read_json
from tests.support.target import running_target

LOAD = ("--vus", "4", "--iterations", "400")
"""Enough requests for a p99."""


def run(folder: Path, budgets: str, *words: str, load: tuple[str, ...] = LOAD) -> Done:
    """A URL of a target of its own, under `budgets`."""
    (folder / "budgets.yml").write_text(budgets)
    with running_target(process=True) as url:
        return loadgate("run", "--url", f"{url}/users", *load, "--budgets", "budgets.yml", *words, cwd=folder)


def test_the_guides_file_is_no_pass_of_a_run_that_did_not_measure_it_all(tmp_path: Path) -> None:
    done = run(tmp_path, GUIDE, "--summary", "s.json")
    assert done.code == 3, done.out + done.err
    assert done.last.startswith("INVALID  budgets startup max_time_ms and max_memory_mb were never measured")
    assert done.last.endswith("exit 3")
    text = " ".join(done.out.split())
    assert (
        "the target was not started by Loadgate: give `target.start`, remove the budget or set `missing: unsure`"
        in text
    )
    assert "no grpc request was made in this run" in text
    assert "budgets 4 of 13 pass" in text
    budgets = read_json(tmp_path / "s.json")["budgets"]
    assert (budgets["passed"], budgets["failed"], len(budgets["results"])) == (False, [], 13)
    words = {result.word for result in read_run(tmp_path / "loadgate-out").budgets}
    assert words == {Word.PASS, Word.INVALID}


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--strict",), ("--baseline", "nothing-of-this-name")])
def test_what_was_never_measured_leaves_with_4_under_the_milder_policy(tmp_path: Path, more: tuple[str, ...]) -> None:
    done = run(tmp_path, GUIDE.replace("budgets:\n", "budgets:\n  missing: unsure\n"), *more)
    assert done.code == 4, done.out + done.err
    assert done.last.startswith("UNSURE  budgets startup") and done.last.endswith("exit 4")


@pytest.mark.slow
def test_it_stays_4_when_the_comparison_with_a_baseline_finds_nothing(tmp_path: Path) -> None:
    (tmp_path / "budgets.yml").write_text("missing: unsure\nstartup: {max_time_ms: 100}\n")
    with running_target(process=True) as url:
        (tmp_path / "loadgate.yml").write_text(
            f'target: {{url: "{url}"}}\nprofiles: {{quick: {{vus: 2, iterations: 400}}}}\n'
            'gate: {limits: {"*": {change: 99999%, floor: 99999}}}\n'
        )
        first = loadgate("run", "quick", cwd=tmp_path)
        assert first.code == 0, first.out + first.err
        assert loadgate("baseline", "save", "main", cwd=tmp_path).code == 0
        assert loadgate("run", "quick", "--baseline", "main", cwd=tmp_path).code == 0
        done = loadgate("run", "quick", "--baseline", "main", "--budgets", "budgets.yml", cwd=tmp_path)
    assert (done.code, done.last.split()[0]) == (4, "UNSURE"), done.out + done.err
    assert read_run(tmp_path / "loadgate-out").comparison is not None


def test_budgets_that_hold_are_a_pass(tmp_path: Path) -> None:
    http = "http: {p50_latency_ms: 5000, p95_latency_ms: 5000, p99_latency_ms: 5000, max_error_rate: 1%, min_throughput_rps: 1}"
    done = run(tmp_path, f"{http}\nsteps: {{GET /users: {{p95_latency_ms: 5000}}}}\n")
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("PASS  all 6 budgets hold; 400 requests")
    assert "6 of 6 pass" in done.out


def test_a_broken_budget_fails_and_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "http: {p95_latency_ms: 0.001, p50_latency_ms: 5000, max_error_rate: 0.01}")
    assert done.code == 1, done.out + done.err
    assert done.last.startswith("FAIL  budget http p95_latency_ms: ") and ", limit 0.001 ms" in done.last
    assert [result.key for result in read_run(tmp_path / "loadgate-out").budgets if result.word is Word.FAIL] == [
        "p95_latency_ms"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "code"), [((), 0), (("--strict",), 4)])
def test_too_few_samples_are_unsure_and_strict_makes_that_an_error(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    done = run(tmp_path, "http: {p99_latency_ms: 60000}", *words, load=("--vus", "2", "--iterations", "20"))
    assert (done.code, done.last.split()[0]) == (code, "UNSURE")
    assert "20 samples are too few, it takes 299" in done.out


PROJECT = """
target: {url: "URL"}
profiles: {quick: {vus: 2, iterations: 80}, nightly: {vus: 2, iterations: 80}}
budgets:
  http: {p95_latency_ms: 0.001}
  profiles:
    nightly: {http: {p95_latency_ms: 60000}}
"""


@pytest.mark.slow
def test_a_project_brings_its_budgets_and_each_profile_its_own(tmp_path: Path) -> None:
    with running_target(process=True) as url:
        (tmp_path / "loadgate.yml").write_text(PROJECT.replace("URL", url))
        assert loadgate("run", "quick", cwd=tmp_path).code == 1
        assert loadgate("run", "nightly", cwd=tmp_path).code == 0
        (tmp_path / "milder.yml").write_text("budgets: {http: {p95_latency_ms: 50000}}")
        assert loadgate("run", "quick", "--budgets", "milder.yml", cwd=tmp_path).code == 0
        (tmp_path / "loadgate.yml").write_text(PROJECT.replace("URL", url).replace("nightly: {http", "nightyl: {http"))
        for command in (("run", "quick"), ("check",)):
            done = loadgate(*command, cwd=tmp_path)
            assert (done.code, done.out) == (2, "")
            assert "did you mean `nightly`?" in done.err


@pytest.mark.slow
def test_a_target_that_cannot_keep_up_breaks_its_budget_and_is_not_merely_invalid(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("http: {p50_latency_ms: 20}")
    slow = {"enabled": True, "latency": {"shape": "fixed", "ms": 300, "probability": 1.0}}
    with running_target(slow, process=True) as url:
        words = ("--rate", "100/s", "--duration", "3s", "--max-vus", "5", "--budgets", "b.yml")
        done = loadgate("run", "--url", f"{url}/users", *words, cwd=tmp_path)
    assert done.code == 1, done.out + done.err
    assert "budget http p50_latency_ms: 3" in done.last
    assert "dropped" in done.out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http: {p95_latency: 5}", "did you mean `p95_latency_ms`?"),
        ("http: {max_error_rate: 5}\ngprc: {}", "0.01 is 1 %"),
    ],
)
def test_a_file_with_mistakes_runs_nothing(tmp_path: Path, text: str, says: str) -> None:
    done = run(tmp_path, text)
    assert (done.code, done.out) == (2, "")
    assert "budgets.yml:1:" in done.err and says in done.err
    assert not (tmp_path / "loadgate-out").exists()


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    for name, says in (("none.yml", "there is no file"), (".", "is a directory")):
        done = loadgate("run", "--budgets", name, cwd=tmp_path)
        assert done.code == 2
        assert says in done.err


def test_no_summary_is_written_over_the_budgets(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("http: {p95_latency_ms: 5}")
    done = loadgate("run", "--budgets", "b.yml", "--summary", "b.yml", cwd=tmp_path)
    assert done.code == 2
    assert "would overwrite" in done.err


@pytest.mark.slow
def test_a_record_read_again_shows_the_same_budgets(tmp_path: Path) -> None:
    done = run(
        tmp_path, "http: {p50_latency_ms: 5000, p99.9_latency_ms: 5000}\ngrpc: {p50_latency_ms: 5}\nmissing: unsure"
    )
    shown = loadgate("report", "loadgate-out", cwd=tmp_path)
    first, again = (text[text.index("  budgets") : text.index("  generator")] for text in (done.out, shown.out))
    assert first == again
    assert json.loads((tmp_path / "loadgate-out" / "run.json").read_text())["budgets"][0]["group"] == "http"
