"""What is shown of the functions that grew: above the verdict at any width, in Markdown, and where nothing is known."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from loadgate.record.ab import AbProgress
from loadgate.record.explained import Explained
from loadgate.report.ab import ab_lines, ab_page
from loadgate.report.ab_live import ab_line
from loadgate.report.ab_markdown import ab_markdown
from loadgate.report.style import cells, paint
from tests.support.sample_ab import EXPLAINED, ab_record

NOTHING = replace(EXPLAINED, functions=())
ABSENT = Explained(missing=("py-spy is not installed: `pip install 'loadgate[explain]'`",))


def page(explained: Explained, width: int = 100) -> list[str]:
    record = replace(ab_record(0.2), explained=explained)
    return [paint(line, width, color=False, unicode=True) for line in ab_lines(ab_page(record), width)]


def markdown(explained: Explained) -> str:
    record = replace(ab_record(0.2), explained=explained)
    return ab_markdown(record, ab_page(record))


def flat(lines: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(lines))


def test_each_function_is_a_row_with_what_it_takes_more() -> None:
    lines = page(EXPLAINED, 120)
    (row,) = (line for line in lines if line.startswith("  planted"))
    assert re.split(r"\s{2,}", row.strip()) == [
        "planted",
        "app.py:23",
        "6.70 %",
        "17.0 %",
        "+0.35 ms",
        "45.0 us",
        "answer (app.py:39)",
    ]
    assert "Shop.render with what it calls" in flat(lines)
    assert "a request took 2.22 ms in base and 2.94 ms in head, running or waiting for a core" in flat(lines)
    assert "712 and 941 samples by py-spy in 10 s" in flat(lines)


@pytest.mark.parametrize("explained", [EXPLAINED, NOTHING, ABSENT])
@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_it_fits_and_leaves_the_last_line_to_the_verdict(explained: Explained, width: int) -> None:
    lines = page(explained, width)
    assert max(map(cells, lines)) <= width
    assert lines[-1].startswith("FAIL")
    assert any(line.startswith("  what grew") for line in lines)


def test_where_no_function_stands_out_it_says_so() -> None:
    assert "no single function grew by more than chance" in flat(page(NOTHING))


def test_where_nothing_is_known_it_says_why_and_what_to_do() -> None:
    assert "not known: py-spy is not installed: `pip install 'loadgate[explain]'`" in flat(page(ABSENT))
    assert "samples" not in flat(page(ABSENT))


def test_notes_are_shown() -> None:
    assert "these are functions of the interpreter" in flat(
        page(replace(EXPLAINED, notes=("these are functions of the interpreter",)))
    )


def test_nobody_asked() -> None:
    record = ab_record(0.2)
    assert "what grew" not in flat(
        [paint(line, 80, color=False, unicode=True) for line in ab_lines(ab_page(record), 80)]
    )
    assert "What grew" not in ab_markdown(record, ab_page(record))


def test_in_markdown_it_is_a_table() -> None:
    text = markdown(EXPLAINED)
    assert "| planted | app.py:23 | 6.70 % | 17.0 % | +0.35 ms | 45.0 us | answer (app.py:39) |" in text
    assert "What grew: a request took 2.22 ms in base and 2.94 ms in head" in text


def test_in_markdown_where_nothing_is_known_there_is_no_table() -> None:
    text = markdown(ABSENT)
    assert "What grew: not known: py-spy is not installed" in text
    assert "| called by |" not in text


def test_who_watches_sees_that_it_is_the_pair_under_a_profiler() -> None:
    line = ab_line(AbProgress(1, 1, False, 12.0, None, explaining=True), 80)
    assert "".join(text for text, _ in line) == "ab  a pair under a profiler  00:12 left"
