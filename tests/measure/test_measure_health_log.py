from __future__ import annotations

import pytest

from loadgate.measure.health import LATE_EDGES_MS, HealthSample, judge_health
from loadgate.measure.health_log import MOST_SAMPLES, HealthLog


def sample(at: float, *, cpu: float = 0.5, late: float = 0.0, started: int = 10) -> HealthSample:
    return HealthSample(
        at=at, cpu_share=cpu, loop_lag_ms=late * 100.0, planned=10, started=started, late=(late,) * len(LATE_EDGES_MS)
    )


def test_a_long_run_keeps_a_bounded_number_of_samples() -> None:
    log = HealthLog()
    for second in range(1, 20_001):
        log.append(sample(float(second)))
        assert len(log) <= MOST_SAMPLES
    assert list(log)[-1].at == 20_000.0


def test_joining_keeps_counts_and_weighs_shares_by_time() -> None:
    log = HealthLog()
    for second in range(1, MOST_SAMPLES + 2):
        late = second % 10 == 0
        log.append(
            sample(float(second), cpu=1.0 if late else 0.5, late=0.8 if late else 0.0, started=5 if late else 10)
        )
    samples = list(log)
    assert len(samples) < MOST_SAMPLES
    assert sum(each.planned for each in samples) == 10 * (MOST_SAMPLES + 1)
    assert sum(each.started for each in samples) == 10 * (MOST_SAMPLES + 1) - 5 * (MOST_SAMPLES // 10)
    assert max(each.loop_lag_ms for each in samples) == 80.0
    assert judge_health(samples).late_share == pytest.approx(0.08, abs=0.001)
