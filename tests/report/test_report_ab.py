"""What an A/B test shows: on a terminal of three widths, in Markdown, and in one line while it runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from loadgate.record.ab import AbProgress, AbRecord
from loadgate.record.comparison import Change
from loadgate.record.verdict import Verdict, Word
from loadgate.report.ab import ab_lines, ab_page, ab_verdict_lines
from loadgate.report.ab_live import ab_line
from loadgate.report.ab_markdown import MOST, ab_markdown
from loadgate.report.style import Line, cells, paint
from tests.support.golden import check_golden
from tests.support.sample_ab import OF_STEP, ab_record

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = {
    "pass": ab_record(),
    "fail": ab_record(0.2),
    "unsure": ab_record(0.015, 4.0),
    "invalid": ab_record(faults=("head answered no request",)),
}


def text_of(lines: list[Line], width: int) -> str:
    return "\n".join(paint(line, width, color=False, unicode=True) for line in lines) + "\n"


def page(record: AbRecord, width: int = 100, *, every: bool = False) -> str:
    return text_of(ab_lines(ab_page(record), width, every=every), width)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_page_looks_as_it_did(name: str) -> None:
    check_golden(GOLDEN / f"ab-{name}.txt", "\n".join(page(SAMPLES[name], width) for width in (100, 80, 60)))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_markdown_looks_as_it_did(name: str) -> None:
    check_golden(GOLDEN / f"ab-{name}.md", ab_markdown(SAMPLES[name], ab_page(SAMPLES[name])))


@pytest.mark.parametrize("width", [20, 60, 80, 100])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_verdict_and_its_exit_code_are_the_last_line_at_any_width(name: str, width: int) -> None:
    last = page(SAMPLES[name], width).splitlines()[-1]
    assert last.startswith(name.upper())
    assert last.endswith(f"exit {SAMPLES[name].exit_code}")


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", SAMPLES)
def test_no_cell_of_the_table_is_cut_but_names(name: str, width: int) -> None:
    rows = [line for line in page(SAMPLES[name], width).splitlines() if re.match(r"  [=?▲▼]", line)]
    assert rows
    assert all(re.search(r"( %|pt| us|none|-)$", row) and "…" not in row[30:] for row in rows), rows


def test_a_pass_says_how_large_a_change_of_each_figure_is_ruled_out() -> None:
    text = flat(page(SAMPLES["pass"]))
    assert "http_req_duration p50 5 %, http_req_duration p95 10 %, http_req_failed share 0.5 pt" in text
    assert "target_cpu_per_request 2 %" in text
    assert "no figure is worse by its limit, 95 % sure" in text


def test_what_is_ruled_out_is_the_floor_where_that_is_more_than_the_limit() -> None:
    record = SAMPLES["pass"]
    assert record.comparison is not None
    rows = tuple(
        replace(row, base=0.2, limit=replace(row.limit, floor=0.1)) if row.series.metric == "http_req_duration" else row
        for row in record.comparison.rows
    )
    text = flat(page(replace(record, comparison=replace(record.comparison, rows=rows))))
    assert "http_req_duration p50 100 us, http_req_duration p95 100 us" in text


def test_unsure_says_what_would_decide_it() -> None:
    record = SAMPLES["unsure"]
    assert record.comparison is not None
    more = max(row.missing_runs for row in record.comparison.unsettled)
    assert more > 2
    text = flat(page(record))
    assert f"about {more} more pairs would probably decide" in text
    assert f"to decide it: --pairs {10 + more} --length 4s" in text
    assert "the smallest these 10 pairs could find" in text


def test_more_pairs_than_there_may_be_are_no_advice() -> None:
    record = SAMPLES["unsure"]
    assert record.comparison is not None
    for more, advised in ((990, True), (991, False)):
        rows = tuple(
            replace(row, missing_runs=more) if row.word is Change.UNSURE else row for row in record.comparison.rows
        )
        text = flat(page(replace(record, comparison=replace(record.comparison, rows=rows))))
        assert ("to decide it: --pairs 1000 " in text, "to decide it" in text) == (advised, advised)


def test_a_failure_says_figure_from_to_interval_and_that_it_was_confirmed() -> None:
    text = flat(page(SAMPLES["fail"]))
    assert re.search(r"target_cpu_per_request is worse than base: 170 us, now 204 us, \+20\.\d % \(\+19\.\d ", text)
    assert "confirmed by 5 fresh pairs" in text
    assert "10 pairs of fresh starts, of up to 12, and 5 to confirm" in text


def test_pairs_that_are_no_evidence_are_counted_apart() -> None:
    text = flat(page(SAMPLES["invalid"]))
    assert "10 pairs of fresh starts, of up to 12" in text
    assert "3 more were no evidence" in text


def test_two_urls_are_not_called_starts() -> None:
    assert "10 pairs of blocks of the same two processes" in flat(page(replace(SAMPLES["pass"], restarts=False)))


def test_figures_that_do_not_gate_are_counted_and_shown_when_asked_for() -> None:
    assert "1 that do not gate; --all shows them" in page(SAMPLES["pass"])
    assert OF_STEP.metric not in page(SAMPLES["pass"])
    assert str(OF_STEP).replace(": ", "  ") in page(SAMPLES["pass"], 120, every=True)
    assert "--all" not in page(SAMPLES["pass"], every=True)


def test_the_verdict_alone() -> None:
    lines = ab_verdict_lines(ab_page(SAMPLES["fail"]), 100)
    assert text_of(lines, 100) == page(SAMPLES["fail"]).rpartition("\n\n")[2]


def test_a_long_command_keeps_its_program_and_its_end() -> None:
    for width in (60, 100):
        text = page(SAMPLES["pass"], width)
        assert "…/python app.py" in text
        assert flat(text).count("lru`") == 1


def test_markdown_means_what_it_says_whatever_names_have_in_them() -> None:
    record = SAMPLES["pass"]
    text = ab_markdown(record, ab_page(record))
    assert r"GET /users \| all: http\_req\_latency p95" in text
    assert f"base: `` {record.arms[0]} ``" in text
    assert text.count("<details>") == text.count("</details>") == 2


def test_markdown_of_thousands_of_figures_is_no_longer_than_a_comment() -> None:
    record = SAMPLES["pass"]
    assert record.comparison is not None
    (step,) = (row for row in record.comparison.rows if row.series == OF_STEP)
    steps = tuple(replace(step, series=OF_STEP._replace(step=f"GET /{number}")) for number in range(5_000))
    record = replace(record, comparison=replace(record.comparison, rows=(*record.comparison.rows, *steps)))
    text = ab_markdown(record, ab_page(record))
    assert len(text) < 65_536
    assert f"{5_001 - MOST} more are in `ab.json`" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100])
def test_the_line_while_it_runs_has_whole_figures_as_many_as_fit(width: int) -> None:
    progress = AbProgress(11, 12, False, 21.2, SAMPLES["fail"].comparison)
    line = ab_line(progress, width)
    text = "".join(part for part, _ in line)
    assert text.startswith("ab  pair 11 of up to 12  00:22 left")
    standing = re.findall(r"  (\S+(?: p\d+| share)?) ([+-][\d.]+ (?:%|pt))", text)
    assert [name for name, _ in standing][:1] == ["target_cpu_per_request"][: len(standing)]
    assert len(standing) == {20: 0, 40: 0, 60: 0, 80: 1, 100: 2}[width]
    assert cells(text) <= max(width, 36)


def test_the_line_says_which_of_many_tests_it_is() -> None:
    text = "".join(part for part, _ in ab_line(AbProgress(2, 8, False, 9.0, None, title="job 3 of 20"), 100))
    assert text == "job 3 of 20  pair 2 of up to 8  00:09 left"


def test_the_line_says_when_it_is_about_confirming() -> None:
    text = "".join(part for part, _ in ab_line(AbProgress(2, 5, True, 9.0, None), 100))
    assert text == "ab  fresh pair 2 of 5, to confirm  00:09 left"


def test_what_is_decided_needs_no_advice_though_figures_are_left_unsure() -> None:
    record = replace(SAMPLES["unsure"], verdict=Verdict(Word.FAIL, ("another figure is worse",)))
    assert record.comparison is not None
    assert record.comparison.having(Change.UNSURE)
    assert "to decide it" not in page(record)
