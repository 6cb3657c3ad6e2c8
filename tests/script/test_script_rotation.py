"""The order in which weighted scenarios take turns."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loadgate.script.role import rotation


def test_turns_are_spread() -> None:
    assert rotation([3, 1]) == (0, 0, 1, 0)
    assert rotation([1, 1, 1]) == (0, 1, 2)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_each_comes_as_often_as_its_weight_and_never_far_from_its_share(weights: list[int]) -> None:
    order = rotation(weights)
    assert Counter(order) == dict(enumerate(weights))
    seen = [0] * len(weights)
    for turn, index in enumerate(order, 1):
        seen[index] += 1
        for have, weight in zip(seen, weights, strict=True):
            assert abs(have - turn * weight / sum(weights)) < len(weights)
