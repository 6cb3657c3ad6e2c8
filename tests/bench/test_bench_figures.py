from __future__ import annotations

import pytest

from bench.figures import Bar, Figures, exit_code, per_user, ratio


def figures(cost: float, *, share: float = 1.0) -> Figures:
    """100 requests in 2 s at `cost` CPU microseconds each."""
    return Figures(requests=100, cpu=cost * 1e-4, steady_share=share, seconds=2.0, peak=0)


def test_cost_is_cpu_microseconds_per_request() -> None:
    assert figures(12.5).cost == pytest.approx(12.5)


def test_the_cost_under_way_is_what_the_share_of_a_core_says_at_the_mean_rate() -> None:
    assert figures(0.0, share=0.5).steady_cost == pytest.approx(0.5 * 2.0 / 100 * 1e6)


def test_ratios_are_taken_within_a_round_so_that_a_slow_round_does_not_skew_them() -> None:
    rounds = {
        "theirs": [figures(80), figures(800), figures(90)],
        "ours": [figures(10), figures(100), figures(10)],
    }
    # each round says 8 to 9; the medians of the columns, 90 and 10, would say 9
    assert ratio(rounds, "theirs", "ours") == pytest.approx(8.0)


def test_rounds_of_different_number_are_not_compared() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        ratio({"theirs": [figures(80)], "ours": [figures(10), figures(10)]}, "theirs", "ours")


def test_memory_per_user_leaves_out_what_the_first_user_needs() -> None:
    assert per_user(many=10_990, one=1_000, users=1_000) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("b", 1.9, 1.9), True),
        (Bar("b", 1.91, 1.9), False),
        (Bar("b", 7.0, 7.0, least=True), True),
        (Bar("b", 6.99, 7.0, least=True), False),
        (Bar("b", None, 7.0), None),
        (Bar("b", float("nan"), 7.0), False),
        (Bar("b", float("nan"), 7.0, least=True), False),
    ],
)
def test_a_bar_is_met_at_its_limit_and_unknown_without_a_figure(bar: Bar, met: bool | None) -> None:
    assert bar.met is met


def test_what_was_not_measured_is_never_a_pass() -> None:
    good, bad, unknown = Bar("b", 1, 2), Bar("b", 3, 2), Bar("b", None, 2)
    assert exit_code([good]) == 0
    assert exit_code([good, unknown]) == 3
    assert exit_code([good, unknown, bad]) == 1
    assert "unknown" in unknown.row()[-1]
    assert unknown.row()[1] == "not measured"
