"""The embedded target as a child process, for runs that name no target of their own."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from loadgate.errors import InvalidRun

_ADDRESS = re.compile(r"http://\S+")
_STOP_PATIENCE = 5.0
_MANNERS = {"seed": 1, "latency": {"shape": "lognormal", "median_ms": 4.0, "sigma": 0.4}}
"""A service that takes its time, so that there is a tail to see."""


class EmbeddedTarget:
    """Starts the target of `loadgate serve` on a free port; ends it when left, however that comes about.

    The child reads its standard input and stops at its end, so that it does not outlive a parent that was killed.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadgate.target", json.dumps(_MANNERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the load generator, which still needs its target to drain
        )

    def url(self) -> str:
        """Base URL, once the child listens. Raises InvalidRun if it ends before."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _ADDRESS.search(line)
        if found is None:
            raise InvalidRun(f"the embedded target did not start (exit code {self._process.wait()})")
        return found[0]

    def ended(self) -> str:
        """How the child has ended, if it has though nobody asked it to: then nothing was measured but its end."""
        code = self._process.poll()
        if code is None:
            return ""
        how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}, {signal.Signals(-code).name}"
        return f"the embedded target ended before the run did ({how})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
