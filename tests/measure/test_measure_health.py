from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from loadgate.measure.health import LATE_EDGES_MS, NOTHING_SEEN, Health, HealthSample, judge_health, late_shares

PERIOD = 0.02


def looks(stalls: Sequence[tuple[float, float]], seconds: float = 1.0) -> list[float]:
    """How late looks at fixed times come in a loop that stands still during `stalls`, pairs of (from, for how long)."""
    late = []
    for number in range(round(seconds / PERIOD)):
        due = number * PERIOD
        late.append(
            max((begin + length - due for begin, length in stalls if begin <= due < begin + length), default=0.0)
        )
    return late


def window(
    at: float,
    *,
    stalls: Sequence[tuple[float, float]] = (),
    cpu: float = 0.3,
    planned: int = 0,
    started: int | None = None,
) -> HealthSample:
    late = looks(stalls)
    started = planned if started is None else started
    return HealthSample(at, cpu, max(late) * 1e3, planned, started, planned - started, late_shares(late))


def turns(length: float) -> list[tuple[float, float]]:
    """A saturated loop: each turn takes `length` seconds, and whatever comes waits for its end."""
    return [(number * length, length) for number in range(round(1.0 / length))]


def run(*windows: HealthSample, service_ms: float = 5.0) -> Health:
    return judge_health(windows, service_ms=service_ms)


def quiet(start: int, end: int) -> list[HealthSample]:
    return [window(float(at + 1)) for at in range(start, end)]


# -- how late


def test_looks_tell_the_share_of_time_in_which_the_loop_was_late() -> None:
    late = dict(zip(LATE_EDGES_MS, late_shares(looks([(0.2, 0.3)])), strict=True))
    assert late[0.2] == pytest.approx(0.30, abs=0.021)
    assert late[100.0] == pytest.approx(0.20, abs=0.021)
    assert late[200.0] == pytest.approx(0.10, abs=0.021)
    assert late[500.0] == 0.0


def test_a_look_that_came_exactly_that_late_was_not_later() -> None:
    late = dict(zip(LATE_EDGES_MS, late_shares([0.0, 0.001]), strict=True))
    assert (late[0.5], late[1.0]) == (0.5, 0.0)


def test_windows_count_by_their_width() -> None:
    health = run(window(0.25, stalls=[(0.0, 1.0)]), window(10.0))
    assert health.late_share == pytest.approx(0.025, abs=0.001)


def test_no_looks_are_no_lateness() -> None:
    assert late_shares([]) == (0.0,) * len(LATE_EDGES_MS)


def test_the_99th_percentile_of_the_lag_is_by_time() -> None:
    steady = run(*(window(at + 1.0, stalls=turns(0.004)) for at in range(10)))
    assert steady.loop_lag_p99_ms == pytest.approx(4.0, rel=0.3)
    hiccup = run(window(1.0, stalls=[(0.2, 0.3)]), *quiet(1, 60))
    assert hiccup.loop_lag_p99_ms <= 0.2


def test_a_window_without_looks_is_taken_for_one_with_a_single_stall() -> None:
    once = HealthSample(1.0, 0.3, 110.0)
    assert run(once).late_share == pytest.approx(0.1)
    assert run(once, *quiet(1, 10)).late_share == pytest.approx(0.01)
    assert not run(once).healthy


# -- honest or not: the loop


def test_a_quiet_run_is_healthy_and_needs_no_words() -> None:
    health = run(*quiet(0, 10))
    assert (health.healthy, health.reasons, health.warnings, health.missed) == (True, (), (), "")
    assert health.cpu_share == 0.3


def test_one_hiccup_of_100_ms_in_a_minute_voids_nothing() -> None:
    health = run(*quiet(0, 30), window(31.0, stalls=[(0.5, 0.1)]), *quiet(31, 60))
    assert (health.healthy, health.warnings) == (True, ())


def test_ten_hiccups_of_100_ms_in_a_minute_are_said_but_void_nothing() -> None:
    windows = [window(at + 1.0, stalls=[(0.5, 0.1)] if at % 6 == 0 else ()) for at in range(60)]
    health = run(*windows)
    assert health.healthy
    (warning,) = health.warnings
    assert warning.startswith("for 1.67 % of the time replies waited more than 10 ms for the generator")


def test_a_loop_that_is_late_for_5_percent_of_the_time_voids_the_run() -> None:
    health = run(*(window(at + 1.0, stalls=[(0.5, 0.1)]) for at in range(60)))
    assert not health.healthy
    (reason,) = health.reasons
    assert "for 10.0 % of the time replies and starts waited more than 10 ms for it, up to 100 ms" in reason
    assert reason.endswith("something else takes the CPU, or a scenario blocks: give the generator a core of its own")


def test_a_loop_that_never_stands_still_for_long_is_late_all_the_same_if_it_never_rests() -> None:
    health = run(*(window(at + 1.0, stalls=turns(0.031), cpu=1.0) for at in range(10)))
    assert not health.healthy
    assert health.late_share == pytest.approx(21 / 31, abs=0.05)
    assert health.reasons[0].endswith("at 100 % of one core; use fewer VUs, add think time, or lower the rate")
    assert health.warnings == ()


def test_two_programs_that_take_turns_on_a_core_do_not_void_the_run() -> None:
    health = run(*(window(at + 1.0, stalls=[(n * 0.008, 0.004) for n in range(125)], cpu=0.5) for at in range(10)))
    assert health.healthy


