"""The shapes against the distributions they are named after, with formulas of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist

import pytest

from loadgate.target.shapes import Fixed, LogNormal, Normal, Pareto, Shape, Uniform

N = 20_000
CASES: dict[str, tuple[Shape, Callable[[float], float]]] = {
    "uniform": (Uniform(low_ms=10, high_ms=30), lambda x: (x - 10) / 20),
    "normal": (Normal(mean_ms=50, deviation_ms=5), NormalDist(50, 5).cdf),
    "lognormal": (LogNormal(median_ms=20, sigma=0.5), lambda x: NormalDist(math.log(20), 0.5).cdf(math.log(x))),
    "pareto": (Pareto(scale_ms=10, alpha=1.5), lambda x: 1 - (10 / x) ** 1.5),
}


def draws(shape: Shape, n: int = N) -> list[float]:
    random = Random(7).random
    return [shape.delay(random()) for _ in range(n)]


@pytest.mark.parametrize("name", CASES)
def test_draws_follow_the_distribution(name: str) -> None:
    shape, cdf = CASES[name]
    ordered = sorted(draws(shape))
    distance = max(abs(cdf(x) - (i + 0.5) / N) for i, x in enumerate(ordered))
    assert distance < 1.36 / math.sqrt(N)  # Kolmogorov-Smirnov at 5 %


@pytest.mark.parametrize("name", CASES)
def test_quantiles_are_exact(name: str) -> None:
    shape, cdf = CASES[name]
    for share in (0.001, 0.25, 0.5, 0.95, 0.99, 0.999):
        assert cdf(shape.delay(share)) == pytest.approx(share, abs=2e-4)


def test_lognormal_parameters_are_median_and_sigma() -> None:
    shape = LogNormal(median_ms=20, sigma=0.5)
    assert shape.delay(0.5) == 20.0
    assert shape.delay(0.95) == pytest.approx(20 * 2.276, rel=1e-3)
    assert sum(draws(shape)) / N == pytest.approx(20 * math.exp(0.125), rel=0.01)


def test_fixed_is_fixed_and_none_is_nothing() -> None:
    assert set(draws(Fixed(ms=12.3456), 100)) == {12.346}
    assert set(draws(Shape(), 100)) == {0.0}


def test_delays_are_whole_microseconds_as_clients_are_told() -> None:
    assert all(delay == round(delay, 3) for delay in draws(CASES["lognormal"][0], 1000))


def test_a_normal_shape_is_never_negative() -> None:
    values = draws(Normal(mean_ms=1, deviation_ms=10))
    assert min(values) == 0.0
    assert sum(value == 0.0 for value in values) / N == pytest.approx(NormalDist(1, 10).cdf(0), abs=0.01)


def test_the_clamp_holds_at_both_ends() -> None:
    values = draws(Pareto(scale_ms=1, alpha=0.5, min_ms=5, max_ms=70))
    assert (min(values), max(values)) == (5.0, 70.0)


def test_a_tail_without_end_is_cut_at_a_minute() -> None:
    shape = Pareto(scale_ms=1, alpha=0.1)
    assert shape.delay(1 - 2**-53) == 60_000.0
    assert shape.delay(0.0) == 1.0


@pytest.mark.parametrize("u", [0.0, 2**-60, 1 - 2**-53])
@pytest.mark.parametrize("name", CASES)
def test_the_ends_of_the_unit_interval_are_drawn_like_the_rest(name: str, u: float) -> None:
    assert 0.0 <= CASES[name][0].delay(u) <= 60_000.0


def test_probability_is_the_share_that_is_delayed_and_leaves_the_shape_alone() -> None:
    values = draws(LogNormal(median_ms=20, sigma=0.5, probability=0.25))
    late = sorted(value for value in values if value)
    assert len(late) / N == pytest.approx(0.25, abs=0.01)
    assert late[len(late) // 2] == pytest.approx(20, rel=0.03)
    assert set(draws(Fixed(ms=5, probability=0.0), 100)) == {0.0}


def test_every_shape_has_one_draw_for_one_number() -> None:
    slow, fast = draws(LogNormal(median_ms=20, sigma=0.5)), draws(LogNormal(median_ms=10, sigma=0.5))
    assert all(a == pytest.approx(2 * b, abs=0.002) for a, b in zip(slow, fast, strict=True))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fixed(ms=1, min_ms=3, max_ms=2), "`min_ms` (3) is above `max_ms` (2)"),
        (lambda: Uniform(low_ms=3, high_ms=2), "`low_ms` (3) is above `high_ms` (2)"),
    ],
)
def test_a_shape_upside_down_is_refused(make: Callable[[], Shape], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert words in str(caught.value)
