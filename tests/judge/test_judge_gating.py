from __future__ import annotations

from dataclasses import replace

import pytest

from loadgate.config.gate import GateSpec
from loadgate.judge.comparison import compare
from loadgate.judge.gating import decide_gate, without_baseline
from loadgate.judge.noise import Noise
from loadgate.measure.estimate import Estimate
from loadgate.record.comparison import Comparison
from loadgate.record.result import SeriesName
from loadgate.record.verdict import Verdict, Word
from tests.support.results import FAILED, P95, RATE, result

PASS = Verdict(Word.PASS)
OF_STEP = SeriesName("GET /users", "http_req_duration", "p95")
SURE = Estimate(100.0, 0.001, 15.0, 10_000)


def compared(base: dict[SeriesName, float], head: dict[SeriesName, float], **differs: str) -> Comparison:
    """With so narrow noise that every change is sure."""
    noise = {series: Noise(0.001, 50.0) for series in base}
    sides = ([result(base, id="a")], [replace(result(head, id="b"), **differs)])  # type: ignore[arg-type]
    return compare(*sides, gate=GateSpec(), noise=noise, names=("main", "now"))


SAME = compared({P95: 100.0, RATE: 500.0}, {P95: 100.0, RATE: 500.0})
WORSE = compared({P95: 100.0, RATE: 500.0}, {P95: 200.0, RATE: 500.0})
GONE = compared({P95: 100.0, RATE: 500.0}, {RATE: 500.0})
NEW = compared({RATE: 500.0}, {P95: 100.0, RATE: 500.0})
UNSURE = compare([result({P95: 100.0})], [result({P95: 101.0}, id="b")], gate=GateSpec(), names=("main", "now"))
OTHER_MACHINE = compare(
    [result({P95: 100.0}, machine="2 cpus")],
    [result({P95: 100.0}, machine="4 cpus")],
    gate=GateSpec(),
    names=("main", ""),
)


@pytest.mark.parametrize(
    ("comparison", "word", "code", "strict"),
    [
        (SAME, Word.PASS, 0, 0),
        (WORSE, Word.FAIL, 1, 1),
        (GONE, Word.INVALID, 3, 3),
        (NEW, Word.NO_BASELINE, 0, 4),
        (UNSURE, Word.UNSURE, 0, 4),
        (OTHER_MACHINE, Word.INVALID, 3, 3),
    ],
)
def test_each_outcome_has_its_word_and_code(comparison: Comparison, word: Word, code: int, strict: int) -> None:
    verdict = decide_gate(PASS, comparison)
    assert (verdict.word, verdict.exit_code) == (word, code)
    assert decide_gate(PASS, comparison, strict=True).exit_code == strict
    assert bool(verdict.reasons) is (word is not Word.PASS)


def test_an_invalid_run_stays_invalid_and_a_failed_one_failed() -> None:
    for word in (Word.INVALID, Word.FAIL):
        verdict = decide_gate(Verdict(word, ("a threshold",)), SAME)
        assert (verdict.word, verdict.reasons) == (word, ("a threshold",))
    assert decide_gate(Verdict(Word.FAIL, ("a threshold",)), GONE).word is Word.INVALID


@pytest.mark.parametrize(("detectable", "size"), [(53.96, "5,400 %"), (0.1234, "12 %"), (0.0123, "1.2 %")])
def test_the_smallest_change_that_could_be_found_is_told_as_people_write_it(detectable: float, size: str) -> None:
    unsure = replace(UNSURE, rows=tuple(replace(row, detectable=detectable) for row in UNSURE.rows))
    (reason,) = decide_gate(PASS, unsure).reasons
    assert reason.endswith(f"a change of {size} in http_req_duration p95 is the smallest these runs could find")


def test_the_reason_says_what_moved_how_far_and_how_sure() -> None:
    (reason,) = decide_gate(PASS, WORSE).reasons
    assert reason.startswith("http_req_duration p95 is worse than main: 100 ms, now 200 ms, +100.0 % (+9")


