"""How much CPU this process may use: the cores it may run on, or fewer where a container's quota gives it less time.

Sources: Linux, Documentation/admin-guide/cgroup-v2.rst ("cpu.max"), scheduler/sched-bwc.rst (version 1), cgroups(7).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_UNIFIED: Final = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
"""Where version 2 is mounted: alone, or beside version 1."""
_CPU_V1: Final = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct")


def usable_cores(root: Path = Path("/")) -> float:
    """Cores this process may use, to a hundredth: 2 on two of 64 cores, 1.5 under a quota of 150 ms each 100 ms.

    `root` is where /proc and /sys are looked for. 0 where the system says nothing.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    return round(min([allowed, *_quotas(root)]), 2)


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in cores, of this process's cgroup and of those it lies in."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            for folder in _upwards(root, _UNIFIED, path):
                yield from _quota(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root, _CPU_V1, path):
                yield from _quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _upwards(root: Path, mounts: tuple[str, ...], path: str) -> Iterator[Path]:
    """The folder of a cgroup and of those above it. A container may see itself as `/`, or by a path it cannot see."""
    parts = [part for part in path.split("/") if part]
    for mount in mounts:
        for depth in range(len(parts), -1, -1):
            yield root.joinpath(mount, *parts[:depth])


def _quota(*fields: str) -> Iterator[float]:
    """Cores in a quota and its period (both us); none for `max` and for the -1 of version 1."""
    try:
        quota, period = (float(field) for field in fields)
    except ValueError:
        return
    if quota > 0.0 and period > 0.0:
        yield quota / period


def _read(file: Path) -> str:
    """The text of a file of the kernel; "" where there is none or it may not be read."""
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
