"""Starts one command, waits for it, and answers with what it took: run as a file by a bare interpreter (`-I -S`).

A program of its own, because a process cannot be told from the one that starts it: until it has loaded its own program it
has its parent's memory, and the kernel counts that in its peak (`exec_mmap` in fs/exec.c keeps the greater one). A whole
Loadgate would add 60 MB to each command. So this file imports what the interpreter has anyway and nothing of ours, and says
what it has itself (`floor`). A command that stays below that has no peak that can be known.

Time is taken here too, from just before the start to the return of wait4: no event loop is between. `posix_spawn` shares
memory with the new process instead of copying its tables, which after a fork cost a small command twice its own time.

Answers "wall user system peak floor code errno", seconds and what `ru_maxrss` counts in; errno is 0 but where the command
could not be started.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from resource import RUSAGE_SELF, getrusage
from time import perf_counter


def die_with_parent(pipe: int) -> None:
    """Have the kernel kill the process group that this process leads when `pipe` breaks, a descriptor (Linux)."""
    if not hasattr(fcntl, "F_SETSIG") or os.getpgrp() != os.getpid():
        return
    fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def measure(argv: list[str]) -> str:
    floor = own_peak()
    begun = perf_counter()
    try:
        command = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores, and programs expect not to be
        )
    except OSError as error:
        return f"0 0 0 0 0 0 {error.errno}\n"
    _, status, used = os.wait4(command, 0)
    wall = perf_counter() - begun
    code = os.waitstatus_to_exitcode(status)
    return f"{wall!r} {used.ru_utime!r} {used.ru_stime!r} {used.ru_maxrss} {floor} {code} 0\n"


def own_peak() -> int:
    """In what `ru_maxrss` counts in. Not that itself, where it can be helped: it holds our own parent's."""
    try:
        with open("/proc/self/status", "rb") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(b"VmHWM:"))
    except (OSError, StopIteration):
        return getrusage(RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    die_with_parent(0)
    os.write(1, measure(sys.argv[1:]).encode())
