"""Starts one command, waits for it, and answers with what it took: run as a file by a bare interpreter (`-I -S`).

A program of its own, because a process cannot be told from the one that starts it: until it has loaded its own program it
has its parent's memory, and the kernel counts that in its peak (`exec_mmap` in fs/exec.c keeps the greater one). A whole
Loadgate would add 60 MB to each command. So this file imports what the interpreter has anyway and nothing of ours, and says
what peak the command begins with (`floor`). One that stays below that has no peak that can be known.

Time is taken here too, from just before the fork to the return of wait4: no event loop is between.

Answers "wall user system peak floor code errno", seconds and what `ru_maxrss` counts in; errno is 0 but where the command
could not be started.
"""

from __future__ import annotations

import errno
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
    places = [argv[0]] if "/" in argv[0] else [os.path.join(folder, argv[0]) for folder in os.get_exec_path()]
    null = os.open(os.devnull, os.O_RDWR)
    told, tell = os.pipe()
    begun = perf_counter()
    command = os.fork()
    if not command:
        try:
            os.dup2(null, 0)
            os.dup2(2, 1)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and programs expect not to be
                signal.signal(number, signal.SIG_DFL)
            os.write(tell, b"%d " % getrusage(RUSAGE_SELF).ru_maxrss)
            os.write(tell, b"%d" % become(places, argv))
        finally:
            os._exit(127)
    os.close(tell)
    _, status, used = os.wait4(command, 0)
    wall = perf_counter() - begun
    floor, _, error = os.read(told, 64).decode().partition(" ")
    code = os.waitstatus_to_exitcode(status)
    return f"{wall!r} {used.ru_utime!r} {used.ru_stime!r} {used.ru_maxrss} {floor} {code} {error or 0}\n"


def become(places: list[str], argv: list[str]) -> int:
    """Run `argv` from the first of `places` where it is, in this process; the errno where that cannot be."""
    why = errno.ENOENT
    for place in places:
        try:
            os.execv(place, argv)
        except OSError as failure:
            if failure.errno not in (None, errno.ENOENT, errno.ENOTDIR):
                why = failure.errno
    return why


if __name__ == "__main__":
    die_with_parent(0)
    os.write(1, measure(sys.argv[1:]).encode())
