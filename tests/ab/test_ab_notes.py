"""Notes on pairs that count: what was dropped, and where the capacity is not known."""

from __future__ import annotations

from loadgate.ab.notes import dropped_note, limit_note
from loadgate.ab.order import ARMS, pair_order
from loadgate.ab.pair import Measured


def measured(number: int, *, dropped: int = 0, limit: str = "") -> Measured:
    return Measured(
        number, pair_order(1, number), {}, dict.fromkeys(ARMS, 500), planned=1_000, dropped=dropped, limit=limit
    )


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    pairs = [measured(number) for number in range(8)]
    assert [*dropped_note(pairs), *limit_note(pairs)] == []


def test_dropped_starts_are_told_over_all_pairs() -> None:
    pairs = [measured(1, dropped=30), measured(2), measured(3, dropped=5)]
    assert list(dropped_note(pairs)) == [
        "35 of 3,000 planned starts were dropped, in 2 of 3 pairs, because every user waited for a reply: use a lower --rate"
    ]


def test_a_capacity_that_is_left_out_says_how_often_and_why() -> None:
    pairs = [measured(1, limit="the generator took 97 % of one core (at most 80 %)"), measured(2)]
    assert list(limit_note(pairs)) == [
        "the capacity is left out of 1 of 2 pairs, for there it was not the arms': "
        "the generator took 97 % of one core (at most 80 %)"
    ]
