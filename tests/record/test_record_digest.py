"""The digest: equal for what is measured alike, different for whatever changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.load import Executor, LoadSpec, Stage
from loadgate.config.template import Template
from loadgate.errors import Span
from loadgate.record.digest import LENGTH, digest

LOAD = LoadSpec("main", Executor.RAMPING_VUS, stages=(Stage(60.0, 100.0), Stage(120.0, 100.0)))
PARTS: dict[str, object] = {"loads": (LOAD,), "warmup": 5.0, "sources": {"load.py": "async def browse(user): ..."}}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value: Any) -> Any:
    """The same value with the keys of each mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


def test_a_digest_is_a_short_hexadecimal_word_that_never_changes() -> None:
    assert digest({"a": 1, "b": [True, None, "x"]}) == "eca8cfb31ab74533"
    assert len(digest(PARTS)) == LENGTH
    assert digest(PARTS) == digest(dict(PARTS))


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_order_of_keys_does_not_matter(parts: dict[str, Any]) -> None:
    assert digest(parts) == digest(shuffled(parts))


@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    same = digest({"value": one}) == digest({"value": other})
    assert same == (_typed(one) == _typed(other))


def _typed(value: Any) -> Any:
    """A value in which True is not 1, as it is in JSON."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return (isinstance(value, bool), value)


@pytest.mark.parametrize(
    "change",
    [
        {"warmup": 6.0},
        {"warmup": None},
        {"more": 1},
        {"loads": (replace(LOAD, stages=(Stage(120.0, 100.0), Stage(60.0, 100.0))),)},
        {"loads": (replace(LOAD, graceful_stop=10.0),)},
        {"loads": (LOAD, LOAD)},
        {"sources": {"load.py": "async def browse(user): ... "}},
        {"sources": {"other.py": "async def browse(user): ..."}},
    ],
)
def test_whatever_changes_the_measurement_changes_the_digest(change: dict[str, object]) -> None:
    assert digest({**PARTS, **change}) != digest(PARTS)


def test_a_number_is_the_same_however_it_is_written() -> None:
    assert digest({"vus": 10}) == digest({"vus": 10.0})
    assert digest({"zero": 0.0}) == digest({"zero": -0.0})
    assert digest({"vus": 1}) != digest({"vus": True})
    assert digest({"large": 2**70}) != digest({"large": 2**70 + 1})


def test_lists_and_tuples_are_alike_and_sets_have_no_order() -> None:
    assert digest({"a": [1, 2]}) == digest({"a": (1, 2)}) != digest({"a": [2, 1]})
    assert [*{0, 8}] != [*{8, 0}], "a set's own order is that of insertion where hashes collide"
    assert digest({"a": {0, 8}}) == digest({"a": frozenset([8, 0])}) != digest({"a": {0, 9}})


def test_bytes_paths_and_enumerations_may_be_digested() -> None:
    assert digest({"a": b"\x00\xff"}) != digest({"a": "00ff"})
    assert digest({"a": PurePosixPath("x/y")}) == digest({"a": "x/y"})
    assert digest({"a": Executor.CONSTANT_VUS}) == digest({"a": "constant-vus"})
    assert digest({"a": "\udcff"}) != digest({"a": "?"})


def test_where_something_stands_in_a_file_does_not_matter() -> None:
    here, there = (Template("/users", Span("loadgate.yml", line, 5, 6)) for line in (3, 40))
    assert digest({"url": here}) == digest({"url": there}) == digest({"url": Template("/users")})


@dataclass
class Before:
    name: str


def test_a_field_that_a_later_version_adds_does_not_matter_until_it_is_set() -> None:
    @dataclass
    class Later:
        name: str
        added: int = 3
        more: dict[str, str] = field(default_factory=dict)
        seen: float = field(default=0.0, compare=False)

    Later.__name__ = "Before"
    assert digest({"step": Later("a", seen=1.0)}) == digest({"step": Before("a")})
    assert digest({"step": Later("a", added=4)}) != digest({"step": Before("a")})


def test_a_step_of_one_type_is_not_one_of_another() -> None:
    @dataclass
    class Other:
        name: str

    assert digest({"step": Other("a")}) != digest({"step": Before("a")})


@pytest.mark.parametrize("value", [object(), len, {1: "a"}, 1j])
def test_what_has_no_lasting_form_cannot_be_digested(value: object) -> None:
    with pytest.raises(TypeError):
        digest({"a": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_cannot_be_digested(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be part of a digest"):
        digest({"a": value})