def test_a_step_is_named_without_a_colon_so_that_a_sentence_can_be_cut_at_one() -> None:
    (reason,) = decide_gate(PASS, compared({OF_STEP: 100.0}, {OF_STEP: 200.0})).reasons
    assert reason.startswith("http_req_duration p95 of GET /users is worse than main: ")


def test_a_step_that_is_known_too_little_does_not_unsettle_the_whole() -> None:
    failures = Estimate(0.0, 0.0, float("inf"), 100_000)
    base, head = ({OF_STEP: Estimate(value), FAILED: failures} for value in (100.0, 101.0))
    noisy = compare([result(base)], [result(head, id="b")], gate=GateSpec())
    assert decide_gate(PASS, noisy).word is Word.PASS


def test_of_many_that_are_worse_three_are_named_and_the_rest_counted() -> None:
    steps = {SeriesName(f"s{at}", "http_req_duration", "p95"): 100.0 for at in range(6)}
    slower = {series: 200.0 + at for at, series in enumerate(steps)}
    reasons = decide_gate(PASS, compared(steps, slower)).reasons
    assert len(reasons) == 4
    assert reasons[0].startswith("http_req_duration p95 of s5")
    assert reasons[3] == "3 more figures are worse than main"


def test_errors_are_told_as_counts() -> None:
    base = {FAILED: Estimate(0.0, 0.0, float("inf"), 10_000)}
    head = {FAILED: Estimate(0.02, 0.0014, float("inf"), 10_000)}
    found = compare([result(base)], [result(head, id="b")], gate=GateSpec(), names=("main", "now"))
    (reason,) = decide_gate(PASS, found).reasons
    assert reason == "http_req_failed share is worse than main: 0 of 10,000, now 200 of 10,000"


def test_shares_without_counts_move_by_points() -> None:
    found = compared({FAILED: 0.0}, {FAILED: 0.48})
    rows = tuple(replace(row, base_counts=None, head_counts=None) for row in found.rows)
    (reason,) = decide_gate(PASS, replace(found, rows=rows)).reasons
    assert reason.startswith("http_req_failed share is worse than main: 0 %, now 48.0 %, +48.0 pt (+4")
    assert reason.endswith(" pt)")


@pytest.mark.parametrize(
    ("word", "reasons"),
    [
        (Word.PASS, ("no file",)),
        (Word.UNSURE, ("no file", "it may be")),
        (Word.FAIL, ("it may be", "no file")),
        (Word.INVALID, ("it may be", "no file")),
    ],
)
def test_what_is_lacking_leads_where_it_alone_makes_it_invalid(word: Word, reasons: tuple[str, ...]) -> None:
    found = Verdict(word, () if word is Word.PASS else ("it may be",), True).lacking("no file")
    assert found == Verdict(Word.FAIL if word is Word.FAIL else Word.INVALID, reasons, True)


def test_without_a_baseline_nothing_passes() -> None:
    assert without_baseline(PASS, "there is none", strict=True) == Verdict(Word.NO_BASELINE, ("there is none",), True)
    assert without_baseline(Verdict(Word.FAIL, ("broken",)), "there is none").word is Word.FAIL


@pytest.mark.parametrize(
    ("comparison", "word"),
    [
        (SAME, Word.UNSURE),
        (NEW, Word.UNSURE),
        (UNSURE, Word.UNSURE),
        (WORSE, Word.FAIL),
        (GONE, Word.INVALID),
        (OTHER_MACHINE, Word.INVALID),
    ],
)
def test_what_a_budget_leaves_open_stays_open(comparison: Comparison, word: Word) -> None:
    verdict = decide_gate(Verdict(Word.UNSURE, ("a budget",)), comparison)
    assert verdict.word is word
    assert verdict.reasons[0] == "a budget"


def test_a_verdict_that_was_strict_stays_strict() -> None:
    unmeasured = Verdict(Word.UNSURE, ("a budget",), strict=True)
    assert decide_gate(unmeasured, SAME).exit_code == 4
    assert without_baseline(unmeasured, "there is none") == Verdict(Word.UNSURE, ("a budget", "there is none"), True)
    assert decide_gate(unmeasured, WORSE).exit_code == 1
