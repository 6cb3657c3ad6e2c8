from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from loadgate.measure.errors import ErrorCount
from loadgate.record.run import Run
from loadgate.record.verdict import Verdict, Word
from loadgate.report.measures import CheckRow
from loadgate.report.model import Report, build_report
from loadgate.report.style import cells
from loadgate.report.terminal import render_summary, render_verdict
from tests.support.golden import check_golden
from tests.support.sample_runs import SAMPLES, Play, SampleStep, run_of

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 100, 140)
FILES = (("record", "loadgate-out/run.json"), ("summary", "summary.json"))
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@cache
def sample(name: str) -> Run:
    return SAMPLES[name]()


def report_of(name: str) -> Report:
    return build_report(sample(name))


def summary(report: Report, width: int, *, color: bool = False, unicode: bool = True) -> str:
    return render_summary(report, width=width, color=color, unicode=unicode, files=FILES)


def last_line(report: Report, width: int = 100) -> str:
    return summary(report, width).splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("color", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_summary_looks_as_it_did(name: str, color: bool) -> None:
    texts = [f"== {width} columns\n{summary(report_of(name), width, color=color)}" for width in WIDTHS]
    check_golden(GOLDEN / f"summary-{name}{'-colour' if color else ''}.txt", "\n".join(texts))


@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_longer_than_the_terminal_nor_than_100_columns(name: str) -> None:
    for width in (20, 33, 40, 59, *WIDTHS, 200):
        for line in summary(report_of(name), width).splitlines():
            assert cells(line) <= min(width, 100), line


@pytest.mark.parametrize("name", SAMPLES)
def test_colour_changes_no_text(name: str) -> None:
    for width in WIDTHS:
        coloured = summary(report_of(name), width, color=True)
        assert ESCAPE.sub("", coloured) == summary(report_of(name), width)


@pytest.mark.parametrize("name", SAMPLES)
def test_without_glyphs_the_layout_is_the_same_in_ascii(name: str) -> None:
    plain = summary(report_of(name), 100, unicode=False)
    assert plain.isascii()
    assert [len(line) for line in plain.splitlines()] == [
        cells(line) for line in summary(report_of(name), 100).splitlines()
    ]


@pytest.mark.parametrize("word", list(Word))
@pytest.mark.parametrize("width", WIDTHS)
def test_the_last_line_is_the_verdict_with_its_first_reason_and_exit_code(word: Word, width: int) -> None:
    verdict = Verdict(word, () if word is Word.PASS else ("the weightiest reason", "a lighter reason"))
    report = build_report(replace(sample("passing"), verdict=verdict))
    first = "all 4 thresholds hold" if word is Word.PASS else "the weightiest reason"
    assert last_line(report, width).startswith(f"{word.value.upper()}  {first}")
    assert last_line(report, width).endswith(f"  exit {verdict.exit_code}")
    assert all(reason in summary(report, width) for reason in verdict.reasons)


def test_every_reason_is_shown_the_weightiest_next_to_the_verdict() -> None:
    reasons = ("the first", "the second", "the third")
    report = build_report(replace(sample("passing"), verdict=Verdict(Word.FAIL, reasons)))
    assert [line.split("  exit")[0].strip() for line in summary(report, 80).splitlines()[-3:]] == [
        "- the third",
        "- the second",
        "FAIL  the first",
    ]


def test_a_reason_too_long_for_the_last_line_is_shown_whole_above_it() -> None:
    reason = "achieved 601/s of 1,000/s planned: " + "because of this and that " * 8 + "and no more"
    report = build_report(replace(sample("passing"), verdict=Verdict(Word.INVALID, (reason,))))
    text = summary(report, 60)
    assert last_line(report, 60).split("  exit")[0].rstrip() == "INVALID  achieved 601/s of 1,000/s planned"
    assert reason in re.sub(r"\s+", " ", text)


def test_a_long_reason_without_clauses_is_cut_at_a_word() -> None:
    reason = "word " * 40 + "end"
    report = build_report(replace(sample("passing"), verdict=Verdict(Word.FAIL, (reason,))))
    line = last_line(report, 60)
    assert line.endswith("word…  exit 1")
    assert cells(line) <= 60


def test_only_the_verdict_is_left_when_nothing_else_is_wanted() -> None:
    text = render_verdict(report_of("failing"), width=80, color=False)
    assert text.splitlines() == summary(report_of("failing"), 80).splitlines()[-3:]


def test_an_interrupted_run_is_named_and_ends_with_130() -> None:
    text = summary(report_of("interrupted"), 100)
    assert "interrupted after 24.3s of 1m planned" in text
    assert text.endswith("exit 130\n")


def test_names_and_errors_cannot_drive_the_terminal() -> None:
    evil = "GET /\x1b]0;owned\x07\x1b[2J\r\nPASS  fake\u202e"
    play = Play((SampleStep(evil, 20.0, fails={"reset": 0.5}), SampleStep("GET /東京/駅", 5.0)))
    play.checks = {evil: 0.5}
    for _ in play.windows(2):
        pass
    run = run_of(play, 2.0, notes=(evil,), verdict=Verdict(Word.FAIL, (evil,)))
    run = replace(run, errors=(ErrorCount(evil, evil, evil, 0.0, 1.0, 3),))
    report = build_report(replace(run, definition=replace(run.definition, profile=evil, target=evil)))
    for width in WIDTHS:
        text = summary(report, width)
        assert all(line.isprintable() and cells(line) <= width for line in text.splitlines())
        assert len([line for line in text.splitlines() if line.startswith("PASS")]) == 0


def test_of_a_thousand_steps_the_ones_with_errors_and_most_requests_are_shown() -> None:
    steps = [SampleStep(f"GET /{n}", 1.0 + n % 3, fails={"reset": 1.0} if n == 77 else {}) for n in range(200)]
    play = Play(steps)
    for _ in play.windows(1):
        pass
    text = summary(build_report(run_of(play, 1.0)), 100)
    lines = text.splitlines()
    more = lines.index("  160 more steps are in the record")
    assert "GET /" in lines[more - 1]  # after the rows it goes on from, and before what all steps came to
    assert lines[more + 1].startswith("  all 200 steps")
    assert "GET /77 " in text
    assert "GET /2 " in text
    assert "GET /0 " not in text
    assert len(text.splitlines()) < 75


def test_a_protocol_has_a_row_of_its_own_where_it_has_several_steps() -> None:
    play = Play((SampleStep("user", 2.0), SampleStep("user", 2.0, protocol="grpc"), SampleStep("a", 2.0)))
    for _ in play.windows(1):
        pass
    lines = summary(build_report(run_of(play, 1.0)), 100).splitlines()
    rows = [line.split("  ")[1] for line in lines[lines.index("") + 2 : lines.index("") + 7]]
    assert rows == [
        "http user",
        "http a",
        "grpc user",
        "http all 2 steps",
        "times in ms from the send to the last byte (service time)",
    ]


def test_names_are_cut_only_as_far_as_they_stay_different() -> None:
    names = [f"GET /{'a' * 9}{middle}{'b' * 50}" for middle in "xyz"]
    play = Play([SampleStep(name, 1.0) for name in names])
    for _ in play.windows(1):
        pass
    for width in (80, 100):
        shown = [line for line in summary(build_report(run_of(play, 1.0)), width).splitlines() if "GET /" in line]
        assert len({line.split("  ")[1] for line in shown}) == 3, shown


def test_of_many_loads_the_first_are_named() -> None:
    loads = sample("passing").loads * 15
    text = summary(build_report(replace(sample("passing"), loads=loads)), 100)
    assert text.count(loads[0].summary) == 12 and "\n  and 3 more\n" in text


def test_of_many_errors_the_most_frequent_ten_are_shown_last() -> None:
    errors = tuple(ErrorCount(f"kind{n}", "GET /", "sample", 0.0, 1.0, 100 - n) for n in range(15))
    text = summary(build_report(replace(sample("passing"), errors=errors)), 100)
    assert "5 more kinds, 440 errors, are in the record" in text
    assert text.index("kind9 ") < text.index("kind0 ")
    assert "kind10" not in text


def test_of_many_checks_only_those_that_failed_are_listed() -> None:
    text = summary(report_of("failing"), 100)
    assert "3 of 6 passed" in text
    assert "✗ failed  status is 200" in text
    assert "price is positive" not in text


def test_columns_that_do_not_fit_are_left_out_and_names_cut_in_the_middle() -> None:
    wide, narrow = summary(report_of("failing"), 100), summary(report_of("failing"), 60)
    assert "requests" in wide.split("all 3 steps")[0]
    assert "requests" not in narrow.split("all 3 steps")[0]
    for text in (wide, narrow):
        assert re.search(r"GET /or\S*….*history", text)
        assert re.search(r"step +.*p95 +p99 .*errors", text)


@pytest.mark.parametrize(
    ("used", "passed", "text"),
    [
        (0.0, True, "0 % used"),
        (0.001, True, "<1 % used"),
        (0.306, True, "31 % used"),
        (0.999, True, "99 % used"),
        (1.0, True, "100 % used"),
        (1.0001, False, "101 % used"),
        (1.4, False, "140 % used"),
        (12.34, False, "12.3 times"),
        (float("inf"), False, "far over"),
    ],
)
def test_the_used_part_of_a_limit_never_looks_like_the_limit_itself(used: float, passed: bool, text: str) -> None:
    report = report_of("passing")
    row = replace(report.limits[0], used=used, passed=passed)
    (line,) = [line for line in summary(replace(report, limits=(row,)), 100).splitlines() if row.expression in line]
    assert line.split("  ")[-1].strip() == text


def test_of_very_many_failing_checks_the_ten_worst_are_listed_the_worst_last() -> None:
    checks = tuple(CheckRow(f"check {n}", 100 - n, 100) for n in range(15, 0, -1))
    text = summary(replace(report_of("passing"), checks=checks), 100)
    assert "5 more that failed less often" in text
    assert text.index("check 6 ") < text.index("check 15 ")
    assert "check 5 " not in text


def test_times_that_are_all_long_or_all_short_are_told_in_their_unit() -> None:
    for median, unit, p50 in ((30_000.0, "s", "30.0"), (0.5, "us", "500")):
        play = Play((SampleStep("GET /", 3.0, median, sigma=0.0),))
        for _ in play.windows(1):
            pass
        text = summary(build_report(run_of(play, 1.0)), 100)
        assert f"times in {unit} from the send" in text
        assert re.search(rf"GET / +3 +3\.00/s +{p50}", text)