def test_a_delay_that_is_small_beside_the_service_time_is_let_pass() -> None:
    windows = [window(at + 1.0, stalls=turns(0.03), cpu=0.7) for at in range(10)]
    assert not run(*windows, service_ms=50.0).healthy
    health = run(*windows, service_ms=2000.0)
    assert (health.healthy, health.warnings) == (True, ())


def test_an_unknown_service_time_changes_nothing() -> None:
    windows = [window(at + 1.0, stalls=turns(0.004)) for at in range(10)]
    assert run(*windows, service_ms=math.nan) == run(*windows, service_ms=0.0)


# -- honest or not: the CPU


def test_a_saturated_core_alone_voids_nothing_but_is_said() -> None:
    health = run(*(window(at + 1.0, cpu=1.0, stalls=turns(0.0004)) for at in range(10)), service_ms=0.26)
    assert health.healthy
    (warning,) = health.warnings
    assert warning.startswith("the generator used 100 % of one core (advised: below 80.0 %)")


@pytest.mark.parametrize(("cpu", "said"), [(0.79, 0), (0.80, 1)])
def test_the_advice_of_k6_is_where_the_warning_begins(cpu: float, said: int) -> None:
    assert len(run(*(window(at + 1.0, cpu=cpu) for at in range(5))).warnings) == said


def test_a_delay_above_the_service_time_of_a_fast_target_is_said() -> None:
    windows = [window(at + 1.0, stalls=turns(0.004)) for at in range(10)]
    (warning,) = run(*windows, service_ms=0.3).warnings
    assert "waited more than 1 ms for the generator" in warning
    assert run(*windows, service_ms=6.0).warnings == ()


# -- the plan


def test_a_plan_that_was_kept_is_counted() -> None:
    health = run(*(window(at + 1.0, planned=100) for at in range(10)))
    assert (health.healthy, health.planned, health.achieved, health.dropped) == (True, 1000, 1000, 0)


@pytest.mark.parametrize(("started", "missed"), [(989, True), (990, False)])
def test_99_percent_of_the_planned_starts_are_enough(started: int, missed: bool) -> None:
    assert bool(run(window(1.0, planned=1000, started=started)).missed) is missed


def test_a_plan_missed_because_of_the_target_is_no_fault_of_the_generator() -> None:
    health = run(*(window(at + 1.0, planned=1000, started=600) for at in range(10)))
    assert (health.healthy, health.reasons) == (True, ())
    assert health.missed.startswith("achieved 600/s of 1,000/s planned: 4,000 iterations were dropped because every VU")


@pytest.mark.parametrize(
    "overload",
    [
        {"cpu": 1.0},
        {"cpu": 0.5, "stalls": turns(0.03)},
        {"cpu": 0.96, "stalls": turns(0.03)},
    ],
)
def test_a_plan_missed_by_an_overloaded_generator_is_its_fault(overload: dict[str, float]) -> None:
    health = run(*(window(at + 1.0, planned=200_000, started=50_000, **overload) for at in range(10)))  # type: ignore[arg-type]
    assert (health.healthy, health.missed) == (False, "")
    (reason,) = health.reasons
    assert reason.startswith(
        "achieved 50,000/s of 200,000/s planned: the generator could not keep the plan (75.0 % of the starts missing"
    )
    assert reason.endswith("lower the rate")


def test_who_missed_the_plan_is_decided_by_the_windows_in_which_starts_are_missing() -> None:
    """The target hangs: making users for it keeps the generator busy, but the drops come after that."""
    growing = [window(at + 1.0, planned=5000, cpu=1.0) for at in range(6)]
    hanging = [window(at + 1.0, planned=5000, started=0, cpu=0.1) for at in range(6, 10)]
    health = run(*growing, *hanging)
    assert health.healthy
    assert "were dropped because every VU was waiting for the target" in health.missed


def test_a_target_that_is_slow_does_not_excuse_a_generator_that_is_late() -> None:
    slow = [window(at + 1.0, planned=1000, started=0) for at in range(8)]
    late = [window(at + 1.0, planned=1000, stalls=turns(0.03)) for at in range(8, 10)]
    health = run(*slow, *late)
    assert not health.healthy
    assert health.missed


def test_rates_are_of_the_time_in_which_starts_were_planned() -> None:
    health = run(*(window(at + 1.0, planned=1000, started=500) for at in range(10)), *quiet(10, 40))
    assert health.missed.startswith("achieved 500/s of 1,000/s planned")


# -- which windows


def test_windows_of_the_warmup_do_not_count() -> None:
    late = [window(at + 1.003, planned=1000, started=100, cpu=1.0, stalls=turns(0.1)) for at in range(2)]
    health = judge_health([*late, *quiet(2, 10)], warmup=2.0, service_ms=5.0)
    assert (health.healthy, health.planned, health.missed, health.late_share) == (True, 0, "", 0.0)


@pytest.mark.parametrize("samples", [[], quiet(0, 3)])
def test_without_windows_after_the_warmup_there_is_nothing_to_trust(samples: list[HealthSample]) -> None:
    health = judge_health(samples, warmup=10.0)
    assert (health.healthy, health.reasons) == (False, (NOTHING_SEEN,))
