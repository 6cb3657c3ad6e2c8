from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from loadgate.judge.budgets import decide_budgets
from loadgate.record.run import Run
from loadgate.record.summary import summarise
from loadgate.record.verdict import BudgetResult, Verdict, Word
from loadgate.report.budgets import MOST_BUDGETS, budget_lines, budget_rows
from loadgate.report.model import build_report
from loadgate.report.style import cells
from loadgate.report.terminal import render_summary
from tests.support.golden import check_golden
from tests.support.sample_runs import passing

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 100)


def result(word: Word, limit: float, observed: float, **more: object) -> BudgetResult:
    held = BudgetResult("http", "", "p95_latency_ms", limit, observed, "ms", word, 1234, 59)
    return replace(held, **more)  # type: ignore[arg-type]


KEPT = result(Word.PASS, 500.0, 125.0)
BROKEN = result(Word.FAIL, 500.0, 812.0)
FEW = result(Word.UNSURE, 900.0, 12.8, key="p99.9_latency_ms", samples=1120, needed=2995)
GONE = result(
    Word.INVALID,
    100.0,
    math.nan,
    group="startup",
    key="max_time_ms",
    samples=0,
    needed=1,
    why="the target was not started by Loadgate: give `target.start` or remove the budget",
)
RESULTS = (
    KEPT,
    BROKEN,
    FEW,
    GONE,
    result(Word.PASS, 100.0, 1250.0, key="min_throughput_rps", unit="1/s", least=True),
    result(Word.PASS, 0.01, 0.0, key="max_error_rate", unit="share"),
    result(Word.FAIL, 550.0, 715.0, group="resources", key="cpu_us_per_request", unit="us"),
    result(Word.PASS, 64.0, 63.9, group="resources", key="max_memory_mb", unit="MB"),
    result(Word.FAIL, 20.0, 20.01, group="steps", step="GET /orders/{id}/positions", key="p50_latency_ms"),
    result(Word.FAIL, 0.0, 0.02, group="steps", step="GET /users", key="max_error_rate", unit="share"),
)


def run_with(results: tuple[BudgetResult, ...]) -> Run:
    return replace(passing(), budgets=results, verdict=decide_budgets(Verdict(Word.PASS), results))


def section(run: Run, width: int) -> list[str]:
    lines = render_summary(build_report(run), width=width, color=False).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("  budgets"))
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_section_looks_as_it_did(width: int) -> None:
    lines = section(run_with(RESULTS), width)
    assert all(cells(line) <= width for line in lines)
    check_golden(GOLDEN / f"budgets-{width}.txt", "\n".join(lines) + "\n")


def test_the_weightiest_is_first_in_the_model_and_last_on_the_screen() -> None:
    rows = budget_rows(RESULTS)
    assert [row.word for row in rows] == [Word.FAIL] * 4 + [Word.INVALID, Word.UNSURE] + [Word.PASS] * 4
    assert rows[0].used == math.inf
    assert [row.name for row in rows[:2]] == ["GET /users max_error_rate", "http p95_latency_ms"]
    lines = section(run_with(RESULTS), 100)
    assert "GET /users max_error_rate" in lines[-1]
    assert lines[0].split() == ["budgets", "4", "of", "10", "pass"]


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (KEPT, ["✓ pass", "<= 500 ms", "125 ms", "25 %", "1,234"]),
        (BROKEN, ["✗ fail", "<= 500 ms", "812 ms", "162 %", "1,234"]),
        (FEW, ["? unsure", "1 %", "1,120/2,995"]),
        (GONE, ["? no data", "<= 100 ms", "n/a"]),
        (result(Word.FAIL, 500.0, 500.0004), ["500.0004 ms", "101 %"]),
        (result(Word.PASS, 500.0, 499.9), [" 99 %"]),
        (result(Word.PASS, 500.0, 500.0), ["100 %"]),
        (result(Word.PASS, 500.0, 0.1), ["<1 %"]),
        (result(Word.FAIL, 500.0, 20_000.0), [">999 %"]),
        (result(Word.FAIL, 0.0, 0.5, unit="share"), ["<= 0 %", "50.0 %", ">999 %"]),
        (result(Word.PASS, 100.0, 1250.0, unit="1/s", least=True), [">= 100/s", "1,250/s", " 8 %"]),
        (result(Word.FAIL, 100.0, 0.0, unit="1/s", least=True), [">= 100/s", ">999 %"]),
    ],
)
def test_a_row_says_limit_observed_share_used_and_samples(one: BudgetResult, says: list[str]) -> None:
    (_, line) = budget_lines(budget_rows([one]), 100, indent=4)
    text = "".join(part for part, _ in line)
    assert all(part in text for part in says), text


def test_broken_ones_are_red() -> None:
    text = render_summary(build_report(run_with((BROKEN, KEPT))), width=100, color=True)
    assert "\x1b[38;5;166m✗ fail" in text
    assert "\x1b[38;5;32m✓ pass" in text


def test_of_very_many_the_weightiest_are_shown() -> None:
    many = tuple(result(Word.PASS, 500.0, float(at), group="steps", step=f"GET /{at}") for at in range(100))
    lines = section(run_with((*many, BROKEN)), 100)
    assert len(lines) == MOST_BUDGETS + 3
    assert "61 more are in the record" in "\n".join(lines)
    assert "http p95_latency_ms" in lines[-1]


def test_without_budgets_there_is_no_section_and_no_key() -> None:
    assert "budgets" not in render_summary(build_report(passing()), width=100, color=False)
    assert "budgets" not in summarise(passing())


def test_a_pass_says_that_its_budgets_hold() -> None:
    report = build_report(run_with((KEPT, KEPT)))
    assert report.sentence.startswith("all 4 thresholds hold and all 2 budgets hold; ")
    alone = build_report(replace(run_with((KEPT,)), thresholds=()))
    assert alone.sentence.startswith("the budget holds; ")


def test_the_flat_summary_has_them_all() -> None:
    budgets = summarise(run_with(RESULTS))["budgets"]
    assert budgets["passed"] is False
    assert budgets["failed"] == [
        "http: p95_latency_ms",
        "resources: cpu_us_per_request",
        "steps: GET /orders/{id}/positions: p50_latency_ms",
        "steps: GET /users: max_error_rate",
    ]
    assert budgets["results"][1] == {
        "budget": "http: p95_latency_ms",
        "limit": 500.0,
        "observed": 812.0,
        "unit": "ms",
        "minimum": False,
        "used": 1.624,
        "samples": 1234,
        "needed": 59,
        "word": "fail",
        "why": "",
    }
    assert (budgets["results"][3]["observed"], budgets["results"][3]["used"]) == (None, None)
    assert summarise(run_with((KEPT,)))["budgets"]["passed"] is True
    assert summarise(run_with((KEPT, FEW)))["budgets"] | {"results": []} == {
        "passed": False,
        "failed": [],
        "results": [],
    }


def test_secrets_in_names_of_steps_are_masked() -> None:
    secret = replace(BROKEN, group="steps", step="http://me:hunter2@host/", why="http://me:hunter2@host/ says no")
    assert "hunter2" not in str(summarise(run_with((secret,))))
    assert "hunter2" not in render_summary(build_report(run_with((secret,))), width=100, color=False)
