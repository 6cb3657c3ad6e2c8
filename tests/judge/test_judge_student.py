from __future__ import annotations

import math

import pytest

from loadgate.judge.student import quantile, two_sided


@pytest.mark.parametrize(
    ("p", "freedom", "t"),  # NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, and R's qt
    [
        (0.975, 1, 12.70620473617471),
        (0.975, 2, 4.302652729696142),
        (0.975, 4, 2.776445105197793),
        (0.975, 15, 2.131449545559323),
        (0.975, 120, 1.979930405082422),
        (0.9995, 3, 12.92397863668793),
        (0.8, 30, 0.853767261471215),
        (0.975, math.inf, 1.959963984540054),
        (0.975, 1e9, 1.959963984540054),
    ],
)
def test_quantiles_are_those_of_the_tables(p: float, freedom: float, t: float) -> None:
    assert quantile(p, freedom) == pytest.approx(t, rel=1e-9)


def test_tails_are_exact_where_they_have_a_closed_form() -> None:
    for t in (0.0, 0.3, 1.0, 2.5, 40.0):
        assert two_sided(t, 1) == pytest.approx(1 - 2 / math.pi * math.atan(t), rel=1e-10)  # Cauchy
        assert two_sided(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)
        assert two_sided(-t, 2) == two_sided(t, 2)
    assert two_sided(math.inf, 3) == 0.0
    assert math.isnan(two_sided(math.nan, 3))


@pytest.mark.parametrize("freedom", [0.7, 1.5, 3.2, 17.9, 400.0])
def test_a_quantile_is_the_inverse_of_the_tail(freedom: float) -> None:
    for p in (0.6, 0.8, 0.95, 0.99, 0.9999):
        assert two_sided(quantile(p, freedom), freedom) == pytest.approx(2 * (1 - p), rel=1e-9)
