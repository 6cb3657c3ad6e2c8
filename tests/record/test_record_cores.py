"""How many cores a process may use: fewer than there are, where a quota or an affinity says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadgate.record.cores import usable_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux has affinities")

V2 = "0::/kubepods/pod1/main\n"
V1 = "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n"


def made(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A system in a folder: the process's cgroups, and files below /sys/fs/cgroup."""
    for name, text in {
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def sixty_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        (V2, {}, 64),
        (V2, {"cpu.max": "max 100000\n"}, 64),
        (V2, {"kubepods/pod1/main/cpu.max": "200000 100000\n"}, 2),
        (V2, {"kubepods/pod1/main/cpu.max": "150000 100000\n"}, 1.5),
        (V2, {"kubepods/pod1/main/cpu.max": "max 100000\n", "kubepods/pod1/cpu.max": "50000 100000\n"}, 0.5),
        (V2, {"kubepods/pod1/main/cpu.max": "400000 100000\n", "kubepods/cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/../../docker/abc\n", {"cpu.max": "200000 100000\n"}, 2),  # a cgroup outside of the container's view
        (V2, {"cpu.max": "9900000 100000\n"}, 64),
        (V2, {"cpu.max": "33333 100000\n"}, 0.33),
        (V2, {"cpu.max": ""}, 64),
        (V2, {"cpu.max": "many few\n"}, 64),
        (V2, {"cpu.max": "100000 0\n"}, 64),
        (V2, {"unified/cpu.max": "200000 100000\n"}, 2),
        (
            V1,
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("5:cpuset:/a\n", {"cpuset/a/cpu.cfs_quota_us": "1\n", "cpuset/a/cpu.cfs_period_us": "100000\n"}, 64),
        ("nonsense\n\n:\n", {}, 64),
    ],
)
def test_the_smallest_quota_on_the_way_up_counts(
    tmp_path: Path, groups: str, files: dict[str, str], cores: float
) -> None:
    assert usable_cores(made(tmp_path, groups, files)) == cores


def test_a_system_that_says_nothing_of_quotas_has_none(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 64


def test_this_process_pinned_to_one_core_may_use_one() -> None:
    code = (
        "import os; from loadgate.record.cores import usable_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.0 < float(done.stdout) <= 1.0
