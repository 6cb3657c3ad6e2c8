"""The machine's own state, from files as several machines have them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadgate.probe.host import HostReading, HostShares, between, read_host


def machine(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def cpus(root: Path, name: str, *values: str) -> None:
    for number, value in enumerate(values):
        path = root / f"sys/devices/system/cpu/cpu{number}/cpufreq/{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def test_a_machine_with_everything(tmp_path: Path) -> None:
    machine(tmp_path, proc__stat="cpu  100 1 50 800 20 0 9 20 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    machine(tmp_path, sys__devices__system__cpu__intel_pstate__no_turbo="0\n")
    cpus(tmp_path, "scaling_governor", "powersave", "performance")
    cpus(tmp_path, "scaling_cur_freq", "800000", "3400000")
    reading = read_host(tmp_path)
    assert (reading.steal, reading.idle, reading.total) == (20, 820, 1000)
    assert (reading.governor, reading.turbo) == ("performance,powersave", True)
    assert (reading.slowest_mhz, reading.fastest_mhz) == (800.0, 3400.0)


def test_what_is_not_there_is_not_known(tmp_path: Path) -> None:
    reading = read_host(tmp_path)
    assert (reading.steal, reading.idle, reading.total, reading.governor, reading.turbo) == (None,) * 5
    assert (reading.slowest_mhz, reading.fastest_mhz) == (None, None)
    assert between(reading, reading) == HostShares(None, None)


@pytest.mark.parametrize(("text", "turbo"), [("1\n", True), ("0\n", False)])
def test_boost_as_other_drivers_tell_it(tmp_path: Path, text: str, turbo: bool) -> None:
    machine(tmp_path, sys__devices__system__cpu__cpufreq__boost=text)
    machine(tmp_path, proc__cpuinfo="processor : 0\ncpu MHz\t\t: 2900.5\nprocessor : 1\ncpu MHz\t\t: 2100.0\n")
    reading = read_host(tmp_path)
    assert reading.turbo is turbo
    assert (reading.slowest_mhz, reading.fastest_mhz) == (2100.0, 2900.5)


def test_shares_between_two_readings() -> None:
    before = HostReading(0.0, steal=10, idle=100, total=1000)
    after = HostReading(1.0, steal=30, idle=160, total=1200)
    assert between(before, after) == HostShares(steal=0.1, busy=0.6)
    assert between(after, after) == HostShares(None, None)


def test_a_machine_that_does_not_tell_steal_still_tells_busy() -> None:
    assert between(HostReading(0.0, idle=0, total=0), HostReading(1.0, idle=50, total=100)) == HostShares(None, 0.5)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_this_machine() -> None:
    before = read_host()
    end = before.total
    assert end is not None
    after = before
    while after.total is None or after.total < end + 5:
        after = read_host()
    shares = between(before, after)
    assert shares.busy is not None and shares.steal is not None
    assert 0.0 <= shares.steal <= 1.0
    assert 0.0 < shares.busy <= 1.0
    assert before.load is not None
