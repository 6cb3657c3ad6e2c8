"""A job in a process of its own: none begins with what the one before left in memory, and none that breaks ends the night."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final

from bench.machine import BenchError
from bench.trust.cases import Case
from bench.trust.journal import Done, decode

_PATIENCE: Final = 300.0
_TIMES: Final = 6.0
"""A job may take so many times what it is given, and `_PATIENCE` seconds: starts and fresh pairs come on top."""
_LAST: Final = 30.0


def run_apart(case: Case, disturbance: str, *, seconds: float, seed: int) -> Done:
    """Run it. Raises BenchError, with what the process said last, where it came to nothing."""
    words = [sys.executable, "-m", "bench.trust.run", case.name, disturbance, "--units", str(case.units)]
    words += ["--seconds", str(seconds), "--seed", str(seed)]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, said = process.communicate(timeout=_TIMES * seconds + _PATIENCE)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise BenchError(f"it was not done after {error.timeout:.0f} s") from None
        raise
    try:
        return decode(out)
    except (ValueError, KeyError, TypeError):
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2].removeprefix("error: ")
        raise BenchError(last or f"it left with {process.returncode} and said nothing") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Tell it to end, so that it ends what it started, too; after a while it has no choice."""
    process.terminate()
    try:
        process.communicate(timeout=_LAST)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
