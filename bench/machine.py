"""The machine that is measured on: its name for the results, and its cores for whoever is pinned to one."""

from __future__ import annotations

import fcntl
import os
import platform
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path


class BenchError(Exception):
    """The benchmark cannot be run, or what it measured is worth nothing. Printed as it is; exit code 2."""


def two_cores() -> tuple[int, int]:
    """The cores for the load generator and for the server. Raises BenchError where there are not two to pin to."""
    if not hasattr(os, "sched_setaffinity"):
        raise BenchError("the benchmark pins processes to cores, which this system cannot: run it on Linux")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("the benchmark needs two cores: one for the load generator, one for the server")
    return cores[0], cores[1]


def pinned(core: int, *, first: bool = False) -> Callable[[], None]:
    """What a child process runs before its program, so that it and its children stay on `core`.

    `first`: before whatever else wants that core, where the system lets it (`may_be_first`). A program of somebody else's
    that takes a core for 2 ms once a second is in the 99th percentile of whoever measures.
    """

    def settle() -> None:
        os.sched_setaffinity(0, {core})
        if first:
            with suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    return settle


def may_be_first() -> bool:
    """Whether this process may schedule its children in real time."""
    held, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return False
    os.sched_setscheduler(0, held, parameters)
    return True


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other benchmark of this machine runs, and keep others waiting: they share the pinned cores."""
    with (Path(tempfile.gettempdir()) / f"loadgate-bench-{os.getuid()}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another benchmark is running on this machine: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def raise_file_limit() -> None:
    """Let the children, who inherit the limit, open as many sockets as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def description() -> str:
    """One line: CPU model, cores, memory, kernel, Python and the day."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    where = "virtual machine, " if "hypervisor" in _cpu_field("flags") else ""
    return (
        f"{cpu()} ({where}{os.cpu_count()} cores, {memory:.0f} GiB), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )


def cpu() -> str:
    """The CPU's model: what a ratio of CPU times depends on most, since system calls cost three times as much on one."""
    return _cpu_field("model name") or platform.machine()


def commit() -> str:
    """The commit of the checkout this runs in, with a plus sign where files differ from it."""
    root = Path(__file__).parent.parent
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"],
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"


def _cpu_field(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
