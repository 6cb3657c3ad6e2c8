"""What all looks together may spend is the error they were given."""

from __future__ import annotations

import pytest

from loadgate.judge.looks import FEWEST, planned_looks


@pytest.mark.parametrize("most", [1, 4, 6, 7, 8, 10, 12, 16, 24, 60])
def test_looks_spend_all_of_alpha_and_no_more(most: int) -> None:
    looks = planned_looks(most, 0.05)
    sizes = [look.pairs for look in looks]
    assert sum(look.alpha for look in looks) == pytest.approx(0.05)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most
    assert all(size >= min(FEWEST, most) for size in sizes)


@pytest.mark.parametrize("most", [8, 12, 24, 60])
def test_every_look_could_decide_something(most: int) -> None:
    for look in planned_looks(most, 0.05):
        assert 0.5**look.pairs <= look.alpha, look


def test_the_last_look_has_most() -> None:
    looks = planned_looks(12, 0.05)
    assert [look.pairs for look in looks] == [8, 10, 12]  # after 6 not even all signs alike would be rare enough
    assert max(looks, key=lambda look: look.alpha) is looks[-1]
