"""`loadgate` and `python -m loadgate`."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

_PATIENCE = 1.0
"""Seconds that threads of a script have to end when everything else is done."""


def _open_standard_streams() -> None:
    """Give a process that was started without standard streams (`>&-`) empty ones: libuv aborts where a socket gets their
    numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def _leave(code: int) -> None:
    """End the process with `code`, if need be without the threads and tasks that a script has left behind.

    Python waits for every thread that is no daemon, for ever if it never ends, with the verdict long since told. And it
    ends tasks where they stand, with a complaint for each.
    """
    deadline = time.monotonic() + _PATIENCE
    left = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    for thread in left:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread for thread in left if thread.is_alive()]
    loops = sys.modules.get(
        "loadgate.script.loop"
    )  # imported by runs only, which is most of the time it takes to start
    tasks = loops.tasks_left() if loops is not None else 0
    if left:
        names = ", ".join(thread.name for thread in left[:3]) + (", ..." if len(left) > 3 else "")
        print(f"warning: ended with threads of the script still running: {names}", file=sys.stderr)
    if tasks:
        print(
            f"warning: ended with {tasks:,} tasks of the script still running, which ignore that they are cancelled",
            file=sys.stderr,
        )
    if left or tasks:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    sys.exit(code)


def main() -> None:
    """Entry point. `--version` is answered before anything is imported: scripts ask it often."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from loadgate._version import __version__

        print(f"loadgate {__version__}")
        return
    _open_standard_streams()
    if sys.argv[1:2] == ["serve"]:
        from loadgate.cli.quick import serve_quickly

        code = serve_quickly(sys.argv[2:])
        if code is not None:
            _leave(code)
    # NumPy's linear algebra is not used; its threads would spin for 50 ms of CPU when they are made
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from loadgate.cli.app import start

    _leave(start())


if __name__ == "__main__":
    main()
