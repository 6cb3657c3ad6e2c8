"""What is followed of the target itself: CPU per request with its error, memory, medians of what was measured repeatedly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from loadgate.config.gate import usual
from loadgate.measure.metric import BUILTIN, Direction
from loadgate.measure.spread import Spread, spread_of
from loadgate.record.figures import result_of
from loadgate.record.repeated import Repeated
from loadgate.record.result import Figure, SeriesName
from loadgate.record.run import Run
from tests.record.samples import DEFINITION, empty_run, run_of
from tests.support.made_up import MadeUp


def played(
    seconds: int, cpu: Callable[[int], float | None], requests: Callable[[int], int], *, warmup: float = 0.0
) -> Run:
    """A run in whose every second the target used `cpu` seconds and answered `requests`."""
    made = MadeUp(warmup=warmup)
    for second in range(seconds):
        made.requests([5.0] * requests(second))
        used = cpu(second)
        if used is not None:
            made.add("target_cpu", used)
        made.close()
    return run_of(made.recorder, definition=replace(DEFINITION, warmup=warmup))


def figures(run: Run) -> dict[str, Figure]:
    return {str(figure.series): figure for figure in result_of(run).figures}


def test_cpu_per_request_is_all_cpu_over_all_requests_after_the_warm_up() -> None:
    run = played(18, lambda s: 9.0 if s < 2 else 0.01, lambda s: 1 if s < 2 else 100, warmup=2.0)
    figure = figures(run)["target_cpu_per_request"]
    assert (figure.unit, figure.direction) == ("us", Direction.LOWER)
    assert figure.estimate.value == pytest.approx(100.0)
    assert figure.estimate.count == 1600
    assert figure.estimate.error == pytest.approx(0.0, abs=1e-9)
    assert figure.estimate.freedom == 15.0


@pytest.mark.slow
def test_its_error_is_how_far_runs_of_the_same_thing_lie_apart() -> None:
    random = np.random.default_rng(3)

    def run() -> Figure:
        counts = random.poisson(60, 48)
        used = counts * 1e-4 * random.lognormal(0.0, 0.1, 48)
        return figures(played(48, lambda s: float(used[s]), lambda s: int(counts[s])))["target_cpu_per_request"]

    found = [run().estimate for _ in range(60)]
    apart = float(np.std(np.log([each.value for each in found]), ddof=1))
    told = math.sqrt(float(np.mean([(each.error or math.nan) ** 2 for each in found])))
    assert 0.7 < told / apart < 1.4


def test_cpu_between_requests_counts_and_leaves_an_error() -> None:
    run = played(32, lambda s: 0.01, lambda s: 100 if s % 8 < 4 else 0)
    figure = figures(run)["target_cpu_per_request"]
    assert figure.estimate.value == pytest.approx(200.0)
    assert figure.estimate.error is not None
    late = figures(played(32, lambda s: 0.01, lambda s: 0 if s < 8 or s >= 24 else 100))["target_cpu_per_request"]
    assert late.estimate.value == pytest.approx(200.0)


@pytest.mark.parametrize(("used", "requests"), [(None, 10), (0.01, 0)])
def test_without_cpu_or_without_requests_there_is_no_such_figure(used: float | None, requests: int) -> None:
    assert "target_cpu_per_request" not in figures(played(8, lambda s: used, lambda s: requests))


def test_memory_is_the_most_there_was() -> None:
    made = MadeUp()
    for value in (4e7, 6e7, 5e7):
        made.add("target_memory", value)
        made.close()
    found = figures(run_of(made.recorder))
    assert found["target_memory max"].estimate.value == 6e7
    assert found["target_memory max"].estimate.error is None
    assert found["target_memory max"].unit == "bytes"
    assert not any(name.startswith("target_") and name != "target_memory max" for name in found)


def test_the_median_of_what_was_repeated_has_the_error_of_its_interval() -> None:
    values = [250.0 + n for n in range(20)]
    spread = spread_of(values)
    repeated = Repeated(SeriesName("", "target_startup_time", ""), "ms", Direction.LOWER, tuple(values), spread, 1)
    figure = figures(replace(empty_run(), repeated=(repeated,)))["target_startup_time"]
    assert (figure.unit, figure.direction) == ("ms", Direction.LOWER)
    assert figure.estimate.value == spread.median
    assert figure.estimate.error == pytest.approx((spread.high - spread.low) / 2.0 / 1.96 / spread.median)
    assert (figure.estimate.count, figure.estimate.freedom) == (20, 19.0)


@pytest.mark.parametrize(
    ("spread", "error", "freedom"),
    [
        (Spread(1, 250.0), None, 0.0),
        (Spread(3, 250.0, minimum=240.0, maximum=260.0), None, 2.0),
        (Spread(20, 250.0, 250.0, 250.0, outliers=2), 0.0, 17.0),
    ],
)
def test_without_an_interval_the_error_is_not_known(spread: Spread, error: float | None, freedom: float) -> None:
    repeated = Repeated(SeriesName("parse/1000", "", ""), "ns", Direction.HIGHER, (250.0,), spread)
    figure = figures(replace(empty_run(), repeated=(repeated,)))["parse/1000: "]
    assert figure.direction is Direction.HIGHER
    assert (figure.estimate.error, figure.estimate.freedom) == (error, freedom)


def test_what_was_not_measured_is_no_figure() -> None:
    repeated = Repeated(SeriesName("", "target_port_open", ""), "ms", Direction.LOWER, (), spread_of([]))
    assert "target_port_open" not in figures(replace(empty_run(), repeated=(repeated,)))


@pytest.mark.parametrize(
    ("name", "unit", "change", "gating"),
    [
        ("target_cpu_per_request", "us", 0.02, True),
        ("target_startup_time", "ms", 0.10, True),
        ("target_startup_memory", "bytes", 0.05, True),
        ("target_port_open", "ms", 0.10, False),
        ("target_first_request", "ms", 0.10, False),
        ("target_loaded_memory", "bytes", 0.05, False),
        ("target_memory", "bytes", 0.05, False),
    ],
)
def test_what_is_usual_for_the_targets_own_figures(name: str, unit: str, change: float, gating: bool) -> None:
    limit = usual("", name, "max" if name == "target_memory" else "", unit)
    assert (limit.change, limit.gating) == (change, gating)


def test_a_users_benchmark_gates_at_five_per_cent() -> None:
    for metric, unit in (("benchmark_time", "ns"), ("command_time", "ms")):
        limit = usual("parse/1000", metric, "", unit)
        assert (limit.change, limit.floor, limit.gating) == (0.05, 0.0, True)
    for metric in ("benchmark_memory", "command_memory", "command_cpu"):
        assert not usual("parse/1000", metric, "", "bytes").gating


def test_the_targets_metrics_are_not_followed_as_an_authors_own() -> None:
    made = MadeUp()
    for name in BUILTIN:
        if name.startswith("target_"):
            made.add(name, 1.0)
    made.close()
    assert set(figures(run_of(made.recorder))) == {"target_memory max"}
