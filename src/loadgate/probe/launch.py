"""Starting a program by fork and exec, so that it never outlives the one who started it and says when it began.

The last thing the child does before exec is to read the clock and write it into a pipe: the zero of start-up time is then
right, however long the parent waits for a core. The clock (CLOCK_MONOTONIC) is the same in all processes.

On Linux the child asks to be killed when its parent dies (PR_SET_PDEATHSIG, prctl(2)): that holds when the parent has no
chance to do it. It covers the program itself only; what it starts in turn is for its own to end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_RESTORED: Final = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
_CLOCK: Final = struct.Struct("=d")
_FAILURE: Final = struct.Struct("=ci")

LINUX: Final = sys.platform.startswith("linux")
_libc = ctypes.CDLL(None, use_errno=True) if LINUX else None


class CannotStart(OSError):
    """Neither fork nor exec, or the folder cannot be entered: `stage` is "fork", "folder" or "program"."""

    def __init__(self, stage: str, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.stage = stage


def adopt_orphans() -> None:
    """Make this process the parent of all descendants whose own parent ends (child subreaper). Only Linux knows that."""
    if _libc is not None:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def launch(
    argv: Sequence[str], folder: str | None, env: Mapping[str, str], output: int, cores: Sequence[int] = ()
) -> tuple[int, float]:
    """PID, and clock seconds just before the program was executed.

    It gets a session of its own, no input, and `output` (a file descriptor) for both of its outputs. A relative program is
    looked for in `folder`, one without a slash on the PATH of `env`. It runs on `cores`, or without them where we do. Raises
    CannotStart. One thread only may run here.
    """
    reader, writer = os.pipe()
    us = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise CannotStart("fork", error.errno or 0) from error
    if pid == 0:
        _become(argv, folder, env, output, cores, writer, us)
    os.close(writer)
    said = b""
    try:
        while part := os.read(reader, 256):
            said += part
    finally:
        os.close(reader)
    began, failure = said[: _CLOCK.size], said[-_FAILURE.size :]
    if said and len(said) != _CLOCK.size:
        os.waitpid(pid, 0)
        stage, number = _FAILURE.unpack(failure)
        raise CannotStart("folder" if stage == b"f" else "program", number)
    return pid, _CLOCK.unpack(began)[0] if began else time.perf_counter()


def _become(
    argv: Sequence[str],
    folder: str | None,
    env: Mapping[str, str],
    output: int,
    cores: Sequence[int],
    report: int,
    parent: int,
) -> NoReturn:
    """The child's part. Nothing that is open here stays open in the program but the three it is given."""
    stage = b"p"
    try:
        os.setsid()
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(127)  # it died before it could be asked for
        signal.set_wakeup_fd(-1)
        for number in _RESTORED:
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if cores:
            os.sched_setaffinity(0, cores)
        if folder is not None:
            stage = b"f"
            os.chdir(folder)
            stage = b"p"
        os.write(report, _CLOCK.pack(time.perf_counter()))
        os.execvpe(argv[0], list(argv), dict(env))
    except OSError as error:
        os.write(report, _FAILURE.pack(stage, error.errno or 0))
    finally:
        os._exit(127)
