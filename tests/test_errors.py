"""How errors read: excerpts with carets, masked secrets, nearest names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.errors import ConfigError, InvalidRun, LoadgateError, Problem, Span, nearest


def _excerpt(line: str, column: int, length: int) -> list[str]:
    return Problem("wrong", Span("f.yml", 1, column, length, (line,))).render().splitlines()


def test_an_error_prints_its_hint_below_and_knows_its_exit_code() -> None:
    error = LoadgateError("nothing answered", "start the server first")
    assert str(error) == "nothing answered\n  = start the server first"
    assert (error.exit_code, InvalidRun("target down").exit_code) == (2, 3)


def test_problems_are_printed_in_file_order_with_a_count() -> None:
    lines = ("a: 1", "b: 2")
    later, earlier = (Problem(f"wrong {n}", Span("f.yml", n, 1, 1, lines), "here", "so") for n in (2, 1))
    assert str(ConfigError([later, earlier])) == (
        "wrong 1\n  --> f.yml:1:1\n 1 | a: 1\n   | ^ here\n   = so\n\n"
        "error: wrong 2\n  --> f.yml:2:1\n 1 | a: 1\n 2 | b: 2\n   | ^ here\n   = so\n\n"
        "2 errors in f.yml, nothing was run"
    )


def test_at_most_twenty_problems_are_printed_and_the_count_is_of_all() -> None:
    shown = str(ConfigError([Problem(f"wrong {n}") for n in range(25)]))
    assert shown.count("wrong") == 20
    assert shown.endswith("\n\nthe first 20 of 25 errors are shown\n\n25 errors, nothing was run")


def test_the_caret_stands_under_the_part_after_tabs_and_wide_characters() -> None:
    assert _excerpt("\tname: x", 8, 1)[-1] == "   | \t      ^"
    assert _excerpt("名: x", 4, 1)[-1] == "   |     ^"


def test_a_long_line_is_cut_around_the_caret() -> None:
    rows = _excerpt("a" * 500 + "BAD" + "b" * 500, 501, 3)
    assert max(len(row) for row in rows) <= 110
    assert rows[-2][rows[-1].index("^") :].startswith("BAD")


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in Problem("wrong", Span("f.yml", 1, 1, 1, ("\x1b[2Ja: 1",))).render()


@pytest.mark.parametrize(
    "line",
    [
        "auth: {basic: {user: a, password: s3cret}}",
        'auth: {basic: {user: a, "password": "s3cret"}}',
        "  password: 's3cret'",
        '  password: "s3cret',
        "  bearer: s3cret",
        "headers: {Authorization: Bearer s3cret, b: 1}",
        "headers: {x-api-key: s3cret}",
        "url: http://ann:s3cret@host/",
        "url: http://s3cret@host/",
        "url: ann:s3cret@host:3000",
        "url: http://host/?access_token=s3cret&b=1",
        'url: "http://host/?sig=s3cret"',
        'PASSWORD = "s3cret"',
        "client = Client(api_key='s3cret', retries=3)",
        'headers["Authorization"] = f"Bearer s3cret"',
        'raise ValueError("sent Bearer s3cret-0")',
    ],
)
def test_an_excerpt_masks_secrets_and_keeps_its_length(line: str) -> None:
    shown = _excerpt(line, 1, 1)[2]
    assert "s3cret" not in shown
    assert len(shown) == len(f" 1 | {line}")


@pytest.mark.parametrize("line", ['password: "${env.PW}"', 'token = reply.json()["token"]', "if key == 'a':"])
def test_what_only_names_a_secret_stays_readable(line: str) -> None:
    assert line in _excerpt(line, 1, 1)[2]


def test_no_part_of_a_message_shows_a_secret() -> None:
    span = Span("f.yml", 1, 1, 1, ("a: 1",))
    problem = Problem("said Bearer s3cret-0", span, 'not {"password": "s3cret"}', "see http://a:s3cret@h")
    for text in (str(ConfigError([problem])), str(LoadgateError("token=s3cret", "not http://h/?sig=s3cret"))):
        assert "s3cret" not in text and "***" in text


@given(st.text(), st.text(), st.integers(-2, 50), st.integers(-2, 50))
def test_rendering_any_line_never_fails(before: str, line: str, column: int, length: int) -> None:
    Problem("wrong", Span("f.yml", 2, column, length, (before, line)), "label").render()


def test_the_part_of_a_span_is_exact_only_where_the_source_is_verbatim() -> None:
    span = Span("f.yml", 1, 4, 5, ("a: b<5ms",))
    assert span.text == "b<5ms"
    assert span.part("b<5ms", 2, 3).text == "5ms"
    assert span.part("something else", 2, 3) == span


def test_what_a_span_is_shown_as_does_not_hold_the_file() -> None:
    span = Span("f.yml", 1, 8, 3, ("token: abc",))
    assert (str(span), repr(span)) == ("f.yml:1:8", "Span(f.yml:1:8)")
    assert "abc" not in repr(Problem("wrong", span))


@pytest.mark.parametrize(
    ("word", "likely"),
    [
        ("threshhold", "thresholds"),
        ("wieght", "weight"),
        ("VUS", "vus"),
        ("zzz", None),
        ("gate", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_close_or_none(word: str, likely: str | None) -> None:
    assert nearest(word, ["vus", "weight", "thresholds", "data"]) == likely
