"""When repetitions are enough, and that the interval they end with covers the truth. Seeds are fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.repetition import Policy, Standing
from loadgate.measure.spread import spread_of

Random = np.random.Generator
POLICY = Policy()
WIDE = [90.0, 110.0] * 100
NARROW = [100.0, 100.1] * 100


def test_looks_are_planned_each_half_as_many_again() -> None:
    assert POLICY.sizes == (10, 15, 22, 33, 50, 75, 113, 170, 200)
    assert Policy(least=1, most=7).sizes == (1, 2, 3, 4, 5, 7)
    assert Policy(least=5, most=5).sizes == (5,)


def test_it_is_enough_when_the_interval_is_narrow_at_a_planned_size() -> None:
    assert POLICY.standing([NARROW[:10]], 1.0) == Standing(enough=True, settled=True)
    assert POLICY.standing([WIDE[:10]], 1.0) == Standing(enough=False, settled=False)


@pytest.mark.parametrize("count", [0, 1, 9, 11, 14, 16, 199])
def test_nobody_looks_in_between(count: int) -> None:
    assert POLICY.standing([NARROW[:count]], 1.0) == Standing(enough=False, settled=False)


def test_most_repetitions_are_enough_whatever_they_show() -> None:
    assert POLICY.standing([WIDE], 1.0) == Standing(enough=True, settled=False)


def test_time_is_up_at_any_number_and_the_last_look_decides() -> None:
    assert POLICY.standing([WIDE[:11]], 60.0) == Standing(enough=True, settled=False)
    assert POLICY.standing([NARROW[:11]], 60.0) == Standing(enough=True, settled=True)
    assert POLICY.standing([NARROW[:3]], 61.0) == Standing(enough=True, settled=False)
    assert not POLICY.enough(NARROW[:3], 59.9)


def test_all_figures_that_gate_have_to_be_narrow() -> None:
    assert POLICY.standing([NARROW[:10], WIDE[:10]], 1.0) == Standing(enough=False, settled=False)
    assert POLICY.standing([NARROW[:10], NARROW[:10]], 1.0) == Standing(enough=True, settled=True)
    assert POLICY.standing([], 0.0) == Standing(enough=True, settled=True)


def test_a_figure_that_never_moves_is_narrow() -> None:
    assert POLICY.enough([0.0] * 10, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(Policy, width=0.0), "asked to be 0 wide"),
        (partial(Policy, width=float("nan")), "asked to be nan wide"),
        (partial(Policy, least=0), "0 to 200 repetitions are no plan"),
        (partial(Policy, least=300), "300 to 200 repetitions are no plan"),
        (partial(Policy, seconds=0.0), "cannot take 0 s"),
        (partial(Policy, warmups=-1), "-1 repetitions cannot be warm-up"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Policy], message: str) -> None:
    with pytest.raises(LoadgateError, match=message):
        make()


@dataclass(frozen=True)
class Kind:
    """A distribution: how to draw from it, and its median."""

    draw: Callable[[Random, int], np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
    median: float


def normal(scale: float) -> Kind:
    return Kind(lambda random, n: 1.0 + scale * random.standard_normal(n), 1.0)


def lognormal(scale: float) -> Kind:
    return Kind(lambda random, n: np.exp(scale * random.standard_normal(n)), 1.0)


def skewed(scale: float) -> Kind:
    """A floor, and a long tail above it: what a quiet machine makes of a computation."""
    return Kind(lambda random, n: 1.0 + scale * np.exp(random.standard_normal(n)), 1.0 + scale)


def heavy(scale: float) -> Kind:
    return Kind(lambda random, n: 1.0 + scale * random.standard_t(3, n), 1.0)


def bimodal(share: float, gap: float, scale: float = 0.01) -> Kind:
    def below(x: float) -> float:
        one, other = NormalDist(1.0, scale), NormalDist(1.0 + gap, scale)
        return (1.0 - share) * one.cdf(x) + share * other.cdf(x)

    low, high = 0.5, 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) < 0.5 else (low, middle)
    return Kind(
        lambda random, n: np.where(random.random(n) < share, 1.0 + gap, 1.0) + scale * random.standard_normal(n), low
    )


KINDS = {
    **{f"normal, {scale:.1%}": normal(scale) for scale in (0.02, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.2)},
    **{f"lognormal, {scale:.1%}": lognormal(scale) for scale in (0.05, 0.08, 0.2, 0.5, 1.0)},
    **{f"a floor and a tail, {scale:.1%}": skewed(scale) for scale in (0.02, 0.05, 0.08, 0.2)},
    **{f"t with 3 degrees of freedom, {scale:.1%}": heavy(scale) for scale in (0.02, 0.05, 0.07, 0.1)},
    **{
        f"bimodal, {share:.0%} {gap:.0%} higher": bimodal(share, gap)
        for share, gap in ((0.05, 0.2), (0.1, 0.2), (0.2, 0.5), (0.3, 0.05), (0.3, 0.1), (0.4, 0.06), (0.5, 0.03))
    },
}


def covered(kind: Kind, rounds: int, sizes: Sequence[int] = POLICY.sizes, seed: int = 7) -> float:
    """How often the interval that the repetitions end with holds the median."""
    random = np.random.default_rng(seed)
    hits = 0
    for _ in range(rounds):
        values = kind.draw(random, POLICY.most).tolist()
        size = next(size for size in sizes if size == POLICY.most or POLICY.narrow(values[:size]))
        spread = spread_of(values[:size])
        hits += spread.low <= kind.median <= spread.high
    return hits / rounds


def ended(values: Sequence[float]) -> int:
    """The number of repetitions at which the policy itself stops."""
    return next(count for count in range(1, len(values) + 1) if POLICY.enough(values[:count], 1.0))


def test_the_policy_stops_where_the_simulation_does() -> None:
    random = np.random.default_rng(3)
    for scale in (0.02, 0.06, 0.08, 0.2):
        values = normal(scale).draw(random, POLICY.most).tolist()
        narrow = [size for size in POLICY.sizes if POLICY.narrow(values[:size])]
        assert ended(values) == (narrow[0] if narrow else POLICY.most)


@pytest.mark.parametrize("name", ["normal, 8.0%", "a floor and a tail, 5.0%"])
def test_stopping_early_leaves_the_interval_honest(name: str) -> None:
    assert covered(KINDS[name], 600) >= 0.925  # two standard errors below 94.5 %


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", KINDS)
def test_the_final_interval_covers_at_least_as_often_as_it_may(name: str) -> None:
    assert covered(KINDS[name], 10_000) >= 0.935


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_looking_after_each_repetition_would_not_do() -> None:
    """Why looks are planned."""
    assert covered(KINDS["normal, 8.0%"], 2_000, sizes=range(10, POLICY.most + 1)) < 0.93
