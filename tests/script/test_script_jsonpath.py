"""JSON paths: what they find, and how they refuse what is not supported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.script.jsonpath import MISSING, JsonPathError, parse_jsonpath

STORE = {
    "name": "corner shop",
    "open": None,
    "items": [{"sku": "a", "price": 3}, {"sku": "b"}, {"sku": "c", "price": 0}],
    "by day": {"mon": 1, "tue": 2},
    "deep": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", STORE),
        ("$.name", "corner shop"),
        ("$.open", None),
        ("$.items[0].sku", "a"),
        ("$.items[-1].price", 0),
        ("$.items[-3].sku", "a"),
        ("$['by day'].mon", 1),
        ('$["by day"]["tue"]', 2),
        ("$.items[*].sku", ["a", "b", "c"]),
        ("$.items[*].price", [3, 0]),
        ("$.deep[*][*]", [1, 2, 3]),
        ("$.deep[*][0]", [1, 3]),
        ("$['by day'].*", [1, 2]),
        ("$.items.length()", 3),
        ("$.name.length()", 11),
        ("$['by day'].length()", 2),
        ("$.items[*].price.length()", 2),
    ],
)
def test_finds(path: str, found: object) -> None:
    assert parse_jsonpath(path).find(STORE) == found


@pytest.mark.parametrize(
    "path",
    [
        "$.nothing",
        "$.items[3]",
        "$.items[-4]",
        "$.name[0]",
        "$.items.sku",
        "$.open.more",
        "$.name[*]",
        "$.open.length()",
    ],
)
def test_a_place_the_document_lacks_is_missing(path: str) -> None:
    assert parse_jsonpath(path).find(STORE) is MISSING


def test_missing_differs_from_null() -> None:
    assert parse_jsonpath("$.open").find(STORE) is None
    assert MISSING is not None


@pytest.mark.parametrize(
    ("path", "position", "message"),
    [
        ("", 0, "begins with"),
        ("items[0]", 0, "begins with"),
        ("$..price", 1, "descendants"),
        ("$.a[?(@.b)]", 3, "filters"),
        ("$.a[(@.length-1)]", 3, "scripts"),
        ("$.a[1:3]", 3, "slices"),
        ("$.a[:3]", 3, "slices"),
        ("$.a[0,1]", 3, "unions"),
        ("$.a[0", 3, "not closed"),
        ("$.a.", 3, "not understood"),
        ("$.a b", 3, "not understood"),
        ("$.a[01]", 3, "not understood"),
        ("$.length().a", 1, "must come last"),
        ("$.a.size()", 3, "only `.length()`"),
    ],
)
def test_refuses_with_the_position(path: str, position: int, message: str) -> None:
    with pytest.raises(JsonPathError, match=message.replace("(", r"\(").replace(")", r"\)")) as caught:
        parse_jsonpath(path)
    assert caught.value.position == position


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def places(value: Any, path: str = "$") -> list[tuple[str, Any]]:
    """Every place of a document with the path that leads there, written in brackets."""
    found = [(path, value)]
    if isinstance(value, dict):
        for key, item in value.items():
            quoted = key.replace("\\", "\\\\").replace("'", "\\'")
            found += places(item, f"{path}['{quoted}']")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, f"{path}[{index}]")
    return found


@given(documents)
def test_every_place_of_any_document_is_found(document: Any) -> None:
    for path, value in places(document):
        assert parse_jsonpath(path).find(document) is value


@given(st.text(alphabet="$.[]*'\"ab01-:,?()\\ ", max_size=12), documents)
def test_any_text_is_a_path_or_an_error_inside_it(text: str, document: Any) -> None:
    position = 0
    try:
        json.dumps(parse_jsonpath(text).find(document), default=lambda missing: None)
    except JsonPathError as error:
        position = error.position
    assert 0 <= position <= len(text)
