"""A CPU quota on this process and all it starts, as a container has one: by a group of cgroup v1 or v2. Needs root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.machine import BenchError

_PERIOD: Final = 100_000
"""Microseconds: the kernel's own, and what container runtimes set."""
_PREFIX: Final = "loadgate-trust-"
_ROOT: Final = Path("/sys/fs/cgroup")


@contextmanager
def quota(cores: float) -> Iterator[None]:
    """Within, so many cores together. Raises BenchError where no quota can be set."""
    top, own, limits = _controller(cores)
    sweep(top)
    group = top / f"{_PREFIX}{os.getpid()}"
    try:
        group.mkdir()
        for name, value in limits.items():
            (group / name).write_text(value)
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        _dissolve(group, own)
        raise BenchError(
            f"no CPU quota can be set in {top}: {error.strerror}; it takes root, and a cgroup for CPU"
        ) from None
    try:
        yield
    finally:
        _dissolve(group, own)


def _controller(cores: float) -> tuple[Path, Path, dict[str, str]]:
    """Where groups are made, the group of this process, and what is written to which file. Raises BenchError."""
    amount = f"{cores * _PERIOD:.0f}"
    v1 = {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": amount}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            top = next((each for each in (_ROOT / controllers, _ROOT / "cpu") if each.is_dir()), _ROOT)
            return top, top / path.lstrip("/"), v1
        if not controllers and (_ROOT / "cgroup.controllers").exists():
            return _ROOT, _ROOT / path.lstrip("/"), {"cpu.max": f"{amount} {_PERIOD}"}
    raise BenchError("no CPU quota can be set: this system has no cgroup for CPU")


def sweep(top: Path) -> None:
    """Remove the groups of processes that were killed."""
    for group in top.glob(f"{_PREFIX}*"):
        if not Path("/proc", group.name.removeprefix(_PREFIX)).exists():
            _dissolve(group, top)


def _dissolve(group: Path, to: Path) -> None:
    """Move who is in `group` out of it, and remove it."""
    with suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):  # ended by now
                (to / "cgroup.procs").write_text(pid)
        group.rmdir()
