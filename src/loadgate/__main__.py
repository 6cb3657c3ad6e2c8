"""`loadgate` and `python -m loadgate`."""

from __future__ import annotations

import os
import sys


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


def main() -> None:
    """Entry point. `--version` is answered before anything is imported: scripts ask it often."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from loadgate._version import __version__

        print(f"loadgate {__version__}")
        return
    _open_standard_streams()
    # NumPy's linear algebra is not used; its threads would spin for 50 ms of CPU when they are made
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from loadgate.cli.app import start

    sys.exit(start())


if __name__ == "__main__":
    main()
