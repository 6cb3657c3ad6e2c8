"""What is said of repeated values that lie far apart, and of the machine they come from."""

from __future__ import annotations

import numpy as np
import pytest

from loadgate.judge.stability import HostFacts, advice, rank_sum_p

STEADY = [100.0, 100.4, 99.7, 100.1, 100.2, 99.9, 100.0, 99.8, 100.3, 100.1]
FAR = [100.0, 140.0, 80.0, 120.0, 90.0, 130.0, 70.0, 110.0, 105.0, 95.0]
NOISY_HOST = HostFacts(
    steal=0.12, others=0.3, throttled=0.05, governors=("powersave", "powersave"), turbo=True, load=3.0
)


def test_steady_values_need_no_advice_whatever_the_machine_does() -> None:
    assert advice(STEADY) == ()
    assert advice(STEADY, NOISY_HOST) == ()
    assert advice([]) == ()
    assert advice([0.0] * 12) == ()


def test_values_far_apart_are_told_with_what_is_known_of_the_machine() -> None:
    found = advice(FAR, NOISY_HOST)
    assert found == (
        "the values lie far apart: half of them are 14.6 % of the median or more away from it",
        "the interval of the median is 48.8 % wide, 5.00 % was asked for: 10 repetitions are too few, about 960 would do",
        "the hypervisor gave 12.0 % of the CPU time to other machines: measure on a machine of its own, or again at a "
        "quieter time",
        "other programs had 30.0 % of the machine: stop them, or measure where nothing else runs",
        "the CPU was held back 5.00 % of the time: raise the CPU quota of the container, or let the machine cool",
        "the CPU changes its frequency with the load (governor `powersave`): set it with "
        "`sudo cpupower frequency-set --governor performance`",
        "the CPU goes beyond its nominal frequency as far as heat allows: switch turbo off (write 1 to "
        "/sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to /sys/devices/system/cpu/cpufreq/boost)",
    )


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (HostFacts(steal=0.02), "the hypervisor gave 2.00 %"),
        (HostFacts(others=0.06), "other programs had 6.00 % of the machine"),
        (HostFacts(load=0.8), "0.80 programs ran or waited for each core"),
        (HostFacts(throttled=0.02), "held back 2.00 % of the time"),
        (HostFacts(governors=("performance", "schedutil")), "governor `schedutil`"),
        (HostFacts(turbo=True), "switch turbo off"),
    ],
)
def test_each_cause_is_told_by_itself(host: HostFacts, said: str) -> None:
    *findings, cause = advice(FAR, host)
    assert said in cause
    assert len(findings) == 2


@pytest.mark.parametrize(
    "host",
    [
        None,
        HostFacts(),
        HostFacts(steal=0.0, others=0.01, throttled=0.0, governors=("performance",), turbo=False, load=0.1),
        HostFacts(others=0.01, load=9.0),  # the load is that of what is measured
    ],
)
def test_without_a_known_cause_the_program_itself_is_looked_at(host: HostFacts | None) -> None:
    *_, last = advice(FAR, host)
    assert last.startswith("nothing that is known of this machine explains it")


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 repetition is too few to say"), (5, "5 repetitions are too few to say")]
)
def test_too_few_repetitions_say_so_and_no_more(count: int, said: str) -> None:
    (only,) = advice(FAR[:count])
    assert only.startswith(said)
    assert only.endswith("6 or more do")


def test_the_width_asked_for_decides() -> None:
    values = [100.0 + step for step in (0.0, 3.0, -3.0, 2.0, -2.0, 1.0, -1.0, 2.5, -2.5, 0.5)]
    assert advice(values, width=0.1) == ()
    (said, _) = advice(values, width=0.01)
    assert "wide, 1.00 % was asked for: 10 repetitions are too few" in said


def test_nobody_is_told_to_wait_for_ever() -> None:
    assert "10 repetitions are too few, and no number within reason would do" in advice(FAR, width=0.01)[1]


def test_an_interval_around_zero_gets_no_number_of_repetitions() -> None:
    found = advice([-3.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    assert any("reaches from below 0 to above it" in line for line in found)


def test_a_drift_is_told_of_steady_values_too() -> None:
    values = [100.0 + 0.3 * step for step in range(14)]
    (said,) = advice(values)
    assert said.startswith("values drift: the second half is 2.06 % higher than the first")
    (said,) = advice(values[::-1])
    assert said.startswith("values drift: the second half is 2.06 % lower than the first")
    assert advice([100.0 + 0.03 * step for step in range(14)]) == ()  # sure, and too small to matter


def test_a_drift_explains_values_that_lie_far_apart() -> None:
    *findings, last = advice([100.0 + 10.0 * step for step in range(12)])
    assert findings and last.startswith("values drift: the second half is ")


def test_the_rank_test_agrees_with_its_tables() -> None:
    """Exact two-sided values of R's wilcox.test: 2 / 252, 1, and 0.0286 for complete separation of four and four."""
    assert rank_sum_p([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252, abs=0.005)
    assert rank_sum_p([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(0.0286, abs=0.005)
    assert rank_sum_p([1, 4, 5, 8], [2, 3, 6, 7]) == 1.0
    assert rank_sum_p([3, 3, 3], [3, 3, 3]) == 1.0


def test_the_rank_test_is_as_sure_as_it_says_where_most_values_are_equal() -> None:
    random = np.random.default_rng(6)
    samples = random.choice([5.0, 5.0, 5.0, 5.0, 6.0, 7.0], (4000, 60)).tolist()
    told = sum(rank_sum_p(row[:30], row[30:]) <= 0.05 for row in samples)
    assert 0.035 <= told / len(samples) <= 0.06


def test_noise_alone_rarely_looks_like_a_drift() -> None:
    random = np.random.default_rng(5)
    samples = random.normal(100.0, 4.0, (2000, 20))
    told = sum(any(line.startswith("values drift") for line in advice(row.tolist())) for row in samples)
    assert told / len(samples) <= 0.015
