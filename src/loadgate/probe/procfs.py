"""One process as /proc shows it (Linux): each function reads one file, and returns what it says.

Rules:
* A process that is gone raises FileNotFoundError or ProcessLookupError, one that may not be looked into PermissionError:
  whoever asks decides what is missing. Nothing here turns a failure into a zero.
* CPU comes from the process' CPU clock where the kernel gives it: /proc/PID/stat counts in ticks of 10 ms and cuts user and
  system off separately, so that it may be 20 ms behind in every process.

See proc(5), proc_pid_stat(5), proc_pid_io(5), clock_getcpuclockid(3).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Final

TICK: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED: Final = 2
_CHUNK: Final = 65_536
GONE: Final = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class Stat:
    """/proc/PID/stat. Times are seconds; `child_` counts what children used that ended and were waited for."""

    state: str
    parent: int
    faults: int
    child_faults: int
    major: int
    child_major: int
    user: float
    system: float
    child_user: float
    child_system: float
    threads: int
    started: int
    """Ticks since the machine booted: with the PID it tells one process from every other."""

    @property
    def over(self) -> bool:
        """It has ended, and waits to be waited for."""
        return self.state in "ZX"


@dataclass(frozen=True, slots=True)
class Status:
    """/proc/PID/status: the most resident bytes so far (None without memory), context switches of the main thread."""

    peak: int | None
    switches: int


def contents(path: str) -> bytes:
    """All of a file of the kernel's. A third of the price of `open().read()`, which counts at every reading."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = b""
        while part := os.read(fd, _CHUNK):
            parts += part
        return parts
    finally:
        os.close(fd)


def pids() -> list[int]:
    """All processes that can be seen."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parent(pid: int) -> int:
    """The PID of its parent. The name before it may hold anything, blanks and brackets too."""
    line = contents(f"/proc/{pid}/stat")
    return int(line[line.rindex(b")") + 4 :].split(None, 1)[0])


def stat(pid: int) -> Stat:
    line = contents(f"/proc/{pid}/stat")
    row = line[line.rindex(b")") + 2 :].split()
    user, system, child_user, child_system = (int(ticks) * TICK for ticks in row[11:15])
    return Stat(
        state=row[0].decode(),
        parent=int(row[1]),
        faults=int(row[7]),
        child_faults=int(row[8]),
        major=int(row[9]),
        child_major=int(row[10]),
        user=user,
        system=system,
        child_user=child_user,
        child_system=child_system,
        threads=int(row[17]),
        started=int(row[19]),
    )


def cpu(pid: int) -> float | None:
    """CPU seconds of all its threads, ended ones included, to the nanosecond; None where the kernel has no such clock."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def status(pid: int) -> Status:
    text = contents(f"/proc/{pid}/status")
    peak = _field(text, b"\nVmHWM:")
    return Status(None if peak is None else peak * 1024, _switches(text))


def thread_switches(pid: int, but: int) -> dict[int, int]:
    """Context switches of both kinds by thread, without thread `but`."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/task"):
        if int(name) != but:
            try:
                found[int(name)] = _switches(contents(f"/proc/{pid}/task/{name}/status"))
            except GONE:
                continue
    return found


def rss(pid: int) -> int:
    """Resident bytes."""
    return int(contents(f"/proc/{pid}/statm").split()[1]) * _PAGE


def rollup(pid: int) -> tuple[int, int]:
    """Resident bytes, and with shared pages divided among those who share them. Walks all page tables: dear."""
    text = contents(f"/proc/{pid}/smaps_rollup")
    return (_field(text, b"\nRss:") or 0) * 1024, (_field(text, b"\nPss:") or 0) * 1024


def files(pid: int) -> int:
    """Open file descriptors. Since Linux 6.2 the folder's size is their number; counting takes 0.5 us each."""
    folder = f"/proc/{pid}/fd"
    if os.access(folder, os.R_OK) and (count := os.stat(folder).st_size):
        return count
    return len(os.listdir(folder))


def disk(pid: int) -> tuple[int, int]:
    """Bytes read from and written to disks; children that were waited for are included."""
    text = b"\n" + contents(f"/proc/{pid}/io")
    return _field(text, b"\nread_bytes:") or 0, _field(text, b"\nwrite_bytes:") or 0


def network(pid: int) -> tuple[int, int] | None:
    """Bytes received and sent in its network namespace over all devices but loopback; None where that is ours too."""
    if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
        return None
    received = sent = 0
    for line in contents(f"/proc/{pid}/net/dev").decode().splitlines()[2:]:
        name, _, counts = line.partition(":")
        if name.strip() != "lo":
            row = counts.split()
            received += int(row[0])
            sent += int(row[8])
    return received, sent


def _switches(text: bytes) -> int:
    return (_field(text, b"\nvoluntary_ctxt_switches:") or 0) + (_field(text, b"\nnonvoluntary_ctxt_switches:") or 0)


def _field(text: bytes, key: bytes) -> int | None:
    """The number after `key`."""
    at = text.find(key)
    return None if at < 0 else int(text[at + len(key) :].split(None, 1)[0])
