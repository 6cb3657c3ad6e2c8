"""`loadgate` and `python -m loadgate`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point. `--version` is answered before anything is imported: scripts ask it often."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from loadgate._version import __version__

        print(f"loadgate {__version__}")
        return
    # NumPy's linear algebra is not used; its threads would spin for 50 ms of CPU when they are made
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from loadgate.cli.app import start

    sys.exit(start())


if __name__ == "__main__":
    main()
