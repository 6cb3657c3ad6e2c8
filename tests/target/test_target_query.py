"""Our reading of queries is that of the standard library."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.target.http.query import decoded, parameters

PIECES = st.sampled_from(
    ["%", "%4", "%41", "%c3%a9", "%C3", "%zz", "% 1", "%+1", "+", "&", "=", "a", "é", "\x80", "%2", "0"]
)


@given(st.lists(PIECES).map("".join))
def test_it_is_that_of_the_standard_library(text: str) -> None:
    assert decoded(text) == unquote(text)
    assert parameters(text) == parse_qsl(text, keep_blank_values=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", []), ("a", [("a", "")]), ("a=1&&b=%26+c&a=", [("a", "1"), ("b", "& c"), ("a", "")]), ("=x", [("", "x")])],
)
def test_parameters(query: str, expected: list[tuple[str, str]]) -> None:
    assert parameters(query) == expected
