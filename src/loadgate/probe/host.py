"""What the whole machine did meanwhile: stolen and idle time, load, and how its frequency is governed. Values, no advice."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class HostReading:
    """The machine at one moment. `at` is in clock seconds; times are ticks summed over all CPUs; None: not known here."""

    at: float
    steal: int | None = None
    """Time a hypervisor gave to other machines while a process here was ready to run."""
    idle: int | None = None
    """Waiting for disks is idle too."""
    total: int | None = None
    load: float | None = None
    """Processes that ran or waited to, mean of the last minute."""
    governor: str | None = None
    """How the CPUs' frequency is chosen; several names with commas where they differ."""
    turbo: bool | None = None
    """CPUs may go above their base frequency for a while."""
    slowest_mhz: float | None = None
    fastest_mhz: float | None = None
    """The lowest and highest frequency of a CPU now."""


@dataclass(frozen=True, slots=True)
class HostShares:
    """Between two readings, shares 0 to 1 of all CPU time; None where it is not known or no time passed."""

    steal: float | None
    busy: float | None
    """Neither idle nor stolen: all that ran here."""


def read_host(root: Path = _ROOT) -> HostReading:
    """The machine now; `root` is where /proc and /sys are looked for."""
    steal, idle, total = _times(root)
    slowest, fastest = _frequencies(root)
    return HostReading(
        time.perf_counter(), steal, idle, total, _load(), _governor(root), _turbo(root), slowest, fastest
    )


def between(before: HostReading, after: HostReading) -> HostShares:
    """What happened from the one to the other."""
    if before.total is None or after.total is None or after.total <= before.total:
        return HostShares(None, None)
    passed = after.total - before.total
    steal = None if before.steal is None or after.steal is None else max(0, after.steal - before.steal)
    idle = None if before.idle is None or after.idle is None else max(0, after.idle - before.idle)
    busy = None if idle is None else max(0.0, (passed - idle - (steal or 0)) / passed)
    return HostShares(None if steal is None else steal / passed, busy)


def _times(root: Path) -> tuple[int | None, int | None, int | None]:
    """Steal, idle and total of /proc/stat. Guests' time is in user time already (proc(5)), so it is not added again."""
    row = _read(root / "proc/stat").partition("\n")[0].split()
    if len(row) < 9 or row[0] != "cpu":
        return None, None, None
    ticks = [int(count) for count in row[1:9]]
    return ticks[7], ticks[3] + ticks[4], sum(ticks)


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _governor(root: Path) -> str | None:
    names = {_read(path).strip() for path in _cpus(root, "scaling_governor")} - {""}
    return ",".join(sorted(names)) or None


def _turbo(root: Path) -> bool | None:
    folder = root / "sys/devices/system/cpu"
    off = _read(folder / "intel_pstate/no_turbo").strip()
    if off:
        return off == "0"
    on = _read(folder / "cpufreq/boost").strip()
    return on == "1" if on else None


def _frequencies(root: Path) -> tuple[float | None, float | None]:
    """From cpufreq, or else from /proc/cpuinfo, which virtual machines fill with one constant."""
    texts = [_read(path).strip() for path in _cpus(root, "scaling_cur_freq")]
    found = [int(text) / 1000.0 for text in texts if text.isdigit()]
    if not found:
        rows = [line.partition(":") for line in _read(root / "proc/cpuinfo").splitlines()]
        found = [float(value) for name, _, value in rows if name.strip() == "cpu MHz"]
    return (min(found), max(found)) if found else (None, None)


def _cpus(root: Path, name: str) -> list[Path]:
    return sorted((root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/cpufreq/{name}"))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
