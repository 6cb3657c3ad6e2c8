"""Readings of a target as samples: only what was used between two of them, and nothing that was not read."""

from __future__ import annotations

from typing import Any

import pytest

from loadgate.load.usage import UsageLog
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally, GaugeTally
from loadgate.probe.usage import Usage

COUNTERS = {
    "disk_read": "target_disk_read",
    "disk_written": "target_disk_written",
    "net_received": "target_net_received",
    "net_sent": "target_net_sent",
    "switches": "target_context_switches",
    "faults": "target_page_faults",
    "major_faults": "target_major_faults",
    "throttled": "target_throttled",
}
GAUGES = {
    "rss": "target_memory",
    "pss": "target_memory_pss",
    "peak": "target_memory_peak",
    "processes": "target_processes",
    "threads": "target_threads",
    "files": "target_open_files",
}


def recorded(*readings: Usage, begin: bool = True) -> dict[str, float]:
    """What the readings leave: totals of counters, the last of gauges. The first of them begins the count."""
    recorder = Recorder(start=0.0)
    recorder.begin(0.0)
    log = UsageLog(recorder)
    if begin:
        log.begin(readings[0])
    for reading in readings[1:] if begin else readings:
        log.add(reading)
    recorder.close_window(100.0)
    found = {}
    for number, tally in recorder.totals().items():
        assert isinstance(tally, CounterTally | GaugeTally)
        assert not recorder.describe(number).tags
        found[recorder.describe(number).metric.name] = tally.total if isinstance(tally, CounterTally) else tally.last
    return found


def at(second: float, **values: Any) -> Usage:
    return Usage(at=second, **values)


def test_cpu_is_both_kinds_since_the_beginning() -> None:
    readings = [at(float(n), user=5.0 + n, system=1.0 + n / 2) for n in range(4)]
    assert recorded(*readings) == {"target_cpu": pytest.approx(4.5)}


@pytest.mark.parametrize(("field", "metric"), COUNTERS.items())
def test_a_counter_gets_what_was_used_between_readings(field: str, metric: str) -> None:
    assert recorded(*(at(float(n), **{field: 10 + n * n}) for n in range(4))) == {metric: 9.0}


@pytest.mark.parametrize(("field", "metric"), GAUGES.items())
def test_a_gauge_gets_what_is_read_after_the_beginning(field: str, metric: str) -> None:
    assert recorded(at(0.0, **{field: 10}), at(1.0, **{field: 30}), at(2.0, **{field: 20})) == {metric: 20.0}
    assert recorded(at(0.0, **{field: 10})) == {}


def test_every_field_of_a_reading_is_recorded() -> None:
    assert set(COUNTERS) | set(GAUGES) | {"at", "user", "system"} == set(Usage.__dataclass_fields__)


def test_what_cannot_be_read_leaves_no_sample() -> None:
    assert recorded(at(0.0), at(1.0), at(2.0)) == {}
    assert recorded(at(0.0, user=1.0), at(1.0, user=2.0)) == {}, "half of it is not the CPU time"


def test_what_one_reading_lacks_is_in_the_next_that_has_it() -> None:
    assert recorded(at(0.0, faults=10), at(1.0), at(2.0, faults=30), at(3.0, faults=35)) == {"target_page_faults": 25.0}


def test_what_is_first_read_later_counts_from_then_on() -> None:
    assert recorded(at(0.0), at(1.0, faults=1_000_000), at(2.0, faults=1_000_007)) == {"target_page_faults": 7.0}


def test_nothing_counts_before_the_beginning() -> None:
    assert recorded(at(0.0, faults=1, rss=5), at(1.0, faults=2, rss=6), begin=False) == {}


def test_a_new_beginning_forgets_what_was_used_before_it() -> None:
    recorder = Recorder(start=0.0)
    recorder.begin(0.0)
    log = UsageLog(recorder)
    log.begin(at(0.0, faults=10, switches=3))
    log.begin(at(5.0, faults=100))
    log.add(at(6.0, faults=101, switches=50))
    recorder.close_window(10.0)
    assert {recorder.describe(number).metric.name: tally for number, tally in recorder.totals().items()} == {
        "target_page_faults": CounterTally(1.0)
    }


def test_a_reading_from_before_the_beginning_is_none() -> None:
    assert recorded(at(5.0, faults=10), at(4.0, faults=4), at(6.0, faults=12)) == {"target_page_faults": 2.0}


def test_a_sum_that_shrinks_is_no_negative_use() -> None:
    assert recorded(at(0.0, faults=10), at(1.0, faults=4), at(2.0, faults=5)) == {"target_page_faults": 1.0}
