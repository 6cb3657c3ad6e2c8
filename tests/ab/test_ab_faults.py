"""Why a pair is no evidence: each reason from its limit on, and not below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.ab import faults
from loadgate.ab.order import Arm
from loadgate.probe.host import HostShares, between, read_host


def host(folder: Path, *, stolen: int) -> HostShares:
    """Two readings of a machine's /proc/stat, between which 1,000 ticks passed, of which so many were stolen."""
    stat = folder / "proc" / "stat"
    stat.parent.mkdir(exist_ok=True)
    readings = []
    for steal, idle in ((50, 700), (50 + stolen, 700 + 1000 - stolen)):
        stat.write_text(f"cpu  100 0 100 {idle} 0 0 0 {steal} 0 0\n")
        readings.append(read_host(folder))
    return between(*readings)


@pytest.mark.parametrize(("stolen", "said"), [(0, []), (100, []), (110, ["11%"]), (600, ["60%"])])
def test_time_that_another_machine_had(tmp_path: Path, stolen: int, said: list[str]) -> None:
    found = list(faults.stolen(host(tmp_path, stolen=stolen)))
    assert found == [f"the machine was kept from running for {share} of the time (steal)" for share in said]


def test_where_nothing_is_known_of_stolen_time_nothing_is_said() -> None:
    assert not list(faults.stolen(HostShares(None, None)))


@pytest.mark.parametrize(
    ("base", "head", "fault"), [(0.0, 0.0, False), (1.0, 1.05, False), (0.0, 0.09, True), (0.5, 0.4, True)]
)
def test_a_quota_that_holds_one_arm_up_longer(base: float, head: float, fault: bool) -> None:
    found = list(faults.throttled({Arm.BASE: base, Arm.HEAD: head}, 4.0))
    assert bool(found) is fault
    if found:
        assert found == [f"its CPU quota held base up for {base:.2g} s and head for {head:.2g} s"]


@pytest.mark.parametrize(
    ("base", "head", "said"),
    [
        (1_000, 1_000, None),
        (1_000, 980, None),
        (100, 90, None),
        (100, 89, "base had 100 requests and head 89: what they did was not the same"),
        (2_000, 2_041, "base had 2,000 requests and head 2,041: what they did was not the same"),
        (0, 100, "base answered no request"),
        (100, 0, "head answered no request"),
    ],
)
def test_numbers_of_requests_that_differ(base: int, head: int, said: str | None) -> None:
    assert list(faults.uneven({Arm.BASE: base, Arm.HEAD: head})) == ([said] if said else [])
