"""Repeating something until it is known: whatever is measured, as values that are made up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable

import pytest

from loadgate.bench.repeating import Case, Measured, Outcome, Row, repeat
from loadgate.errors import InvalidRun
from loadgate.measure.repetition import Policy
from loadgate.record.result import SeriesName

TIME, MEMORY, SIDE = (SeriesName("", name, "") for name in ("time", "memory", "side"))
FIGURES = (Measured(TIME, "ms", decides=True), Measured(MEMORY, "bytes", decides=True), Measured(SIDE, "ms"))
STEADY = [100.0 + number % 3 / 10 for number in range(500)]
WILD = [100.0 * (1.0 + number % 7) for number in range(500)]


class Made:
    """A case whose repetitions take `seconds` each of a clock of its own. `at` is called before each, with its number."""

    def __init__(
        self,
        times: Iterable[float] = STEADY,
        memory: Iterable[float] = STEADY,
        *,
        seconds: float = 0.0,
        at: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.rows = zip(times, memory, strict=False)
        self.seconds = seconds
        self.at = at
        self.now = 1000.0
        self.done = 0
        self.said: list[str] = []

    async def once(self) -> Row:
        self.done += 1
        self.at(self.done)
        await asyncio.sleep(0)
        self.now += self.seconds
        time, memory = next(self.rows)
        return {TIME: time, MEMORY: memory, SIDE: -time}

    def run(self, figures: tuple[Measured, ...] = FIGURES, **policy: float) -> Outcome:
        return asyncio.run(self.repeat(figures, **policy))

    async def repeat(self, figures: tuple[Measured, ...] = FIGURES, **policy: float) -> Outcome:
        case = Case("it", figures, self.once)
        return await repeat(case, Policy(**policy), self.said.append, now=lambda: self.now)  # type: ignore[arg-type]


def counts(outcome: Outcome) -> list[int]:
    return [each.spread.count for each in outcome.repeated]


def test_what_is_steady_is_measured_as_often_as_it_takes_at_least() -> None:
    made = Made()
    found = made.run(least=10, most=50, warmups=2)
    assert (made.done, counts(found)) == (12, [10, 10, 10])
    assert [each.series for each in found.repeated] == [TIME, MEMORY, SIDE]
    assert found.repeated[0].values == tuple(STEADY[2:12])
    assert {(each.warmups, each.settled, each.advice) for each in found.repeated} == {(2, True, ())}
    assert (found.interrupted, found.error) == (False, None)


def test_the_least_known_of_those_that_decide_decides() -> None:
    shaky = [*WILD[:12], *STEADY]
    assert counts(Made(STEADY, shaky).run(least=10, most=200, warmups=0)) > [15, 15, 15]
    assert counts(Made(shaky, STEADY).run(least=10, most=200, warmups=0)) > [15, 15, 15]


def test_what_does_not_decide_is_measured_along() -> None:
    figures = (Measured(TIME, "ms", decides=True), Measured(MEMORY, "bytes"))
    found = Made(STEADY, WILD).run(figures, least=10, most=200)
    assert counts(found) == [10, 10]
    assert [each.settled for each in found.repeated] == [True, True]
    assert found.repeated[1].advice == ()


def test_what_never_settles_ends_at_the_most_and_says_why() -> None:
    found = Made(WILD, STEADY).run(least=10, most=23)
    assert counts(found) == [23, 23, 23]
    time, memory, side = found.repeated
    assert not time.settled and time.advice
    assert side.settled and not side.advice, "nobody asked for it to be known"
    assert memory.settled, "it is known by itself"


def test_when_time_is_up_it_is_over() -> None:
    made = Made(WILD, seconds=1.0)
    assert counts(made.run(least=10, most=100, seconds=13.0, warmups=1)) == [12, 12, 12]
    assert counts(Made(seconds=1.0).run(least=10, most=100, seconds=4.0, warmups=1)) == [3, 3, 3]


def test_a_warm_up_that_takes_all_the_time_is_followed_by_one_that_counts() -> None:
    assert counts(Made(seconds=10.0).run(seconds=1.0, warmups=2)) == [1, 1, 1]


def test_a_figure_that_cannot_be_measured_is_left_out() -> None:
    figures = (*FIGURES, Measured(SeriesName("", "other", ""), "ms", decides=True))
    assert [each.series for each in Made().run(figures).repeated] == [TIME, MEMORY, SIDE]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_what_was_measured_before_a_failure_is_kept(number: int) -> None:
    def fail(at: int) -> None:
        if at == number:
            raise InvalidRun("it fell over")

    made = Made(at=fail)
    found = made.run(warmups=1)
    assert str(found.error) == "it fell over"
    assert counts(found) == ([] if number <= 2 else [number - 2] * 3)
    assert not any(each.settled for each in found.repeated[:1])
    assert not found.interrupted


@pytest.mark.parametrize("number", [1, 5])
def test_a_cancellation_ends_the_repetitions_and_not_the_caller(number: int) -> None:
    async def go() -> Outcome:
        task = asyncio.current_task()
        assert task is not None
        outcome = await Made(at=lambda at: at == number and task.cancel()).repeat(warmups=1)  # type: ignore[arg-type]
        await asyncio.sleep(0)  # which a cancellation that is still due would end
        assert not task.cancelling()
        return outcome

    found = asyncio.run(go())
    assert found.interrupted and found.error is None
    assert counts(found) == ([] if number == 1 else [3, 3, 3])


def test_somebody_who_waits_is_told_how_far_it_is() -> None:
    made = Made(WILD)
    made.run(least=10, most=20, width=0.05, seconds=90.0)
    assert made.said[0] == "it: to be measured 10 to 20 times, after 1 to warm up, none begun after 1m30s"
    assert [line.partition(",")[0] for line in made.said[1:]] == [f"it: measured {n} times" for n in (10, 15, 20)]
    assert made.said[1].endswith("% wide (wanted: 5.00 %)")


def test_what_is_said_is_of_the_figure_that_is_known_least() -> None:
    one, other = Made(WILD, STEADY), Made(STEADY, WILD)
    for made in (one, other):
        made.run(least=10, most=10)
    assert one.said == other.said
    assert "nan" not in one.said[1] and "0 % wide" not in one.said[1]


def test_of_few_values_nothing_is_said_but_their_number() -> None:
    made = Made()
    made.run(least=1, most=1, warmups=0, seconds=math.inf)
    assert made.said == ["it: to be measured 1 time", "it: measured 1 time"]
