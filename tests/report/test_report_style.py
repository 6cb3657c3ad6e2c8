from __future__ import annotations

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.report.style import (
    Ink,
    cells,
    clean,
    clip,
    colour_wanted,
    flow,
    glyphs_fit,
    left,
    paint,
    right,
    squeeze,
    wrap,
)

TEXTS = st.text(max_size=60)
WIDTHS = st.integers(min_value=1, max_value=80)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(TEXTS)
def test_nothing_that_moves_a_cursor_survives_cleaning(text: str) -> None:
    assert all(unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" for c in clean(text))


def test_cleaning_puts_text_on_one_line_and_marks_what_it_took_out() -> None:
    assert clean("a\tb\r\nc") == "a b  c"
    assert clean("\x1b[2Jred\x07") == "\ufffd[2Jred\ufffd"
    assert clean("left\u202eright") == "left\ufffdright"
    assert clean("Größe 東京") == "Größe 東京"


@given(TEXTS, WIDTHS)
def test_clipping_and_squeezing_keep_to_the_width(text: str, width: int) -> None:
    text = clean(text)
    assert cells(clip(text, width)) <= width
    assert cells(squeeze(text, width)) <= width
    if cells(text) <= width:
        assert clip(text, width) == squeeze(text, width) == text


def test_a_long_name_keeps_both_its_ends() -> None:
    assert squeeze("GET /orders/{id}/positions", 15) == "GET /or…sitions"
    assert squeeze("東京東京東京", 8) == "東京…京"


def test_what_stands_behind_a_long_word_is_kept_whole_where_it_can_be() -> None:
    name = "grpc greet.v1.Greeter/SayHello, 10,000 B, closed loop"
    assert squeeze(name, 45) == "grpc greet.v1.Greeter/… 10,000 B, closed loop"
    assert squeeze(name, 37) == "grpc greet…llo, 10,000 B, closed loop"
    assert squeeze(name, 25) == "grpc greet.v… closed loop"
    assert all(len(squeeze(name, width)) == width for width in range(5, len(name)))


def test_padding_counts_cells_not_characters() -> None:
    assert left("東", 4) == "東  "
    assert right("東", 4) == "  東"
    assert cells("e\u0301") == 1


@given(TEXTS, st.integers(min_value=8, max_value=80))
def test_wrapped_text_keeps_its_words_and_the_width(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cells(row) <= width for row in rows)
    assert "".join(rows).replace(" ", "") == "".join(clean(text).split())


@given(st.lists(TEXTS, max_size=6), st.integers(min_value=8, max_value=80))
def test_pieces_flow_into_lines_of_the_width(pieces: list[str], width: int) -> None:
    assert all(cells(row) <= width for row in flow(pieces, width))


def test_pieces_are_broken_between_each_other_first() -> None:
    assert flow(["one two", "three four", "five"], 20) == ["one two · three four", "five"]


@given(st.lists(st.tuples(TEXTS, st.sampled_from(Ink)), max_size=5), WIDTHS, st.booleans(), st.booleans())
def test_a_painted_line_is_printable_and_no_wider_than_asked(
    line: list[tuple[str, Ink]], width: int, color: bool, unicode: bool
) -> None:
    painted = paint(line, width, color=color, unicode=unicode)
    bare = ESCAPE.sub("", painted)
    assert bare.isprintable()
    assert cells(bare) <= width
    assert color or painted == bare
    assert unicode or painted.isascii()


def test_colour_adds_nothing_but_escape_codes() -> None:
    line = [("✗ broken", Ink.BAD), ("  ", Ink.PLAIN), ("p(95)<500", Ink.FAINT)]
    assert ESCAPE.sub("", paint(line, 80, color=True, unicode=True)) == paint(line, 80, color=False, unicode=True)
    assert paint(line, 80, color=True, unicode=True).startswith("\x1b[38;5;166m✗ broken\x1b[0m")


def test_ascii_glyphs_take_as_many_cells_as_the_others() -> None:
    line = [("✓ ok ▁▄█ ━╸─ a·b 東…", Ink.PLAIN)]
    plain = paint(line, 80, color=False, unicode=False)
    assert plain == "+ ok _-# =>- a|b ??."
    assert cells(plain) == cells(line[0][0])


@pytest.mark.parametrize(("encoding", "fits"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False)])
def test_glyphs_are_used_where_the_encoding_has_them(encoding: str | None, fits: bool) -> None:
    assert glyphs_fit(encoding) is fits


@pytest.mark.parametrize(
    ("terminal", "env", "wanted"),
    [
        (True, {"TERM": "xterm-256color"}, True),
        (True, {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (False, {"TERM": "xterm-256color"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_colour_is_for_terminals_unless_the_environment_says_otherwise(
    terminal: bool, env: dict[str, str], wanted: bool
) -> None:
    assert colour_wanted(Terminal() if terminal else io.StringIO(), env) is wanted
