"""Running one program to its end on one core, and what it took: CPU time, memory, output."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import BenchError, pinned


@dataclass(frozen=True, slots=True)
class Usage:
    """What one program took.

    `cpu` is user and system seconds of the process and the children it waited for, as the kernel counts them at its
    end; `steady_share` is the share of a core it used in the window that was asked for. `peak` is the most memory it
    had resident, in bytes: the high-water mark of each process of its tree, added up.
    """

    cpu: float
    steady_share: float
    peak: int
    seconds: float
    status: int
    output: str


def run(
    command: Sequence[str],
    *,
    core: int,
    patience: float,
    window: tuple[float, float],
    environment: Mapping[str, str] | None = None,
    every: float = 0.1,
    first: bool = False,
) -> Usage:
    """Run `command` on `core`. Raises BenchError when it is not done after `patience` seconds.

    `window` is from when to when, in seconds since the start, the program does the same thing all the time. It is looked
    at every so many seconds: looking costs about a millisecond, which a program that measures time may feel. `first` is
    that of `pinned`.
    """
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            preexec_fn=pinned(core, first=first),
            start_new_session=True,
        )
        watch = _Watch(process.pid, window)
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                seconds = time.monotonic() - started
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    break
                if seconds > patience:
                    raise BenchError(f"`{' '.join(command)}` is not done after {patience:g} s")
                watch.look(seconds)
                time.sleep(every)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)  # its own group, of which it is the leader
                process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    cpu = usage.ru_utime + usage.ru_stime
    return Usage(cpu, watch.share(), watch.peak(), seconds, process.returncode, text)


class _Watch:
    """Looks at a process and its children while they live."""

    def __init__(self, pid: int, window: tuple[float, float]) -> None:
        self._root = pid
        self._window = window
        self._peaks: dict[int, int] = {}
        self._marks: list[tuple[float, float]] = []

    def look(self, now: float) -> None:
        try:
            pids = tree(self._root)
            for pid in pids:
                self._peaks[pid] = max(self._peaks.get(pid, 0), high_water(pid))
            if self._window[0] <= now <= self._window[1]:
                self._marks.append((now, sum(map(cpu_seconds, pids))))
        except (FileNotFoundError, ProcessLookupError):
            pass  # one ended while it was looked at; the next look, or the last one, stands

    def peak(self) -> int:
        return sum(self._peaks.values())

    def share(self) -> float:
        if len(self._marks) < 2:
            return float("nan")
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / (end - start)


class Others:
    """What programs outside this benchmark used of the machine since this was made.

    Added up over processes: the per-core counters of proc_stat(5) are sampled, and miss programs that run for less than
    a tick at a time. A process that ended is still in the sum, as a child its parent has waited for.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _used_by_others()

    def share(self) -> float:
        """CPU time they used over the time that passed: the share of one core, which may be more than 1."""
        return max(0.0, _used_by_others() - self._before) / (time.monotonic() - self._began)


def _used_by_others() -> float:
    own = set(tree(os.getpid()))
    used = 0.0
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in own:
            try:
                used += cpu_seconds(int(entry), children=True)
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended; from now on it is in its parent's account
    return used


def tree(pid: int) -> list[int]:
    """The process and all it started, and they started, that still are."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """User and system time of a live process so far, to a hundredth of a second; with `children` that it waited for."""
    # the name, in parentheses, may hold spaces; utime, stime, cutime and cstime are fields 14 to 17 of proc_pid_stat(5)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")


def high_water(pid: int) -> int:
    """The most memory, in bytes, the process ever had resident since it became the program it is.

    Not the kernel's `ru_maxrss`, which also remembers how large the parent was when it forked.
    """
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended but was not waited for yet
