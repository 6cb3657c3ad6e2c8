"""A cgroup v2 folder and all below it, as one thing that is watched (Linux).

The kernel's own account is taken where a controller keeps it: CPU (cpu.stat, exact, ended processes included, with the time a
quota held it back), disk bytes (io.stat), page faults (memory.stat), tasks (pids.current). The rest is summed over the
processes in it.

Memory is the summed resident memory of its processes, so that it can be compared with a process tree's. memory.current is
another thing: it counts the page cache of files they once read, and not the pages another cgroup touched first. Only where
the processes cannot be seen (another PID namespace) do memory.stat's anon + file_mapped and memory.peak stand in.

See the kernel's Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadgate.probe import procfs
from loadgate.probe.members import Members
from loadgate.probe.usage import Usage

_MICRO: Final = 1e-6
HIDDEN: Final = "processes: those in the cgroup cannot be seen from here"


def mount() -> Path | None:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or elsewhere where v1 is there too; None without it."""
    try:
        lines = procfs.contents("/proc/self/mounts").decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    places = [row[1] for row in map(str.split, lines) if len(row) > 2 and row[2] == "cgroup2"]
    return Path(min(places, key=len)) if places else None


class Cgroup:
    """The readings of one folder. `unread` says why fields of the last one are None."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._members = Members()
        self.unread: dict[str, str] = {}

    def pids(self) -> list[int]:
        """All processes in it and below; a process of another PID namespace shows as 0 and is left out."""
        found: list[int] = []
        for folder, _, names in os.walk(self.folder):
            if "cgroup.procs" in names:
                try:
                    found += map(int, procfs.contents(f"{folder}/cgroup.procs").split())
                except OSError:
                    continue  # removed meanwhile, or it holds threads only: their processes are listed above it
        return [pid for pid in dict.fromkeys(found) if pid]

    def read(self, *, pss: bool = False) -> Usage:
        """One reading."""
        pids = self.pids()
        usage = self._members.read(pids, pss=pss)
        self.unread = dict(self._members.unread)
        cpu, memory = self._table("cpu.stat"), self._table("memory.stat")
        if "usage_usec" in cpu:
            usage = replace(usage, user=cpu["user_usec"] * _MICRO, system=cpu["system_usec"] * _MICRO)
        if "throttled_usec" in cpu:
            usage = replace(usage, throttled=cpu["throttled_usec"] * _MICRO)
        if "pgfault" in memory:
            usage = replace(usage, faults=memory["pgfault"], major_faults=memory.get("pgmajfault"))
        disk = self._disk()
        if disk is not None:
            self.unread.pop("disk", None)
            usage = replace(usage, disk_read=disk[0], disk_written=disk[1])
        tasks = self._number("pids.current")
        if tasks is not None:
            self.unread.pop("threads", None)
            usage = replace(usage, threads=tasks)
        return usage if pids or not tasks else self._unseen(usage, cpu, memory, disk)

    def _unseen(self, usage: Usage, cpu: dict[str, int], memory: dict[str, int], disk: tuple[int, int] | None) -> Usage:
        """The reading where there are processes, but none that can be looked at: the folder's own files only."""
        self.unread = {"processes": HIDDEN}
        resident = memory.get("anon", 0) + memory.get("file_mapped", 0) if "anon" in memory else None
        return replace(
            usage,
            user=usage.user if "usage_usec" in cpu else None,
            system=usage.system if "usage_usec" in cpu else None,
            rss=resident,
            peak=self._number("memory.peak"),
            processes=None,
            files=None,
            disk_read=None if disk is None else disk[0],
            disk_written=None if disk is None else disk[1],
            net_received=None,
            net_sent=None,
            switches=None,
            faults=memory.get("pgfault"),
            major_faults=memory.get("pgmajfault"),
        )

    def _contents(self, name: str) -> str | None:
        try:
            return procfs.contents(f"{self.folder}/{name}").decode()
        except FileNotFoundError:
            return None  # its controller is not enabled here: what the processes say stands
        except OSError as error:
            self.unread[name] = f"{name}: {error.strerror}"
            return None

    def _table(self, name: str) -> dict[str, int]:
        rows = [line.split() for line in (self._contents(name) or "").splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}

    def _number(self, name: str) -> int | None:
        text = (self._contents(name) or "").strip()
        return int(text) if text.isdigit() else None

    def _disk(self) -> tuple[int, int] | None:
        text = self._contents("io.stat")
        if text is None:
            return None
        pairs = [word.partition("=") for word in text.split()]
        return (
            sum(int(count) for name, _, count in pairs if name == "rbytes"),
            sum(int(count) for name, _, count in pairs if name == "wbytes"),
        )
